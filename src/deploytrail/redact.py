"""Values that must never land: secrets in text, by their shape; and what remains of a dropped one.

Pure. Being wrong in one direction is cheap here: what merely looks like a secret is masked too.
What is known to be secret (a plan's sensitive leaves) is dropped before; this is the net below.
No pattern can backtrack: each step either has a bound or never gives back what it took, so the
time is linear in the text, whoever wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, NamedTuple

HIDDEN: Final = "[masked:value]"
"""What stands for a value that may be a secret, whatever its shape."""

# A token begins where a word begins, also after the `\n` of an escaped line.
_START: Final = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))"
# Kind and shape; the vendors publish the prefixes so that scanners find them.
_TOKENS: Final = (
    ("deploytrail-token", r"dt_[a-z0-9-]{1,40}_[A-Za-z0-9_-]{40,}+"),
    ("github-token", r"gh[pousr]_[A-Za-z0-9_.=-]{16,}+|github_pat_[A-Za-z0-9_]{20,}+"),
    ("gitlab-token", r"gl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct|wt)-[\w.=-]{16,}+"),
    ("aws-key-id", r"A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}(?![A-Z0-9])"),
    ("slack-token", r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{10,}+|xapp-[A-Za-z0-9-]{10,}+"),
    ("jwt", r"eyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]{2,}+(?:\.[A-Za-z0-9_-]*+){0,3}+"),
    ("google-key", r"AIza[A-Za-z0-9_-]{35}|ya29\.[\w.-]{20,}+|GOCSPX-[\w-]{20,}+"),
    ("npm-token", r"npm_[A-Za-z0-9]{30,}+"),
    ("pypi-token", r"pypi-[A-Za-z0-9_-]{40,}+"),
    ("stripe-key", r"(?:[srp]k_(?:live|test|org)|whsec)_[A-Za-z0-9+/=]{10,}+"),
    ("vault-token", r"hv[sbr]\.[A-Za-z0-9_-]{20,}+|s\.[A-Za-z0-9]{24}(?![\w.])"),
    ("age-key", r"AGE-(?:PLUGIN-[A-Z0-9-]{1,40}-|SECRET-KEY-)1[A-Z0-9]{40,}+"),
    ("model-key", r"sk-[A-Za-z0-9_-]{20,}+|hf_[A-Za-z0-9]{30,}+"),
    ("sendgrid-key", r"SG\.[\w-]{16,}+\.[\w-]{16,}+"),
    ("digitalocean-token", r"do[opr]_v1_[a-f0-9]{60,}+"),
    ("databricks-token", r"dapi[a-f0-9]{32}(?:-\d)?"),
    ("docker-token", r"dckr_[op]at_[\w-]{20,}+"),
    ("pulumi-token", r"pul-[a-f0-9]{40}"),
    ("grafana-token", r"glsa_[A-Za-z0-9_]{32,}+|glc_[A-Za-z0-9+/=]{32,}+"),
    ("atlassian-token", r"AT(?:ATT|CTT|BB)[A-Za-z0-9_=-]{20,}+"),
    ("buildkite-token", r"bk[a-z]{2}_[A-Za-z0-9]{30,}+"),
    ("circleci-token", r"CCIP[A-Z]{2}_\w{20,}+"),
    ("tailscale-key", r"tskey-[A-Za-z0-9-]{16,}+"),
    ("new-relic-key", r"NRAK-[A-Z0-9]{20,}+"),
    ("shopify-token", r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}"),
    ("doppler-token", r"dp\.[a-z]{2,8}\.[A-Za-z0-9_.-]{30,}+"),
    ("sentry-token", r"sntry[su]_[A-Za-z0-9+/=_-]{30,}+"),
    ("1password-token", r"ops_eyJ[A-Za-z0-9_-]{20,}+"),
)
_PEM: Final = (
    r"-----BEGIN [A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?-----"
    r"[^-]*+(?:-(?!----END)[^-]*+)*+(?:-----END [A-Z0-9 ]{0,60}-----)?"
)
# Tokens that are known by their middle only: what stands before it is an id.
_TAIL: Final = r"\.atlasv1\.[A-Za-z0-9_=-]{30,}+|[78]Q~[A-Za-z0-9_~.-]{31,40}+"
_WEBHOOK: Final = (
    r"(?P<name>hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/|webhook\.office\.com/)"
    r"[^\s\"'<>\\]++"
)
# A password that nobody escaped may hold `/?#`, but what is a port is none.
_USERINFO: Final = (
    r"://(?:[^\s/?#\"'<>:@\[]{0,256}+:(?!\d{1,5}(?:[/?#\s\"'<>]|$))[^\s\"'<>]{1,512}@"
    r"|[^\s/?#\"'<>:@]{0,256}+:[^\s/?#\"'<>]{1,512}@"
    r"|[^\s/?#\"'<>:@]{20,512}+@)"
)
_SIGNED: Final = (
    r"(?P<name>[?&](?i:sig|signature|code|x-amz-signature|x-amz-security-token|x-goog-signature)=)"
    r"[^\s&\"']++"
)
# Words in a name whose value is a secret. The look-ahead spares most positions the alternatives.
_NAMES: Final = (
    r"(?=[pPsStTaAcCeEmMlLbB])(?i:"
    r"p(?:ass(?:word|wd|phrase|code)|w(?:d|(?![a-z]))|rivate[_.-]?(?:key|token))"
    # `dbpass`, but no word that ends so.
    r"|(?<!by)(?<!com)(?<!sur)(?<!tres)(?<!over)(?<!under)pass(?![a-z])"
    r"|s(?:ecret|igning[_.-]?key|sh[_.-]?key|torage[_.-]?key|hared[_.-]?(?:access[_.-]?)?key)"
    r"|token"
    r"|a(?:pi|ccess|ccount)[_.-]?key|authorization"
    # What docker and npm keep: user and password in base64.
    r"|(?<![a-z0-9-])auth(?=\\{0,3}[\"'][ \t]{0,8}:[ \t]{0,8}\\{0,3}[\"'])|(?<=_)auth(?==)"
    r"|c(?:redential|ookie|onnection[_-]?string|lient[_-]?key[_-]?data)"
    r"|encryption[_.-]?key|master[_.-]?key|license[_.-]?key|b(?:earer|asic)[_-]?auth)"
)
# A value that tells nothing, so that diagnostics stay readable.
_TELLS_NOTHING: Final = (
    r"(?!\((?:known after apply|sensitive value|sensitive)\)"
    r"|\[masked:[a-z0-9-]{1,32}\](?:[\s\"'&,;)}\]]|$)"
    r"|(?:null|true|false|None)(?:[\s\"',;&)}\]]|$)"
    r"|(?:Creating|Modifying|Destroying|Reading|Refreshing state|Opening|Closing|Importing)\.\.\."
    r"|Still (?:creating|modifying|destroying|reading)\.\.\."
    r"|(?:Creation|Modifications|Destruction|Read|Import) complete)"
)
_VALUE: Final = (
    r"(?:\\\"(?:[^\"\\\n]|\\\\\\\"|\\[^\"])*+(?:\\\")?"
    r"|\"(?:[^\"\\]|\\.){0,16384}+\"|\"[^\n]*+"
    r"|'[^']{0,16384}+'|'[^\n]*+"
    r"|(?:(?i:basic|bearer|token|negotiate|digest|apikey)[ \t]++)?+[^\s\"'&]++)"
)
_ASSIGNMENT: Final = (
    rf"(?P<name>{_NAMES}[A-Za-z0-9_.-]{{0,40}}+(?:\[[^\]\s]{{0,60}}\])?(?:\\{{0,3}}[\"'])?+"
    rf"[ \t]{{0,32}}+(?:=>|:=|[=:])[ \t]{{0,32}}+){_TELLS_NOTHING}{_VALUE}"
)
# `password: correct horse` on a line of its own, as in YAML: the whole line is the value.
_LINE: Final = (
    rf"(?P<name>(?m:^)[ \t│|>-]{{0,64}}+[A-Za-z0-9_.-]{{0,40}}?{_NAMES}"
    rf"[A-Za-z0-9_.-]{{0,40}}+:[ \t]{{1,32}}+)"
    rf"{_TELLS_NOTHING}(?![\"'])[^\n]++"
)
# `--password hunter2`, as a command is printed; `--password-stdin` takes no value.
_FLAG: Final = (
    rf"(?P<name>(?<![A-Za-z0-9_-])--?[A-Za-z0-9-]{{0,40}}?{_NAMES}"
    rf"(?!-stdin|-file|-path)[A-Za-z0-9-]{{0,40}}+[ \t]{{1,8}}+)"
    rf"{_TELLS_NOTHING}(?!--?[A-Za-z]){_VALUE}"
)
# `auth=…`, unless it says no more than how.
_AUTH: Final = (
    r"(?P<name>(?<![A-Za-z0-9-])(?i:auth)[ \t]{0,8}+=(?!=)[ \t]{0,8}+)"
    rf"{_TELLS_NOTHING}(?![\"']?(?i:none|basic|digest|bearer|oauth2?|oidc|sso|saml|ldap|iam|jwt|token"
    r"|kerberos|ntlm|md5|plain|scram-sha-256|password|cert(?:ificate)?|mtls|anonymous|required"
    rf"|optional|enabled|disabled|yes|no|on|off|[01])(?:[\s\"',;&)}}\]]|$)){_VALUE}"
)
# A PIN or a one-time password in digits, or the seed of such: versions and pins of chips are
# shorter or have dots.
_CODE: Final = (
    r"(?P<name>(?<![A-Za-z0-9])(?i:pin|t?otp)"
    r"(?:\\{0,3}[\"'])?+[ \t]{0,8}+[=:][ \t]{0,8}+(?:\\{0,3}[\"'])?+"
    r"|(?<![A-Za-z0-9_-])--?(?:[A-Za-z-]{0,40}?-)?(?i:pin|t?otp)[ \t]{1,8}+)"
    r"(?:[0-9]{4,12}(?![\w.])|[A-Z2-7]{16,}+)"
)
# A variable and its value as two words: after what sets one, or where the value has a digit, since
# prose goes on after such a name, too.
_VARIABLE: Final = (
    r"(?P<name>"
    r"(?:(?<![A-Za-z0-9_-])(?P<set>ENV|setenv|set[ ]-g?x)[ \t]{1,8}+|(?<![A-Za-z0-9_$%{-]))"
    r"[A-Z0-9_]{0,40}?(?:PASS(?:WORD|WD|PHRASE)?|PWD|TOKEN|SECRET|API_?KEY|ACCESS_?KEY)[ \t]{1,8}+)"
    rf"(?![=:|-]){_TELLS_NOTHING}(?(set)|(?=[^\s]{{0,80}}[0-9])(?=[^\s]{{6}})){_VALUE}"
)
_BEARER: Final = r"(?P<name>(?i:bearer)[ \t]{1,8}+)[A-Za-z0-9+/_.=~-]{16,}+"


_TOKEN_STARTS: Final = (
    "dt_", "gh", "github", "gl", "AKIA", "ASIA", "ABIA", "ACCA", "xox", "xapp-", "eyJ", "AIza",
    "ya29.", "GOCSPX-", "npm_", "pypi-", "k_live_", "k_test_", "k_org_", "whsec_", "hvs.", "hvb.",
    "hvr.", "s.", "AGE-", "sk-", "hf_", "SG.", "_v1_", "dapi", "dckr_", "pul-", "glsa_", "glc_",
    "ATATT", "ATCTT", "ATBB", "bk", "CCIP", "tskey-", "NRAK-", "shp", "dp.", "sntry", "ops_",
)  # fmt: skip
# Each token is a word of at least so many characters; prose has none.
_long_word: Final = re.compile(r"[\w.~=/+-]{10}").search
_NAME_PARTS: Final = (
    "pass", "pw", "private", "secret", "signing", "ssh", "storage", "shared", "token", "api",
    "access", "account", "auth", "credential", "cookie", "connection", "client",
    "encryption", "master", "license", "bearer", "basic",
)  # fmt: skip
_VARIABLES: Final = ("PASS", "PWD", "TOKEN", "SECRET", "API", "ACCESS")


class _Pass(NamedTuple):
    """One search through a text, and what stands in for what it finds.

    Several searches, because each can skip ahead to its own first letters: less than half of the
    time that one pattern for all takes. `is_due` looks for what the pattern can't do without: most
    texts need no search, and most runs not even a pattern.
    """

    pattern: Callable[[], str]
    instead: str | Callable[[re.Match[str]], str]
    is_due: Callable[[str, str], bool]
    """Of the text, and the text in lower case."""


def _is_named(text: str, lower: str) -> bool:
    return ("=" in text or ":" in text) and _has_any(_NAME_PARTS, lower)


def _is_flagged(text: str, lower: str) -> bool:
    return "-" in text and " " in text and _has_any(_NAME_PARTS, lower)


def _has_token(text: str, _: str) -> bool:
    return _long_word(text) is not None and _has_any(_TOKEN_STARTS, text)


def _has_any(parts: Sequence[str], text: str) -> bool:
    for part in parts:  # noqa: SIM110 (a generator takes twice the time of the whole loop)
        if part in text:
            return True
    return False


def _tokens() -> str:
    return f"{_START}(?:{'|'.join(shape for _, shape in _TOKENS)})"


@cache
def _compiled(pattern: Callable[[], str]) -> re.Pattern[str]:
    return re.compile(pattern(), re.DOTALL)


def mask(text: str) -> str:
    """The text with everything that looks like a secret as `[masked:<kind>]`."""
    return _after(_PASSES, text)


def mask_tokens(text: str) -> str:
    """As `mask`, but only for what its own shape gives away: for names and ids.

    A name before it proves nothing there: `secret:` is a part of many an address.
    """
    return _after(_SHAPE_PASSES, text)


def _after(passes: Sequence[_Pass], text: str) -> str:
    lower = text.casefold()
    for one in passes:
        if one.is_due(text, lower):
            text = _compiled(one.pattern).sub(one.instead, text)
    return text


def _kind(found: re.Match[str]) -> str:
    # Looked up afterwards: a group around each shape would make the search four times as slow.
    kinds = (kind for kind, shape in _TOKENS if re.fullmatch(shape, found[0]))
    return f"[masked:{next(kinds, 'token')}]"


_SHAPE_PASSES: Final = (
    _Pass(lambda: _PEM, "[masked:private-key]", lambda text, _: "PRIVATE KEY" in text),
    _Pass(lambda: _USERINFO, "://[masked:userinfo]@", lambda text, _: "://" in text),
    _Pass(
        lambda: _SIGNED,
        r"\g<name>[masked:signature]",
        lambda text, _: "=" in text and ("?" in text or "&" in text),
    ),
    _Pass(lambda: _WEBHOOK, r"\g<name>[masked:webhook]", lambda text, _: "hook" in text),
    _Pass(lambda: _TAIL, "[masked:token]", lambda text, _: ".atlasv1." in text or "Q~" in text),
    _Pass(lambda: _START + _BEARER, r"\g<name>[masked:bearer]", lambda _, lower: "bearer" in lower),
    _Pass(_tokens, _kind, _has_token),
)
_PASSES: Final = (
    *_SHAPE_PASSES,
    _Pass(lambda: _LINE, rf"\g<name>{HIDDEN}", _is_named),
    _Pass(lambda: _ASSIGNMENT, rf"\g<name>{HIDDEN}", _is_named),
    _Pass(lambda: _FLAG, rf"\g<name>{HIDDEN}", _is_flagged),
    _Pass(lambda: _AUTH, rf"\g<name>{HIDDEN}", lambda text, lower: "auth" in lower and "=" in text),
    _Pass(lambda: _CODE, rf"\g<name>{HIDDEN}", lambda _, lower: "pin" in lower or "otp" in lower),
    _Pass(lambda: _VARIABLE, rf"\g<name>{HIDDEN}", lambda text, _: _has_any(_VARIABLES, text)),
)


def fingerprint(key: bytes, path: str, value: str) -> str:
    """What remains of a dropped secret: 24 lower-case hex digits; equal where path and value are.

    HMAC-SHA256 over path and value, each after its length in UTF-8 as four bytes, big-endian; its
    first 12 bytes (LOG.md, "Vault").
    """
    # Loaded where a secret is dropped at all; a wrapped command waits for each import.
    import hmac

    return hmac.digest(key, _prefixed(path) + _prefixed(value), "sha256")[:12].hex()


def _prefixed(text: str) -> bytes:
    octets = text.encode("utf-8", "surrogatepass")
    return len(octets).to_bytes(4, "big") + octets

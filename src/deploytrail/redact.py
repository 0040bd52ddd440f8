"""Values that must never land: secrets in text, by shape and name; and what remains of one.

Pure. Being wrong in one direction is cheap here: what merely looks like a secret is masked too.
What is known to be secret (a plan's sensitive leaves) is dropped before; this is the net below.
The patterns stand in `secret_shapes.py` and `secret_names.py`; docs/secrets.md says what they see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, NamedTuple

from deploytrail import secret_names as names
from deploytrail import secret_shapes as shapes

HIDDEN: Final = "[masked:value]"
"""What stands for a value that may be a secret, whatever its shape."""

# What has a token's beginning in it is a run of so many of these characters; prose has few.
_WORD_LENGTH_MIN: Final = 16
_AS_WORDS: Final = bytes(
    one if chr(one) in "_.~-" or (one < 128 and chr(one).isalnum()) else 0x20 for one in range(256)
)
_long_word: Final = re.compile(r"[A-Za-z0-9_.~-]{16}").search
_MARKS: Final = tuple(mark for _, mark, _ in shapes.WIDE)
_LONG_MARKS: Final = tuple(mark for _, mark, _ in shapes.MARKED)
_TAILS: Final = (".atlasv1.", "Q~")
_HOOKS: Final = ("hooks.slack.com/", "/api/webhooks/", "webhook.office")
_KEY_IDS: Final = ("AKIA", "ASIA")
# A name that gives its value away holds one of these; `auth` alone is in too many words.
_NAME_PARTS_OF_JSON: Final = (
    "key", "token", "pass", "secret", "pw", "cred", "cookie", "string", "authoriz", "basic",
    "bearer", "auth=", "auth ", "auth\\", "auth'",
)  # fmt: skip
_NAME_PARTS: Final = (*_NAME_PARTS_OF_JSON, 'auth"', "auth\t")
_VARIABLES: Final = ("PASS", "PWD", "TOKEN", "SECRET", "API", "ACCESS")
_SETTERS: Final = ("ENV ", "ENV\t", "setenv", "set -")
_TOOLS: Final = ("curl", "sshpass", "mysql", "mariadb", "login", "redis-cli")
_PASSES_MAX: Final = 4


class _Pass(NamedTuple):
    """One search through a text, and what stands in for what it finds.

    Several searches, because each can skip ahead to its own first letters: less than half of the
    time that one pattern for all takes. `is_due` looks for what the pattern can't do without: most
    texts need no search, and most runs not even a pattern.
    """

    pattern: Callable[[], str]
    instead: str | Callable[[re.Match[str]], str]
    is_due: Callable[[str, str], bool]
    """Of the text, and the text in lower case. True of a text where it is true of a part."""


def _is_named(text: str, lower: str) -> bool:
    return ("=" in text or ":" in text) and _has_any(_NAME_PARTS, lower)


def _is_flagged(text: str, lower: str) -> bool:
    return "-" in text and " " in text and _has_any(_NAME_PARTS, lower)


def _is_signed(text: str, _: str = "") -> bool:
    return "=" in text and ("?" in text or "&" in text or "#" in text)


def _is_code(_: str, lower: str) -> bool:
    # `mapping`, `shipping`: the commonest words that have a `pin`.
    return "otp" in lower or lower.count("pin") != lower.count("pping")


def _is_tools(text: str, lower: str) -> bool:
    return " -" in text and _has_any(_TOOLS, lower)


def _is_bearer(text: str, lower: str) -> bool:
    return "bearer" in lower or "basic" in lower or "GenieKey" in text


def _has_token(text: str, _: str = "") -> bool:
    if _long_word(text) is None:
        return False
    return _has_any(_LONG_MARKS, text) or _begins().search(text) is not None


def _has_any(parts: Sequence[str], text: str) -> bool:
    for part in parts:  # noqa: SIM110 (a generator takes twice the time of the whole loop)
        if part in text:
            return True
    return False


def may_hold_secret(json: bytes) -> bool:
    """Whether `mask` may change a text of this JSON. No is certain, yes is not.

    Asked of a whole event, it spares nearly all events the searches through each text. `json` is
    as msgspec writes it: only quotation marks, backslashes and control characters are escaped.
    """
    text = json.decode()
    lower = text.casefold()
    return (
        _has_any(_NAME_PARTS_OF_JSON, lower)
        or ("@" in text and "://" in text)
        or _is_signed(text)
        or _has_any(_ANYWHERE, text)
        or _is_code(text, lower)
        or _is_tools(text, lower)
        or _has_long_word(json)
    )


def may_hold_token(json: bytes) -> bool:
    """Whether `mask_tokens` may change a text of this JSON; as `may_hold_secret`, and narrower."""
    text = json.decode()
    return (
        ("@" in text and "://" in text)
        or _is_signed(text)
        or _has_any(_OF_SHAPES, text)
        or _is_bearer(text, text.casefold())
        or _has_long_word(json)
    )


_OF_SHAPES: Final = (*_MARKS, *_HOOKS, "PRIVATE KEY", "PuTTY")
_ANYWHERE: Final = tuple(mark for mark in (*_MARKS, *_HOOKS) if "token" not in mark)
_IN_LONG_WORDS: Final = tuple(mark.encode() for mark in (*_LONG_MARKS, *_TAILS, *_KEY_IDS))


def _has_long_word(json: bytes) -> bool:
    """Whether a word of this JSON is so long and begins so that it may be a token."""
    words = json.translate(_AS_WORDS).split()
    long = [word for word in words if len(word) >= _WORD_LENGTH_MIN]
    text = b" " + b" ".join(long)
    for mark in _IN_LONG_WORDS:
        if mark in text:
            return True
    # A token begins after a dot, too.
    return _begins_of_bytes().search(text.replace(b".", b" ").replace(b"~", b" ")) is not None


@cache
def _begins() -> re.Pattern[str]:
    return re.compile("|".join(dict.fromkeys(begin for _, begin, _ in shapes.TOKENS)))


@cache
def _begins_of_bytes() -> re.Pattern[bytes]:
    # What an escape leaves stands at the beginning of a word: `\nghp_…`.
    begins = _begins().pattern.replace(r"\.", " ").replace("~", " ")
    return re.compile(f" (?:[nrtbf]|u[0-9a-f]{{4}})?(?:{begins})".encode())


_LONG: Final = (*shapes.TOKENS, *shapes.MARKED)
_ALL: Final = (*_LONG, *shapes.WIDE)


def _tokens() -> str:
    return f"{shapes.START}(?:{'|'.join(shape for _, _, shape in _LONG)})"


def _wide() -> str:
    return f"{shapes.START}(?:{'|'.join(shape for _, _, shape in shapes.WIDE)})"


@cache
def _compiled(pattern: Callable[[], str]) -> re.Pattern[str]:
    return re.compile(pattern(), re.DOTALL)


def mask(text: str) -> str:
    """The text with everything that looks like a secret as `[masked:<kind>]`.

    Masking what is masked changes nothing.
    """
    return _after(_PASSES, text)


def mask_tokens(text: str) -> str:
    """As `mask`, but only for what its own shape gives away: for names and ids.

    A name before it proves nothing there: `secret:` is a part of many an address.
    """
    return _after(_SHAPE_PASSES, text)


def _after(passes: Sequence[_Pass], text: str) -> str:
    # Where something was masked, what stood around it may now look like something else.
    for _ in range(_PASSES_MAX):
        before, lower = text, text.casefold()
        for one in passes:
            if one.is_due(text, lower):
                text = _compiled(one.pattern).sub(one.instead, text)
        if text == before:
            break
    return text


def _kind(found: re.Match[str]) -> str:
    # Looked up afterwards: a group around each shape would make the search four times as slow.
    kinds = (kind for kind, _, shape in _ALL if re.fullmatch(shape, found[0], re.DOTALL))
    return f"[masked:{next(kinds, 'token')}]"


_SHAPE_PASSES: Final = (
    _Pass(
        lambda: shapes.PEM,
        "[masked:private-key]",
        lambda text, _: "PRIVATE KEY" in text or "PuTTY" in text,
    ),
    _Pass(
        lambda: shapes.AWS_PAIR,
        r"\g<name>[masked:aws-secret-key]",
        lambda text, _: _has_any(_KEY_IDS, text),
    ),
    _Pass(
        lambda: shapes.USERINFO,
        "://[masked:userinfo]@",
        lambda text, _: "@" in text and "://" in text,
    ),
    _Pass(lambda: shapes.SIGNED, r"\g<name>[masked:signature]", _is_signed),
    _Pass(
        lambda: shapes.WEBHOOK,
        r"\g<name>[masked:webhook]",
        lambda text, _: _has_any(_HOOKS, text),
    ),
    _Pass(
        lambda: shapes.TAIL,
        "[masked:token]",
        lambda text, _: _has_any(_TAILS, text),
    ),
    _Pass(lambda: shapes.BEARER, r"\g<name>[masked:bearer]", _is_bearer),
    _Pass(_wide, _kind, lambda text, _: _has_any(_MARKS, text)),
    _Pass(_tokens, _kind, _has_token),
)
_BEHIND: Final = rf"\g<name>{HIDDEN}"
_PASSES: Final = (
    *_SHAPE_PASSES,
    _Pass(lambda: names.COOKIE, _BEHIND, lambda _, lower: "cookie" in lower),
    _Pass(
        lambda: names.BLOCK, _BEHIND, lambda text, lower: "\n" in text and _is_named(text, lower)
    ),
    _Pass(lambda: names.LINE, _BEHIND, _is_named),
    _Pass(lambda: names.ASSIGNMENT, _BEHIND, _is_named),
    _Pass(lambda: names.FLAG, _BEHIND, _is_flagged),
    _Pass(lambda: names.AUTH, _BEHIND, lambda text, lower: "auth" in lower and "=" in text),
    _Pass(lambda: names.CODE, _BEHIND, _is_code),
    _Pass(lambda: names.VARIABLE, _BEHIND, lambda text, _: _has_any(_VARIABLES, text)),
    _Pass(lambda: names.SETTING, _BEHIND, lambda text, _: _has_any(_SETTERS, text)),
    _Pass(lambda: names.XML, _BEHIND, lambda text, _: "<" in text or "value=" in text),
    _Pass(lambda: names.NETRC, _BEHIND, lambda text, _: "login" in text and "password" in text),
    _Pass(lambda: names.TOOL, _BEHIND, _is_tools),
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

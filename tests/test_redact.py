"""What looks like a secret is masked, what doesn't stays, and no text makes it slow."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail import redact
from deploytrail.redact import fingerprint, mask
from tests.searching import examples
from tests.secrets.planted import SHAPED, core, made

HEX = "0123456789abcdef"
# Split, so that scanners of repositories find none in this file.
TOKENS = {
    "one of ours": "dt" + "_ci-payments_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8_bdb3571c",
    "a GitHub token": "ghp" + "_16C7e42F292c6912E7710c838347Ae178B4a",
    "a GitHub server token": "ghs" + "_16C7e42F292c6912E7710c838347Ae178B4a",
    "a fine-grained GitHub token": "github" + "_pat_11ABCDEFG0123456789_abcdefghijklmnop",
    "a GitLab token": "glpat" + "-0123456789abcdefghij",
    "a Slack token": "xoxb" + "-123456789012-abcdefghijkl",
    "a JWT": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
    "a Google key": "AIza" + "SyA0123456789abcdefghijklmnopqrstuv",
    "an npm token": "npm" + "_0123456789abcdefghijklmnopqrstuvwxyz",
    "a PyPI token": "pypi" + "-AgEIcHlwaS5vcmcCJDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw",
    "a Stripe key": "sk_live" + "_0123456789abcdefghij",
    "a Vault token": "hvs" + ".CAESIJ0123456789abcdefghij",
    "an age key": "AGE-SECRET" + "-KEY-1" + "Q" * 58,
    "a DigitalOcean token": "dop" + "_v1_" + HEX * 4,
    "a Pulumi token": "pul" + "-" + "0123456789" * 4,
    "a Docker token": "dckr" + "_pat_0123456789abcdefghij",
    "a Tailscale key": "tskey" + "-auth-0123456789abcdef",
    "a model key": "sk-" + "ant-api03-0123456789abcdef",
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize(
    "around", ["{}", "x {} y", '"{}"', "({})", "a={},b", "line\\n{}\\n", "\n{}\n", "Bob's {}."]
)
def test_the_token_of_a_vendor_is_masked_wherever_it_stands(token: str, around: str) -> None:
    masked = mask(around.format(token))

    assert token[8:] not in masked
    assert "[masked:" in masked


def test_a_token_whose_middle_alone_is_known_loses_its_secret_part() -> None:
    secret = "0123456789abcdefghijklmnopqrstuvwxyzABCD"

    assert mask("x AbCdEfGhIjKlMn.atlasv1." + secret) == "x AbCdEfGhIjKlMn[masked:token]"
    assert secret not in mask("abc8Q~" + secret)


DASHES = "-" * 5
PEM = f"{DASHES}BEGIN RSA PRIVATE KEY{DASHES}\n{{}}\n{DASHES}END RSA PRIVATE KEY{DASHES}"
HOLDING = {
    "an assignment": "password={} x",
    "an assignment with blanks": "db_password   =  {}\n",
    "a quoted assignment": 'client_secret = "{} and more" x',
    "a quoted assignment that never ends": 'token="{} and more\nnext line',
    "a single-quoted assignment": "secret: '{} x'",
    "an environment variable": "export DB_PASSWORD={}",
    "a JSON field": '{{"user": "alice", "accessToken": "{}", "n": 1}}',
    "a JSON field in a JSON string": '{{\\"password\\":\\"{}\\",\\"n\\":1}}',
    "an escaped quote in a value": 'password="a\\"{}" x',
    "a line of YAML": "  password: correct horse {}\n",
    "a line in a box": "│ db_password: {} staple",
    "a Ruby hash": ":api_key => {}",
    "an AWS configuration": "aws_secret_access_key = {}",
    "a connection string": "Server=db;User=alice;Password={};Encrypt=true",
    "an Azure connection string": "AccountName=a;AccountKey={}==;EndpointSuffix=core",
    "a signed URL": "https://a.example.org/c?sv=2024&sig={}&se=1",
    "a URL with a password": "https://alice:{}@example.org/x",
    "a URL with an odd password": "postgres://alice:p@ss:{}@db.example.org/x",
    "a URL with a token": "https://{}0123456789ab@example.org/x",
    "a basic header": "Authorization: Basic {}==",
    "a header of curl": "curl -H 'Authorization: token {}' x",
    "a bearer token": "sent bearer {}0123456789ab to it",
    "an API key header": "X-Api-Key: {}",
    "a private key": PEM,
    "a private key in one line": PEM.replace("\n", "\\n"),
    "a private key as a value": "private_key: " + PEM,
    "a private key that never ends": DASHES + "BEGIN PRIVATE KEY" + DASHES + "\n{}\nAAAA",
    "a chat webhook": "https://hooks.slack.com/services/T0/B0/{}",
    "what follows a token": "password=" + TOKENS["a Pulumi token"] + "/{}",
    "what pretends to be masked": "password=[masked:value]{}",
    "an upper-case name": "API-KEY: {}",
    "a short name": "dbpass={}",
    "a name in camel case": "dbPass: {}",
    "another name in camel case": "adminPass={}",
    "a user's": "userpass: {}",
    "a database's": "mysqlpass={}",
    "root's": "rootpw={}",
    "a short word": "db_pw={}",
    "a flag": "mysql --password {} -h db",
    "a flag of one dash": "java -jar x.jar -token {}",
    "a flag that is quoted": "mysql --db-password '{} x'",
    "a configuration of docker": '{{"auths":{{"r.example.org":{{"auth":"{}=="}}}}}}',
    "a configuration of npm": "//r.example.org/:_auth={}==",
    "a URL with a hash in its password": "postgres://alice:p#{}@db.example.org/x",
    "a URL with a question mark in it": "postgres://alice:p?{}@db.example.org/x",
    "a URL with a slash in it": "postgres://alice:p/{}@db.example.org/x",
    "an indexed name": "secrets[prod]={}",
    "an auth": "https://api.example.org/x?auth={}&x=1",
    "an auth with blanks": 'auth = "{} x"',
    "a variable in two words": "psql: PGPASSWORD {} was refused",
    "a variable of a Dockerfile": "Step 3/9 : ENV PGPASSWORD {}",
    "a variable of csh": "setenv DB_TOKEN {}",
    "a variable of fish": "set -gx API_KEY '{} x'",
}


@pytest.mark.parametrize("text", HOLDING.values(), ids=HOLDING.keys())
def test_the_value_is_masked_in(text: str) -> None:
    masked = mask(text.format("hunter2hunter2"))

    assert "hunter2" not in masked
    assert "[masked:" in masked


CODES = {
    "a PIN": "pin={}",
    "a PIN in JSON": '{{"card": 1, "pin": "{}"}}',
    "a PIN in JSON in a string": '{{\\"pin\\": \\"{}\\"}}',
    "a one-time password": "login_otp={} x",
    "another name of it": "TOTP: {}",
    "a flag": "npm publish --otp {}",
    "a flag with its value": "npm publish --otp={}",
}


@pytest.mark.parametrize("code", ["1234", "826405", "JBSWY3DPEHPK3PXP"])
@pytest.mark.parametrize("text", CODES.values(), ids=CODES.keys())
def test_a_code_is_masked_in(text: str, code: str) -> None:
    assert mask(text.format(code)) == text.format("[masked:value]")


HARMLESS = {
    "how one signs in": "auth=basic, auth = oauth2; ?auth=iam&x auth=true auth == x pg_auth: x",
    "a word that ends in auth": "oauth=x reauth=x upauth=hunter2",
    "pins of other kinds": "pin=13 pin: 4 spin=1234 pinned=1234 pin=1.2.3456 pin=v1234",
    "releases of Erlang": "OTP 26 otp=26.2.5 otp: 2.6.1234 erlang-otp 1234",
    "prose about a variable": "PGPASSWORD is not set; the TOKEN expired, set GITHUB_TOKEN to it",
    "a variable that is tested": "DB_PASSWORD = (sensitive value) and $DB_PASSWORD hunter2",
    "a place and a time": "PWD /srv/live in 3 s",
    "a resource that is being created": "aws_secretsmanager_secret.token: Creating...",
    "a resource that takes long": "aws_x_secret.token: Still creating... [10s elapsed]",
    "a resource that is done": "random_password.token: Creation complete after 0s [id=none]",
    "a reference": "  with aws_secretsmanager_secret.db, on main.tf line 3, in resource",
    "a hidden value": "password = (sensitive value)",
    "an unknown value": 'token = (known after apply) -> "x"',
    "no value": "token=null, secret: false",
    "a count of tests": "passed: 5, failed: 3",
    "a word that holds another": "compass: north, a bypass = bridge",
    "words that end so": "bypass=1 compass:2 surpass=3 trespass: 4 overpass=5 passed=6 bypass: x",
    "words that begin so": "passing: 4, passive=5, power=6, pwsh: 7",
    "a flag without a value": "docker login --password-stdin r.example.org --token --x",
    "a port": "https://db.example.org:5432/a@b and http://h:80 a@b",
    "an object": '{"auth": {"method": "ci"}, "author": "bob"}',
    "a remote without a password": "ssh://git@example.org/acme/x.git git@example.org:acme/x.git",
    "a digest": "sha256:" + HEX * 4,
    "a commit": "commit 1f2e3d4c5b6a79880123456789abcdef01234567",
    "a public key": "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    "the id of a key": "AKIA" + "IOSFODNN7EXAMPLE and ASIA" + "IOSFODNN7EXAMPLE",
    "an ARN": "arn:aws:iam::123456789012:role/deploy",
    "an id": "019ab2f0-7c3e-7a51-8d0e-3f1b2c4d5e6f",
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS.keys())
def test_nothing_is_masked_in(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize("word", ["null", "true", "(sensitive", "Creating", "None"])
def test_a_secret_that_begins_like_a_harmless_word_is_masked(word: str) -> None:
    assert "hunter2" not in mask(f"password={word}-hunter2")


@given(
    st.text(
        st.sampled_from("pasword=: \"'\\n-@/eyJ.ghp_AKIA0123456789token\n[]masked<>&?"), max_size=80
    )
)
@examples(300)
def test_masking_twice_is_masking_once(text: str) -> None:
    once = mask(text)

    assert mask(once) == once
    assert len(once) < 40 + 16 * len(text)


_around = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.sampled_from(list(SHAPED)), st.integers(0, 2**32), _around, _around)
@examples(300)
def test_no_token_survives_whatever_stands_around_it(
    kind: str, seed: int, before: str, after: str
) -> None:
    token = made(SHAPED[kind], random.Random(seed))
    # A letter, digit or dash before it makes it a part of another word.
    text = f"{before} {token} {after}"

    assert core(token) not in mask(text)
    assert core(token) not in redact.mask_tokens(text)


@given(st.text(max_size=200))
def test_any_text_can_be_masked(text: str) -> None:
    assert len(mask(text)) < 40 + 16 * len(text)


def test_the_lines_of_a_value_in_yaml_are_masked_and_what_follows_stays() -> None:
    text = "stringData:\n  password: |\n    one\n    two\n  user: alice\n"

    assert mask(text) == "stringData:\n  password: |\n    [masked:value]\n  user: alice\n"
    assert mask(mask(text)) == mask(text)


def _unbounded(source: str) -> list[str]:
    """The repetitions of a pattern that have no bound and may give back what they took."""
    sets = re.sub(r"\[\^?(?:\\.|[^\]\\])+\]", "S", source)
    plain = re.sub(r"\\.", "E", sets)
    return re.findall(r"(?:[*+]|\{\d+,\})(?!\+)(?<![*+}?]\+)", plain)


@pytest.mark.parametrize("pattern", ["a*b", "[*]+", "(?:a|b)+", r"\w{2,}x", "x[^]+]*", "a+?"])
def test_a_repetition_that_may_backtrack_is_noticed(pattern: str) -> None:
    assert _unbounded(pattern) != []


def test_no_repetition_of_the_pattern_may_backtrack_without_a_bound() -> None:
    # So the time at one place has a bound, or the text that took it is not looked at again.
    assert [_unbounded(one.pattern()) for one in redact._PASSES] == [[]] * len(redact._PASSES)


@pytest.mark.parametrize(("kind", "begin", "shape"), redact._ALL)
@examples(10)
@given(data=st.data())
def test_no_search_for_a_token_is_left_out(
    kind: str, begin: str, shape: str, data: st.DataObject
) -> None:
    text = data.draw(st.from_regex(f"(?:{shape})", fullmatch=True))

    assert redact._has_token(text) or begin in text, kind
    encoded = json.dumps(f"x\n{text}", ensure_ascii=False).encode()
    assert redact.may_hold_secret(encoded), kind
    assert redact.may_hold_token(encoded), kind
    assert mask(text).startswith("[masked:"), kind


def test_a_fingerprint_is_an_hmac_over_length_prefixed_path_and_value() -> None:
    message = b"\x00\x00\x00\x02/a" + b"\x00\x00\x00\x03\xc3\xbcb"

    assert (
        fingerprint(b"k" * 32, "/a", "üb")
        == (hmac.new(b"k" * 32, message, hashlib.sha256).hexdigest()[:24])
    )


def test_equal_secrets_have_equal_fingerprints_at_one_place_and_under_one_key_only() -> None:
    first = fingerprint(b"key", "/password", "hunter2")

    assert fingerprint(b"key", "/password", "hunter2") == first
    others = [("key", "/password", "hunter3"), ("key", "/token", "hunter2")]
    others += [("yek", "/password", "hunter2"), ("key", "/passwordh", "unter2")]
    assert first not in {fingerprint(key.encode(), path, value) for key, path, value in others}

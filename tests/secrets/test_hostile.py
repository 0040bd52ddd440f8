"""No text makes the masks slow: a megabyte of what nearly is a secret takes its length, no more."""

from __future__ import annotations

import time

import pytest

from deploytrail.redact import mask

BYTES = 1_000_000
# In two halves where it would look like a token.
PIECES = [
    *("password=", "password: ", 'password="a', "password='", 'password=\\"', "_pass_", "secrets["),
    *("://", "a://b", "://a:b", "?sig=", "&code=", "hooks.slack.com/", ".atlasv1.", "8Q~"),
    *("-----BEGIN ", "-----BEGIN PRIV" + "ATE KEY-----", "PRIVATE KEY", "PuTTY", "- ", "-", "\n"),
    *("--pass", "--token ", "ENV ", "ENV A", "set -gx ", "TOKEN ", "A_", "auth=", "pin=", "otp "),
    *("eyJhbGciOiJIUzI1.", "eyJ", "xoxb-", "gh" + "p_", "s." + "a" * 20 + " ", "AKIA" + "I" * 16),
    *(
        "M" + "a" * 24 + ".",
        "a" * 32 + "-us",
        "f" * 30,
        "A" * 76 + "AZDO",
        "JQQJ99",
        "0:AA",
        "1//0",
    ),
    *("Bearer ", "basic Abcdefghijkl", "GenieKey ", "curl -u a ", "curl ", "sshpass ", "mysql a "),
    *("login a password ", "login ", "<password", "<token>", "value='", "cookie:", "cookie: a; "),
    *("token: |\n ", "token: |\n a\n", "token: >"),
    *('"', "'", "\\", "0", "p", "_", ".", "=", ":", "@", "é", "ſ", "[masked:value]", "[masked:"),
]


@pytest.mark.parametrize("piece", PIECES)
def test_a_megabyte_is_masked_in_linear_time(piece: str) -> None:
    def seconds(size: int) -> float:
        text = (piece * (size // len(piece) + 1))[:size]
        begun = time.process_time()
        mask(text)
        return time.process_time() - begun

    tenth, whole = seconds(BYTES // 10), seconds(BYTES)

    # Ten times the text: a hundred times the time would be quadratic. What is fast is not compared.
    assert whole < max(40 * tenth, 1), (tenth, whole)
    assert whole < 20

"""Secrets are found where their plan forgot to mark them."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from deploytrail.formats.terraform_secrets import Secrets
from deploytrail.formats.terraform_value import Number

words = st.text(max_size=40)


def secrets(*values: object) -> Secrets:
    found = Secrets()
    for value in values:
        found.add(value)
    return found


def test_a_secret_is_covered_wherever_a_text_holds_it() -> None:
    found = secrets("hunter2-clear", {"deep": ["another secret"]}, Number("12345678"))
    assert found.covered("run 'x --token hunter2-clear' failed") == (
        "run 'x --token (sensitive)' failed"
    )
    assert found.covered("pin 123456789") == "pin (sensitive)9"
    assert found.covered("wrapped another\nsecret here") == "wrapped (sensitive) here"
    assert found.covered("nothing") == "nothing"


def test_blanks_of_a_secret_may_be_wrapped_as_others() -> None:
    for secret, text in {
        "trailing  ": "it is trailing  \n│ and on",
        "two  blanks": "it is two\n│ blanks!",
        "  leading": "it is\n  leading",
    }.items():
        assert secret.split()[0] not in secrets(secret).covered(text)


def test_the_longest_secret_is_covered() -> None:
    found = secrets("hunter2-clear", "hunter2-clear-and-more")
    assert found.covered("a hunter2-clear-and-more b") == "a (sensitive) b"


def test_a_short_secret_counts_as_a_whole_value_only() -> None:
    found = secrets("boop", "no", "true")
    assert found.is_in("boop")
    assert not found.is_in("boops")
    assert not found.is_in("no")
    assert not found.is_in("true")


def test_each_line_of_a_key_is_a_secret() -> None:
    found = secrets("-----BEGIN-----\nMIIEpAIBAAKCAQEA\nq2Vf7dGm\n")
    assert found.covered("| MIIEpAIBAAKCAQEA |") == "| (sensitive) |"


@given(words, st.text("abc ", min_size=8, max_size=12), words)
def test_no_secret_of_eight_characters_survives(before: str, secret: str, after: str) -> None:
    assume(len(" ".join(secret.split())) >= 8)
    covered = secrets(secret).covered(before + secret + after)
    assert " ".join(secret.split()) not in " ".join(covered.split())

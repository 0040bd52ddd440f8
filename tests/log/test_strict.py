"""Foreign text has one spelling, or is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed
from deploytrail.log import strict

BAD_DECIMALS = {
    "nothing": "",
    "a leading zero": "007",
    "two zeros": "00",
    "an underscore": "1_000",
    "a plus": "+1",
    "a minus": "-1",
    "a minus zero": "-0",
    "digits of another script": "٣",
    "a superscript": "²",
    "fullwidth digits": "１",
    "a space before": " 1",
    "a space behind": "1 ",
    "a newline behind": "1\n",
    "a fraction": "1.0",
    "an exponent": "1e3",
    "hex": "0x1",
    "a number over the limit": str(1 << 63),
    "more digits than any number": "9" * 5000,
}

BAD_BASE64 = {
    "stray bits in the last character": "AB==",
    "no padding": "AA",
    "half of the padding": "AA=",
    "too much padding": "AAA==",
    "padding alone": "====",
    "padding in the middle": "AA==AA==",
    "the URL alphabet": "-_-_",
    "a space": "AA ==",
    "a newline": "AAAA\n",
    "other letters": "ÄÄÄÄ",
    "a NUL": "AAA\0",
}

BAD_TEXTS = {
    "no newline at the end": b"a",
    "nothing": b"",
    "a NUL": b"a\0b\n",
    "a carriage return": b"a\r\n",
    "a tab": b"a\tb\n",
    "an escape": b"\x1b[31m\n",
    "a broken sequence": b"\xc3\n",
    "an overlong newline": b"\xc0\x8a\n",
    "half a surrogate pair": b"\xed\xa0\x80\n",
    "latin-1": b"\xff\n",
}


@pytest.mark.parametrize("text", BAD_DECIMALS.values(), ids=BAD_DECIMALS)
def test_a_number_with_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match=r"^size: expected a decimal"):
        strict.decimal(text, what="size")


@pytest.mark.parametrize("text", BAD_BASE64.values(), ids=BAD_BASE64)
def test_base64_with_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match=r"^root: expected"):
        strict.base64_bytes(text, what="root")


@pytest.mark.parametrize("data", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_other_bytes_than_lines_of_text_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match=r"^note: expected"):
        strict.text(data, what="note")


@given(st.integers(0, (1 << 63) - 1))
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert strict.decimal(str(number), what="n") == number


@given(st.text(max_size=30))
def test_whatever_is_read_as_a_number_has_that_spelling(text: str) -> None:
    try:
        number = strict.decimal(text, what="n")
    except Malformed:
        return
    assert str(number) == text


@given(st.binary())
def test_base64_is_read_as_it_was_written(data: bytes) -> None:
    assert strict.base64_bytes(strict.base64_text(data), what="b") == data


@given(st.text("ABab01+/=-_ \n", max_size=12))
def test_whatever_is_read_as_base64_has_that_spelling(text: str) -> None:
    try:
        data = strict.base64_bytes(text, what="b")
    except Malformed:
        return
    assert strict.base64_text(data) == text


def test_base64_of_another_size_is_refused() -> None:
    with pytest.raises(Malformed, match="expected 32 bytes in base64, found 3"):
        strict.base64_bytes("AAAA", what="root", size=32)


def test_only_newlines_separate_lines() -> None:
    text = "a\x85b\u2028c\u2029d\x0be\n\nf\n"
    assert strict.lines(text, what="t") == ["a\x85b\u2028c\u2029d\x0be", "", "f"]


def test_lines_without_their_last_newline_are_refused() -> None:
    with pytest.raises(Malformed, match="expected a newline at the end"):
        strict.lines("a\nb", what="t")


def test_foreign_text_in_a_message_is_short_and_escaped() -> None:
    shown = strict.shown("\x1b[31m\u202e" + "a" * 1000)
    assert shown.startswith("'\\x1b[31m\\u202e")
    assert len(shown) < 100


def test_half_a_surrogate_pair_has_no_bytes() -> None:
    with pytest.raises(Malformed, match=r"^origin: expected text that is UTF-8"):
        strict.utf8("a\udc80", what="origin")

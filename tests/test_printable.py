"""Foreign text can't move the cursor, turn the reading order or hide."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.printable import printable

FOREIGN = {
    "a colour": ("\x1b[31mred\x1b[0m", "\\e[31mred\\e[0m"),
    "a title of the window": ("\x1b]0;x\x07", "\\e]0;x\\x07"),
    "an 8-bit escape": ("\x9b31m", "\\x9b31m"),
    "a line that overwrites": ("denied\rgranted", "denied\\rgranted"),
    "a second line": ("a\nb\tc", "a\\nb\\tc"),
    "an override of direction": ("a\u202eb", "a\\u202eb"),
    "an isolate": ("\u2066a\u2069", "\\u2066a\\u2069"),
    "a mark of direction": ("a\u200fb\u061c", "a\\u200fb\\u061c"),
    "nothing to see": ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
    "a line separator": ("a\u2028b", "a\\u2028b"),
    "a tag": ("a\U000e0041", "a\\U000e0041"),
    "half a character": ("a\udc80", "a\\udc80"),
    "erasing": ("ab\x08\x7f", "ab\\x08\\x7f"),
}


@pytest.mark.parametrize(("text", "shown"), FOREIGN.values(), ids=FOREIGN.keys())
def test_it_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["", "alice", "größe ✓ 日本語 عربي", "a\\nb", "C:\\x", "→ …"])
def test_what_is_harmless_stays(text: str) -> None:
    assert printable(text) == text


def test_what_is_to_be_kept_stays() -> None:
    assert printable("a\nb\x1b[0m", keep="\n") == "a\nb\\e[0m"


@given(st.text())
def test_nothing_that_controls_is_left(text: str) -> None:
    shown = printable(text)

    categories = {unicodedata.category(character) for character in shown}
    assert categories & {"Cc", "Cs", "Zl", "Zp"} == set()
    assert not any(
        unicodedata.bidirectional(character) in {"LRE", "RLE", "LRO", "RLO", "PDF"}
        or unicodedata.bidirectional(character) in {"LRI", "RLI", "FSI", "PDI"}
        for character in shown
    )

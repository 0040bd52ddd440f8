"""Text in columns of a terminal."""

from __future__ import annotations

import pytest

from deploytrail.cli.columns import cells, clipped, padded, widths, wrapped

WRAPPED = {
    "fits": ("deployed network", 16, ["deployed network"]),
    "breaks at a blank": ("deployed network to prod", 16, ["deployed network", "to prod"]),
    "moves a word that fits on its own": ("created abcdefghij", 12, ["created", "abcdefghij"]),
    "breaks a word that never fits": (
        "created " + "x" * 20,
        12,
        ["created xxxx", "x" * 12, "xxxx"],
    ),
    "ends in an ellipsis": ("a b c d e f g", 3, ["a b", "c d", "e …"]),
    "nothing": ("", 5, [""]),
    "wide characters": ("部署部署", 4, ["部署", "部署"]),
}


@pytest.mark.parametrize("case", WRAPPED)
def test_text_is_wrapped(case: str) -> None:
    text, width, lines = WRAPPED[case]
    assert wrapped(text, width, lines_max=3) == lines
    assert all(cells(line) <= width for line in lines)


def test_a_clipped_text_shows_that_something_is_missing() -> None:
    assert clipped("network", 7) == "network"
    assert clipped("network", 6) == "netwo…"
    assert clipped("部署部署", 6) == "部署…"


def test_padding_counts_columns_not_characters() -> None:
    assert padded("部署", 6) == "部署  "
    assert cells("e\u0301") == 1


def test_a_column_takes_what_its_texts_need_up_to_its_limit() -> None:
    rows = [("ab", "x" * 90, ""), ("abcdef", "y", "")]
    assert widths(rows, limits=(4, 80, 10), flexible=1, total=40) == [4, 34, 0]


def test_the_flexible_column_keeps_room_to_be_read() -> None:
    assert widths([("x" * 30, "y")], limits=(30, 80), flexible=1, total=34) == [30, 16]

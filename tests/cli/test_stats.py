"""What `stats` prints: how far behind in entries and in seconds, as far as that is known."""

from __future__ import annotations

import pytest
from msgspec import structs

from deploytrail.cli.stats import lines
from deploytrail.trail import Quorum, Stats

FOUND = Stats(
    origin="deploytrail.test/1",
    size=1_300,
    size_signed=1_299,
    logged=None,
    followers={"index": 66},
    lag_seconds={"index": 4_321.25, "publisher": 0.5},
)
QUORUMS = {
    "nobody is asked": (None, None),
    "none has cosigned": (
        Quorum(size=None, seconds=None),
        "  quorum of witnesses: cosigned none of the newest checkpoints",
    ),
    "it has cosigned": (
        Quorum(size=1_299, seconds=2.0),
        "  quorum of witnesses: cosigned 1,299 entries, 2.0 s ago",
    ),
    "no one knows when": (
        Quorum(size=1, seconds=None),
        "  quorum of witnesses: cosigned 1 entry",
    ),
}


def test_who_is_behind_is_told_with_for_how_long() -> None:
    assert list(lines(FOUND))[1:] == [
        "  1,300 entries, of which 1,299 are signed",
        "  index: 1,234 behind, for 4,321.2 s",
        "  publisher: 1 behind, for 0.5 s",
    ]


def test_for_how_long_is_left_out_where_it_is_not_known() -> None:
    """Of an older server, say."""
    old = structs.replace(FOUND, lag_seconds={})
    assert "  index: 1,234 behind" in lines(old)
    unread = structs.replace(FOUND, lag_seconds={"index": None})
    assert "  index: 1,234 behind" in lines(unread)


@pytest.mark.parametrize("case", QUORUMS)
def test_a_quorum_is_told_where_one_is_asked_for(case: str) -> None:
    quorum, line = QUORUMS[case]
    told = [one for one in lines(structs.replace(FOUND, quorum=quorum)) if "quorum" in one]
    assert told == ([] if line is None else [line])

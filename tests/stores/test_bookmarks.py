"""Where actors stand: durable, compared before it is moved, and never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploytrail.errors import Conflict, Malformed
from deploytrail.stores.bookmarks import FileBookmarks


def test_a_place_is_kept_and_found_by_the_next_process(tmp_path: Path) -> None:
    places = FileBookmarks(tmp_path / "actors")
    assert places.load("alerts") is None
    places.replace("alerts", None, 0)
    places.replace("alerts", 0, 4711)
    places.replace("another", None, 3)
    again = FileBookmarks(tmp_path / "actors")
    assert (again.load("alerts"), again.load("another")) == (4711, 3)
    assert (tmp_path / "actors" / "alerts").read_bytes() == b"4711\n"
    assert (tmp_path / "actors" / "alerts").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("expected", [None, 6, 8])
def test_a_place_that_another_process_moved_is_not_moved_again(
    tmp_path: Path, expected: int | None
) -> None:
    places = FileBookmarks(tmp_path)
    places.replace("alerts", None, 7)
    with pytest.raises(Conflict, match="found 7; another process moves alerts"):
        places.replace("alerts", expected, 9)
    assert places.load("alerts") == 7


NO_PLACE = {
    "nothing": b"",
    "no end of the line": b"7",
    "a sign": b"-7\n",
    "zeros in front": b"007\n",
    "digits of others": "٣\n".encode(),
    "underscores": b"1_000\n",
    "too many digits": b"9" * 40 + b"\n",
    "a second line": b"7\n8\n",
}


@pytest.mark.parametrize("why", NO_PLACE)
def test_what_is_no_place_is_refused_and_not_begun_anew(tmp_path: Path, why: str) -> None:
    (tmp_path / "alerts").write_bytes(NO_PLACE[why])
    with pytest.raises(Malformed, match="expected the index of an entry in one line"):
        FileBookmarks(tmp_path).load("alerts")


@pytest.mark.parametrize("name", ["", "../key", "a/b", "Alerts", ".hidden", "x" * 64])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(Malformed, match="name: expected small letters"):
        FileBookmarks(tmp_path).load(name)

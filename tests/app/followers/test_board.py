"""How followers stand, for others to see; and the lines that tell what happened."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from deploytrail.app.followers.board import FileBoard, load_board
from deploytrail.app.followers.lines import Lines
from deploytrail.follow.told import Standing
from tests.fakes import NOON, FakeClock

INDEX = Standing(name="index", state="broken", cursor=7, reason="ValueError: a column is missing")


def test_what_is_written_is_read_by_others(tmp_path: Path) -> None:
    board = FileBoard(tmp_path / "followers.json")
    board.write(NOON, [INDEX], published="")
    board.write(NOON, [INDEX], published="Busy: another holds it")
    found = load_board(tmp_path / "followers.json")
    assert found is not None
    assert (found.followers, found.process) == ((INDEX,), os.getpid())
    assert found.at == "2026-11-22T12:00:00.000000Z"
    assert found.published == "Busy: another holds it"
    assert (tmp_path / "followers.json").stat().st_mode & 0o777 == 0o600
    board.remove()
    board.remove()
    assert load_board(tmp_path / "followers.json") is None


@pytest.mark.parametrize("octets", [b"", b"{}", b"[]", b'{"at":7}', b"\xff"])
def test_what_can_not_be_read_says_nothing(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "followers.json"
    path.write_bytes(octets)
    assert load_board(path) is None


def test_a_board_that_can_not_be_written_ends_nothing(tmp_path: Path) -> None:
    FileBoard(tmp_path / "absent" / "followers.json").write(NOON, [INDEX], published="")


def test_each_thing_that_happened_is_a_line_of_json() -> None:
    stream = io.StringIO()
    lines = Lines(stream, FakeClock(), process="follow")
    lines("follower failed", follower="index", reason="a\nb", cursor=7)
    lines("ended", code=0)
    first, second = stream.getvalue().splitlines()
    assert json.loads(first) == {
        "time": "2026-11-22T12:00:00.000000Z",
        "process": "follow",
        "what": "follower failed",
        "follower": "index",
        "reason": "a\nb",
        "cursor": 7,
    }
    assert json.loads(second)["code"] == 0


def test_lines_that_nobody_reads_end_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    Lines(stream, FakeClock(), process="follow")("ended")

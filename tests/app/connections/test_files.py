"""Files of an import: which ones, opened with care, and read on from where they were taken in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploytrail.app.connections.files import Reached, found, opened
from deploytrail.errors import Malformed, NotFound, SenderError

OLD = b'{"n":1}\n'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "a.log"
    path.write_bytes(OLD)
    return path


def reached(tmp_path: Path, *, name: str = "x", entries: int = 0) -> Reached:
    return Reached(tmp_path / "state", name, entries=entries)


def take(of: Reached, path: Path, end: int, *, is_whole: bool = True) -> None:
    with opened(path) as stream:
        of.reading(path, stream).reach(end, is_whole=is_whole)
    assert of.save()


def since(of: Reached, path: Path, *, is_lines: bool = True) -> int:
    with opened(path) as stream:
        return of.reading(path, stream).since(is_lines=is_lines)


def is_taken(of: Reached, path: Path) -> bool:
    with opened(path) as stream:
        return of.reading(path, stream).is_taken()


def test_a_new_file_is_read_from_its_beginning(tmp_path: Path, log: Path) -> None:
    assert since(reached(tmp_path), log) == 0
    assert not is_taken(reached(tmp_path), log)


def test_how_far_it_is_outlives_the_process(tmp_path: Path, log: Path) -> None:
    take(reached(tmp_path), log, 8)
    assert since(reached(tmp_path), log) == 8
    assert is_taken(reached(tmp_path), log)
    assert since(reached(tmp_path, name="another trail"), log) == 0


def test_a_file_that_was_not_finished_is_not_passed_over(tmp_path: Path, log: Path) -> None:
    take(reached(tmp_path), log, 4, is_whole=False)
    assert since(reached(tmp_path), log) == 4
    assert not is_taken(reached(tmp_path), log)


def test_of_lines_that_grew_the_rest_is_read(tmp_path: Path, log: Path) -> None:
    take(reached(tmp_path), log, 8)
    log.write_bytes(OLD + b'{"n":2}\n' * 4_000)
    assert since(reached(tmp_path), log) == 8
    assert since(reached(tmp_path), log, is_lines=False) == 0
    assert not is_taken(reached(tmp_path), log)


ANOTHER = {
    "another beginning": b'{"n":9}\n{"n":2}\n',
    "shorter": OLD[:-1],
    "empty": b"",
}


@pytest.mark.parametrize("how", ANOTHER)
def test_another_file_is_read_from_its_beginning(tmp_path: Path, log: Path, how: str) -> None:
    take(reached(tmp_path), log, 8)
    log.write_bytes(ANOTHER[how])
    assert since(reached(tmp_path), log) == 0


def test_what_is_written_while_it_is_read_is_still_to_be_read(tmp_path: Path, log: Path) -> None:
    of = reached(tmp_path)
    with opened(log) as stream:
        reading = of.reading(log, stream)
        with log.open("ab") as file:
            file.write(OLD)
        reading.reach(8, is_whole=True)
    assert not is_taken(of, log)
    assert since(of, log) == 8
    assert since(of, log, is_lines=False) == 0


def test_of_a_log_that_was_set_back_nothing_is_kept(tmp_path: Path, log: Path) -> None:
    of = reached(tmp_path, entries=5)
    of.grown(2)
    take(of, log, 8)
    assert since(reached(tmp_path, entries=7), log) == 8
    assert since(reached(tmp_path, entries=6), log) == 0


def test_a_state_that_can_not_be_kept_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    of = reached(tmp_path)
    assert not of.save()


def test_a_state_that_somebody_spoilt_is_begun_anew(tmp_path: Path, log: Path) -> None:
    take(reached(tmp_path), log, 8)
    (state,) = (tmp_path / "state").iterdir()
    for octets in (b"", b"[]", b"\xff", b'{"entries":0,"files":{"a":1}}', b"[" * 100_000):
        state.write_bytes(octets)
        assert since(reached(tmp_path), log) == 0


def test_names_of_a_source_and_usual_ones_are_taken_from_folders(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    for name in ("b.json.gz", "a.ndjson", "audit-x.txt", "c.txt", ".d.log"):
        (folder / name).write_bytes(b"")
    which = found([folder], ["audit-*.txt"])
    assert [each.name for each in which.files] == [".d.log", "a.ndjson", "audit-x.txt", "b.json.gz"]
    assert [each.name for each, _ in which.left_out] == ["c.txt"]


def test_a_file_that_is_named_is_taken_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_bytes(b"")
    assert found([path], []).files == [path]


def test_nothing_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="expected a file or a folder"):
        found([tmp_path / "nowhere"], [])


def special(tmp_path: Path) -> dict[str, tuple[Path, type[SenderError]]]:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    return {
        "a pipe": (pipe, Malformed),
        "a folder": (tmp_path, Malformed),
        "gone meanwhile": (tmp_path / "gone", NotFound),
    }


@pytest.mark.parametrize("what", ["a pipe", "a folder", "gone meanwhile"])
def test_only_a_file_is_opened(tmp_path: Path, what: str) -> None:
    path, kind = special(tmp_path)[what]
    with pytest.raises(kind):
        opened(path)

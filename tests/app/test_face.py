"""A directory has one face: found while it is there, by whoever may read the files."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from deploytrail.app.face import Face, server_of
from deploytrail.clock import SystemClock
from deploytrail.errors import Conflict
from deploytrail.stores.sqlite.locks import FileLock

URL = "http://127.0.0.1:8420"


def test_a_server_is_found_from_when_it_listens_until_it_has_stopped(tmp_path: Path) -> None:
    assert server_of(tmp_path) is None
    face = Face(tmp_path, SystemClock())
    assert server_of(tmp_path) is None
    face.announce(URL)
    found = server_of(tmp_path)
    assert found is not None
    url, token = found
    assert url == URL
    assert face.is_local(f"Bearer {token}")
    for other in (None, "", "Bearer ", f"bearer {token}", f"Bearer {token}0", "Bearer \udcff"):
        assert not face.is_local(other)
    assert (tmp_path / "server.token").stat().st_mode & 0o777 == 0o600
    face.close()
    assert server_of(tmp_path) is None
    assert not (tmp_path / "server.token").exists()


def test_a_second_server_is_told_where_the_first_is(tmp_path: Path) -> None:
    face = Face(tmp_path, SystemClock())
    face.announce(URL)
    with pytest.raises(Conflict, match=URL):
        Face(tmp_path, SystemClock())
    face.close()
    Face(tmp_path, SystemClock()).close()


def test_what_a_killed_server_left_is_no_server(tmp_path: Path) -> None:
    (tmp_path / "server.lock").write_text(f"{URL}\n")
    (tmp_path / "server.token").write_text("0" * 64)
    assert server_of(tmp_path) is None
    face = Face(tmp_path, SystemClock())
    assert not face.is_local(f"Bearer {'0' * 64}")
    face.close()


def test_whoever_looks_keeps_no_server_from_starting(tmp_path: Path) -> None:
    looking = FileLock(tmp_path / "server.lock")
    assert looking.try_exclusive()
    timer = threading.Timer(0.1, looking.release)
    timer.start()
    Face(tmp_path, SystemClock()).close()
    timer.join()
    looking.close()

"""Leases of followers: of one process at a time, gone with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploytrail.app.followers.leases import DatabaseLease, FileLease
from deploytrail.errors import Unreachable


def test_a_lease_is_one_s_and_asking_again_changes_nothing(tmp_path: Path) -> None:
    one, other = FileLease(tmp_path, "index"), FileLease(tmp_path, "index")
    another = FileLease(tmp_path, "alerts")
    assert [one.is_ours(), one.is_ours(), other.is_ours(), another.is_ours()] == [
        True, True, False, True,
    ]  # fmt: skip
    one.release()
    assert other.is_ours()
    assert not one.is_ours()
    other.close()
    assert one.is_ours()
    one.close()
    another.close()


class Server:
    """A database that knows who holds what, as far as one lease goes."""

    def __init__(self) -> None:
        self.holder: object = None
        self.is_down = False


class Connection:
    """What `stores` offers of a lease in a database."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.taken = 0

    @contextmanager
    def held(self, *, seconds_max: float) -> Iterator[None]:
        yield

    def try_hold(self) -> bool:
        if self._server.is_down:
            raise Unreachable("the database does not answer")
        if self._server.holder is None:
            self._server.holder = self
        self.taken += self._server.holder is self
        return self._server.holder is self

    @property
    def is_held(self) -> bool:
        return not self._server.is_down and self._server.holder is self

    def close(self) -> None:
        if self._server.holder is self:
            self._server.holder = None


def test_a_lease_in_a_database_is_taken_once_and_found_lost() -> None:
    server = Server()
    mine, its = Connection(server), Connection(server)
    one, other = DatabaseLease(mine), DatabaseLease(its)
    assert one.is_ours()
    assert one.is_ours()
    assert mine.taken == 1
    assert not other.is_ours()
    # The connection broke; the other came first.
    server.holder = None
    assert other.is_ours()
    assert not one.is_ours()
    server.is_down = True
    with pytest.raises(Unreachable):
        other.is_ours()
    server.is_down = False
    other.release()
    assert one.is_ours()
    one.close()
    assert server.holder is None

"""Disks that a power loss left, opened with SQLite as it is and judged by the oracle.

A disk's verdict depends on its bytes alone, so equal ones are opened once; it is held against what
had been promised each time that the disk comes up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import apsw

from tests.crash import oracle
from tests.crash.disk import State
from tests.crash.figures import Tally
from tests.crash.oracle import Broken, Lost, Whole
from tests.crash.recording import KEYS, LOG, Promise, Recording
from tests.crash.writing import Place

OBJECTIONS_MAX: Final = 100
_Verdict = TypeVar("_Verdict")


class _Log(NamedTuple):
    """How many of all receipts, in their order, a log holds, and which sizes it published."""

    held: int
    published: frozenset[int]


class Checker:
    """`tally` counts the disks that break a promise or contradict themselves."""

    def __init__(self, place: Place, promises: Sequence[Promise], final: Whole) -> None:
        """`final` is the log as the run left it, while the machine ran."""
        self.tally = Tally()
        self.generated = 0
        self._path = place.base / "state.db"
        self._logs: dict[int, _Log | Broken] = {}
        self._keys: dict[int, frozenset[bytes] | Broken] = {}
        self._receipts = [one for promise in promises for one in promise.receipts]
        for receipt in self._receipts:
            oracle.check_receipt(receipt, final)
        self._leaves = [bytes.fromhex(one.leaf) for one in self._receipts]
        self._first = self._receipts[0].index if self._receipts else 0
        counts = accumulate((len(one.receipts) for one in promises), initial=0)
        self._receipts_told = list(counts)
        self._size_told = list(accumulate((one.size for one in promises), max, initial=0))
        self._subjects = [oracle.subjects(final.entries[one.index]) for one in self._receipts]

    @property
    def distinct(self) -> int:
        """Disks that differ in the log's own two files, each opened and read whole."""
        return len(self._logs)

    @property
    def distinct_keyrings(self) -> int:
        return len(self._keys)

    def check(self, state: State) -> None:
        self.generated += 1
        with self.tally.checking(f"disk {self.generated}, {state.told} promises"):
            log = self._verdict(state, LOG, self._logs, self._examined_log)
            told = self._receipts_told[state.told]
            if log.held < told:
                at = self._receipts[log.held].index
                raise Lost(f"lost: entry {at} was acknowledged and is not there")
            if self._size_told[state.told] > max(log.published, default=0):
                raise Lost(f"lost: checkpoint {self._size_told[state.told]} was handed out")
            keys = self._verdict(state, KEYS, self._keys, self._examined_keys)
            for at in range(log.held):
                if not self._subjects[at] <= keys:
                    raise Lost(f"lost: the key of who did entry {self._receipts[at].index}")

    def _verdict(
        self,
        state: State,
        names: tuple[str, str],
        known: dict[int, _Verdict | Broken],
        examined: Callable[[apsw.Connection], _Verdict],
    ) -> _Verdict:
        files = tuple(state.files[name] for name in names)
        key = hash(files)
        verdict = known.get(key)
        if verdict is None:
            try:
                verdict = self._opened(files, examined)
            except Broken as error:
                verdict = error
            known[key] = verdict
        if isinstance(verdict, Broken):
            raise verdict
        return verdict

    def _opened(
        self, files: tuple[bytes, ...], examined: Callable[[apsw.Connection], _Verdict]
    ) -> _Verdict:
        for octets, suffix in zip(files, ("", "-wal"), strict=True):
            Path(f"{self._path}{suffix}").write_bytes(octets)
        with closing(apsw.Connection(str(self._path))) as connection:
            # Nobody else looks, so the index of the write-ahead log needs no file.
            connection.pragma("locking_mode", "EXCLUSIVE")
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            try:
                return examined(connection)
            except apsw.Error as error:
                raise Broken(f"SQLite: {error}") from error

    def _examined_log(self, connection: apsw.Connection) -> _Log:
        found = oracle.of_connection(connection)
        stored = found.leaves[self._first :]
        if stored[: len(self._leaves)] != self._leaves[: len(stored)]:
            raise Lost("lost: another entry stands where one was acknowledged")
        return _Log(min(len(stored), len(self._leaves)), frozenset(found.published))

    def _examined_keys(self, connection: apsw.Connection) -> frozenset[bytes]:
        return oracle.keyed_subjects(connection)


def checked(
    place: Place, recorded: Recording, *, drawn: int, distinct_max: int, seed: int
) -> Checker:
    """Disks that this run could have left, up to so many, or so many that are objected to."""
    final = oracle.whole(place.home / "log.db")
    checker = Checker(place, recorded.promises, final)
    for state in recorded.states(drawn=drawn, seed=seed):
        checker.check(state)
        tally = checker.tally
        if checker.distinct >= distinct_max or tally.lost + tally.inconsistent >= OBJECTIONS_MAX:
            break
    return checker

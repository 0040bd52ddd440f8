"""Connections that break at any point: before a COMMIT, in it and behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from deploytrail.errors import Busy, CommitUnknown, Unreachable
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.link import Waits
from deploytrail.stores.postgres.log import PostgresLog
from tests.contract.additions import addition
from tests.contract.engines import PostgresEngine
from tests.fakes import FakeClock
from tests.log.entries import append, batch
from tests.postgresql import Server, running
from tests.stores.postgres.wire import Cut, Wire
from tests.verified import verified


@pytest.fixture
def far(engine: PostgresEngine, wire: Wire) -> PostgresLog:
    """The log, at the other end of the wire."""
    return engine.open(Address(wire.url(engine.name)))


def test_a_commit_that_never_arrived_stored_nothing(far: PostgresLog, wire: Wire) -> None:
    wire.cut = Cut(arrives=False)
    with pytest.raises(Unreachable, match="nothing was stored"):
        append(far, batch(0, 3))
    assert wire.cuts == 1
    assert [answer.is_first for answer in append(far, batch(0, 3))] == [True] * 3
    assert len(verified(far)) == 3


def test_a_commit_whose_answer_was_lost_is_found_to_be_done(far: PostgresLog, wire: Wire) -> None:
    wire.cut = Cut(arrives=True)
    first = append(far, batch(0, 300))
    assert wire.cuts == 1
    assert [answer.entry for answer in first] == verified(far)
    assert [answer.is_first for answer in append(far, batch(0, 300))] == [False] * 300
    assert len(verified(far)) == 300


@pytest.mark.parametrize("arrives", [False, True])
def test_it_is_found_out_also_where_another_writer_came_between(
    engine: PostgresEngine, far: PostgresLog, wire: Wire, *, arrives: bool
) -> None:
    other = engine.open(waits=Waits())
    wire.cut = Cut(arrives, then=lambda: append(other, batch(10, 2)))
    if arrives:
        assert [answer.entry_index for answer in append(far, batch(0, 3))] == [0, 1, 2]
    else:
        with pytest.raises(Unreachable, match="nothing was stored"):
            append(far, batch(0, 3))
    assert wire.cuts == 1
    assert len(verified(other)) == (5 if arrives else 2)


@pytest.mark.parametrize("arrives", [False, True])
def test_what_leaves_the_tree_alone_is_unknown_and_can_be_repeated(
    far: PostgresLog, wire: Wire, *, arrives: bool
) -> None:
    def cosign() -> None:
        with far.writing() as writer:
            writer.put_cosignature(2, b"own.", b"a line\n")

    wire.cut = Cut(arrives)
    with pytest.raises(CommitUnknown, match="send the same again"):
        cosign()
    with far.reading() as reader:
        assert reader.cosignatures(2) == ([b"a line\n"] if arrives else [])
    cosign()
    with far.reading() as reader:
        assert reader.cosignatures(2) == [b"a line\n"]


@pytest.mark.parametrize("arrives", [False, True])
def test_what_nobody_can_be_asked_about_is_unknown(
    engine: PostgresEngine, wire: Wire, *, arrives: bool
) -> None:
    far = engine.open(Address(wire.url(engine.name)), Waits(lock=0.2, return_=0.3))
    wire.cut = Cut(arrives, is_down=True)
    with pytest.raises(CommitUnknown, match="send the same again"):
        append(far, batch(0, 3))
    with pytest.raises(Unreachable):
        append(far, batch(0, 3))
    wire.is_down = False
    again = append(far, batch(0, 3))
    assert [answer.is_first for answer in again] == [not arrives] * 3
    assert [answer.entry for answer in again] == verified(far)


def test_connections_that_broke_while_nobody_used_them_are_made_anew(
    postgres_server: Server, engine: PostgresEngine
) -> None:
    store = engine.open()
    append(store, batch(0, 1))
    for first in range(1, 4):
        assert len(postgres_server.end_sessions(engine.name)) == 2
        append(store, batch(first, 1))
        assert len(verified(store)) == first + 1


def test_a_writer_that_is_ended_within_its_block_stores_nothing(
    postgres_server: Server, engine: PostgresEngine
) -> None:
    store = engine.open()
    append(store, batch(0, 1))

    def written_and_ended() -> None:
        with store.writing() as writer:
            writer.add(addition(writer.tree(), 2))
            assert len(postgres_server.end_sessions(engine.name, "idle in transaction")) == 1

    with pytest.raises(Unreachable, match="nothing was stored"):
        written_and_ended()
    append(store, batch(1, 1))
    assert len(verified(store)) == 2


def test_a_reader_that_is_ended_is_told(postgres_server: Server, engine: PostgresEngine) -> None:
    store = engine.open()

    def read_and_ended() -> None:
        with store.reading() as reader:
            reader.tree()
            assert len(postgres_server.end_sessions(engine.name, "idle in transaction")) == 1
            reader.tail()

    with pytest.raises(Unreachable):
        read_and_ended()
    assert verified(store) == []


def test_a_writer_that_stands_still_gives_way_to_the_others(engine: PostgresEngine) -> None:
    stuck, other = engine.open(waits=Waits(idle=0.2)), engine.open(waits=Waits())

    def stand_still() -> None:
        with stuck.writing() as writer:
            writer.add(addition(writer.tree(), 2))
            # It waits for the lock, which it gets once the server has ended the other.
            append(other, batch(0, 1))

    with pytest.raises(Busy, match="stood still"):
        stand_still()
    append(stuck, batch(1, 1))
    assert len(verified(other)) == 2


def _crash(server: Server) -> None:
    server.crash()
    server.start()


def _promote(server: Server) -> None:
    """As from a backup: the same database goes on, in a history of its own."""
    server.crash()
    (server.directory / "recovery.signal").touch()
    with (server.directory / "postgresql.auto.conf").open("a") as settings:
        settings.write("restore_command = 'false'\n")
    server.start()


RETURNS: dict[str, Callable[[Server], None]] = {
    "from a crash": _crash,
    "as another that was promoted": _promote,
}


@pytest.mark.parametrize("how", RETURNS)
@pytest.mark.parametrize("arrives", [False, True])
def test_a_server_that_comes_back_is_asked(how: str, *, arrives: bool) -> None:
    with running() as server:
        engine, wire = PostgresEngine(server, FakeClock()), Wire(server.socket)
        far = engine.open(Address(wire.url(engine.name)), Waits())
        append(far, batch(0, 2))

        def come_back() -> None:
            _wait_until_idle(server, engine)
            RETURNS[how](server)

        wire.cut = Cut(arrives, then=come_back)
        if arrives:
            assert [answer.entry_index for answer in append(far, batch(2, 3))] == [2, 3, 4]
        else:
            with pytest.raises(Unreachable, match="nothing was stored"):
                append(far, batch(2, 3))
        assert wire.cuts == 1
        append(far, batch(5, 1))
        assert len(verified(far)) == (6 if arrives else 3)
        engine.close()
        wire.close()


def test_a_lost_commit_is_not_taken_for_another_s_that_got_its_number() -> None:
    """After a crash the server gives the id of a transaction that never reached the disk again."""
    with running() as server:
        engine, wire = PostgresEngine(server, FakeClock()), Wire(server.socket)
        far = engine.open(Address(wire.url(engine.name)), Waits())
        append(far, batch(0, 2))

        def crash_and_go_on() -> None:
            _crash(server)
            # One of these has that number, however many the server counts on from.
            other = engine.open(waits=Waits())
            for each in range(10, 14):
                append(other, batch(each, 1))

        wire.cut = Cut(arrives=False, then=crash_and_go_on)
        with pytest.raises(Unreachable, match="nothing was stored"):
            append(far, batch(2, 3))
        assert wire.cuts == 1
        assert len(verified(far)) == 6
        engine.close()
        wire.close()


def _wait_until_idle(server: Server, engine: PostgresEngine) -> None:
    """What arrived is done: the session that it came through is over."""
    while len(_sessions(server, engine)) > 1:
        threading.Event().wait(0.01)


def _sessions(server: Server, engine: PostgresEngine) -> list[tuple[object, ...]]:
    return server.run(
        "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name = 'deploytrail'",
        [engine.name],
    )

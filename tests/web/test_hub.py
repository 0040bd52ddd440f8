"""The tail's fan-out: everything from where one joins, once, whoever else does not read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from deploytrail import entry
from deploytrail.app.events.recording import Recorded, Said
from deploytrail.errors import Busy
from deploytrail.event import EventId
from deploytrail.trail import Receipt, Shown
from deploytrail.web import hub as hubs
from deploytrail.web.hub import Client, Hub, New
from deploytrail.web.matching import everything
from tests.events import event

SECONDS = 20
ID = EventId("00000000-0000-7000-8000-000000000000")


class FakeLog:
    """A log that grows when it is told to; `fault` is raised by the next read."""

    def __init__(self, size: int = 0) -> None:
        self._size = size
        self.fault: Exception | None = None
        self.reads = 0
        self.erased_at: int | None = None

    def grow(self, count: int) -> None:
        self._size += count

    def grow_by_and_by(self, count: int) -> None:
        for _ in range(count):
            self.grow(1)

    def size(self) -> int:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        return self._size

    def entries(self, *, first: int = 0, until: int | None = None) -> Iterator[Shown]:
        self.reads += 1
        for at in range(first, self._size if until is None else until):
            yield Shown(index=at, leaf="", entry=b"{}", event=self.event(at))

    def event(self, index: int) -> dict[str, object]:
        action = "audit.subject.erased" if index == self.erased_at else "deployment.started"
        return {"action": action, "parity": index % 2}

    def close(self) -> None:
        """Nothing is open."""


def sent(one: New) -> bytes:
    return b"%d " % one.index


def odd(event: Mapping[str, Any]) -> bool:
    return bool(event["parity"])


def even(event: Mapping[str, Any]) -> bool:
    return not event["parity"]


def odd_index(event: Mapping[str, Any]) -> bool:
    return bool(event["index"] % 2)


def logged(index: int) -> Recorded:
    """As the writer says that an entry is new."""
    given = Receipt(origin="o", id=ID, index=index, leaf="", size=index + 1, logged=entry.UNSTAMPED)
    return Recorded(given, True, Said(b"{}", event(), b"b" * 32, entry.UNSTAMPED))


async def joined(hub: Hub, log: FakeLog, client: Client) -> list[int]:
    """What a client reads by itself until the hub takes over."""
    found: list[int] = []
    async with asyncio.timeout(SECONDS):
        while not hub.join(client):
            until = log.size()
            found += [
                one.index
                for one in log.entries(first=client.at, until=until)
                if client.matches(one.event)
            ]
            client.at = max(client.at, until)
            await asyncio.sleep(0.001)
    return found


async def taken(hub: Hub, client: Client, until: int) -> list[int]:
    """What the hub gives until the client has everything below an index, or lags."""
    found: list[int] = []
    async with asyncio.timeout(SECONDS):
        while client.at < until and not client.is_lagging:
            octets = hub.taken(client)
            found += [int(each) for each in octets.split()]
            if not octets:
                await client.news(seconds_max=0.01)
    return found


async def ended(hub: Hub) -> None:
    await asyncio.get_running_loop().run_in_executor(None, hub.end)


def test_whoever_joins_gets_everything_from_there_on_and_once() -> None:
    log = FakeLog(1000)

    async def listened() -> list[int]:
        hub = Hub(lambda: log, sent)
        hub.start()
        growing = threading.Thread(target=log.grow_by_and_by, args=(3000,))
        client = Client(everything, 10)
        growing.start()
        found = await joined(hub, log, client)
        growing.join()
        hub.hear([])
        found += await taken(hub, client, 4000)
        await ended(hub)
        return found

    assert asyncio.run(listened()) == list(range(10, 4000))


def test_whoever_is_ahead_waits_until_the_log_is_there() -> None:
    log = FakeLog(5)

    async def listened() -> list[int]:
        hub = Hub(lambda: log, sent)
        hub.start()
        client = Client(everything, 8)
        await joined(hub, log, client)
        log.grow(6)
        hub.hear([])
        found = await taken(hub, client, 11)
        await ended(hub)
        return found

    assert asyncio.run(listened()) == [8, 9, 10]


def test_only_what_matches_is_given() -> None:
    log = FakeLog()

    async def listened() -> tuple[list[int], list[int]]:
        hub = Hub(lambda: log, sent)
        hub.start()
        all_of_them, some = Client(everything, 0), Client(odd, 0)
        await joined(hub, log, all_of_them)
        await joined(hub, log, some)
        log.grow(6)
        hub.hear([])
        found = await taken(hub, all_of_them, 6), await taken(hub, some, 6)
        await ended(hub)
        return found

    assert asyncio.run(listened()) == (list(range(6)), [1, 3, 5])


def test_who_does_not_read_is_left_behind_and_nobody_else() -> None:
    log = FakeLog()
    wide = hubs.KEPT_BYTES_MAX // 1000

    async def listened() -> tuple[Client, list[int]]:
        hub = Hub(lambda: log, lambda one: b"%d".ljust(wide) % one.index)
        hub.start()
        asleep, awake = Client(everything, 0), Client(everything, 0)
        await joined(hub, log, asleep)
        await joined(hub, log, awake)
        seen: list[int] = []
        for until in range(100, 2001, 100):
            log.grow(100)
            seen += await taken(hub, awake, until)
        assert hub.taken(asleep) == b""
        await ended(hub)
        return asleep, seen

    asleep, seen = asyncio.run(listened())
    assert seen == list(range(2000))
    assert (asleep.is_lagging, asleep.at) == (True, 0)


def test_who_reads_late_is_given_what_is_kept() -> None:
    log = FakeLog()

    async def listened() -> list[list[int]]:
        hub = Hub(lambda: log, sent)
        hub.start()
        late, awake = Client(odd, 0), Client(everything, 0)
        await joined(hub, log, late)
        await joined(hub, log, awake)
        log.grow(1000)
        await taken(hub, awake, 1000)
        found = await taken(hub, late, 1000)
        # Whoever left comes back; nobody knows yet what a newcomer asks for.
        back, stranger = Client(everything, 900), Client(even, 900)
        before = log.reads
        assert hub.join(back)
        assert not hub.join(stranger)
        found += await taken(hub, back, 1000)
        await ended(hub)
        return [found, [log.reads - before]]

    assert asyncio.run(listened()) == [[*range(1, 1000, 2), *range(900, 1000)], [0]]


def test_what_the_writer_says_is_not_read_again() -> None:
    log = FakeLog()

    async def listened() -> tuple[list[int], int]:
        hub = Hub(lambda: log, sent)
        hub.start()
        client = Client(odd_index, 0)
        await joined(hub, log, client)
        before = log.reads
        for first in range(0, 500, 5):
            log.grow(5)
            hub.hear([logged(index) for index in range(first, first + 5)])
        found = await taken(hub, client, 500)
        await ended(hub)
        return found, log.reads - before

    found, reads = asyncio.run(listened())
    assert found == list(range(1, 500, 2))
    # At most the first, should it be found before it was heard.
    assert reads <= 2


def test_what_the_writer_has_under_way_is_waited_for_and_not_for_ever() -> None:
    log = FakeLog()
    is_writing = threading.Event()

    async def listened() -> tuple[list[int], int, list[int]]:
        hub = Hub(lambda: log, sent, is_writing=is_writing.is_set)
        hub.start()
        client = Client(everything, 0)
        await joined(hub, log, client)
        before = log.reads
        is_writing.set()
        log.grow(5)
        await asyncio.sleep(0.15)
        hub.hear([logged(index) for index in range(5)])
        found = await taken(hub, client, 5)
        reads = log.reads - before
        # Somebody else's, while the writer goes on with something that takes long.
        log.grow(5)
        later = await taken(hub, client, 10)
        await ended(hub)
        return found, reads, later

    assert asyncio.run(listened()) == ([0, 1, 2, 3, 4], 0, [5, 6, 7, 8, 9])


def test_what_others_logged_between_is_read() -> None:
    log = FakeLog()

    async def listened() -> list[int]:
        hub = Hub(lambda: log, sent)
        hub.start()
        client = Client(everything, 0)
        await joined(hub, log, client)
        for first in range(0, 500, 10):
            log.grow(10)
            hub.hear([logged(index) for index in range(first + 3, first + 7)])
        found = await taken(hub, client, 500)
        await ended(hub)
        return found

    assert asyncio.run(listened()) == list(range(500))


def test_what_names_somebody_who_was_erased_is_kept_no_longer() -> None:
    log = FakeLog()

    async def listened() -> tuple[bool, bool, list[int]]:
        hub = Hub(lambda: log, sent)
        hub.start()
        awake, asleep = Client(everything, 0), Client(everything, 0)
        await joined(hub, log, awake)
        await joined(hub, log, asleep)
        log.grow(100)
        await taken(hub, awake, 100)
        was_kept = hub.join(Client(everything, 50))
        log.erased_at = 120
        log.grow(100)
        await taken(hub, awake, 200)
        # It lags now, reads the log, and comes back.
        found = await joined(hub, log, awake)
        is_kept = hub.join(Client(everything, 50))
        assert hub.taken(asleep) == b""
        assert asleep.is_lagging
        await ended(hub)
        return was_kept, is_kept, found

    was_kept, is_kept, found = asyncio.run(listened())
    assert (was_kept, is_kept) == (True, False)
    assert 120 in found


def test_the_log_is_read_once_for_all_who_listen() -> None:
    log = FakeLog()

    async def listened() -> int:
        hub = Hub(lambda: log, sent)
        hub.start()
        clients = [Client(everything, 0) for _ in range(50)]
        for client in clients:
            await joined(hub, log, client)
        before = log.reads
        log.grow(1)
        hub.hear([])
        for client in clients:
            assert await taken(hub, client, 1) == [0]
        await ended(hub)
        return log.reads - before

    assert asyncio.run(listened()) == 1


def test_a_log_that_can_not_be_read_for_a_while_loses_nothing() -> None:
    log = FakeLog()
    failed: list[Exception] = []

    async def listened() -> list[int]:
        hub = Hub(lambda: log, sent, failed.append)
        hub.start()
        client = Client(everything, 0)
        await joined(hub, log, client)
        log.grow(2)
        log.fault = Busy("somebody holds it")
        hub.hear([])
        found = await taken(hub, client, 2)
        await ended(hub)
        return found

    assert asyncio.run(listened()) == [0, 1]
    assert [type(each) for each in failed] == [Busy]


def test_what_nobody_listens_for_any_more_is_let_go_of() -> None:
    log = FakeLog()

    async def listened() -> tuple[list[int], list[bool]]:
        hub = Hub(lambda: log, sent)
        hub.start()
        stays, goes, leaves = Client(odd, 0), Client(even, 0), Client(odd, 0)
        for client in (stays, goes, leaves):
            await joined(hub, log, client)
        log.grow(10)
        await taken(hub, goes, 10)
        hub.leave(leaves)
        hub.leave(goes)
        # One who is behind listens still.
        joins = [hub.join(Client(odd, 5)), hub.join(Client(even, 5))]
        hub.let_go(even)
        joins += [hub.join(Client(odd, 5)), hub.join(Client(even, 5))]
        found = await taken(hub, stays, 10)
        await ended(hub)
        return found, joins

    found, joins = asyncio.run(listened())
    assert found == [1, 3, 5, 7, 9]
    assert joins == [True, True, True, False]


def test_what_was_found_for_one_who_has_gone_since_is_not_kept() -> None:
    log = FakeLog()
    is_deciding, has_gone = threading.Event(), threading.Event()

    def slow(event: Mapping[str, Any]) -> bool:
        is_deciding.set()
        return has_gone.wait(SECONDS) and odd(event)

    async def listened() -> bool:
        hub = Hub(lambda: log, sent)
        hub.start()
        stays, goes = Client(everything, 0), Client(slow, 0)
        for client in (stays, goes):
            await joined(hub, log, client)
        log.grow(10)
        await asyncio.get_running_loop().run_in_executor(None, is_deciding.wait, SECONDS)
        hub.leave(goes)
        hub.let_go(slow)
        has_gone.set()
        await taken(hub, stays, 10)
        is_kept = hub.join(Client(slow, 5))
        await ended(hub)
        return is_kept

    assert not asyncio.run(listened())

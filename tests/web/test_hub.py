"""The tail's fan-out: everything from where one joins, once, whoever else does not read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from deploytrail.errors import Busy
from deploytrail.query.tree import EVERYTHING
from deploytrail.trail import Shown
from deploytrail.web import hub as hubs
from deploytrail.web.hub import Client, Hub
from deploytrail.web.matching import READ_AT_ONCE_CHARACTERS_MAX, Matching, everything

SECONDS = 20


class FakeLog:
    """A log that grows when it is told to; `fault` is raised by the next read."""

    def __init__(self, size: int = 0) -> None:
        self._size = size
        self.fault: Exception | None = None
        self.reads = 0

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
            yield Shown(index=at, leaf="", entry=b"{}", event={"parity": at % 2})

    def close(self) -> None:
        """Nothing is open."""


def sent(one: Shown) -> bytes:
    return b"%d " % one.index


def odd(event: Mapping[str, Any]) -> bool:
    return bool(event["parity"])


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


async def taken(client: Client, until: int) -> list[int]:
    """What the hub gives until the client was offered everything below an index."""
    found: list[int] = []
    async with asyncio.timeout(SECONDS):
        while client.at < until and not client.is_lagging:
            await client.news(seconds_max=0.01)
            found += [int(each) for chunk in client.taken() for each in chunk.split()]
    return found + [int(each) for chunk in client.taken() for each in chunk.split()]


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
        hub.wake()
        found += await taken(client, 4000)
        await asyncio.get_running_loop().run_in_executor(None, hub.end)
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
        hub.wake()
        found = await taken(client, 11)
        await asyncio.get_running_loop().run_in_executor(None, hub.end)
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
        hub.wake()
        found = await taken(all_of_them, 6), await taken(some, 6)
        await asyncio.get_running_loop().run_in_executor(None, hub.end)
        return found

    assert asyncio.run(listened()) == (list(range(6)), [1, 3, 5])


def test_who_does_not_read_is_left_behind_and_nobody_else() -> None:
    log = FakeLog()
    wide = b"x" * 4096

    async def listened() -> tuple[Client, int, list[int]]:
        hub = Hub(lambda: log, lambda one: b"%d%s " % (one.index, wide))
        hub.start()
        asleep, awake = Client(everything, 0), Client(everything, 0)
        await joined(hub, log, asleep)
        await joined(hub, log, awake)
        count = 1000
        seen: list[int] = []
        log.grow(count)
        async with asyncio.timeout(SECONDS):
            while len(seen) < count:
                hub.wake()
                await awake.news(seconds_max=0.01)
                seen += [int(one[: -len(wide)]) for chunk in awake.taken() for one in chunk.split()]
        held = sum(map(len, asleep.taken()))
        await asyncio.get_running_loop().run_in_executor(None, hub.end)
        return asleep, held, seen

    asleep, held, seen = asyncio.run(listened())
    assert seen == list(range(1000))
    assert asleep.is_lagging
    # A run that was offered to an empty queue may be longer than the queue.
    assert held <= hubs.QUEUED_BYTES_MAX + hubs.RUN_ENTRIES_MAX * 5000
    assert asleep.at < 1000


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
        hub.wake()
        for client in clients:
            assert await taken(client, 1) == [0]
        await asyncio.get_running_loop().run_in_executor(None, hub.end)
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
        hub.wake()
        found = await taken(client, 2)
        await asyncio.get_running_loop().run_in_executor(None, hub.end)
        return found

    assert asyncio.run(listened()) == [0, 1]
    assert [type(each) for each in failed] == [Busy]


def test_who_asks_for_the_same_is_asked_once() -> None:
    compiled: list[str] = []

    def compile(query: str, _: object) -> Any:
        compiled.append(query)
        return odd

    long = "b" * (READ_AT_ONCE_CHARACTERS_MAX + 1)

    async def asked() -> None:
        matching = Matching(compile)
        for query in ("a", long):
            first = await matching.of(query, EVERYTHING)
            assert await matching.of(query, EVERYTHING) is first
        assert await matching.of("", EVERYTHING) is everything

    asyncio.run(asked())
    assert compiled == ["a", long]

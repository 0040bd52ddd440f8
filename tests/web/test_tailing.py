"""The tail over a real trail: what is recorded comes, in order, from where one wants it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from deploytrail.access.principal import Principal
from deploytrail.app.events.claimed import Heard
from deploytrail.clock import rfc3339
from deploytrail.errors import Unknown
from deploytrail.web.knowing import STREAM_SECONDS_MAX
from deploytrail.web.routes.tailing import ASKED_CHARACTERS_MAX
from deploytrail.web.writer import Wanted
from tests.app.places import Place
from tests.events import ALICE, BOB, body
from tests.fakes import NOON
from tests.web.indexed import over
from tests.web.served import Served, asgi_scope, authenticate, served

SECONDS = 20


class Listening:
    """A client of the tail, in the event loop of its server."""

    def __init__(self) -> None:
        self.status = 0
        self.text = b""
        self.came = asyncio.Event()
        self.gone = asyncio.Event()

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.text += message.get("body", b"")
        self.came.set()

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line[6:]) for line in self.text.splitlines() if line[:6] == b"data: "]

    def indexes(self) -> list[int]:
        return [each["index"] for each in self.said()]

    async def until(self, count: int) -> list[int]:
        async with asyncio.timeout(SECONDS):
            while len(self.indexes()) < count:
                self.came.clear()
                await self.came.wait()
        return self.indexes()


@asynccontextmanager
async def listening(server: Served, path: str, **headers: str) -> AsyncIterator[Listening]:
    found = Listening()
    scope = asgi_scope("GET", path, **headers)
    task = asyncio.create_task(server.assembled.application(scope, found.receive, found.send))
    try:
        async with asyncio.timeout(SECONDS):
            while b": connected" not in found.text:
                await asyncio.sleep(0.001)
        yield found
    finally:
        found.gone.set()
        await asyncio.wait_for(task, SECONDS)


async def recorded(server: Served, bodies: Sequence[bytes]) -> None:
    """While clients of the same event loop listen."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def told(answers: object) -> None:
        loop.call_soon_threadsafe(done.set_result, answers)

    server.assembled.writer.offer(Wanted([Heard(each) for each in bodies], 1, told))
    await asyncio.wait_for(done, SECONDS)


def test_what_is_recorded_from_now_on_comes(server: Served) -> None:
    server.record(body())

    async def listened() -> list[int]:
        async with listening(server, "/v1/tail") as client:
            await asyncio.sleep(0.1)
            await recorded(server, [body() for _ in range(5)])
            return await client.until(5)

    assert server.runner.run(listened()) == [1, 2, 3, 4, 5]


def test_who_is_not_known_any_more_is_sent_nothing_more(there: Place) -> None:
    revoked: list[str] = []

    def known(header: str | None) -> Principal:
        if revoked:
            raise Unknown("token: expected one that this trail knows, found none of these")
        return authenticate(header)

    with served(there, authenticate=known) as server:

        async def listened() -> list[int]:
            async with listening(server, "/v1/tail") as client:
                await asyncio.sleep(0.1)
                await recorded(server, [body()])
                await client.until(1)
                revoked.append("admin")
                await asyncio.sleep(STREAM_SECONDS_MAX)
                await recorded(server, [body()])
                async with asyncio.timeout(SECONDS):
                    while server.assembled.hub.clients:
                        await asyncio.sleep(0.01)
                return client.indexes()

        assert server.runner.run(listened()) == [0]
    (line,) = [each for each in server.journal() if each.get("route") == "/v1/tail"]
    assert line["why"].startswith("token: expected one that this trail knows")


def test_what_comes_is_what_is_found_in_the_log_later(server: Served) -> None:
    bodies = [body(), body(actor=BOB, on_behalf_of=ALICE), body(observed=NOON, reason=None)]

    async def listened() -> list[dict[str, Any]]:
        async with listening(server, "/v1/tail") as client:
            await asyncio.sleep(0.1)
            await recorded(server, bodies)
            await client.until(len(bodies))
        return client.said()

    heard = server.runner.run(listened())
    assert [each["index"] for each in heard] == [0, 1, 2]
    for each in heard:
        later = server.get(f"/v1/events/{each['id']}").json()
        assert each == {name: later[name] for name in each}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/tail?after=2", {}),
        ("/v1/tail", {"last_event_id": "2"}),
        ("/v1/tail?after=7", {"last_event_id": "2"}),
    ],
)
def test_it_goes_on_behind_what_was_seen_last(
    server: Served, path: str, headers: dict[str, str]
) -> None:
    server.record(b"[" + b",".join(body() for _ in range(8)) + b"]")

    async def listened() -> list[int]:
        async with listening(server, path, **headers) as client:
            await client.until(5)
            await recorded(server, [body(), body()])
            return await client.until(7)

    assert server.runner.run(listened()) == list(range(3, 10))


def test_only_what_matches_comes(server: Served) -> None:
    wanted = {"action": "deployment.failed", "outcome": "failure"}

    async def listened() -> list[int]:
        async with listening(server, "/v1/tail?q=deployment.failed") as client:
            await asyncio.sleep(0.1)
            await recorded(server, [body(), body(**wanted), body(), body(**wanted)])
            return await client.until(2)

    assert server.runner.run(listened()) == [1, 3]


def test_many_who_come_at_any_time_each_get_all_of_it(server: Served) -> None:
    async def listener(after: int) -> list[int]:
        await asyncio.sleep(after / 100)
        async with listening(server, f"/v1/tail?after={after}") as client:
            return await client.until(60 - after - 1)

    async def listened() -> list[list[int]]:
        await recorded(server, [body() for _ in range(30)])
        tasks = [asyncio.create_task(listener(after)) for after in range(0, 28, 3)]
        for _ in range(30):
            await recorded(server, [body()])
        return list(await asyncio.gather(*tasks))

    found = server.runner.run(listened())
    assert found == [list(range(after + 1, 60)) for after in range(0, 28, 3)]


def test_it_ends_with_the_server(server: Served) -> None:
    async def listened() -> bytes:
        async with listening(server, "/v1/tail") as client:
            server.assembled.end_streams()
            await asyncio.sleep(0.05)
        return client.text

    assert server.runner.run(listened()).startswith(b"retry: 1000\n: connected\n\n")
    assert server.assembled.hub.clients == set()


@pytest.mark.parametrize("last", ["x", "-1", "1.0", "٣", "1_0", "9" * 40])
def test_an_id_that_is_none_is_refused(server: Served, last: str) -> None:
    if last.isascii():
        assert server.get("/v1/tail", last_event_id=last).status == 400
    assert server.get(f"/v1/tail?after={'%D9%A3' if not last.isascii() else last}").status == 400


def test_who_listened_before_leaves_room_for_others(there: Place) -> None:
    queries = [f"env:nowhere-{number:07000}" for number in range(ASKED_CHARACTERS_MAX // 7000 + 3)]

    async def listened() -> list[int]:
        answers: list[int] = []
        async with listening(server, "/v1/tail") as stays:
            for number, query in enumerate(queries, 1):
                async with listening(server, f"/v1/tail?q={query}") as client:
                    answers.append(client.status)
                    await recorded(server, [body()])
                    await stays.until(number)
        return answers

    with over(there) as server:
        assert server.runner.run(listened()) == [200] * len(queries)


def test_a_relative_time_is_so_to_whom_it_was_said(there: Place) -> None:
    path = "/v1/tail?q=since:5s"

    def said(seconds_ago: float) -> bytes:
        return body(time=there.clock.now() - timedelta(seconds=seconds_ago))

    async def listened() -> list[list[str]]:
        async with listening(server, "/v1/tail") as stays, listening(server, path) as first:
            async with listening(server, path):
                await asyncio.sleep(0.1)
                await recorded(server, [said(1)])
                await first.until(1)
            there.clock.advance(seconds=12)
            async with listening(server, path) as second:
                await recorded(server, [said(1), said(10), said(20)])
                await stays.until(4)
                await first.until(3)
                await second.until(1)
                return [
                    [str(one["event"]["time"]) for one in client.said()]
                    for client in (first, second)
                ]

    now = there.clock.now()
    expected = [now - timedelta(seconds=1), now + timedelta(seconds=11)]
    expected.append(now + timedelta(seconds=2))
    with over(there) as server:
        first, second = server.runner.run(listened())
    assert first == [rfc3339(each) for each in expected]
    assert second == [rfc3339(expected[1])]

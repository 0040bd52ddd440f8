"""Who waits for the index holds nobody up; how many may wait is bounded, and for how long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from deploytrail.errors import Behind, Malformed, Overloaded, Unreachable
from deploytrail.web.waiting import CHARACTERS_MAX, Reach, Waiting
from tests.app.places import Place, place
from tests.events import body
from tests.web.indexed import follow, lines, over
from tests.web.served import Answer, Served, asgi_scope, asked

SECONDS: Final = 60
"""Of what would be waited for for ever, were it not so."""
CLIENTS: Final = 130


@pytest.fixture
def there(tmp_path: Path) -> Place:
    """A trail of three events, of which the index has none."""
    made = place(tmp_path)
    follow(made)
    made.record(3)
    return made


async def get(server: Served, path: str) -> Answer:
    return await asked(server.assembled, asgi_scope("GET", path))


@contextmanager
def held(server: Served) -> Iterator[None]:
    """All threads that search are busy, and as many questions wait as may."""
    let_go = threading.Event()
    readers = server.assembled.server.readers

    async def ask() -> list[asyncio.Task[bool]]:
        found: list[asyncio.Task[bool]] = []
        while True:
            task = asyncio.ensure_future(readers.ask(lambda _: let_go.wait(SECONDS)))
            await asyncio.sleep(0)
            if task.done() and isinstance(task.exception(), Overloaded):
                return found
            found.append(task)

    tasks = server.runner.run(ask())
    try:
        yield
    finally:
        let_go.set()

        async def done() -> None:
            await asyncio.gather(*tasks)

        server.runner.run(done())


OTHERS: Final = ("/readyz", "/metrics", "/checkpoint", "/v1/stats", "/v1/events/1", "/v1/events")


def test_whoever_waits_for_the_index_holds_up_nobody(there: Place) -> None:
    async def waited(server: Served) -> None:
        tasks = [
            asyncio.create_task(get(server, f"/v1/events?limit={one}&after=2"))
            for one in range(1, CLIENTS + 1)
        ]
        while server.assembled.server.waiting.waiters < CLIENTS:
            await asyncio.sleep(0.001)
        for path in OTHERS:
            assert (await get(server, path)).status == 200
        assert server.assembled.server.waiting.waiters == CLIENTS
        await asyncio.to_thread(follow, there)
        answers = await asyncio.gather(*tasks)
        assert {one.status for one in answers} == {200}
        assert {one.json()["indexed"] for one in answers} == {3}
        assert server.assembled.server.waiting.waiters == 0

    with over(there) as server:
        server.runner.run(asyncio.wait_for(waited(server), SECONDS))


WAITING: Final = (
    "/v1/events?q=reason&", "/v1/changes?q=reason&", "/v1/facets?q=reason&fields=env&",
    "/v1/histogram?q=reason&", "/v1/suggest?field=action&", "/v1/export?q=reason&",
)  # fmt: skip


@pytest.mark.parametrize("path", WAITING)
def test_every_question_may_wait_for_an_entry(there: Place, path: str) -> None:
    async def waited(server: Served) -> Answer:
        task = asyncio.create_task(get(server, f"{path}after=2"))
        while not server.assembled.server.waiting.waiters:
            await asyncio.sleep(0.001)
        await asyncio.to_thread(follow, there)
        return await task

    with over(there) as server:
        assert "below 3, found 3; take that of a receipt" in server.get(f"{path}after=3").detail
        before = server.get(path.rstrip("&?")).body
        answer = server.runner.run(asyncio.wait_for(waited(server), SECONDS))
        assert answer.status == 200, answer.body
        assert before != answer.body
        # What the index has is not waited for.
        assert server.get(f"{path}after=2").body == answer.body
        assert server.get(path.rstrip("&?")).body == answer.body


@pytest.mark.parametrize("part", ["", "&first=0", "&until=3&q=reason"])
def test_an_export_of_the_log_itself_has_every_entry_of_it(there: Place, part: str) -> None:
    with over(there) as server:
        answer = server.get(f"/v1/export?after=2{part}")
        assert [one["index"] for one in lines(answer.body)] == [0, 1, 2]
        assert "below 3, found 3" in server.get(f"/v1/export?after=3{part}").detail


def publish(there: Place) -> None:
    with there.opened() as trail:
        trail.publish()


def test_whoever_waits_for_a_signature_holds_up_nobody(there: Place) -> None:
    async def waited(server: Served) -> None:
        scope = asgi_scope("POST", "/v1/events?wait=published", content_type="application/json")
        bodies = [body() for _ in range(CLIENTS)]
        tasks = [asyncio.create_task(asked(server.assembled, scope, one)) for one in bodies]
        lookups = server.assembled.server.lookups
        while await lookups.ask(lambda served: served.trail.size()) < 3 + CLIENTS:
            await asyncio.sleep(0.01)
        for _ in range(100):
            # One looks for all of them.
            assert lookups.waiting <= 1
            await asyncio.sleep(0.001)
        assert not any(task.done() for task in tasks)
        await asyncio.to_thread(publish, there)
        assert all(one.json()["published"] for one in await asyncio.gather(*tasks))

    with over(there) as server:
        server.runner.run(asyncio.wait_for(waited(server), SECONDS))


def test_who_only_looks_is_answered_while_every_thread_searches(there: Place) -> None:
    follow(there)
    with over(there) as server, held(server):
        assert server.get("/v1/events").status == 429
        for path in OTHERS[:-1]:
            assert server.get(path).status == 200
        refused = server.get("/v1/events?after=2")
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")


class Index:
    """An index that is asked how far it is, and fails where it is told to."""

    def __init__(self) -> None:
        self.cursor = 0
        self.size = 9
        self.looks = 0
        self.failure: Exception | None = None

    async def look(self) -> Reach:
        self.looks += 1
        if self.failure is not None:
            raise self.failure
        return Reach(self.cursor, self.size)


def test_an_entry_is_waited_for_for_a_bounded_time() -> None:
    index = Index()
    index.cursor = 2

    async def waited() -> None:
        waiting = Waiting(index.look, seconds_max=0.1)
        assert not await waiting.until(1)
        with pytest.raises(Behind, match=r"read entry 2 within 0\.1 s, found it at 2; ask again"):
            await waiting.until(2)

    asyncio.run(waited())


def test_one_looks_for_all_who_wait_and_rests_once_nobody_does() -> None:
    index = Index()

    async def waited() -> None:
        waiting = Waiting(index.look)
        tasks = [asyncio.create_task(waiting.until(at % 3)) for at in range(100)]
        while index.looks < 3:
            await asyncio.sleep(0.001)
        assert not any(task.done() for task in tasks)
        index.cursor = 3
        assert all(await asyncio.gather(*tasks))
        looks = index.looks
        await asyncio.sleep(0.1)
        assert index.looks <= looks + 1

    asyncio.run(waited())


def test_an_entry_that_came_while_it_looked_is_no_unknown_one() -> None:
    index = Index()
    let_go = asyncio.Event()

    async def look() -> Reach:
        found = await index.look()
        await let_go.wait()
        return found

    async def waited() -> None:
        waiting = Waiting(look)
        first = asyncio.create_task(waiting.until(0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert index.looks == 1
        # Logged behind that look, and asked for before it is over.
        second = asyncio.create_task(waiting.until(9))
        await asyncio.sleep(0)
        index.size = index.cursor = 10
        let_go.set()
        await asyncio.gather(first, second)
        with pytest.raises(Malformed, match="below 10, found 10; take that of a receipt"):
            await waiting.until(10)

    asyncio.run(waited())


def test_as_many_may_wait_as_there_is_room_for() -> None:
    waiting = Waiting(Index().look, waiters_max=2)
    with waiting.place(0), waiting.place(CHARACTERS_MAX):
        with pytest.raises(Overloaded, match="at most 2 questions that wait for the index"):
            waiting.place(0).__enter__()
        assert waiting.waiters == 2
    with waiting.place(1), pytest.raises(Overloaded, match="characters together, found more"):
        waiting.place(CHARACTERS_MAX).__enter__()
    with waiting.place(CHARACTERS_MAX):
        assert waiting.waiters == 1


def test_what_keeps_it_from_looking_is_told_but_a_crowd_is_waited_out() -> None:
    index = Index()

    async def waited() -> None:
        waiting = Waiting(index.look)
        index.failure = Overloaded("others ask, too")
        task = asyncio.create_task(waiting.until(0))
        while index.looks < 2:
            await asyncio.sleep(0.001)
        index.failure = Unreachable("the database is away")
        with pytest.raises(Unreachable):
            await task
        index.failure, index.cursor = None, 1
        await waiting.until(0)

    asyncio.run(waited())


def test_nobody_waits_for_a_server_that_is_being_stopped(there: Place) -> None:
    async def waited(server: Served) -> list[Answer]:
        task = asyncio.create_task(get(server, "/v1/events?after=2"))
        while not server.assembled.server.waiting.waiters:
            await asyncio.sleep(0.001)
        server.assembled.end_streams()
        return [await task, await get(server, "/v1/events?after=2")]

    with over(there) as server:
        for answer in server.runner.run(asyncio.wait_for(waited(server), SECONDS)):
            assert (answer.status, "it is being stopped" in answer.detail) == (503, True)

"""Who comes is asked of the store beside the event loop, which waits for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploytrail.access.principal import Principal
from deploytrail.errors import Unknown, Unreachable
from deploytrail.web.knowing import Knowing
from tests.app.places import Place
from tests.web.served import ADMIN, served

BOB = Principal("token:bob", "bob", frozenset())


class Store:
    """A store of tokens that answers once it is let to."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.asked: list[str | None] = []
        self.threads: set[str] = set()

    def authenticate(self, header: str | None) -> Principal:
        self.asked.append(header)
        self.threads.add(threading.current_thread().name)
        self.is_open.wait(10)
        if header != "Bearer bob":
            raise Unknown("Authorization: expected a token that is known")
        return BOB


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made.is_open.set()


@contextmanager
def knowing(store: Store, *, seconds_max: float = 5) -> Iterator[Knowing]:
    made = Knowing(
        lambda header: ADMIN if header == "Bearer admin" else None,
        store.authenticate,
        seconds_max=seconds_max,
    )
    try:
        yield made
    finally:
        store.is_open.set()
        made.close()


def test_who_is_known_is_not_asked_about(store: Store) -> None:
    async def ask(one: Knowing) -> Principal:
        # On the loop itself: somebody else's question hangs meanwhile.
        hanging = asyncio.create_task(one.principal("Bearer bob"))
        await asyncio.sleep(0)
        found = await one.principal("Bearer admin")
        store.is_open.set()
        assert await hanging == BOB
        return found

    with knowing(store) as one:
        assert asyncio.run(ask(one)) == ADMIN
    assert store.asked == ["Bearer bob"]


def test_one_thread_asks_for_all_and_each_gets_an_answer(store: Store) -> None:
    store.is_open.set()

    async def ask(one: Knowing) -> list[Principal | BaseException]:
        headers = ["Bearer bob", "Bearer mallory", None] * 100
        return await asyncio.gather(*map(one.principal, headers), return_exceptions=True)

    with knowing(store) as one:
        found = asyncio.run(ask(one))
    assert [type(each) for each in found] == [Principal, Unknown, Unknown] * 100
    assert len(store.threads) == 1


def test_a_store_that_does_not_answer_is_a_problem_of_ours_in_time(store: Store) -> None:
    with knowing(store, seconds_max=0.1) as one, pytest.raises(Unreachable, match=r"0\.1 s"):
        asyncio.run(one.principal("Bearer bob"))


def test_a_store_that_is_away_gives_503_and_what_needs_no_token_goes_on(there: Place) -> None:
    def authenticate(_: str | None) -> Principal:
        raise Unreachable("postgresql://alice@db.example.org/trail: expected an answer")

    with served(there, authenticate=authenticate) as server:
        answer = server.get("/v1/stats")
        assert server.get("/healthz").status == 200
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    # Where our store is, is for the operator.
    assert "db.example.org" not in answer.body.decode()
    (line,) = [each for each in server.journal() if each.get("route") == "/v1/stats"]
    assert "db.example.org" in line["why"]

"""A probe is answered in a bounded time, whatever the store does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from deploytrail.errors import Fenced, Unreachable
from deploytrail.web.readiness import Look, Readiness
from deploytrail.web.reading import ServedTrail
from tests.app.places import Place

SECONDS = 20


class Store:
    """A store that answers once it is let to; `looks` counts who opened it."""

    def __init__(self, there: Place) -> None:
        self.there = there
        self.is_open = threading.Event()
        self.looks = 0

    def opened(self) -> ServedTrail:
        self.looks += 1
        self.is_open.wait(SECONDS)
        return ServedTrail(self.there.open())


@pytest.fixture
def store(there: Place) -> Iterator[Store]:
    made = Store(there)
    yield made
    made.is_open.set()


def test_it_says_how_much_no_checkpoint_covers(there: Place) -> None:
    there.record(3)
    there.record(2, publish=False)

    async def looked() -> Look:
        readiness = Readiness(lambda: ServedTrail(there.open()))
        try:
            return await readiness.look()
        finally:
            readiness.close()

    assert asyncio.run(looked()) == Look(size=5, unsigned=2)


def test_whoever_asks_a_store_that_does_not_answer_is_told_so_in_time(store: Store) -> None:
    async def looked() -> None:
        readiness = Readiness(store.opened, seconds_max=0.05)
        found = await asyncio.gather(
            *(readiness.look() for _ in range(300)), return_exceptions=True
        )
        assert {type(one) for one in found} == {Unreachable}
        assert "expected its store to answer within 0.05 s" in str(found[0])
        # All of them shared one look, and so does who comes later: none waits behind another.
        with pytest.raises(Unreachable):
            await readiness.look()
        assert store.looks == 1
        store.is_open.set()
        while True:
            try:
                assert await readiness.look() == Look(0, 0)
                break
            except Unreachable:
                continue
        readiness.close()

    asyncio.run(asyncio.wait_for(looked(), SECONDS))


def test_a_fence_is_told_anew_by_each_look(there: Place) -> None:
    there.record(1)

    async def looked() -> None:
        readiness = Readiness(lambda: ServedTrail(there.open()))
        await readiness.look()
        (there.home / "fence").write_text("a test wants it")
        for _ in range(2):
            with pytest.raises(Fenced, match="a test wants it"):
                await readiness.look()
        readiness.close()

    asyncio.run(looked())

"""A query means the same wherever it is asked: what a search finds, a tail sends, an export has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploytrail import entry
from deploytrail.event import Event
from deploytrail.query.tree import Filter, Within, below
from deploytrail.query.written import canonical
from deploytrail.trail import Receipt
from tests.app.backed_up import erase
from tests.app.places import Place, place
from tests.query.filters import filters, happenings
from tests.searching import USUAL, examples
from tests.web.indexed import follow, lines, over
from tests.web.served import Served
from tests.web.test_tailing import listening

COUNT = 60


class Held:
    """A server over events of the vocabulary, some of which name somebody who was erased."""

    def __init__(self, server: Served, count: int, pseudonyms: set[str]) -> None:
        self.server = server
        self.count = count
        self.pseudonyms = sorted(pseudonyms)

    def searched(self, query: str) -> list[int]:
        found: list[int] = []
        cursor = ""
        while True:
            page = self.server.get(f"/v1/events?order=oldest&q={quote(query)}{cursor}").json()
            found += [one["index"] for one in page["items"]]
            if page["next"] is None:
                return sorted(found)
            cursor = f"&cursor={page['next']}"

    def exported(self, query: str, *, is_part: bool) -> list[int]:
        """From the index, or from the log itself."""
        part = "&first=0" if is_part else ""
        answer = self.server.get(f"/v1/export?q={quote(query)}{part}")
        assert answer.status == 200, answer.body
        return sorted(one["index"] for one in lines(answer.body))

    def tailed(self, query: str) -> list[int]:
        """All that is sent up to the last entry, which is made to match."""
        last = self.count - 1

        async def listened() -> list[int]:
            path = f"/v1/tail?first=0&q={quote(f'({query}) OR index:{last}')}"
            async with listening(self.server, path) as client:
                while last not in client.indexes():
                    client.came.clear()
                    await asyncio.wait_for(client.came.wait(), 20)
                return client.indexes()

        return self.server.runner.run(listened())


def recorded(there: Place, events: list[Event]) -> set[str]:
    """Their pseudonyms; what `actions.check` refuses is left out."""
    with there.opened() as trail:
        answers = trail.record_json([msgspec.json.encode(one) for one in events])
        assert sum(isinstance(one, Receipt) for one in answers) > COUNT // 2, answers
        erase(there, trail, "github:bob")
        shown = list(trail.entries())
    return {name for one in shown for name in entry.fields(one.entry).get("subjects", {}).values()}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    drawn: list[list[Event]] = []

    # The first that is drawn is the plainest that there is.
    @settings(USUAL, max_examples=12, database=None, derandomize=True)
    @given(st.lists(happenings(), min_size=COUNT, max_size=COUNT))
    def draw(events: list[Event]) -> None:
        drawn.append(events)

    draw()
    there = place(tmp_path_factory.mktemp("answers"))
    pseudonyms = recorded(there, max(drawn, key=lambda events: len(str(events))))
    follow(there)
    with there.opened() as trail:
        count = trail.size()
    with over(there) as server:
        yield Held(server, count, pseudonyms)


@examples(40)
@given(filter=filters(max_leaves=5).filter(lambda one: not has_within(one)))
def test_any_query_finds_sends_and_exports_the_same(held: Held, filter: Filter) -> None:
    query = canonical(filter)
    found = held.searched(query)
    assert held.exported(query, is_part=False) == found
    assert held.exported(query, is_part=True) == found
    assert held.tailed(query) == sorted({*found, held.count - 1})


def has_within(filter: Filter) -> bool:
    return any(isinstance(one, Within) for one in below(filter))


def test_a_pseudonym_finds_the_same_everywhere_also_of_who_was_erased(held: Held) -> None:
    assert held.pseudonyms
    matching = []
    for name in held.pseudonyms:
        for query in (f"actor:{name}", f"for:{name[:6]}*", f"-actor:{name}"):
            found = held.searched(query)
            assert held.exported(query, is_part=True) == found
            assert held.tailed(query) == sorted({*found, held.count - 1})
            matching += found
    assert matching
    assert held.searched("actor:bob") == []

"""What the index answers: pages of events, facets, a histogram, suggestions, changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeVar

from msgspec import Meta, Struct
from starlette.responses import Response

from deploytrail.access.principal import Permission
from deploytrail.errors import Behind, Malformed, NotFound, TooSlow
from deploytrail.query.parse import QUERY_BYTES_MAX
from deploytrail.trail import Histogram, Page
from deploytrail.web.answering import json, shown
from deploytrail.web.call import Call
from deploytrail.web.reading import Searching, ServedTrail
from deploytrail.web.replies import EventPage, Facets, Suggestions
from deploytrail.web.route import Reply, Route

LIMIT_MAX: Final = 1000
_Found = TypeVar("_Found")

Query = Annotated[str, Meta(max_length=QUERY_BYTES_MAX, description="A query (docs/query.md).")]
After = Annotated[
    int | None,
    Meta(
        ge=0,
        description="The index of an entry that the answer must have taken into account: it is "
        "waited for, ten seconds at most.",
    ),
]
Cursor = Annotated[
    str | None, Meta(max_length=2_048, description="`next` of the page before, of the same query.")
]
PageLimit = Annotated[int, Meta(ge=1, le=LIMIT_MAX, description="How many at most.")]
FewLimit = Annotated[int, Meta(ge=1, le=100, description="How many values at most.")]


class Events(Struct, frozen=True, kw_only=True):
    """Which events, and how many at once."""

    q: Query = ""
    limit: PageLimit = 50
    cursor: Cursor = None
    order: Annotated[Literal["newest", "oldest"], Meta(description="Which come first.")] = "newest"
    after: After = None


class Changed(Struct, frozen=True, kw_only=True):
    """Which changes, and how many at once."""

    q: Query = ""
    limit: PageLimit = 50
    cursor: Cursor = None
    after: After = None


class Fields(Struct, frozen=True, kw_only=True):
    """Of which fields the most frequent values are wanted."""

    fields: Annotated[
        tuple[str, ...],
        Meta(min_length=1, max_length=10, description="Names of fields, with commas between."),
    ]
    q: Query = ""
    limit: FewLimit = 20
    after: After = None


class Bars(Struct, frozen=True, kw_only=True):
    """Of what, and how many bars."""

    q: Query = ""
    bars: Annotated[int, Meta(ge=1, le=500, description="How many bars at most.")] = 60
    after: After = None


class Beginning(Struct, frozen=True, kw_only=True):
    """Values of which field, beginning how."""

    field: Annotated[str, Meta(min_length=1, max_length=64, description="The name of a field.")]
    beginning: Annotated[str, Meta(max_length=512, description="How the values begin.")] = ""
    limit: FewLimit = 20
    after: After = None


async def answered(
    call: Call, question: Callable[[Searching], _Found], *, q: str = "", after: int | None = None
) -> _Found:
    """What the index says, once it has read the entry `after`; `q` is kept until then."""
    server = call.server

    def asked(served: ServedTrail) -> _Found:
        return question(served.searching)

    if after is None:
        return await server.readers.ask(asked)
    with server.waiting.place(len(q)):
        if not await server.waiting.until(after):
            return await server.readers.ask(asked)
        # All who waited for one entry come at once.
        return await server.readers.ask_again(asked, seconds_max=server.waiting.seconds_max)


async def events(call: Call) -> Response:
    """A page of what matches."""
    wanted: Events = call.query
    page = await answered(
        call,
        lambda index: index.search(
            wanted.q,
            limit=wanted.limit,
            cursor=wanted.cursor,
            order=wanted.order,
            scope=call.principal.scope,
        ),
        q=wanted.q,
        after=wanted.after,
    )
    return json(_page(page, call.server.origin))


async def changes(call: Call) -> Response:
    """A page of what changed."""
    wanted: Changed = call.query
    page = await answered(
        call,
        lambda index: index.changes(
            wanted.q, limit=wanted.limit, cursor=wanted.cursor, scope=call.principal.scope
        ),
        q=wanted.q,
        after=wanted.after,
    )
    return json(_page(page, call.server.origin))


def _page(page: Page, origin: str) -> EventPage:
    return EventPage(
        items=tuple(shown(one, origin) for one in page.items),
        next=page.next,
        indexed=page.indexed,
        size=page.size,
    )


async def facets(call: Call) -> Response:
    """The most frequent values of some fields."""
    wanted: Fields = call.query
    found = await answered(
        call,
        lambda index: index.facets(
            wanted.q, wanted.fields, limit=wanted.limit, scope=call.principal.scope
        ),
        q=wanted.q,
        after=wanted.after,
    )
    return json(Facets(items=tuple(found), next=None))


async def histogram(call: Call) -> Response:
    """What matches, over time."""
    wanted: Bars = call.query
    found = await answered(
        call,
        lambda index: index.histogram(wanted.q, bars=wanted.bars, scope=call.principal.scope),
        q=wanted.q,
        after=wanted.after,
    )
    return json(found)


async def suggest(call: Call) -> Response:
    """Values that begin so."""
    wanted: Beginning = call.query
    found = await answered(
        call,
        lambda index: index.suggest(
            wanted.field, wanted.beginning, limit=wanted.limit, scope=call.principal.scope
        ),
        after=wanted.after,
    )
    return json(Suggestions(items=tuple(found), next=None))


_PROBLEMS: Final = (Malformed, NotFound, TooSlow, Behind)

ROUTES: Final = tuple(
    Route(
        method="GET",
        path=path,
        name=name,
        what=what,
        answer=answer,
        permission=Permission.READ,
        query=query,
        replies=(Reply(200, what, type=type),),
        problems=_PROBLEMS,
    )
    for path, name, answer, query, type, what in (
        ("/v1/events", "listEvents", events, Events, EventPage, "Events that match, by time."),
        (
            "/v1/changes", "listChanges", changes, Changed, EventPage,
            "What changed, newest first: deployments, configuration, access, overrides.",
        ),
        (
            "/v1/facets", "listFacets", facets, Fields, Facets,
            "The most frequent values of some fields among the events that match.",
        ),
        (
            "/v1/histogram", "readHistogram", histogram, Bars, Histogram,
            "The events that match, over time.",
        ),
        (
            "/v1/suggest", "suggestValues", suggest, Beginning, Suggestions,
            "Values of a field that begin so, frequent ones first.",
        ),
    )
)  # fmt: skip

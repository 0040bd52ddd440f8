"""`GET /v1/export…`: events in bulk, piece by piece, and the whole log with its proofs."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from starlette.responses import Response, StreamingResponse

from deploytrail.access.principal import Permission
from deploytrail.app.events.asked_event import asked_event
from deploytrail.app.exporting import export as export_proofs
from deploytrail.app.questions.searching import refuse_absent
from deploytrail.errors import Behind, Malformed, NotFound, Overloaded, TooSlow
from deploytrail.query.tree import EVERYTHING, Filter
from deploytrail.trail import Page, Shown
from deploytrail.web import csv
from deploytrail.web.answering import encoded, shown
from deploytrail.web.call import Call
from deploytrail.web.header import FILE
from deploytrail.web.matching import Matches
from deploytrail.web.reading import Searching, ServedTrail
from deploytrail.web.route import Reply, Route
from deploytrail.web.routes.searching import After, Query, answered

JSONL: Final = "application/x-ndjson"
TAR: Final = "application/x-tar"
PAGE: Final = 256
_READ_BYTES: Final = 256 * 1024


class Exporting(Struct, frozen=True, kw_only=True):
    """What, and how."""

    format: Annotated[
        Literal["jsonl", "csv"], Meta(description="One event a line, or a table.")
    ] = "jsonl"
    q: Query = ""
    first: Annotated[
        int | None, Meta(ge=0, description="From the entry of this index on, in the log's order.")
    ] = None
    until: Annotated[
        int | None, Meta(ge=0, description="Up to, not including, the entry of this index.")
    ] = None
    after: After = None


class Proving(Struct, frozen=True, kw_only=True):
    """With or without what the vault reveals."""

    concealed: Annotated[
        Literal["true", "false"],
        Meta(description="`true` leaves out names, reasons and values; it verifies all the same."),
    ] = "false"


async def events(call: Call) -> Response:
    """A piece at a time: whoever reads slowly, or goes away, holds up nobody."""
    wanted: Exporting = call.query
    is_table = wanted.format == "csv"
    pages = _pages(call, wanted)
    # The first page is read before anything is said: a query that can't be read is a problem.
    nothing: list[Shown] = []
    first = await anext(pages, nothing)
    name = f"events.{wanted.format}"
    return StreamingResponse(
        _lines(call, first, pages, is_table=is_table),
        media_type=csv.MEDIA_TYPE if is_table else JSONL,
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


async def _lines(
    call: Call, first: list[Shown], pages: AsyncIterator[list[Shown]], *, is_table: bool
) -> AsyncIterator[bytes]:
    if is_table:
        yield csv.head()
    page: list[Shown] | None = first
    while page is not None and not call.server.ending.is_set():
        yield b"".join(_line(call, one, is_table=is_table) for one in page)
        page = await anext(pages, None)
    if page is not None:
        # What was sent so far is not all: the connection breaks, so that it shows.
        raise Behind("server: it is being stopped; ask for the export again")


def _line(call: Call, one: Shown, *, is_table: bool) -> bytes:
    if is_table:
        return csv.row(one)
    return encoded(shown(one, call.server.origin)) + b"\n"


async def _pages(call: Call, wanted: Exporting) -> AsyncIterator[list[Shown]]:
    """All that match, oldest first; the log itself where that is everything, or a part of it."""
    query = wanted.q
    is_part = wanted.first is not None or wanted.until is not None
    if not is_part and (query or call.principal.scope != EVERYTHING):
        page = await answered(
            call, _searched(query, None, call.principal.scope), q=query, after=wanted.after
        )
        yield list(page.items)
        while page.next is not None:
            page = await answered(call, _searched(query, page.next, call.principal.scope))
            yield list(page.items)
        return
    asked = await call.server.matching.of(query, call.principal.scope)
    size = await call.server.readers.ask(lambda served: served.trail.size())
    if wanted.after is not None:
        # What is read from the log itself has every entry of it.
        refuse_absent(wanted.after, size)
    end = size if wanted.until is None else min(size, wanted.until)
    for first in range(wanted.first or 0, end, PAGE):
        until = min(end, first + PAGE)
        yield await call.server.readers.ask(_entries(first, until, asked.matches))


def _searched(query: str, cursor: str | None, scope: Filter) -> Callable[[Searching], Page]:
    return lambda index: index.search(query, limit=PAGE, cursor=cursor, order="oldest", scope=scope)


def _entries(first: int, until: int, matches: Matches) -> Callable[[ServedTrail], list[Shown]]:
    """Those of a run that match; asked in the reader's thread, since a query may be a long one."""

    def found(served: ServedTrail) -> list[Shown]:
        run = served.trail.entries(first=first, until=until)
        return [one for one in run if matches(asked_event(one))]

    return found


async def proofs(call: Call) -> Response:
    """One file that verifies elsewhere, whole before its first byte is sent."""
    wanted: Proving = call.query
    server = call.server
    named = {"content-disposition": 'attachment; filename="export.tar"'}
    if call.request.method == "HEAD":
        # How long it would be is known only once it is made, which takes as long as to get it.
        return StreamingResponse(_nothing(), media_type=TAR, headers=named)
    if server.exporting.locked():
        raise Overloaded("export: expected one at a time, found another under way; ask again later")
    async with server.exporting:
        directory = Path(tempfile.mkdtemp(prefix="deploytrail-export-"))
        try:
            file = directory / "export.tar"
            stopping = _Stopping()
            try:
                await server.readers.ask(
                    lambda served: _export(served, file, stopping, wanted.concealed == "true")
                )
            except asyncio.CancelledError:
                # Who asked is gone: the thread finds out at its next bundle.
                stopping.is_wanted = True
                raise
            stream = file.open("rb")
        finally:
            # Open, it is read to its end; its name is not needed any more.
            shutil.rmtree(directory, ignore_errors=True)
    size = stream.seek(0, 2)
    stream.seek(0)

    async def pieces() -> AsyncIterator[bytes]:
        with stream:
            while piece := stream.read(_READ_BYTES):
                yield piece

    return StreamingResponse(
        pieces(),
        media_type=TAR,
        headers=named | {"content-length": str(size)},
    )


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield


class _Stopping:
    """Whether the export is not wanted any more."""

    is_wanted = False


class _Stopped(Exception):
    """Nobody waits for it any more."""


def _export(served: ServedTrail, file: Path, stopping: _Stopping, is_concealed: bool) -> None:
    def told(_: int, __: int) -> None:
        if stopping.is_wanted:
            raise _Stopped

    with suppress(_Stopped):
        export_proofs(served.trail, file, disclosures=not is_concealed, told=told)


ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/export",
        name="exportEvents",
        what="All events that match, oldest first, as lines of JSON or as a table.",
        answer=events,
        permission=Permission.READ,
        query=Exporting,
        replies=(
            Reply(200, "Events, one a line.", JSONL, headers=(FILE,)),
            Reply(200, "A table; an apostrophe stands before what looks like a formula.",
                  csv.MEDIA_TYPE, headers=(FILE,)),
        ),
        problems=(Malformed, NotFound, TooSlow, Behind),
    ),
    Route(
        method="GET",
        path="/v1/export/proofs",
        name="exportProofs",
        what="The log with checkpoint, hashes and disclosures: 'deploytrail verify' reads it.",
        answer=proofs,
        permission=Permission.READ_LOG,
        query=Proving,
        replies=(Reply(200, "A tar (docs/log.md).", TAR, headers=(FILE,)),),
        problems=(Overloaded,),
    ),
)  # fmt: skip

"""A trail behind a server, through its HTTP API (docs/server.md)."""

from __future__ import annotations

import math
import threading
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Struct, structs

from deploytrail import attachment_line, backup_stream, canonical
from deploytrail.backup_stream import Told
from deploytrail.clock import Clock, SystemClock
from deploytrail.errors import Incomplete, Malformed, SenderError, TooLarge, Unreachable
from deploytrail.event import Event, EventId
from deploytrail.kit.answer import Asks
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.query.tree import Order
from deploytrail.remote.asking import Document, Parameters, Server, as_error
from deploytrail.remote.batch import batches
from deploytrail.remote.stream import sent
from deploytrail.spool.chain import Piece
from deploytrail.trail import (
    Attachment,
    Backup,
    Facet,
    Histogram,
    Page,
    Published,
    Receipt,
    Shown,
    Stats,
    Withheld,
)

_ARRAY: Final = "application/json"
_LINES: Final = "application/x-ndjson"
_SPOOL: Final = "application/x-deploytrail-spool"
_AGAIN_SECONDS: Final = 1.0
_NEVER: Final = threading.Event()
"""Wakes nobody."""
_LINE_BYTES_MAX: Final = 4 * 1024 * 1024
_RUN_ENTRIES: Final = 256
_RUN_ENTRIES_MAX: Final = 4_096


class _Shown(Struct, frozen=True):
    """An entry as the server shows it."""

    index: int
    leaf: str
    event: dict[str, Any]
    withheld: tuple[Withheld, ...] = ()
    entry: str = ""
    proof: str | None = None

    def shown(self) -> Shown:
        return Shown(
            index=self.index,
            leaf=self.leaf,
            entry=b64decode(self.entry),
            event=self.event,
            withheld=self.withheld,
        )


class _Page(Struct, frozen=True):
    items: tuple[_Shown, ...]
    next: str | None
    indexed: int
    size: int

    def page(self) -> Page:
        items = tuple(one.shown() for one in self.items)
        return Page(items=items, next=self.next, indexed=self.indexed, size=self.size)


class _Answer(Struct, frozen=True):
    receipt: Receipt | None = None
    problem: dict[str, Any] | None = None


class _Answers(Struct, frozen=True):
    items: tuple[_Answer, ...]


class _Key(Struct, frozen=True):
    key: str


class _Facets(Struct, frozen=True):
    items: tuple[Facet, ...]


class _Suggestions(Struct, frozen=True):
    items: tuple[str, ...]


class RemoteTrail:
    """`trail.Trail` and `trail.TrailSearcher` behind a server.

    What a list or a search shows comes without the entries' bytes (`Shown.entry` is empty); `show`
    has them. Who records with a token claims: the server notes which token it was.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        clock: Clock | None = None,
        http: Asks | None = None,
        patience_seconds: float = 30,
        answer_seconds: float | None = None,
    ) -> None:
        """Both as `asking.Server` has them."""
        self._clock = SystemClock() if clock is None else clock
        self._server = Server(
            url,
            token,
            self._clock,
            http=http,
            patience_seconds=patience_seconds,
            answer_seconds=answer_seconds,
        )
        self._origin: str | None = None

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def origin(self) -> str:
        if self._origin is None:
            self._origin = self.stats().origin
        return self._origin

    def size(self) -> int:
        return self.stats().size

    def stats(self) -> Stats:
        return self._server.get("/v1/stats", Stats)

    def connections(self) -> dict[str, dict[str, Any]]:
        """What the server has heard over its connections since it started, by name."""
        items = self._server.get("/v1/connections", dict[str, Any])["items"]
        return {str(one.pop("name")): one for one in items}

    def refuse_unready(self) -> None:
        """Raise why it takes no events now, or Unreachable."""
        self._server.octets("/readyz")

    def version(self) -> str:
        """Which Deploytrail it is."""
        return self._server.get("/openapi.json", Document).info.version

    def export_proofs(self, stream: IO[bytes], *, is_concealed: bool) -> None:
        """Write the whole log with its proofs, as `deploytrail verify` reads it."""
        asked: Parameters = {"concealed": "true" if is_concealed else "false"}
        with self._server.stream("/v1/export/proofs", asked) as chunks:
            for chunk in chunks:
                stream.write(chunk)

    def backup(self, log: IO[bytes], keys: IO[bytes], *, making: Told, receiving: Told) -> Backup:
        """Write both files of a backup, as `backup_stream.receive` has it; raises as that."""
        with self._server.made("/v1/backup") as chunks:
            refused = self._server.refusal
            return backup_stream.receive(
                chunks, log, keys, making=making, receiving=receiving, refused=refused
            )

    # Reading

    def newest(self, *, count: int, before: int | None = None) -> Iterator[Shown]:
        until = self.size() if before is None else min(before, self.size())
        width = _RUN_ENTRIES
        # Backwards in runs: a scope leaves entries out, so nobody knows how far back so many lie,
        # and all at once may be more than there is room for.
        while until and count:
            first = max(0, until - width)
            run = list(self.entries(first=first, until=until))[-count:]
            yield from reversed(run)
            until, count, width = first, count - len(run), min(2 * width, _RUN_ENTRIES_MAX)

    def entries(self, *, first: int = 0, until: int | None = None) -> Iterator[Shown]:
        asked: Parameters = {"format": "jsonl", "first": first, "until": until}
        with self._server.stream("/v1/export", asked) as chunks:
            for line in _lines(chunks):
                yield _decoded(line).shown()

    def show(self, event: EventId | int) -> Shown:
        return self._event(event).shown()

    def proof(self, event: EventId | int) -> bytes:
        """Waits for a checkpoint that covers the entry; raises Unreachable where none comes."""
        until = self._clock.monotonic() + 30
        while True:
            found = self._event(event)
            if found.proof is not None:
                return found.proof.encode()
            if self._clock.monotonic() > until:
                raise Unreachable(
                    f"{self._server.url}: expected a checkpoint that covers entry {found.index}, "
                    "found none within 30 s; see whether its follow process runs"
                )
            self._clock.wait(_NEVER, _AGAIN_SECONDS)

    def attachment(self, event: EventId | int, evidence: str) -> bytes:
        of, id = quote(str(event), ""), quote(evidence, "")
        return self._server.octets(f"/v1/events/{of}/evidence/{id}")

    def _event(self, event: EventId | int) -> _Shown:
        return self._server.get(f"/v1/events/{quote(str(event), '')}", _Shown)

    # Searching

    def search(
        self,
        query: str = "",
        *,
        limit: int = 50,
        cursor: str | None = None,
        order: Order = "newest",
        after: int | None = None,
    ) -> Page:
        asked: dict[str, str | int | None] = {"limit": limit, "order": order}
        asked |= {"cursor": cursor, "after": after}
        return self._server.get("/v1/events", _Page, q=query or None, **asked).page()

    def changes(
        self,
        query: str = "",
        *,
        limit: int = 50,
        cursor: str | None = None,
        after: int | None = None,
    ) -> Page:
        asked: dict[str, str | int | None] = {"limit": limit, "cursor": cursor, "after": after}
        return self._server.get("/v1/changes", _Page, q=query or None, **asked).page()

    def facets(
        self, query: str, fields: Sequence[str], *, limit: int = 20, after: int | None = None
    ) -> list[Facet]:
        asked: dict[str, str | int | None] = {
            "fields": ",".join(fields),
            "limit": limit,
            "after": after,
        }
        return list(self._server.get("/v1/facets", _Facets, q=query or None, **asked).items)

    def histogram(self, query: str, *, bars: int = 60, after: int | None = None) -> Histogram:
        return self._server.get("/v1/histogram", Histogram, q=query or None, bars=bars, after=after)

    def suggest(
        self, field: str, beginning: str, *, limit: int = 20, after: int | None = None
    ) -> list[str]:
        asked: dict[str, str | int | None] = {
            "field": field,
            "beginning": beginning or None,
            "limit": limit,
            "after": after,
        }
        return list(self._server.get("/v1/suggest", _Suggestions, **asked).items)

    def tail(self, query: str = "", *, after: int | None = None) -> Iterator[Shown]:
        """Goes on where it was when the server comes back, or has room again."""
        at = self.size() - 1 if after is None else after
        patience: float | None = None
        while True:
            # The server is away, stopped, or has too many: nothing is lost, since it goes on
            # behind `at`.
            with suppress(Unreachable), self._tailing(query, at, patience) as events:
                patience = math.inf
                for id, data in events:
                    if data:
                        yield _decoded(data).shown()
                    at = max(at, int(id)) if id.isascii() and id.isdigit() else at
            self._clock.wait(_NEVER, _AGAIN_SECONDS)

    @contextmanager
    def _tailing(
        self, query: str, at: int, patience_seconds: float | None
    ) -> Iterator[Iterator[tuple[str, bytes]]]:
        asked: dict[str, str | int | None] = {"q": query or None}
        asked["first"] = at + 1
        with self._server.stream("/v1/tail", asked, patience_seconds=patience_seconds) as chunks:
            yield sent(chunks)

    # Recording

    def record(
        self,
        events: Sequence[Event],
        *,
        attachments: Mapping[EventId, Sequence[Attachment]] | None = None,
    ) -> list[Receipt | SenderError]:
        """As `Trail.record`; sent again until it is answered, for half a minute."""
        # As a trail's own files take it, so that it is known again whichever way it came.
        bodies = [canonical.encode_checked(structs.replace(one, observed=None)) for one in events]
        if not attachments:
            return self.record_json(bodies)
        blocks = [
            b"\n".join((body, *(attachment_line.encode(one.id, each) for each in of)))
            for one, body in zip(events, bodies, strict=True)
            for of in [attachments.get(one.id, ())]
        ]
        answers: list[Receipt | SenderError] = []
        for some in batches(blocks):
            try:
                answers += self._sent(some, b"\n".join(some), media=_LINES)
            except TooLarge as error:
                if len(some) > 1:
                    raise
                # What is too large for a request is alone in it.
                answers.append(error)
        return answers

    def fingerprint_key(self, project: str) -> bytes:
        """See `trail.TrailProducer.fingerprint_key`."""
        return b64decode(self._server.get("/v1/fingerprint-key", _Key, project=project).key)

    def record_spool(self, piece: Piece) -> list[Receipt | SenderError]:
        flags = {"begin": piece.is_first, "end": piece.is_end, "imported": piece.is_imported}
        asked = "&".join(f"{name}={str(is_so).lower()}" for name, is_so in flags.items())
        found = self._server.post(f"/v1/spools?{asked}", piece.octets, _Answers, media=_SPOOL)
        return self._matched(found, len(piece.events))

    def spool_key(self) -> str:
        return self._server.get("/v1/spool-key", _Key).key

    def modes(self) -> dict[str, str]:
        return self._server.get("/v1/modes", dict[str, str])

    def record_json(self, bodies: Sequence[bytes]) -> list[Receipt | SenderError]:
        answers: list[Receipt | SenderError] = []
        for some in batches(bodies):
            answers += self._sent(some, b"[" + b",".join(some) + b"]", media=_ARRAY)
        return answers

    def _sent(
        self, some: Sequence[bytes], body: bytes, *, media: str
    ) -> list[Receipt | SenderError]:
        """An answer for each event of a request."""
        found = self._server.post("/v1/events", body, _Answers, media=media)
        return self._matched(found, len(some))

    def _matched(self, found: _Answers, count: int) -> list[Receipt | SenderError]:
        if len(found.items) != count:
            raise Incomplete(
                f"{self._server.url}: expected {count} answers, found {len(found.items)}; "
                "send the same again to learn what became of each"
            )
        return [_answered(one) for one in found.items]

    def publish(self) -> Published:
        """The newest checkpoint: the server signs by itself, about every second."""
        text = self._server.octets("/checkpoint")
        found = checkpoints.decode(notes.decode(text).text)
        return Published(
            origin=found.origin, size=found.size, root=found.root.hex(), note=text.decode()
        )

    def close(self) -> None:
        self._server.close()

    def __enter__(self) -> RemoteTrail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _answered(one: _Answer) -> Receipt | SenderError:
    return as_error(one.problem) if one.receipt is None else one.receipt


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for chunk in chunks:
        *lines, held = (held + chunk).split(b"\n")
        yield from lines
        if len(held) > _LINE_BYTES_MAX:
            raise Malformed(
                f"export: expected lines of at most {_LINE_BYTES_MAX} bytes, found more"
            )
    if held:
        raise Incomplete("export: expected whole lines, found half of one; ask again")


def _decoded(octets: bytes) -> _Shown:
    try:
        return msgspec.json.decode(octets, type=_Shown)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"server: expected an event as it shows them, but {error}") from None

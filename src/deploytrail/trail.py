"""The trail: what everybody who records or asks knows of it.

One contract for a directory, a database and a server; the CLI, the wrapper and the SDK know only
this. Values and promises, no implementation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol, Self

from msgspec import Struct

from deploytrail.errors import SenderError
from deploytrail.event import Event, EventId

if TYPE_CHECKING:
    from deploytrail.query.tree import Order
    from deploytrail.spool.chain import Piece

LOCAL_INSTANCE: Final = "local"
"""`source.instance` of what is recorded in a directory, by its own processes."""
AttachmentType = Literal["output", "delivery", "plan"]


class Patience(Struct, frozen=True, kw_only=True):
    """How long others are waited for, in seconds.

    Who writes into the same log, who publishes it, and a command that prints the key.
    """

    writer: float = 10
    publisher: float = 30
    key: float = 30


PATIENT: Final = Patience()


class Receipt(Struct, frozen=True, kw_only=True, gc=False):
    """What a producer gets back: a pure function of the entry and its index.

    `leaf` is the lower-case hex of the RFC 6962 leaf hash, `size` is `index + 1`, `logged` the
    log's own time, exactly 27 characters.
    """

    origin: str
    id: EventId
    index: int
    leaf: str
    size: int
    logged: str


class Attachment(Struct, frozen=True, kw_only=True):
    """Evidence that is too large for an event: already redacted, kept encrypted in the vault."""

    type: AttachmentType
    data: bytes


class Published(Struct, frozen=True, kw_only=True):
    """A signed checkpoint: `note` is its text with signatures, `size` and `root` what it says."""

    origin: str
    size: int
    root: str
    note: str


class Withheld(Struct, frozen=True, kw_only=True):
    """A part of an event that can't be shown, and why.

    `redacted`: its subject was erased, and the log says so. `withheld`: it was left out of an
    export on purpose. `sealed`: it is there, and the trail's key is not at hand. `missing`: it
    should be there.
    """

    pointer: str
    state: Literal["redacted", "withheld", "sealed", "missing"]


class Shown(Struct, frozen=True, kw_only=True):
    """An entry as a reader sees it.

    `entry` are the bytes that were hashed; `event` is the event with everything revealed that
    the vault still holds, in the shape of `deploytrail.event.Event`, plus `logged`.
    """

    index: int
    leaf: str
    entry: bytes
    event: dict[str, object]
    withheld: tuple[Withheld, ...] = ()


class Page(Struct, frozen=True, kw_only=True):
    """One page of what a search found, in the order asked for.

    `next` is the cursor of the page behind it, None at the end. `indexed` of the log's `size`
    entries were searched; of what came later nothing is known here.
    """

    items: tuple[Shown, ...]
    next: str | None
    indexed: int
    size: int


class Counted(Struct, frozen=True, kw_only=True):
    """A value and how many events have it; `value` is None for those that have none."""

    value: str | None
    count: int


class Facet(Struct, frozen=True, kw_only=True):
    """The values of one field among the matching events, most frequent first.

    Where `is_exact` is False, each count is one at least, and values may be missing.
    """

    field: str
    counts: tuple[Counted, ...]
    is_exact: bool


class Bar(Struct, frozen=True, kw_only=True):
    """The matching events whose time lies in [`since`, `until`), in all and by outcome."""

    since: str
    until: str
    count: int
    outcomes: dict[str, int]


class Histogram(Struct, frozen=True, kw_only=True):
    """Matching events over time, oldest first; bars without events are there, too."""

    bars: tuple[Bar, ...]
    is_exact: bool


PUBLISHER: Final = "publisher"
"""Who signs the log, among what follows it."""


class Quorum(Struct, frozen=True, kw_only=True):
    """The newest checkpoint that so many witnesses have cosigned as are asked for.

    `size` is how far it goes, and `seconds` how long ago enough of them had; both None where none
    of the newest checkpoints is one.
    """

    size: int | None
    seconds: float | None


class Stats(Struct, frozen=True, kw_only=True):
    """How far the log goes, and how far what follows it.

    `logged` is when the newest entry was; None of an empty log, and for whom a scope keeps from
    some entries. `followers` gives by name the index of the next entry that each wants.
    `lag_seconds` gives, of the index and the publisher, how long the oldest entry that it lacks has
    been in the log: 0 for none, None where that entry can't be read; nothing where a scope keeps
    from some. `quorum` is None where nobody else has to cosign.
    """

    origin: str
    size: int
    size_signed: int
    logged: str | None
    followers: dict[str, int]
    lag_seconds: dict[str, float | None] = {}
    quorum: Quorum | None = None


class Backup(Struct, frozen=True, kw_only=True):
    """What was backed up: two files, and how much of which kind is in them.

    `file` has the log, `keys` its keys; `size_signed` of its `size` entries were signed by then.
    """

    file: str
    keys: str
    origin: str
    size: int
    root: str
    size_signed: int
    checkpoints: int
    disclosures: int
    attachments: int
    state: int
    subjects: int
    bytes: int


class TrailReader(Protocol):
    """The half of a trail that reads: also of an export, and where nothing may be written.

    Every method raises NotFound where there is no such entry, and Tampered at one that is not what
    the newest checkpoint signs.
    """

    @property
    def origin(self) -> str: ...

    def size(self) -> int:
        """How many entries the log has, published or not."""
        ...

    def newest(self, *, count: int, before: int | None = None) -> Iterator[Shown]:
        """The last `count` entries below index `before`, newest first."""
        ...

    def entries(self, *, first: int = 0, until: int | None = None) -> Iterator[Shown]:
        """Entries from index `first` up to, not including, `until`; oldest first."""
        ...

    def show(self, event: EventId | int) -> Shown:
        """One event by its id or index; raises NotFound.

        Of several that bear one id, the first that was logged at its time; each has an index.
        """
        ...

    def proof(self, event: EventId | int) -> bytes:
        """A c2sp.org/tlog-proof for one event under the newest checkpoint.

        Where the trail may be written, one is published if needed.
        """
        ...

    def attachment(self, event: EventId | int, evidence: str) -> bytes:
        """The bytes behind an event's `evidence[].id`.

        Raises NotFound where the event has no such evidence, and once it was erased.
        """
        ...

    def close(self) -> None:
        """Let go of files and locks. Nothing is pending: what was acknowledged is durable."""
        ...


class TrailSearcher(TrailReader, Protocol):
    """The half of a trail that answers questions, through its index.

    `query` is in the one language of docs/query.md. `after` is the index of an entry that the
    answer must have taken into account: it is waited for, for a bounded time, else Behind is
    raised. Every method raises Malformed for a query that can't be read (saying where and what was
    expected), TooSlow for one that takes too long, and NotFound where there is no index.
    """

    def search(
        self,
        query: str = "",
        *,
        limit: int = 50,
        cursor: str | None = None,
        order: Order = "newest",
        after: int | None = None,
    ) -> Page:
        """Matching events by `time`, then index. A cursor belongs to its query and order.

        Pages go on to any depth; an event that comes meanwhile is found once or not at all.
        """
        ...

    def facets(
        self, query: str, fields: Sequence[str], *, limit: int = 20, after: int | None = None
    ) -> list[Facet]:
        """For each field, its most frequent values among matching events."""
        ...

    def histogram(self, query: str, *, bars: int = 60, after: int | None = None) -> Histogram:
        """At most `bars` bars over the query's time, or over all that matches."""
        ...

    def suggest(
        self, field: str, beginning: str, *, limit: int = 20, after: int | None = None
    ) -> list[str]:
        """Values of a field that begin so, frequent ones first."""
        ...

    def changes(
        self,
        query: str = "",
        *,
        limit: int = 50,
        cursor: str | None = None,
        after: int | None = None,
    ) -> Page:
        """What changed, newest first: deployments, configuration, access, overrides.

        `query` narrows it. What only looked (plans, checks, reads) is left out.
        """
        ...

    def stats(self) -> Stats: ...
    def tail(self, query: str = "", *, after: int | None = None) -> Iterator[Shown]:
        """Matching events as they are logged, without an end; blocks.

        Behind index `after` where it is given, else from now on. None is left out and none comes
        twice; whoever goes on behind the index of the last one misses nothing.
        """
        ...


class TrailRecorder(Protocol):
    """The half of a trail that takes events in.

    Every method raises Fenced once the log refuses writers, and Busy when another process held the
    log for longer than the time allowed.
    """

    def record(
        self,
        events: Sequence[Event],
        *,
        attachments: Mapping[EventId, Sequence[Attachment]] | None = None,
    ) -> list[Receipt | SenderError]:
        """Append events, durably: on return every receipt names an entry that survives a crash.

        One answer per event, in order; events are independent of each other, so a refused one
        (Malformed, TooLarge, Conflict) stops none of the others. The same delivery again gives
        the first receipt. Raises Busy, DiskFull, ClockSuspect or Fenced: then nothing was stored;
        CommitUnknown: then the same call again tells.
        """
        ...

    def record_json(self, bodies: Sequence[bytes]) -> list[Receipt | SenderError]:
        """As `record`, for events as JSON; the bytes themselves tell repeats from conflicts."""
        ...

    def publish(self) -> Published:
        """Sign the log as it stands and hand the checkpoint out; idempotent for one size."""
        ...


class TrailProducer(TrailRecorder, Protocol):
    """What a producer of events needs of a trail."""

    def fingerprint_key(self, project: str) -> bytes:
        """The 32 bytes under which secrets of one project leave a fingerprint when dropped."""
        ...

    def spool_key(self) -> str:
        """The public key to which a spool for this trail is sealed: `dt-spool-key:ORIGIN+KEY`."""
        ...

    def modes(self) -> Mapping[str, str]:
        """The mode that is declared for runs in each environment, by all of its names, in lower
        case; see `wrapper.request.Mode`.
        """
        ...

    def record_spool(self, piece: Piece) -> list[Receipt | SenderError]:
        """As `record`, for lines of a spool: one answer for each of `piece.events`.

        Each line is proven by its signature, opened where it was sealed to this trail, and appended
        with its evidence. Counters that are missing become audit.gap.noticed. Raises Malformed for
        a header that is none of ours, TooLarge for too many lines, and else as `record`.
        """
        ...

    def close(self) -> None:
        """As `TrailReader.close`."""
        ...


class Trail(TrailReader, TrailProducer, Protocol):
    """A trail where its keys are at hand. Not safe for use from several threads; cheap to open."""


class OpenTrail(TrailSearcher, TrailRecorder, Protocol):
    """Everything that can be recorded and asked, wherever the trail is; closed at a block's end.

    Not safe for use from several threads; cheap to open anew.
    """

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

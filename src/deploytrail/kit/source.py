"""What a source is: declared data that says how a tool's deliveries become drafts.

A module in `sources/`, or one that another package names as an entry point of the group
`deploytrail.sources`, defines one constant `SOURCE`. Nothing here proves, caps, redacts or appends:
that is done once, for all sources, in `intake/`. Readers are pure functions; what they are given
was proven before, and is still hostile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from deploytrail.kit.credential import Scheme
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.door import Answer
from deploytrail.kit.draft import Draft
from deploytrail.kit.poller import Poller

API: Final = 1
"""Of what a source may rely on; a source of another number is refused at the start."""
S = TypeVar("S")


class Telling(NamedTuple):
    """One thing of which a delivery tells: a delivery may hold none, one, or thousands.

    `octets` are the JSON bytes of this one alone. `id` is the sender's own, and stands in what is
    proven: the same again is the same telling. None where the sender gives none, or only in a
    header that nothing proves: then the bytes are the id. `kind` is a key of the source's tables.
    """

    kind: str
    octets: bytes | msgspec.Raw
    id: str | None = None


class Circumstances(NamedTuple):
    """What a reader may use beside the body: none of it was said by the sender in the body.

    `received` is when we heard of it (UTC), for senders that tell no time.
    """

    kind: str
    received: datetime
    delivery: Delivery


Read = Callable[[S, Circumstances], Iterable[Draft]]


class Kind(NamedTuple, Generic[S]):
    """How one kind is read: `shape` is what of its body, `read` what becomes of that.

    `read` raises Malformed, naming the field, for what it can't translate, and nothing else. That
    it gives no draft means that nothing happened of which the trail tells; that is counted.
    """

    shape: type[S]
    read: Read[S]


class Source(Struct, frozen=True, kw_only=True):
    """A kind of tool that we understand.

    `name` is the realm of its actors and `source.tool`; `page` the vendor's page on what it sends.
    `schemes` are those by which its deliveries can be proven, the recommended one first. `tell`
    takes a proven delivery apart, raising Malformed where it can't; it gives also kinds that no
    table has, which are kept as `unrecognised`. `set_aside` names kinds that are known and tell
    nothing of deployments, each with the reason: they are counted, not kept.
    """

    name: str
    title: str
    page: str
    schemes: tuple[Scheme, ...]
    tell: Callable[[Delivery], Iterable[Telling]]
    kinds: Mapping[str, Kind[Any]]
    setup: str
    """What an operator does at the vendor, in steps; {url} and {secret} stand for what to paste,
    {name} for the connection's name, {folder} for where `files` were written."""
    files: tuple[str, ...] = ()
    """Of the package's folder `files`, what an operator installs at the vendor: `connection add`
    writes each as NAME-FILE, with {url} and {name} filled in."""
    set_aside: Mapping[str, str] = {}
    is_lines: bool = False
    """Whether a file of it holds one delivery a line."""
    file_names: tuple[str, ...] = ()
    """Patterns of the names that its files usually have, for `import` of a folder."""
    answer: Answer | None = None
    """For senders that read their own protocol's answers; None: in the trail's own words."""
    poller: Poller | None = None
    """For what its tool never sends, or lets expire."""
    api: int = API

"""Conceal an event into an entry, and reveal an entry again. The two are a pair.

Pure: the time, random bytes and subjects are arguments. What is concealed, by block and under
whose key, is told in LOG.md, "Vault".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import structs

from deploytrail import canonical, entry
from deploytrail.clock import rfc3339
from deploytrail.entry import base64url
from deploytrail.errors import Tampered, TooLarge
from deploytrail.event import Actor, Event
from deploytrail.log.plan import Prepared
from deploytrail.log.store import AttachmentRow, VaultRow
from deploytrail.vault import disclosure
from deploytrail.vault.blocks import BLOCKS, BY_POINTER, ConcealedBlock, has_any, put, take
from deploytrail.vault.disclosure import Disclosure
from deploytrail.vault.listed import listed
from deploytrail.vault.subject import Subject

NONCE_BYTES: Final = 16
_NOT_AN_EVENT: Final = ("v", "origin", "nonce", "subjects", "_sd")
_REMEMBERED_BYTES_MAX: Final = 32 * 1024 * 1024

_fields: Final = structs.fields(Event)
_of_event: Final = attrgetter(*(field.name for field in _fields))
# The entry as it is encoded: the event's fields, whatever they hold by then, and the entry's own.
# Half the cost of turning the whole event into dicts first.
_Entry: Final[Any] = msgspec.defstruct(
    "_Entry",
    [
        *((field.name, Any, None if field.required else field.default) for field in _fields),
        *((name, Any, None) for name in (*_NOT_AN_EVENT, "logged")),
    ],
    omit_defaults=True,
    gc=False,
)

_holders: Final = attrgetter(*(block.path[0] for block in BLOCKS))
_Hidden = str | tuple[str | None, ...] | bytes
"""What a block hides: a text, texts in the order of `names`, or values as canonical JSON."""


class Concealed(NamedTuple):
    """An entry that lacks only its `logged`, and what the vault is to keep for it."""

    key: bytes
    body: bytes
    entry: bytes
    stamp_offset: int
    disclosures: list[tuple[Subject, Disclosure]]


class Revealed(NamedTuple):
    """An event as far as disclosures were at hand.

    `withheld` has the blocks that lacked one: by pointer, the name of their subject.
    """

    event: dict[str, Any]
    withheld: dict[str, str]


def identity(actor: Actor) -> str:
    """Whom a subject stands for: the actor's id, or its type where nobody is known."""
    return actor.id or f"{actor.type}:"


def identities(event: Event) -> Iterable[str]:
    """Everybody for whom concealing this event needs a subject."""
    if event.on_behalf_of is None:
        return (identity(event.actor),)
    return identity(event.actor), identity(event.on_behalf_of)


class Concealer:
    """Conceals events of one log. Holds no state but what repeats: disclosures already made.

    `forget` must be called when the epoch changes: an erased disclosure is made and kept anew.
    """

    def __init__(self, *, origin: str, body_key: bytes, remembered_max: int = 32_768) -> None:
        self.origin = origin
        self._body_key = body_key
        self._made: dict[tuple[bytes, str, _Hidden], Disclosure] = {}
        self._made_bytes = 0
        self._remembered_max = remembered_max

    def forget(self) -> None:
        self._made.clear()
        self._made_bytes = 0

    def conceal(
        self,
        event: Event,
        *,
        body: bytes,
        observed: str,
        nonce: bytes,
        subjects: Mapping[str, Subject],
    ) -> Concealed:
        """The entry of an event, with `observed` (27 characters) where the event has none.

        `body` are the bytes of the delivery's part. Raises TooLarge where the entry would exceed
        60,000 bytes, Malformed for text that is not Unicode.
        """
        found = _Entry(*_of_event(event))
        body_hashed = entry.body_hash(self._body_key, body)
        _write_times(found, event, observed)
        owners, made = self._disclose(found, event, subjects)
        found.source = structs.replace(found.source, body=base64url(body_hashed))
        found.v = entry.FORMAT
        found.origin = self.origin
        found.nonce = base64url(nonce)
        found.logged = entry.UNSTAMPED
        if made:
            found.subjects = owners
            found._sd = sorted([one.listed for _, one in made])
        octets = canonical.encode_checked(found)
        if len(octets) > entry.ENTRY_BYTES_MAX:
            raise TooLarge(
                f"event: expected an entry of at most {entry.ENTRY_BYTES_MAX} bytes, found "
                f"{len(octets)}; split it, or keep what is large as an attachment"
            )
        source = event.source
        key = entry.delivery_key(
            tool=source.tool,
            instance=source.instance,
            delivery=source.delivery,
            part=source.part,
            id=event.id,
        )
        return Concealed(key, body_hashed, octets, entry.stamp_offset(octets), made)

    def _disclose(
        self, found: Any, event: Event, subjects: Mapping[str, Subject]
    ) -> tuple[dict[str, str], list[tuple[Subject, Disclosure]]]:
        owners: dict[str, str] = {}
        made: list[tuple[Subject, Disclosure]] = []
        author: Subject | None = None
        known_of = self._made.get
        for block, value in zip(BLOCKS, _holders(event), strict=True):
            # None, or an empty array.
            if not value:
                continue
            if block.is_text:
                hidden = block.hidden(value)
                if hidden == block.absent:
                    continue
                setattr(found, block.path[0], _bare(block, value))
            elif has_any(block, value):
                hidden = _taken(block, value, found)
            else:
                continue
            # Free text stands under its author; only a principal's own name is the principal's.
            if block.pointer == "/on_behalf_of":
                owner = subjects[identity(value)]
            else:
                owner = author = author or subjects[identity(event.actor)]
            owners[block.pointer] = owner.name
            known = known_of((owner.id, block.pointer, hidden))
            if known is None:
                known = self._new_disclosure(owner, block, hidden)
            made.append((owner, known))
        return owners, made

    def _new_disclosure(self, owner: Subject, block: ConcealedBlock, hidden: _Hidden) -> Disclosure:
        made = disclosure.disclosure(owner, block.pointer, _value(block, hidden))
        self._made_bytes += len(made.json)
        if len(self._made) >= self._remembered_max or self._made_bytes > _REMEMBERED_BYTES_MAX:
            self.forget()
            self._made_bytes = len(made.json)
        self._made[owner.id, block.pointer, hidden] = made
        return made


def _taken(block: ConcealedBlock, value: Any, found: Any) -> bytes:
    """Take a block's concealed fields out of the entry; their canonical JSON."""
    name = block.path[0]
    fields = {name: msgspec.to_builtins(value)}
    taken = take(fields, block)
    assert taken is not None
    setattr(found, name, fields.get(name))
    return disclosure.canonical_value(taken)


def _value(block: ConcealedBlock, hidden: _Hidden) -> bytes:
    """The canonical JSON of what a block hides."""
    if isinstance(hidden, bytes):
        return hidden
    if isinstance(hidden, str):
        return disclosure.canonical_value({block.names[0]: hidden})
    texts = zip(block.names, hidden, strict=True)
    return disclosure.canonical_value({name: text for name, text in texts if text is not None})


def _bare(block: ConcealedBlock, value: Any) -> Any:
    """What stays clear of an object of texts, or None for nothing."""
    bare = structs.replace(value, **block.bare)
    return None if block.empty is not None and bare == block.empty else bare


def prepared(
    concealed: Concealed,
    vault: tuple[VaultRow, ...] = (),
    attachments: tuple[AttachmentRow, ...] = (),
) -> Prepared:
    """What `log.commit` takes: the entry, and the rows that the vault does not have yet."""
    return Prepared(
        concealed.key, concealed.body, concealed.entry, concealed.stamp_offset, vault, attachments
    )


def _write_times(found: Any, event: Event, observed: str) -> None:
    """UTC with exactly six decimals; msgspec writes those of whole seconds shorter."""
    found.time = _time(event.time)
    found.observed = observed if event.observed is None else _time(event.observed)
    access = event.access
    if access is not None and access.expires is not None:
        found.access = structs.replace(access, expires=rfc3339(access.expires))


def _time(moment: datetime) -> datetime | str:
    return moment if moment.microsecond and moment.tzinfo is UTC else rfc3339(moment)


def unconcealed(event: Event, *, body: bytes, observed: str, logged: str) -> bytes:
    """The event as `reveal` gives it of its entry, in JSON, as long as nothing of it is erased.

    `body` is the hash that stands in the entry, `observed` as for `conceal`.
    """
    found = _Entry(*_of_event(event))
    _write_times(found, event, observed)
    found.source = structs.replace(event.source, body=base64url(body))
    found.logged = logged
    return msgspec.json.encode(found)


def reveal(found: dict[str, Any], disclosure_of: Callable[[bytes], bytes | None]) -> Revealed:
    """The event of an entry's fields. `disclosure_of` gives the JSON for a digest, or None.

    Raises Tampered for a disclosure that doesn't belong: another digest, a block that the entry
    doesn't list, a field that is not a concealed one.
    """
    event = {name: value for name, value in found.items() if name not in _NOT_AN_EVENT}
    about = listed(found)
    owners = about.owners
    for expected in about.digests:
        octets = disclosure_of(expected)
        if octets is None:
            continue
        what = f"disclosure {base64url(expected)}"
        if disclosure.digest(octets) != expected:
            raise Tampered(f"{what}: its bytes have another digest")
        opened = disclosure.opened(octets)
        block = BY_POINTER.get(opened.pointer)
        if block is None or owners.pop(opened.pointer, None) is None:
            raise Tampered(f"{what}: the entry has no block {opened.pointer!r}")
        try:
            put(event, block, opened.value)
        except ValueError as error:
            raise Tampered(f"{what}: {opened.pointer}: {error}") from None
    return Revealed(event, dict(sorted(owners.items())))

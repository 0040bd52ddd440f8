"""Terms of entries: what of each is searched, and under which keys.

A function of entries and of what the vault still has of them. Entries repeat their blocks (who it
was, where, of which run), so each block's bytes are read once and remembered with what they give;
an entry then is little more than the blocks that it has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec

from deploytrail.clock import microseconds
from deploytrail.entry import unbase64url
from deploytrail.errors import Conflict, Malformed
from deploytrail.follow.view import Read
from deploytrail.index import key
from deploytrail.index.people import People
from deploytrail.query.fields import FIELDS, Field, Kind, folded, values
from deploytrail.query.words import clear_texts, concealed_texts, words

_REMEMBERED_MAX: Final = 65_536
_PRINCIPAL: Final = "/on_behalf_of"
_PERSONS: Final = {"/actor": "actor", _PRINCIPAL: "for"}
_BLOCKS: Final = (
    "actor", "on_behalf_of", "where", "changes", "reason", "links", "plan", "policy", "approval",
    "artifact", "access", "command", "error",
)  # fmt: skip
"""What of an entry is remembered by its bytes. Targets hardly repeat."""
_TYPE_PRESENT: Final = key.present("target.type")
_TARGET_PRESENT: Final = key.present("target")
_PLAIN: Final = ("time", "logged", "observed", "duration_ms", "attempt")


class _Target(msgspec.Struct, gc=False):
    type: str
    id: str | None = None


class _Source(msgspec.Struct, gc=False):
    tool: str
    instance: str
    imported: bool = False


_NOTHING: Final = msgspec.Raw()
_Entry: Final[Any] = msgspec.defstruct(
    "_Entry",
    [
        ("origin", str), ("id", str), ("action", str), ("outcome", str), ("time", str),
        ("logged", str), ("source", _Source), ("observed", str | None, None),
        ("severity", str | None, None), ("trigger", str | None, None),
        ("duration_ms", int | None, None), ("attempt", int | None, None),
        ("subjects", msgspec.Raw, _NOTHING), ("digests", list[str], ()),
        *((name, msgspec.Raw, _NOTHING) for name in (*_BLOCKS, "targets")),
    ],
    rename={"digests": "_sd"},
    gc=False,
)  # fmt: skip
_blocks_of: Final = attrgetter(*_BLOCKS)
_entry: Final = msgspec.json.Decoder(_Entry).decode
_value: Final = msgspec.json.Decoder().decode
_targets: Final = msgspec.json.Decoder(list[_Target]).decode
_owners: Final = msgspec.json.Decoder(dict[str, str]).decode
_opened: Final = msgspec.json.Decoder(tuple[str, str, dict[str, Any]]).decode


class Given(NamedTuple):
    """What a block gives: keys, numbers by field, and spellings by key where they differ."""

    keys: tuple[bytes, ...]
    numbers: tuple[tuple[str, int], ...] = ()
    spelled: tuple[tuple[bytes, str], ...] = ()


class Group:
    """Entries that have the same block, hence the same terms; `places` ascend."""

    __slots__ = ("bits", "places")

    def __init__(self) -> None:
        self.places: list[int] = []
        self.bits: int | None = None
        """The same as a set, once that was made."""


class Rows(NamedTuple):
    """What entries with consecutive indexes have, by place.

    `terms` are groups by key, and `loose` single places of those that hardly repeat, ascending;
    `numbers` are all values by field, 0 where there is none.
    """

    terms: dict[bytes, list[Group]]
    loose: dict[bytes, list[int]]
    spelled: dict[bytes, str]
    times: list[int]
    numbers: dict[str, list[int]]


class _Text(NamedTuple):
    """A disclosure as it is searched."""

    pointer: str
    words: tuple[str, ...]
    id: str | None
    name: str | None


class Rowing:
    """Makes rows. What it remembers only makes it faster. Belongs to one thread."""

    def __init__(self, people: People, *, origin: str) -> None:
        self._people = people
        self._origin = origin
        self._given: dict[Any, Given] = {}
        self._texts: dict[str, _Text] = {}
        self._seconds: dict[str, int] = {}

    def rows(self, read: Read, *, home: int) -> Rows:
        """The rows of entries that were read; places count from index `home`.

        Raises Conflict at an entry of another log.
        """
        if len(self._given) > _REMEMBERED_MAX:
            self._given.clear()
        batch = _Batch(self._given)
        first = read.first - home
        disclosures: Mapping[bytes, bytes] | None = None
        for place, octets in enumerate(read.entries, first):
            found = _decoded(octets, home + place)
            if found.origin != self._origin:
                raise Conflict(
                    f"index: expected entries of {self._origin}, found one of {found.origin}"
                )
            batch.take_id(found.id, place)
            batch.take_plain(found, place, self._moment)
            for name, raw in zip(_BLOCKS, _blocks_of(found), strict=True):
                if raw is not _NOTHING:
                    batch.take(name, bytes(raw), place)
            if found.targets is not _NOTHING:
                batch.take_targets(found.targets, place)
            if found.subjects is not _NOTHING:
                if disclosures is None:
                    disclosures = read.disclosures()
                self._conceal(batch, found, disclosures, place)
        return batch.rows(first, len(read.entries))

    def _moment(self, text: str) -> int:
        """In microseconds since 1970; entries write 27 characters."""
        seconds = self._seconds.get(text[:19])
        if seconds is None:
            if len(self._seconds) > _REMEMBERED_MAX:
                self._seconds.clear()
            seconds = microseconds(datetime.fromisoformat(text[:19] + "Z"))
            self._seconds[text[:19]] = seconds
        return seconds + int(text[20:26])

    def _conceal(
        self, batch: _Batch, found: Any, disclosures: Mapping[bytes, bytes], place: int
    ) -> None:
        """Take in an entry's concealed texts, each under its subject, and who is named in them."""
        raw = bytes(found.subjects)
        owners = batch.owners.get(raw)
        if owners is None:
            owners = batch.owners[raw] = _owners(raw)
        own = owners.get("/actor") or next(
            (owner for pointer, owner in owners.items() if pointer != _PRINCIPAL), None
        )
        named: dict[str, _Text] = {}
        for digest in found.digests:
            text = self._texts.get(digest) or self._read(digest, disclosures)
            if text is None:
                continue
            owner = owners.get(text.pointer)
            if owner is None:
                continue
            if text.pointer in _PERSONS:
                named[text.pointer] = text
            batch.take_owned(digest, text, owner, place, is_own=owner == own)
        for pointer, field in _PERSONS.items():
            owner = owners.get(pointer)
            if owner is not None:
                known = named.get(pointer)
                id, name = (None, None) if known is None else (known.id, known.name)
                batch.take_person(field, owner, id, name, place, self._people)

    def _read(self, digest: str, disclosures: Mapping[bytes, bytes]) -> _Text | None:
        octets = disclosures.get(unbase64url(digest))
        if octets is None:
            return None
        _, pointer, value = _opened(octets)
        found = tuple(dict.fromkeys(word for one in concealed_texts(value) for word in words(one)))
        text = _Text(pointer, found, value.get("id"), value.get("name"))
        if len(self._texts) >= _REMEMBERED_MAX:
            self._texts.clear()
        self._texts[digest] = text
        return text


class _Batch:
    """Rows in the making."""

    def __init__(self, given: dict[Any, Given]) -> None:
        self.owners: dict[bytes, dict[str, str]] = {}
        self._given = given
        self._groups: dict[Any, Group] = {}
        self._terms: dict[bytes, list[Group]] = {}
        self._loose: dict[bytes, list[int]] = defaultdict(list)
        self._words: dict[str, list[int]] = {}
        self._spelled: dict[bytes, str] = {}
        self._numbers: list[tuple[str, int, Group]] = []
        self._plain: dict[str, list[int]] = {name: [] for name in _PLAIN}

    def take_id(self, id: str, place: int) -> None:
        self._loose[self._value_of("id", id)].append(place)

    def take_targets(self, raw: msgspec.Raw, place: int) -> None:
        loose, words_known = self._loose, self._words
        has_id = False
        for target in _targets(raw):
            loose[self._value_of("target.type", target.type)].append(place)
            if target.id is None:
                continue
            has_id = True
            loose[self._value_of("target", target.id)].append(place)
            for word in words(target.id):
                places = words_known.get(word)
                if places is None:
                    places = words_known[word] = loose[key.word(key.CLEAR, word)]
                places.append(place)
        loose[_TYPE_PRESENT].append(place)
        if has_id:
            loose[_TARGET_PRESENT].append(place)

    def _value_of(self, field: str, value: str) -> bytes:
        compared = folded(value)
        named = key.value(field, compared)
        if compared != value:
            self._spelled.setdefault(named, value)
        return named

    def take(self, name: str, block: bytes, place: int) -> None:
        """A block by its bytes; two blocks may look the same."""
        named = (name, block)
        group = self._groups.get(named)
        if group is None:
            given = self._given.get(named)
            if given is None:
                given = _given({name: _value(block)}, _fields_of(name))
                self._given[named] = given
            group = self._begin(named, given)
        group.places.append(place)

    def take_plain(self, found: Any, place: int, moment: Callable[[str], int]) -> None:
        """What an entry says beside its blocks."""
        source = found.source
        observed, duration, attempt = found.observed, found.duration_ms, found.attempt
        plain = self._plain
        plain["time"].append(moment(found.time))
        plain["logged"].append(moment(found.logged))
        plain["observed"].append(0 if observed is None else moment(observed))
        plain["duration_ms"].append(duration or 0)
        plain["attempt"].append(attempt or 0)
        shape = (
            found.action, found.outcome, found.severity, found.trigger, source.tool,
            source.instance, source.imported, observed is None, duration is None, attempt is None,
        )  # fmt: skip
        group = self._groups.get(shape)
        if group is None:
            given = self._given.get(shape)
            if given is None:
                given = self._given[shape] = _given(_shaped(found), _FIELDS_BESIDE)
            group = self._begin(shape, given)
        group.places.append(place)

    def take_owned(self, digest: str, text: _Text, owner: str, place: int, *, is_own: bool) -> None:
        group = self._groups.get((digest, is_own))
        if group is None:
            layer, subject = key.ERASABLE[0 if is_own else 1]
            keys = [key.word(layer, word) for word in text.words]
            group = self._begin((digest, is_own), Given((key.subject(subject, owner), *keys)))
        group.places.append(place)

    def take_person(
        self, field: str, owner: str, id: str | None, name: str | None, place: int, people: People
    ) -> None:
        group = self._groups.get((field, owner, id, name))
        if group is None:
            number = people.number(owner, id, name)
            keys = (key.person(field, owner, number), key.present(field))
            group = self._begin((field, owner, id, name), Given(keys))
        group.places.append(place)

    def _begin(self, named: Any, given: Given) -> Group:
        group = self._groups[named] = Group()
        terms = self._terms
        for one in given.keys:
            groups = terms.get(one)
            if groups is None:
                terms[one] = [group]
            else:
                groups.append(group)
        for field, value in given.numbers:
            self._numbers.append((field, value, group))
        for one, spelling in given.spelled:
            self._spelled.setdefault(one, spelling)
        return group

    def rows(self, first: int, count: int) -> Rows:
        numbers = {_FIELD_OF[name]: found for name, found in self._plain.items()}
        for field, value, group in self._numbers:
            found = numbers.setdefault(field, [0] * count)
            for place in group.places:
                found[place - first] = value
        return Rows(self._terms, self._loose, self._spelled, numbers["time"], numbers)


_FIELD_OF: Final = {field.paths[0][0]: field.name for field in FIELDS if len(field.paths[0]) == 1}
_FIELDS_BESIDE: Final = tuple(
    field
    for field in FIELDS
    if field.paths[0][0] in ("action", "outcome", "severity", "trigger", "source", *_PLAIN)
)


@cache
def _fields_of(block: str) -> tuple[Field, ...]:
    """The fields that a block may have, with their paths in it.

    Whom it names, its disclosure tells.
    """
    found = []
    for field in FIELDS:
        paths = tuple(path for path in field.paths if path[0] == block)
        if paths and field.kind is not Kind.PERSON:
            found.append(field._replace(paths=paths))
    return tuple(found)


def _given(event: Mapping[str, Any], fields: tuple[Field, ...]) -> Given:
    """What a part of an event gives, of these fields and of its clear texts."""
    keys: dict[bytes, None] = {}
    numbers: list[tuple[str, int]] = []
    spelled: list[tuple[bytes, str]] = []
    for field in fields:
        for value in values(event, field):
            if field.kind is Kind.WORD:
                compared = folded(value)
                named = key.value(field.name, compared)
                if compared != value:
                    spelled.append((named, value))
                keys.update(dict.fromkeys((named, *_families(field.name, compared))))
            elif field.kind is Kind.NUMBER and field.paths[0][0] not in _PLAIN:
                numbers.append((field.name, value))
            if field.kind is not Kind.FLAG or value:
                keys[key.present(field.name)] = None
    for text in clear_texts(event):
        for word in words(text):
            keys[key.word(key.CLEAR, word)] = None
    return Given(tuple(keys), tuple(numbers), tuple(spelled))


def _families(field: str, compared: str) -> Iterator[bytes]:
    if field in key.DOTTED:
        parts = compared.split(".")
        for at in range(1, len(parts)):
            yield key.family(field, ".".join(parts[:at]) + ".")


def _shaped(found: Any) -> dict[str, Any]:
    """What an entry says beside its blocks, as part of an event."""
    source = found.source
    whole = {
        "action": found.action,
        "outcome": found.outcome,
        "severity": found.severity,
        "trigger": found.trigger,
        "source": {
            "tool": source.tool, "instance": source.instance, "imported": source.imported,
        },
        **{name: getattr(found, name) for name in _PLAIN},
    }  # fmt: skip
    return {name: value for name, value in whole.items() if value is not None}


def _decoded(octets: bytes, index: int) -> Any:
    try:
        return _entry(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(
            f"entry {index}: expected one that this version can index; {error}. Where a newer "
            "Deploytrail wrote it, use that one"
        ) from None

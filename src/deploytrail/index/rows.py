"""Terms of entries: what of each is searched, and under which keys.

A function of entries and of what the vault still has of them. Entries repeat their blocks (who it
was, where, of which run), so each block's bytes are read once and remembered with what they give;
an entry then is little more than the blocks that it has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec

from deploytrail.entry import unbase64url
from deploytrail.errors import Conflict, Malformed
from deploytrail.follow.view import Read
from deploytrail.index import key
from deploytrail.index.given import BESIDE, Given, asked_of, given, shaped
from deploytrail.index.people import Person
from deploytrail.index.written import Written
from deploytrail.query.fields import folded
from deploytrail.query.words import concealed_texts, words

_REMEMBERED_MAX: Final = 16_384
_PRINCIPAL: Final = "/on_behalf_of"
_PERSONS: Final = {"/actor": "actor", _PRINCIPAL: "for"}
_BLOCKS: Final = (
    "actor", "on_behalf_of", "where", "changes", "reason", "links", "plan", "policy", "approval",
    "artifact", "access", "command", "error",
)  # fmt: skip
"""What of an entry is remembered by its bytes. Targets hardly repeat."""
_TYPE_PRESENT: Final = key.present("target.type")
_TARGET_PRESENT: Final = key.present("target")


class _Target(msgspec.Struct, gc=False):
    type: str
    id: str | None = None


class _Source(msgspec.Struct, gc=False):
    tool: str
    instance: str
    imported: bool = False


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME: Final = timedelta()
_NOTHING: Final = msgspec.Raw()
_Entry: Final[Any] = msgspec.defstruct(
    "_Entry",
    [
        ("origin", str), ("id", str), ("action", str), ("outcome", str), ("time", datetime),
        ("logged", datetime), ("source", _Source), ("observed", datetime | None, None),
        ("severity", str | None, None), ("trigger", str | None, None),
        ("duration_ms", int | None, None), ("attempt", int | None, None),
        ("subjects", msgspec.Raw, _NOTHING), ("digests", list[str], ()),
        *((name, msgspec.Raw, _NOTHING) for name in (*_BLOCKS, "targets")),
    ],
    rename={"digests": "_sd"},
    gc=False,
)  # fmt: skip
_RAW_OF: Final = tuple(attrgetter(name) for name in _BLOCKS)
_entry: Final = msgspec.json.Decoder(_Entry).decode
_value: Final = msgspec.json.Decoder().decode
_targets: Final = msgspec.json.Decoder(list[_Target]).decode
_owners: Final = msgspec.json.Decoder(dict[str, str]).decode
_concealed: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Group(msgspec.Struct, gc=False):
    """Entries that have the same block, hence the same terms; `places` ascend."""

    places: list[int]
    bits: int | None = None
    """The same as a set, once that was made."""
    kept: bytes | None = None
    """The same as it is kept, once that was made."""


class Rows(NamedTuple):
    """What entries with consecutive indexes have; their places count from the first of them.

    `terms` are groups by key, and `loose` single places of those that hardly repeat, ascending,
    where one may come twice; `persons` are groups by whom they name, who have no number yet, in the
    order in which entries named them first; `written` are values that are not written as they are
    compared, in the order of the entries; `numbers` are all values by field, 0 where there is none.
    """

    terms: dict[bytes, list[Group]]
    loose: dict[bytes, list[int]]
    persons: dict[Person, list[Group]]
    written: list[Written]
    times: list[int]
    numbers: dict[str, list[int]]


class _Text(NamedTuple):
    """A disclosure as it is searched."""

    pointer: str
    words: tuple[str, ...]
    id: str | None
    name: str | None


class _Owners(NamedTuple):
    """Whose an entry's concealed blocks are, by pointer; `own` has most of them.

    `persons` are those of the blocks that say who somebody was.
    """

    by_pointer: dict[str, str]
    own: str | None
    persons: frozenset[str]


class Rowing:
    """Makes rows. What it remembers only makes it faster. Belongs to one thread."""

    def __init__(self, *, origin: str) -> None:
        self._origin = origin
        self._given: list[dict[bytes, Given]] = [{} for _ in _BLOCKS]
        self._shapes: dict[Any, Given] = {}
        self._texts: dict[str, _Text] = {}

    def rows(self, read: Read) -> Rows:
        """The rows of entries that were read. Raises Conflict at an entry of another log."""
        for known in self._given:
            if len(known) > _REMEMBERED_MAX:
                known.clear()
        found = [_decoded(octets, at) for at, octets in enumerate(read.entries, read.first)]
        for each in found:
            if each.origin != self._origin:
                raise Conflict(
                    f"index: expected entries of {self._origin}, found one of {each.origin}"
                )
        batch = _Batch()
        self._take_shapes(batch, found)
        self._take_blocks(batch, found)
        _take_ids(batch, found)
        _take_targets(batch, found)
        self._take_texts(batch, found, lambda: read.disclosures(read.entries))
        return batch.rows(found)

    def _take_shapes(self, batch: _Batch, found: Sequence[Any]) -> None:
        """What entries say beside their blocks."""
        groups: dict[Any, Group] = {}
        for place, each in enumerate(found):
            source = each.source
            shape = (
                each.action, each.outcome, each.severity, each.trigger, source.tool,
                source.instance, source.imported, each.observed is None,
                each.duration_ms is None, each.attempt is None,
            )  # fmt: skip
            group = groups.get(shape)
            if group is None:
                made = self._shapes.get(shape)
                if made is None:
                    made = self._shapes[shape] = given(shaped(each), BESIDE)
                group = groups[shape] = batch.begin(made, place)
            group.places.append(place)

    def _take_blocks(self, batch: _Batch, found: Sequence[Any]) -> None:
        """Blocks by their bytes."""
        for name, raw_of, known in zip(_BLOCKS, _RAW_OF, self._given, strict=True):
            groups: dict[bytes, Group] = {}
            group_of = groups.get
            for place, raw in enumerate(map(raw_of, found)):
                if raw is _NOTHING:
                    continue
                block = bytes(raw)
                group = group_of(block)
                if group is None:
                    made = known.get(block)
                    if made is None:
                        made = known[block] = given({name: _value(block)}, asked_of(name))
                    group = groups[block] = batch.begin(made, place)
                group.places.append(place)

    def _take_texts(
        self, batch: _Batch, found: Sequence[Any], disclose: Callable[[], Mapping[bytes, bytes]]
    ) -> None:
        """Entries' concealed texts, each under its subject, and who is named in them."""
        disclosures: Mapping[bytes, bytes] | None = None
        whose: dict[bytes, _Owners] = {}
        # Where nobody acts for another, a digest alone says whose it is and what it gives.
        alone: dict[str, tuple[Group, str]] = {}
        group_of = alone.get
        for place, each in enumerate(found):
            if each.subjects is _NOTHING:
                continue
            if disclosures is None:
                disclosures = disclose()
            raw = bytes(each.subjects)
            owners = whose.get(raw)
            if owners is None:
                owners = whose[raw] = _owners_of(raw)
            named = []
            for digest in each.digests:
                known = group_of(digest)
                if known is None:
                    known = self._owned(batch, digest, disclosures, owners, place)
                    if known is None:
                        continue
                    if _PRINCIPAL not in owners.by_pointer:
                        alone[digest] = known
                group, pointer = known
                places = group.places
                # Nobody lists one twice, but if they did it would be there once.
                if not places or places[-1] != place:
                    places.append(place)
                if pointer:
                    named.append(pointer)
            if len(named) < len(owners.persons):
                for pointer in owners.persons.difference(named):
                    batch.take_unnamed(pointer, owners.by_pointer[pointer], place)

    def _owned(
        self,
        batch: _Batch,
        digest: str,
        disclosures: Mapping[bytes, bytes],
        owners: _Owners,
        place: int,
    ) -> tuple[Group, str] | None:
        """The group of a disclosure, and the pointer of whom it names, if it names somebody.

        None without a text.
        """
        text = self._texts.get(digest) or self._read(digest, disclosures)
        if text is None:
            return None
        owner = owners.by_pointer.get(text.pointer)
        if owner is None:
            return None
        group = batch.owned(digest, text, owner, owners.own, place)
        return group, text.pointer if text.pointer in _PERSONS else ""

    def _read(self, digest: str, disclosures: Mapping[bytes, bytes]) -> _Text | None:
        octets = disclosures.get(unbase64url(digest))
        if octets is None:
            return None
        pointer, _, block = octets.partition(b"\0")
        value = _concealed(block)
        # Whatever stands between two texts is no part of a word.
        found = tuple(dict.fromkeys(words("\n".join(concealed_texts(value)))))
        text = _Text(pointer.decode("ascii"), found, value.get("id"), value.get("name"))
        if len(self._texts) >= _REMEMBERED_MAX:
            self._texts.clear()
        self._texts[digest] = text
        return text


class _Batch:
    """Rows in the making."""

    def __init__(self) -> None:
        self.loose: dict[bytes, list[int]] = defaultdict(list)
        self._owned: dict[Any, Group] = {}
        self._persons: dict[Person, list[Group]] = defaultdict(list)
        self._terms: dict[bytes, list[Group]] = {}
        self._written: dict[bytes, tuple[int, str]] = {}
        self._numbers: list[tuple[str, int, Group]] = []

    def begin(self, made: Given, place: int) -> Group:
        """A group of what gives so, of none so far; `place` will be its first."""
        group = Group([])
        terms = self._terms
        for one in made.keys:
            groups = terms.get(one)
            if groups is None:
                terms[one] = [group]
            else:
                groups.append(group)
        for field, value in made.numbers:
            self._numbers.append((field, value, group))
        for one, text in made.written:
            self.write(one, text, place)
        return group

    def write(self, named: bytes, text: str, place: int) -> None:
        """How an entry writes a value; what the first one wrote is kept."""
        known = self._written.get(named)
        if known is None or place < known[0]:
            self._written[named] = place, text

    def owned(self, digest: str, text: _Text, owner: str, own: str | None, place: int) -> Group:
        """The group of a disclosure; its words stand in the layer of whose it is."""
        group = self._owned.get((digest, owner == own))
        if group is None:
            layer, subject = key.ERASABLE[0 if owner == own else 1]
            keys = [key.subject(subject, owner), *[key.word(layer, word) for word in text.words]]
            field = _PERSONS.get(text.pointer)
            if field is not None:
                keys.append(key.present(field))
            group = self._owned[digest, owner == own] = self.begin(Given(tuple(keys)), place)
            if field is not None:
                self._persons[Person(field, owner, text.id, text.name)].append(group)
        return group

    def take_unnamed(self, pointer: str, owner: str, place: int) -> None:
        """Somebody of whom nothing can be read."""
        group = self._owned.get((pointer, owner))
        if group is None:
            field = _PERSONS[pointer]
            made = Given((key.present(field),))
            group = self._owned[pointer, owner] = self.begin(made, place)
            self._persons[Person(field, owner, None, None)].append(group)
        group.places.append(place)

    def rows(self, found: Sequence[Any]) -> Rows:
        numbers = {
            "time": _microseconds([each.time for each in found]),
            "logged": _microseconds([each.logged for each in found]),
            "observed": _microseconds([each.observed for each in found]),
            "duration": [each.duration_ms or 0 for each in found],
            "attempt": [each.attempt or 0 for each in found],
        }
        for field, value, group in self._numbers:
            values = numbers.setdefault(field, [0] * len(found))
            for place in group.places:
                values[place] = value
        first = sorted((place, named, text) for named, (place, text) in self._written.items())
        written = [(named, text) for _, named, text in first]
        return Rows(self._terms, self.loose, self._persons, written, numbers["time"], numbers)


def _microseconds(moments: Sequence[datetime | None]) -> list[int]:
    """Since 1970, as `clock.microseconds`; 0 for none."""
    spans = [moment - _EPOCH if moment is not None else _NO_TIME for moment in moments]
    return [
        span.days * 86_400_000_000 + span.seconds * 1_000_000 + span.microseconds for span in spans
    ]


def _take_ids(batch: _Batch, found: Sequence[Any]) -> None:
    for place, each in enumerate(found):
        batch.loose[_value_of(batch, "id", each.id, place)].append(place)


def _take_targets(batch: _Batch, found: Sequence[Any]) -> None:
    loose = batch.loose
    of_type: dict[str, list[int]] = {}
    of_word: dict[str, list[int]] = {}
    types_present, ids_present = loose[_TYPE_PRESENT], loose[_TARGET_PRESENT]
    word_of = of_word.get
    for place, each in enumerate(found):
        if each.targets is _NOTHING:
            continue
        types_present.append(place)
        for target in _targets(each.targets):
            places = of_type.get(target.type)
            if places is None:
                named = _value_of(batch, "target.type", target.type, place)
                places = of_type[target.type] = loose[named]
            places.append(place)
            id = target.id
            if id is None:
                continue
            ids_present.append(place)
            loose[_value_of(batch, "target", id, place)].append(place)
            for word in words(id):
                places = word_of(word)
                if places is None:
                    places = of_word[word] = loose[key.word(key.CLEAR, word)]
                places.append(place)


def _value_of(batch: _Batch, field: str, value: str, place: int) -> bytes:
    compared = folded(value)
    named = key.value(field, compared)
    if compared != value:
        batch.write(named, value, place)
    return named


def _owners_of(raw: bytes) -> _Owners:
    found = _owners(raw)
    own = found.get("/actor") or next(
        (owner for pointer, owner in found.items() if pointer != _PRINCIPAL), None
    )
    return _Owners(found, own, frozenset(_PERSONS.keys() & found.keys()))


def _decoded(octets: bytes, index: int) -> Any:
    try:
        return _entry(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(
            f"entry {index}: expected one that this version can index; {error}. Where a newer "
            "Deploytrail wrote it, use that one"
        ) from None

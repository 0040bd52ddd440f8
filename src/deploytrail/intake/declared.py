"""What is declared for a trail: the files of its folder, read together, and what changed in them.

Pure. A file of the folder is one row of `FILES`; what others declare later joins there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from deploytrail import canonical
from deploytrail.event import Change
from deploytrail.intake import connections, mapping
from deploytrail.intake.connections import Offer, Offers, Stanza
from deploytrail.intake.mapping import NOWHERE, Places
from deploytrail.intake.tables import (
    FILE_BYTES_MAX,
    Faults,
    Misdeclared,
    dotted,
    tables_of,
    text_of,
)

KIND: Final = "config"
"""Of the state that it is."""
FILES: Final = ("environments.toml", "connections.toml")


class Declared(NamedTuple):
    """Everything that is declared."""

    places: Places
    connections: Mapping[str, Stanza]

    def tables(self) -> dict[str, Any]:
        """By file, without its ending, all of it spelled out; equal where the same is declared."""
        return {
            "environments": mapping.canonical(self.places),
            "connections": connections.canonical(self.connections),
        }


NOTHING: Final = Declared(NOWHERE, {})


def read(files: Mapping[str, bytes], offers: Offers, *, folder: str = "config") -> Declared:
    """What files declare, by their names; one that is not there declares nothing.

    Raises Misdeclared with everything that is wrong with any of them, each with its line.
    """
    wrong: list[str] = []
    found = []
    for name in FILES:
        octets = files.get(name, b"")
        faults = Faults(f"{folder}/{name}", text_of(octets))
        if len(octets) > FILE_BYTES_MAX:
            faults.add((), f"expected at most {FILE_BYTES_MAX} bytes, found {len(octets)}")
            tables: Mapping[str, Any] = {}
        else:
            tables = tables_of(octets, faults)
        found.append((tables, faults))
    (places, where), (senders, who) = found
    declared = Declared(
        mapping.places(places, where), connections.connections(senders, who, offers)
    )
    wrong = [*where.found, *who.found]
    if wrong:
        raise Misdeclared(wrong)
    return declared


def encode(declared: Declared) -> bytes:
    return canonical.encode(declared.tables())


def decode(octets: bytes, offers: Offers) -> Declared:
    """What was applied; a connection of a source that is gone since is kept as it was, and so are
    settings that it has no more: they were looked at when they were applied.

    Raises Misdeclared.
    """
    tables = msgspec.json.decode(octets)
    where, who = Faults("applied", None), Faults("applied", None)
    known = {name: Offer(offer.schemes) for name, offer in offers.items()}
    for stanza in tables.get("connections", {}).values():
        before = known.get(stanza["source"], Offer(()))
        known[stanza["source"]] = Offer((*before.schemes, stanza["credential"]))
    declared = Declared(
        mapping.places(tables.get("environments", {}), where),
        connections.connections(tables.get("connections", {}), who, known),
    )
    if where.found or who.found:
        raise Misdeclared([*where.found, *who.found])
    return declared


def changes(old: Declared, new: Declared) -> tuple[Change, ...]:
    """What is different, value by value, in the order of the files."""
    return tuple(_changes(old.tables(), new.tables(), ()))


def _changes(old: Any, new: Any, path: tuple[str | int, ...]) -> Iterator[Change]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(one for one in new if one not in old)]:
            yield from _changes(old.get(name), new.get(name), (*path, name))
    elif isinstance(old, list) and isinstance(new, list) and _are_tables(old + new):
        for at in range(max(len(old), len(new))):
            before = old[at] if at < len(old) else None
            yield from _changes(before, new[at] if at < len(new) else None, (*path, at))
    elif isinstance(old, dict) or isinstance(new, dict):
        # A table that came or went is told value by value, too.
        yield from _changes(
            old if isinstance(old, dict) else {}, new if isinstance(new, dict) else {}, path
        )
    else:
        yield Change(
            path=dotted(path),
            op="add" if old is None else "remove" if new is None else "update",
            old=None if old is None else msgspec.json.encode(old).decode(),
            new=None if new is None else msgspec.json.encode(new).decode(),
        )


def _are_tables(values: list[Any]) -> bool:
    return all(isinstance(one, dict) for one in values)

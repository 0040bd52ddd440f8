"""A log's file as somebody leaves it who may write it and holds no key: all digests are right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec

from deploytrail import entry
from deploytrail.clock import Uptime
from deploytrail.errors import Malformed
from deploytrail.log.merkle import Frontier, leaf_hashes
from deploytrail.log.store import Tree
from deploytrail.log.tiles import encode_bundle
from deploytrail.stores.tree_row import encode


@contextmanager
def doctored(home: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(home / "log.db"))
    try:
        yield connection
    finally:
        connection.close()


def tree(connection: apsw.Connection) -> Tree:
    ((origin, frontier, logged, epoch, clock, boot, uptime, behind),) = connection.execute(
        "SELECT origin, frontier, last_logged, epoch, clock, boot, uptime, behind FROM tree"
    )
    known = Frontier.decode(frontier)
    return Tree(origin, known, logged, epoch, clock, Uptime(boot, uptime), bool(behind))


def set_tree(connection: apsw.Connection, new: Tree) -> None:
    """The row's own digest needs no key."""
    connection.execute(
        "UPDATE tree SET origin = ?, size = ?, root = ?, frontier = ?, last_logged = ?, epoch = ?, "
        "clock = ?, boot = ?, uptime = ?, behind = ?, digest = ?",
        encode(new),
    )


def append(connection: apsw.Connection, entries: Sequence[bytes]) -> None:
    """Entries behind the last, with deliveries, but under no checkpoint; the bundle stays open."""
    before = tree(connection)
    frontier = before.frontier.append(leaf_hashes(entries)).frontier
    row = (before.size, len(entries), encode_bundle(entries))
    connection.execute("INSERT INTO segment VALUES (?, ?, ?)", row)
    for index, octets in enumerate(entries, before.size):
        fields = msgspec.json.decode(octets)
        try:
            key = entry.key_of(fields)
        except Malformed:
            key = b"mallory's key %d" % index
        connection.execute("INSERT INTO delivery VALUES (?, ?, ?)", (key, index, bytes(8)))
    logged = before.logged + len(entries)
    set_tree(connection, before._replace(frontier=frontier, logged=logged))


def forged(like: bytes, at: str, **fields: Any) -> bytes:
    """An entry as another one, with other fields and nothing concealed."""
    found = msgspec.json.decode(like)
    for name in ("_sd", "subjects", "reason"):
        found.pop(name, None)
    found |= {"logged": at, "id": "01999999-7c3e-7a51-8d0e-3f1b2c4d5e6f"}
    found |= {"actor": {"type": "system"}}
    found["source"] = {"tool": "deploytrail", "instance": "local", "body": "AAAAAAAAAAA"}
    return msgspec.json.encode(found | fields, order="sorted")

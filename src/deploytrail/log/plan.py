"""What an append will write, decided before anything is written.

Pure: the tree as it stands, prepared entries, the clock and what is known come in; an Addition
comes out. LOG.md, "Commit".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from deploytrail.clock import Uptime, at_microseconds, rfc3339
from deploytrail.entry import stamped
from deploytrail.errors import ClockSuspect
from deploytrail.log import merkle
from deploytrail.log.store import Addition, AttachmentRow, Delivery, Tree, VaultRow
from deploytrail.log.tiles import WIDTH, ReadTile, completed_tiles, encode_bundle

BEHIND_MAX: Final = 1_000_000
"""Microseconds by which the clock may stand behind the log before that is entered."""
AHEAD_MAX: Final = 60_000_000
"""Microseconds by which the clock may run ahead of the uptime within one boot."""


class Prepared(NamedTuple):
    """An entry that lacks its place and time, and what the vault keeps for it."""

    key: bytes
    body: bytes
    entry: bytes
    stamp_offset: int
    vault: tuple[VaultRow, ...] = ()
    attachments: tuple[AttachmentRow, ...] = ()


class Moment(NamedTuple):
    """The clock and the uptime, read together under the lock."""

    clock: int
    uptime: Uptime


class Placed(NamedTuple):
    """New entries at their index: the bytes that were hashed, and the leaf hashes."""

    first: int
    entries: list[bytes]
    leaves: list[bytes]
    addition: Addition


def refuse_jump(tree: Tree, now: Moment) -> None:
    """Raise ClockSuspect where the clock ran ahead of the time since boot.

    Appending would freeze the log's time at a wrong future: `logged` never runs backwards. So a
    clock that was behind may come back to where the log's time stands.
    """
    if not _is_same_boot(tree, now):
        return
    since = max(tree.clock, tree.logged)
    ahead = (now.clock - since) - (now.uptime.microseconds - tree.uptime.microseconds)
    if ahead > AHEAD_MAX:
        raise ClockSuspect(
            f"clock: expected it to follow the time since boot, found it {ahead // 1_000_000} s "
            "ahead; nothing was stored. If the clock is right now, run "
            "'deploytrail doctor --accept-clock'"
        )


def is_behind(tree: Tree, now: Moment) -> bool:
    """Whether the clock stands so far behind the log that it must be told."""
    return now.clock < tree.logged - BEHIND_MAX


def _is_same_boot(tree: Tree, now: Moment) -> bool:
    return bool(now.uptime.boot) and now.uptime.boot == tree.uptime.boot


def _trusted(tree: Tree, now: Moment) -> Moment:
    """From where the next jump is measured: where the clock stood highest above the uptime.

    A clock that was set back is no measure: it would seem to jump once it is put right.
    """
    is_set_back = now.clock - tree.clock < now.uptime.microseconds - tree.uptime.microseconds
    return Moment(tree.clock, tree.uptime) if is_set_back and _is_same_boot(tree, now) else now


def place(
    tree: Tree,
    prepared: Sequence[Prepared],
    now: Moment,
    *,
    tail: Sequence[bytes],
    read_tile: ReadTile,
) -> Placed:
    """Entries in order behind the tree's last.

    `tail` are the entries after the last full bundle, needed only where a bundle becomes full;
    `read_tile` is asked for tiles of the tree as it stands, as `completed_tiles` tells.
    """
    first = tree.size
    logged = max(now.clock, tree.logged + 1)
    entries = [
        stamped(one.entry, one.stamp_offset, stamp)
        for one, stamp in zip(prepared, _stamps(logged, len(prepared)), strict=True)
    ]
    trusted = _trusted(tree, now)
    leaves = merkle.leaf_hashes(entries)
    after = tree._replace(
        logged=logged + len(prepared) - 1,
        clock=trusted.clock,
        uptime=trusted.uptime,
        is_behind=is_behind(tree, now),
    )
    addition = _addition(after, entries, leaves, tail=tail, read_tile=read_tile)._replace(
        deliveries=[Delivery(one.key, first + at, one.body) for at, one in enumerate(prepared)],
        vault=_distinct(prepared),
        attachments=[row for one in prepared for row in one.attachments],
    )
    return Placed(first, entries, leaves, addition)


def place_again(
    tree: Tree,
    entries: Sequence[bytes],
    leaves: Sequence[bytes],
    deliveries: Sequence[Delivery],
    *,
    read_tile: ReadTile,
) -> Addition:
    """Entries as they were logged once, with their leaf hashes, behind a tree of full bundles.

    Of `tree`, everything but the frontier is stored as it is given.
    """
    added = _addition(tree, entries, leaves, tail=(), read_tile=read_tile)
    return added._replace(deliveries=deliveries)


def beside(
    tree: Tree, *, vault: Sequence[VaultRow] = (), attachments: Sequence[AttachmentRow] = ()
) -> Addition:
    """Rows of the vault alone: the log stays as it is."""
    nothing = _addition(tree, (), (), tail=(), read_tile=lambda _, __: b"")
    return nothing._replace(vault=vault, attachments=attachments)


def _addition(
    tree: Tree,
    entries: Sequence[bytes],
    leaves: Sequence[bytes],
    *,
    tail: Sequence[bytes],
    read_tile: ReadTile,
) -> Addition:
    """Entries behind the tree's frontier; what else it says is what it shall say then."""
    appended = tree.frontier.append(leaves)
    bundles, rest, rest_first = _bundles(tree.size, entries, tail)
    tiles = completed_tiles(appended, leaves, read_tile) if bundles else []
    return Addition(
        tree=tree._replace(frontier=appended.frontier),
        size_before=tree.size,
        deliveries=(),
        vault=(),
        attachments=(),
        bundles=bundles,
        tail=encode_bundle(rest),
        tail_first=rest_first,
        tail_count=len(rest),
        tiles=[(tile.level, tile.index, data) for tile, data in tiles],
    )


def _distinct(prepared: Sequence[Prepared]) -> list[VaultRow]:
    """The entries' vault rows, each digest once: entries of one commit share disclosures."""
    return list({row.key: row for one in prepared for row in one.vault}.values())


def completes_bundle(size: int, count: int) -> bool:
    """Whether `count` entries behind `size` fill a bundle."""
    return size // WIDTH != (size + count) // WIDTH


def _stamps(logged: int, count: int) -> list[bytes]:
    """`count` times of 27 bytes, a microsecond apart."""
    stamps: list[bytes] = []
    while len(stamps) < count:
        moment = at_microseconds(logged + len(stamps))
        second = rfc3339(moment)[:20]
        stop = min(1_000_000, moment.microsecond + count - len(stamps))
        stamps += [b"%s%06dZ" % (second.encode(), at) for at in range(moment.microsecond, stop)]
    return stamps


def _bundles(
    first: int, entries: Sequence[bytes], tail: Sequence[bytes]
) -> tuple[list[tuple[int, bytes]], Sequence[bytes], int]:
    """Bundles that become full, and the entries behind the last full one."""
    if not completes_bundle(first, len(entries)):
        return [], entries, first
    start = first - first % WIDTH
    known = [*tail, *entries]
    full = len(known) // WIDTH * WIDTH
    bundles = [
        ((start + at) // WIDTH, encode_bundle(known[at : at + WIDTH]))
        for at in range(0, full, WIDTH)
    ]
    return bundles, known[full:], start + full

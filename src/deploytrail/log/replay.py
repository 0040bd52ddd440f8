"""Entries hashed again from nothing, bundle by bundle, and held against what is stored beside them.

Pure: whoever publishes replays what is new, whoever verifies replays everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from deploytrail.log.merkle import Frontier, leaf_hashes
from deploytrail.log.tiles import WIDTH

State = Literal["OK", "REDACTED", "WITHHELD", "PRUNED", "MISSING", "CORRUPT"]


class Finding(NamedTuple):
    """What is wrong, and where: a range of entries [first, until), and what was found there."""

    state: State
    first: int
    until: int
    what: str


class Replay:
    """A frontier that grows by entries, and what contradicts the stored tiles on the way.

    Two frontiers grow together: `frontier` by the entries, `by_tiles` by the stored leaf hashes
    where they differ. If the second ends in a signed root, the tiles are right and the entries
    that differ from them are the changed ones; if the first does, the tiles are wrong.
    """

    def __init__(self, start: Frontier) -> None:
        self.frontier = start
        self._by_tiles: Frontier | None = None
        self._differing: list[int] = []
        self._raised: dict[int, list[bytes]] = {}

    @property
    def by_tiles(self) -> Frontier:
        return self.frontier if self._by_tiles is None else self._by_tiles

    @property
    def differing(self) -> list[int]:
        """Indexes of entries whose leaf hash is not the stored one."""
        return self._differing

    def feed(self, entries: Sequence[bytes], tile: bytes | None) -> None:
        """The next entries, and the stored hashes of exactly these, if there are any."""
        self.feed_hashes(leaf_hashes(entries), tile)

    def feed_hashes(self, leaves: list[bytes], tile: bytes | None) -> None:
        first = self.frontier.size
        if tile is not None and tile != b"".join(leaves) and len(tile) == 32 * len(leaves):
            stored = [tile[at : at + 32] for at in range(0, len(tile), 32)]
            self._differing += [first + at for at, leaf in enumerate(leaves) if leaf != stored[at]]
            self._by_tiles = self.by_tiles.append(stored).frontier
        elif self._by_tiles is not None:
            self._by_tiles = self._by_tiles.append(leaves).frontier
        appended = self.frontier.append(leaves)
        self.frontier = appended.frontier
        for level, hashes in enumerate(appended.raised, 1):
            self._raised.setdefault(level, []).extend(hashes)

    def trust_tiles(self) -> None:
        """Go on from the stored hashes: they are what was logged, and the entries differ."""
        self.frontier = self.by_tiles
        self._by_tiles = None
        self._differing = []

    def take_raised(self, level: int) -> list[bytes]:
        """The hashes of tile level `level` that became known, as far as whole tiles; once each."""
        known = self._raised.get(level, [])
        whole = len(known) // WIDTH * WIDTH
        self._raised[level] = known[whole:]
        return known[:whole]

    def rest(self, level: int) -> list[bytes]:
        """What `take_raised` leaves: the hashes of the partial tile of that level."""
        return self._raised.get(level, [])

    @property
    def levels(self) -> int:
        return len(self._raised)

"""The log's one row as engines keep it: its columns, a digest of them, and what was seen of it."""

from __future__ import annotations

import hashlib
from typing import Any

from deploytrail.clock import Uptime
from deploytrail.errors import Malformed, Tampered
from deploytrail.log.merkle import Frontier
from deploytrail.log.store import Tree

TreeRow = tuple[str | int | bytes, ...]
"""origin, size, root, frontier, last_logged, epoch, clock, boot, uptime, behind, digest."""


def encode(tree: Tree) -> TreeRow:
    """The columns of the tree's row; the last is a digest of the others.

    It is no protection against anybody who writes on purpose: it finds bytes that rotted in what
    no signature covers, such as the clock's last reading.
    """
    frontier, uptime = tree.frontier, tree.uptime
    row = (
        tree.origin, frontier.size, frontier.root(), frontier.encode(), tree.logged, tree.epoch,
        tree.clock, uptime.boot, uptime.microseconds, int(tree.is_behind),
    )  # fmt: skip
    return *row, hashlib.sha256(repr(row).encode()).digest()


def decode(row: tuple[Any, ...]) -> Tree:
    """What a row says; raises Tampered for one that `encode` did not make."""
    origin, _, _, frontier, logged, epoch, clock, boot, uptime, behind, _ = row
    try:
        found = Frontier.decode(frontier)
    except Malformed as error:
        raise Tampered(f"tree: {error}") from None
    tree = Tree(origin, found, logged, epoch, clock, Uptime(boot, uptime), bool(behind))
    if encode(tree) != row:
        raise Tampered("tree: its row is not what was written; size, root and digest disagree")
    return tree


class Highest:
    """The largest size that this process saw of a log."""

    def __init__(self) -> None:
        self.size = 0

    def raise_to(self, size: int) -> None:
        self.size = max(self.size, size)

"""Additions that no plan made, and blocks that fail: what the contract is held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deploytrail.log.store import Addition, Store, Tree, Writer
from deploytrail.log.tiles import encode_bundle
from tests.log.trees import leaves

ALICE, BOB = b"alice's subject.", b"bob's subject..."


class Interrupted(Exception):
    """What goes wrong inside a block, on purpose."""


def addition(tree: Tree, count: int = 1, /, **differing: Any) -> Addition:
    """So many synthetic entries behind the tree, without bundles or tiles."""
    hashes = leaves(count)
    entries = [b"entry %d" % number for number in range(count)]
    plain = Addition(
        tree=tree._replace(frontier=tree.frontier.append(hashes).frontier, logged=tree.logged + 1),
        size_before=tree.size,
        deliveries=[],
        vault=[],
        attachments=[],
        bundles=[],
        tail=encode_bundle(entries),
        tail_first=tree.size,
        tail_count=count,
        tiles=[],
    )
    return plain._replace(**differing)


def add(store: Store, count: int = 1, /, **differing: Any) -> Addition:
    with store.writing() as writer:
        added = addition(writer.tree(), count, **differing)
        writer.add(added)
    return added


def interrupt(store: Store, effect: Callable[[Writer], None]) -> None:
    """Write something, and fail before the block ends."""
    with pytest.raises(Interrupted), store.writing() as writer:
        _write_and_fail(writer, effect)


def _write_and_fail(writer: Writer, effect: Callable[[Writer], None]) -> None:
    effect(writer)
    raise Interrupted

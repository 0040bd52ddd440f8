"""Append prepared entries: one transaction, then the answer.

The shell around `plan`. It knows nothing of what entries or vault rows mean; what it has to enter
on its own (a clock behind, a delivery repeated with another body) it asks of `Notices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from deploytrail.errors import Conflict, StaleEpoch
from deploytrail.log import merkle, plan
from deploytrail.log.plan import Moment, Prepared
from deploytrail.log.reading import bundle_entries, tail_entries, tile_reader
from deploytrail.log.store import Delivery, StateRow, Store, Tree, Writer
from deploytrail.log.tiles import WIDTH


class Answer(NamedTuple):
    """Where a prepared entry stands. `is_first` is False for a delivery that came before.

    `entry` are the bytes in the log; None means a conflict: that index holds another body.
    """

    entry_index: int
    entry: bytes | None
    leaf: bytes
    is_first: bool


class Notices(Protocol):
    """Entries that the log makes on its own account, prepared by whoever knows events.

    Each has a delivery key of its own, so that repeating it changes nothing.
    """

    def clock_behind(self, microseconds: int) -> Prepared: ...
    def conflict(self, refused: Prepared, first_index: int) -> Prepared: ...


class StateChange(NamedTuple):
    """State that is set with its event: from what it was when somebody decided so, to what."""

    before: StateRow
    after: StateRow


def append(
    store: Store,
    prepared: Sequence[Prepared],
    *,
    epoch: int,
    notices: Notices,
    state: Sequence[StateChange] = (),
) -> list[Answer]:
    """One answer per prepared entry, in order, durable on return.

    `state` is set in the same transaction, where every entry is new; entries that all came before
    brought theirs along then.

    Raises StaleEpoch where an erasure came between concealing and committing, Conflict where state
    is not what it was any more, ClockSuspect, and what `Store.writing` raises; in each case nothing
    was stored.
    """
    with store.writing() as writer:
        tree = writer.tree()
        if tree.epoch != epoch:
            raise StaleEpoch(f"epoch: expected {tree.epoch}, found {epoch}")
        now = Moment(writer.clock(), writer.uptime())
        plan.refuse_jump(tree, now)
        sorted_out = _sort_out(writer, prepared, notices)
        if state:
            _set_state(writer, state, sorted_out)
        if plan.is_behind(tree, now) and not tree.is_behind and sorted_out.new:
            sorted_out.new.append(notices.clock_behind(tree.logged - now.clock))
        placed = _add(writer, tree, sorted_out.new, now)
        if placed is None:
            # Nothing but repeats: they may be visible without being durable, if their writer was
            # killed between write and sync. This commit syncs them before we vouch for them.
            writer.touch()
        # A block that returns still commits; what is returned leaves it only after that.
        return _answers(writer, sorted_out, tree.size, placed)


def _set_state(writer: Writer, state: Sequence[StateChange], sorted_out: _SortedOut) -> None:
    firsts = [is_first for _, is_first, _ in sorted_out.places]
    if not any(firsts) and not any(is_conflict for _, _, is_conflict in sorted_out.places):
        return
    known = {kind: writer.state(kind) for kind in {change.before.kind for change in state}}
    for change in state:
        kind, id, value = change.before
        if not all(firsts) or known[kind].get(id) != value:
            raise Conflict(
                f"{kind} {id}: expected it as it was read, found it changed since by somebody "
                "else; look at it again, and repeat what you want"
            )
    writer.put_state(change.after for change in state)


class _SortedOut(NamedTuple):
    """What is new, in order; and for each prepared entry its index or its conflict."""

    new: list[Prepared]
    places: list[tuple[int, bool, bool]]
    """(index, is_first, is_conflict)"""


def _sort_out(writer: Writer, prepared: Sequence[Prepared], notices: Notices) -> _SortedOut:
    """Tell new deliveries from known ones and from known ids with another body."""
    size = writer.tree().size
    known = writer.deliveries(one.key for one in prepared)
    new: list[Prepared] = []
    places: list[tuple[int, bool, bool]] = []
    refused: list[tuple[Prepared, int]] = []
    for one in prepared:
        seen = known.get(one.key)
        if seen is None:
            known[one.key] = Delivery(one.key, size + len(new), one.body)
            places.append((size + len(new), True, False))
            new.append(one)
        elif seen.body == one.body:
            places.append((seen.entry_index, False, False))
        else:
            places.append((seen.entry_index, False, True))
            refused.append((one, seen.entry_index))
    if refused:
        told = {notice.key: notice for notice in (notices.conflict(*pair) for pair in refused)}
        for key in writer.deliveries(told):
            del told[key]
        new.extend(told.values())
    return _SortedOut(new, places)


def _add(writer: Writer, tree: Tree, new: list[Prepared], now: Moment) -> plan.Placed | None:
    if not new:
        return None
    tail = tail_entries(writer) if plan.completes_bundle(tree.size, len(new)) else []
    placed = plan.place(tree, new, now, tail=tail, read_tile=tile_reader(writer, tree.size))
    writer.add(placed.addition)
    return placed


def _answers(
    writer: Writer,
    sorted_out: _SortedOut,
    size_before: int,
    placed: plan.Placed | None,
) -> list[Answer]:
    answers = []
    number, held = -1, None
    for index, is_first, is_conflict in sorted_out.places:
        if is_conflict:
            answers.append(Answer(index, None, b"", False))
        elif index >= size_before and placed is not None:
            at = index - size_before
            answers.append(Answer(index, placed.entries[at], placed.leaves[at], is_first))
        else:
            # A batch that comes again mostly stood in few bundles: each is unpacked once for it.
            if held is None or index // WIDTH != number:
                number = index // WIDTH
                held = bundle_entries(writer, number, writer.tree().size)
            entry = held[index % WIDTH]
            answers.append(Answer(index, entry, merkle.leaf_hash(entry), False))
    return answers

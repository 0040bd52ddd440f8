"""What a log says of itself: whose data was erased, and which bundles were pruned.

Pure. Only such an entry accounts for something that is gone, and only where a checkpoint signs it:
whoever can write rows, but not sign, could else excuse whatever he took away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from deploytrail.errors import Malformed
from deploytrail.log import strict

IN_BUNDLE: Final = b'"action":"audit.'
"""Stands in every entry of this kind, and seldom elsewhere."""

ERASED: Final = "audit.subject.erased"
_PRUNED: Final = "audit.retention.executed"


class Named(NamedTuple):
    """The newest entry of the log's own that names something, and the digest that it tells."""

    entry_index: int
    digest: str | None


class _Target(Struct):
    type: str = ""
    id: str = ""
    digest: str | None = None


class _Account(Struct):
    action: str
    targets: list[_Target] = []


_account = msgspec.json.Decoder(_Account)


class Accounts:
    """Gathered from entries; `named`, by type and id, where they come in their order."""

    def __init__(self, kinds: frozenset[str] = frozenset()) -> None:
        """`kinds` are the types of targets of which `named` is asked."""
        self._kinds = kinds
        self.named: dict[tuple[str, str], Named] = {}
        self._erased: dict[str, int] = {}
        self._pruned: dict[int, int] = {}

    def gather(self, first: int, entries: Sequence[bytes]) -> None:
        """Entries from index `first` on. What is no such entry, or a broken one, says nothing."""
        for index, octets in enumerate(entries, first):
            if IN_BUNDLE not in octets:
                continue
            try:
                found = _account.decode(octets)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            if found.action == ERASED:
                for target in found.targets:
                    self._erased.setdefault(target.id, index)
            elif found.action == _PRUNED:
                for target in found.targets:
                    number = _number(target.id)
                    if number is not None:
                        self._pruned.setdefault(number, index)
            elif self._kinds:
                self._name(index, found)

    def _name(self, index: int, found: _Account) -> None:
        for target in found.targets:
            if target.type not in self._kinds or not found.action.startswith("audit."):
                continue
            # Who sets a row tells its digest; of before there was one, the action tells it.
            if target.digest is not None or found.action.startswith(f"audit.{target.type}."):
                self.named[target.type, target.id] = Named(index, target.digest)

    def erased(self, size_signed: int) -> set[str]:
        """The subjects whose erasure stands among the first `size_signed` entries."""
        return {subject for subject, index in self._erased.items() if index < size_signed}

    def pruned(self, size_signed: int) -> set[int]:
        """The bundles whose pruning stands there."""
        return {number for number, index in self._pruned.items() if index < size_signed}


def _number(text: str) -> int | None:
    try:
        return strict.decimal(text, what="bundle")
    except Malformed:
        return None

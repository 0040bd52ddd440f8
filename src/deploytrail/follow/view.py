"""What follows the log, as the follower sees it: a contract.

A view is a function of entries: it has no clock, appends nothing, sends nothing. What it needs of
the vault (names and texts to search) is handed to it beside the entries, and goes by subject.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol


class Read(NamedTuple):
    """Entries in order from index `first`, as they stand in the log, and what is known of them.

    `fields` are the entries parsed, one dict each, once a view looks at them: who decodes the bytes
    for itself costs nobody else anything. `disclosures` gives what the vault still has of some of
    them: digest to what was sealed (`vault.disclosure.unsealed`: the block's pointer ‖ 0 ‖ its
    concealed fields as JSON); it is asked only by a view that shows texts.
    """

    first: int
    entries: Sequence[bytes]
    fields: Sequence[Mapping[str, object]]
    disclosures: Callable[[Sequence[bytes]], Mapping[bytes, bytes]]

    @property
    def until(self) -> int:
        return self.first + len(self.entries)


class View(Protocol):
    """Something that is rebuilt from the log at any time, and says the same then.

    `name` and `version` say whose code made it: a store of another version is not continued but
    rebuilt beside the old one. `cursor` is the index of the next entry that it wants, durable in
    the transaction of the rows that came of those before. Belongs to one thread.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def origin(self) -> str:
        """Of which log; raises Conflict at another's entries."""
        ...

    def cursor(self) -> int: ...
    def apply(self, read: Read) -> None:
        """Take in entries that begin at the cursor, and move it, in one transaction.

        Raises Conflict, and changes nothing, where they begin elsewhere.
        """
        ...

    def rest(self) -> bool:
        """Do a part of what can wait, where there is nothing to be read; whether there is more."""
        ...

    def erase(self, subject: str) -> None:
        """Forget the texts and names of a subject, also on the disk; its rows stay.

        Cheap where there is nothing of it: a rebuild asks for each that was ever erased.
        """
        ...

    def close(self) -> None: ...


class Cursors(NamedTuple):
    """How far a view's two stores are, durably; None where there is none of this version."""

    current: int | None
    successor: int | None


class ViewStore(Protocol):
    """Where one view stands, and beside it, while it is rebuilt, its successor.

    Both are of this code's `version`: what another version left behind is never continued, and
    goes on answering its readers until the successor takes its place. `begin`, `swap` and
    `discard` are called by whoever holds the follower's lease, or where nobody follows; stopped at
    any point, each leaves what stood before or what is to stand, and its next call finishes.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    def cursors(self) -> Cursors:
        """Asked by any process, with nothing held open; cheap enough for ten times a second."""
        ...

    def current(self) -> View | None:
        """Open the complete view of this version, to move it; None where there is none."""
        ...

    def begin(self) -> None:
        """Let an empty successor stand beside, of which `current` knows nothing.

        Where one of this version was begun before, it stays as far as it came: so asking for a
        rebuild is to begin one, also from beside a process that follows.
        """
        ...

    def successor(self) -> View | None:
        """Open the one that was begun, as far as it came; None where there is none."""
        ...

    def swap(self) -> None:
        """Let the successor be the current one, in one step, and remove what stood before.

        The caller has closed both. Readers that still have the old one open may read it to its end.
        """
        ...

    def discard(self) -> None:
        """Remove the successor, closed before; nothing where there is none."""
        ...

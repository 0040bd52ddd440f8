"""What follows the log, as the follower sees it: a contract.

A view is a function of entries: it has no clock, appends nothing, sends nothing. What it needs of
the vault (names and texts to search) is handed to it beside the entries, and goes by subject.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol


class Read(NamedTuple):
    """Entries in order from index `first`, as they stand in the log, and what is known of them.

    `fields` are the entries parsed, one dict each. `disclosures` gives what the vault still has of
    them: digest to the JSON of the disclosure; it is asked only by a view that shows texts.
    """

    first: int
    entries: Sequence[bytes]
    fields: Sequence[Mapping[str, object]]
    disclosures: Callable[[], Mapping[bytes, bytes]]

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

    def erase(self, subject: str) -> None:
        """Forget the texts and names of a subject, also on the disk; its rows stay."""
        ...

    def close(self) -> None: ...

"""One process at a time moves a follower: the lease, as a contract."""

from __future__ import annotations

from typing import Protocol


class Lease(Protocol):
    """The right to move one follower; the kernel or the database takes it back from the dead.

    Two who believe at the same time that it is theirs do no harm: whatever a follower writes
    compares its cursor first. So it may be lost without notice, and found lost at the next call.
    Belongs to one thread.
    """

    def is_ours(self) -> bool:
        """Whether it is, taken now where nobody has it; never waits for who has it.

        Asked before each piece, so cheap. Raises Unreachable where nobody can tell.
        """
        ...

    def release(self) -> None:
        """Let others have it; nothing where it is not ours."""
        ...

    def close(self) -> None: ...

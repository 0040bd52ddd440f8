"""What verification is given, and what it gives back.

Values and contracts only: where evidence lies, and what is made of a finding, is for others to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from msgspec import Struct

from deploytrail import entry
from deploytrail.errors import Malformed
from deploytrail.log.accounts import Named
from deploytrail.log.merkle import Frontier
from deploytrail.log.replay import Finding


class Evidence(Protocol):
    """A copy of a log, as it says it is. Reads may raise Tampered or Malformed for what is broken.

    `size` is how many entries it says to have; `root` what it says their root is, None where it
    says nothing. `bundle` gives bundle framing of exactly `width` entries, or None. `tile` gives
    the stored hashes of level and number, possibly fewer than 256 where partial, or None.
    """

    @property
    def size(self) -> int: ...
    @property
    def root(self) -> bytes | None: ...
    @property
    def has_partial_tiles(self) -> bool:
        """Whether tiles that are not full are stored, too."""
        ...

    def bundle(self, number: int, width: int) -> bytes | None: ...
    def tile(self, level: int, number: int) -> bytes | None: ...
    def frontier(self, size: int) -> Frontier | None:
        """The tree's right edge at that size, where it keeps one; believed where its root is."""
        ...

    def notes(self) -> Iterator[tuple[str, bytes]]:
        """Every published checkpoint with its cosignatures, ascending by size, read as it goes.

        Each behind its name.
        """
        ...


class Claim(NamedTuple):
    """Somebody holds that the first `size` entries have this root: a note, a kept state.

    `is_own` says that it is a checkpoint of the evidence itself, found well signed.
    """

    size: int
    root: bytes
    whose: str
    is_own: bool = False


class LeafClaim(NamedTuple):
    """Somebody holds that this leaf stands at this index: a receipt, a proof.

    And, where they are given, that its event has this id and was logged at this time.
    """

    entry_index: int
    leaf: bytes
    whose: str
    id: str = ""
    logged: str = ""

    def fits(self, octets: bytes) -> bool:
        """Whether the entry says the same id and time, where these are held."""
        if not self.id and not self.logged:
            return True
        try:
            fields = entry.fields(octets)
        except Malformed:
            return False
        return (fields.get("id"), fields.get("logged")) == (self.id, self.logged)


class Outcome(Struct):
    """What verification found. `size_signed` is how far the newest good checkpoint goes.

    `strangers` are signatures of checkpoints by keys that nobody told us, `foreign` checkpoints
    that no key signed which is known as this log's; each with the name of the first such one.
    """

    size: int = 0
    root: bytes = b""
    size_signed: int = 0
    checkpoints: int = 0
    strangers: int = 0
    strange_first: str = ""
    foreign: int = 0
    foreign_first: str = ""
    findings: list[Finding] = []
    erased: set[str] = set()
    """Subjects whose erasure a signed entry tells."""
    named: dict[tuple[str, str], Named] = {}
    """What the log's own entries tell of things of the kinds that were asked for."""
    not_checked: list[str] = []

    def find(self, finding: Finding) -> None:
        self.findings.append(finding)


Each = Callable[[int, list[bytes]], None]
"""Called with the first index and the entries of each bundle, for checks of a deeper kind."""
Told = Callable[[int], None]
"""Called with the number of entries done so far."""

"""What verification found: values only."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Anchoring = Literal["WITNESSED", "TIMESTAMPED", "UNANCHORED"]
KeyFrom = Literal["policy", "state", "directory"]


class Found(Struct, frozen=True, kw_only=True):
    """A range of entries [first, until) that is not simply OK, and why.

    `state`: REDACTED, WITHHELD and PRUNED are accounted for by the log itself; MISSING and
    CORRUPT are failures.
    """

    state: Literal["REDACTED", "WITHHELD", "PRUNED", "MISSING", "CORRUPT"]
    first: int
    until: int
    what: str


class Report(Struct, frozen=True, kw_only=True):
    """What verification found; `exit_code` is that of `deploytrail verify`.

    `size` entries were there, the newest good checkpoint covers `size_signed` of them; `key_from`
    says who vouched for the log's key: `directory` means that the log attests itself.
    `why` tells what a policy lacks, or how old the newest signature is, where that is not enough.
    `cosigned` is the newest time, in POSIX seconds, at which a cosigner vouched for it. Of a proof,
    `proven` is the index of the one entry that it is about, and nothing else was looked at.
    `size_witnessed` is how many entries are WITNESSED, 0 where it is not that: those behind are
    not, yet.
    """

    origin: str
    size: int
    root: str
    size_signed: int
    checkpoints: int
    anchoring: Anchoring
    key_from: KeyFrom
    witnesses: tuple[str, ...]
    cosigned: int | None
    found: tuple[Found, ...]
    checked: tuple[str, ...]
    not_checked: tuple[str, ...]
    disclosures: int | None
    seconds: float
    exit_code: int
    why: str = ""
    proven: int | None = None
    size_witnessed: int = 0

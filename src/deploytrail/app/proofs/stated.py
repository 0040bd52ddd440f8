"""State held against the log: a row is what the newest entry that names it says, or it is found.

Pure. Whoever writes rows past the log gives himself a token, or takes a revocation back; an entry
of which nothing is kept is a row that somebody took away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from deploytrail.app.access.known_tokens import KIND
from deploytrail.intake.declared import KIND as DECLARED
from deploytrail.log.evidence import Outcome
from deploytrail.log.replay import Finding
from deploytrail.sentence import counted

KINDS: Final = frozenset({KIND, DECLARED})
"""Of state whose rows are never taken away."""
Rows = dict[tuple[str, str], str] | str
"""Digests of rows by kind and id, or what is wrong with them."""


def kinds_of(state: Rows | None) -> frozenset[str]:
    return frozenset(kind for kind, _ in state) if isinstance(state, dict) else frozenset()


def findings(state: Rows | None, outcome: Outcome) -> Iterator[Finding]:
    """What contradicts the log; what can't be told is added to what was not checked.

    `state` is None for evidence that has none, an export.
    """
    if state is None:
        return
    if isinstance(state, str):
        yield Finding("CORRUPT", 0, 0, state)
        return
    is_whole = all(one.state not in {"MISSING", "PRUNED", "CORRUPT"} for one in outcome.findings)
    unnumbered = unsaid = 0
    for (kind, id), digest in state.items():
        named = outcome.named.get((kind, id))
        if named is None and is_whole:
            yield Finding("CORRUPT", 0, 0, f"{_row(kind, id)}: no entry tells of it{_advice(kind)}")
        elif named is None:
            unsaid += 1
        elif named.digest is None:
            unnumbered += 1
        elif named.digest != digest:
            at = f"entry {named.entry_index}, the newest that names it"
            what = f"it is not as {at}, says{_advice(kind)}"
            yield Finding("CORRUPT", 0, 0, f"{_row(kind, id)}: {what}")
    for (kind, id), named in outcome.named.items():
        if kind in KINDS and (kind, id) not in state:
            what = f"it is gone, and entry {named.entry_index} tells of it; restore a backup"
            yield Finding("MISSING", 0, 0, f"{_row(kind, id)}: {what}")
    if unsaid:
        what = "whose entries may be among those that are gone or broken"
        outcome.not_checked.append(f"{counted(unsaid, 'row')} of state {what}")
    if unnumbered:
        what = "whose entry has no digest yet; 'deploytrail token rotate' enters one"
        outcome.not_checked.append(f"{counted(unnumbered, 'token')} {what}")


def _row(kind: str, id: str) -> str:
    return f"state: {kind[:40]!a} {id[:60]!a}"


def _advice(kind: str) -> str:
    """What to do; the copy first, since revoking writes over what was found."""
    if kind != KIND:
        return "; keep a copy as evidence, then restore a backup"
    return (
        ", so somebody wrote it past the log; keep a copy as evidence, then "
        "'deploytrail token revoke'"
    )

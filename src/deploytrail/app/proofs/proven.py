"""Verify a proof: that one entry is in a log, with nothing at hand of the log but a small file.

What a proof is about is not in it: the entry's bytes, or a receipt that names their hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from deploytrail.app.proofs.handed import bytes_of, leaf_claims
from deploytrail.app.proofs.trust import Trust, Vouched, aged, trust_in, vouched
from deploytrail.entry import fields
from deploytrail.errors import (
    EXIT_OK,
    EXIT_POLICY_UNMET,
    EXIT_TAMPERED,
    Malformed,
    PolicyUnmet,
    Tampered,
)
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import merkle, note, proof
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.evidence import LeafClaim
from deploytrail.log.proof import Proof
from deploytrail.report import Found, Report
from deploytrail.stores import kept

_BEGINNING = f"{proof.HEADER}\n".encode()


class Asked(NamedTuple):
    """What a proof is held against; `age_max` in seconds."""

    entry: Path | None
    receipts: Sequence[Path]
    policy: Path | None
    states: Path
    age_max: int | None


def is_proof(path: Path) -> bool:
    """Whether a file says that it is one."""
    try:
        with path.open("rb") as file:
            return file.read(len(_BEGINNING)) == _BEGINNING
    except OSError:
        return False


def verify_proof(path: Path, asked: Asked, now: datetime) -> Report:
    """What a proof shows. Raises NotFound or Malformed where it can't be held against anything."""
    found = proof.decode(bytes_of(path, "a proof"))
    claimed = _claimed(found)
    claims = [one for each in asked.receipts for one in leaf_claims(each, claimed.origin)]
    octets = None if asked.entry is None else bytes_of(asked.entry, "an entry")
    leaf = _leaf(found, octets, claims)
    trust = trust_in(claimed.origin, given=asked.policy, states=asked.states, own=None)
    faults = [*_contradictions(found, claimed, octets, claims), *_fork(claimed, asked.states)]
    seen = Vouched()
    code, why = EXIT_OK, ""
    try:
        evaluation = proof.verify(found, leaf, trust.policy)
        seen = vouched(evaluation, trust, claimed.origin, is_sound=not faults)
        if asked.age_max is not None:
            code, why = aged(seen.cosigned, asked.age_max, now)
    except PolicyUnmet as error:
        code, why = EXIT_POLICY_UNMET, str(error)
    except (Tampered, Malformed) as error:
        faults.append(str(error))
    if faults:
        code = EXIT_TAMPERED
    return _report(found, claimed, trust, seen, faults, code, why)


def _claimed(found: Proof) -> Checkpoint:
    """What the checkpoint says, believed by nobody yet."""
    return checkpoints.decode(note.decode(found.checkpoint_note).text)


def _leaf(found: Proof, octets: bytes | None, claims: Sequence[LeafClaim]) -> bytes:
    if octets is not None:
        return merkle.leaf_hash(octets)
    leaf = next((one.leaf for one in claims if one.entry_index == found.index), None)
    if leaf is None:
        raise Malformed(
            f"--entry: expected the entry that the proof is about, or a receipt of entry "
            f"{found.index}, found neither; 'deploytrail proof --entry FILE' writes it"
        )
    return leaf


def _contradictions(
    found: Proof, claimed: Checkpoint, octets: bytes | None, claims: Sequence[LeafClaim]
) -> list[str]:
    """What entry and receipts tell otherwise. Raises Malformed for receipts of other entries."""
    faults = []
    with suppress(Malformed):
        # Another's log may have entries of any kind.
        made_for = None if octets is None else fields(octets).get("origin")
        if made_for not in {None, claimed.origin}:
            faults.append(f"the entry was made for another log, {made_for!r:.80}")
    for claim in claims:
        if claim.entry_index != found.index:
            raise Malformed(
                f"--receipt: expected one of entry {found.index}, found {claim.whose}, which is of "
                f"entry {claim.entry_index}; leave it out, or verify the log with it"
            )
        if octets is not None and (
            merkle.leaf_hash(octets) != claim.leaf or not claim.fits(octets)
        ):
            faults.append(f"{claim.whose} is of another entry")
    return faults


def _fork(claimed: Checkpoint, states: Path) -> list[str]:
    known = kept.load(states, claimed.origin)
    if known is None or known.checkpoint.size != claimed.size:
        return []
    if known.checkpoint.root == claimed.root:
        return []
    return [f"the log showed another root at size {claimed.size} to whoever kept one here"]


def _report(
    found: Proof,
    claimed: Checkpoint,
    trust: Trust,
    seen: Vouched,
    faults: Sequence[str],
    exit_code: int,
    why: str,
) -> Report:
    is_signed = exit_code not in {EXIT_POLICY_UNMET, EXIT_TAMPERED}
    checked = ("that the entry stands at its index", "the checkpoint's signature")
    at = found.index
    return Report(
        origin=claimed.origin,
        size=claimed.size,
        root=claimed.root.hex(),
        size_signed=claimed.size if is_signed else 0,
        checkpoints=1 if is_signed else 0,
        anchoring=seen.anchoring,
        key_from=trust.key_from,
        witnesses=seen.witnesses,
        cosigned=seen.cosigned,
        found=tuple(Found(state="CORRUPT", first=at, until=at + 1, what=one) for one in faults),
        checked=checked if is_signed else (),
        not_checked=("every other entry: that takes the log, or an export of it",),
        disclosures=None,
        seconds=0.0,
        exit_code=exit_code,
        why=why,
        proven=at,
        size_witnessed=seen.size_witnessed,
    )

"""Verify a log: every entry hashed once, every tile and checkpoint held against it.

Pure: evidence comes through a contract, policies and claims are values, the time is nobody's
business here. Nothing that is stored is believed: what is signed decides, and what is missing is
named. One hash per entry and one scan per bundle; only bundles with an `audit.` action are parsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from operator import attrgetter

from deploytrail.errors import DeploytrailError, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log.evidence import Claim, Each, Evidence, LeafClaim, Outcome, Told
from deploytrail.log.note import VerifierKey
from deploytrail.log.replay import Finding
from deploytrail.log.walk import Walk


def verify(
    evidence: Evidence,
    *,
    origin: str,
    logs: Sequence[VerifierKey],
    cosigners: Sequence[VerifierKey] = (),
    claims: Sequence[Claim] = (),
    leaves: Sequence[LeafClaim] = (),
    each: Each | None = None,
    told: Told | None = None,
    kinds: frozenset[str] = frozenset(),
) -> Outcome:
    """Everything that contradicts the log `origin`; no findings is a yes.

    Its checkpoints are to be signed by one of `logs`, under that name; signatures by `cosigners`
    are to be good where there are any. Beside the findings, memory does not grow with the log.
    Of things of `kinds` the outcome says what the log's own entries tell of them. Raises nothing
    for bad evidence: it is in the findings.
    """
    outcome = Outcome(size=evidence.size)
    signers = [key for key in logs if key.name == origin]
    keys = list(dict.fromkeys([*signers, *cosigners]))
    signed = _signed(evidence, origin, signers, keys, outcome)
    ascending = merge(signed, sorted(claims), key=attrgetter("size"))
    Walk(evidence, outcome, ascending, leaves, each, told, kinds).run()
    outcome.findings.sort(key=lambda finding: (finding.first, finding.until))
    return outcome


def _signed(
    evidence: Evidence,
    origin: str,
    signers: Sequence[VerifierKey],
    keys: Sequence[VerifierKey],
    outcome: Outcome,
) -> Iterator[Claim]:
    """The claims of the evidence's own checkpoints, as far as their signatures are good."""
    known = {(key.name, key.id) for key in keys}
    size = -1
    for name, octets in _readable(evidence, outcome):
        try:
            note = notes.decode(octets)
            strangers = sum((one.name, one.key_id) not in known for one in note.signatures)
            outcome.strangers += strangers
            outcome.strange_first = outcome.strange_first or (name if strangers else "")
            parsed, verified = checkpoints.verified(note, keys)
            if parsed.origin != origin:
                raise Tampered(f"expected origin {origin}, found {parsed.origin}")
            if not any(one.key in signers for one in verified):
                outcome.foreign += 1
                outcome.foreign_first = outcome.foreign_first or name
                continue
            if parsed.size <= size:
                raise Tampered(f"expected a size above {size}, found {parsed.size}")
        except DeploytrailError as error:
            outcome.find(Finding("CORRUPT", 0, 0, f"{name}: {error}"))
            continue
        outcome.checkpoints += 1
        size = parsed.size
        yield Claim(parsed.size, parsed.root, f"checkpoint {parsed.size}", is_own=True)


def _readable(evidence: Evidence, outcome: Outcome) -> Iterator[tuple[str, bytes]]:
    """The evidence's checkpoints, up to where they can't be read any more."""
    try:
        yield from evidence.notes()
    except DeploytrailError as error:
        outcome.find(Finding("CORRUPT", 0, 0, f"checkpoints: {error}"))

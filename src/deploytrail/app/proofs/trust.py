"""Whose signatures count, and what those that were found are worth.

A policy that was given counts, else the one kept from an earlier time, else the one that came with
the evidence, which proves that nothing was changed without its key and nothing more.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from deploytrail.app.proofs.handed import bytes_of
from deploytrail.clock import microseconds
from deploytrail.errors import EXIT_OK, EXIT_STALE, Malformed, NotFound, Tampered
from deploytrail.log import policy as policies
from deploytrail.log.policy import NO_QUORUM, Evaluation, Policy
from deploytrail.report import Anchoring, KeyFrom
from deploytrail.stores import kept

_AHEAD_SECONDS_MAX: Final = 300
"""By how much the clock of a cosigner may be ahead of ours."""


class Trust(NamedTuple):
    """Whose signatures count, and how we came to it."""

    policy: Policy
    key_from: KeyFrom


class Vouched(NamedTuple):
    """What signatures are worth: who else cosigned, and when, in POSIX seconds.

    `cosigned` is when the last one did; of what is WITNESSED, since when a quorum has, and
    `size_witnessed` is how many entries that is.
    """

    anchoring: Anchoring = "UNANCHORED"
    witnesses: tuple[str, ...] = ()
    cosigned: int | None = None
    size_witnessed: int = 0


class Age(NamedTuple):
    """How old a signature is found to be: an exit code, and why it is not a yes."""

    exit_code: int
    why: str = ""


def trust_in(origin: str, *, given: Path | None, states: Path, own: bytes | None) -> Trust:
    """The policy by which to judge a log; `own` came with the evidence, None where nothing did.

    Raises NotFound where there is no policy at all, Malformed for a given one that can't be read,
    Tampered for one that came with the evidence.
    """
    if given is not None:
        return Trust(policies.decode(bytes_of(given, "a policy")), "policy")
    known = kept.load(states, origin)
    if known is not None:
        return Trust(known.policy, "state")
    if own is None:
        raise NotFound(
            "policy: expected one beside the log, in the kept state or by --policy, found none; "
            "without the log's key nothing can be verified"
        )
    try:
        return Trust(policies.decode(own), "directory")
    except Malformed as error:
        raise Tampered(f"the policy that came with it can't be read: {error}") from None


def vouched(evaluation: Evaluation, trust: Trust, origin: str, *, is_sound: bool) -> Vouched:
    """What signatures that meet the policy say of evidence, which may be unsound all the same."""
    outside = _outside(evaluation, trust.policy, origin)
    # A policy that came with what it judges says nothing about who else has seen it.
    is_witnessed = (
        is_sound
        and trust.key_from != "directory"
        and trust.policy.quorum != NO_QUORUM
        and trust.policy.is_met(outside)
    )
    names = tuple(name.decode("utf-8", "replace") for name in outside)
    if is_witnessed:
        since = quorum_since(evaluation, trust.policy, origin)
        return Vouched("WITNESSED", names, since, evaluation.checkpoint.size)
    times = [when for when in evaluation.witnesses.values() if when is not None]
    return Vouched("UNANCHORED", names, max(times, default=None))


def quorum_since(evaluation: Evaluation, policy: Policy, origin: str) -> int | None:
    """The latest time since which so many others have cosigned that they make the quorum.

    In POSIX seconds; None where they don't, or some of them state no time.
    """
    times = {name: evaluation.witnesses[name] for name in _outside(evaluation, policy, origin)}
    newest_first = sorted(times, key=lambda name: times[name] or 0, reverse=True)
    for count, name in enumerate(newest_first, 1):
        if policy.is_met(newest_first[:count]):
            return times[name]
    return None


def _outside(evaluation: Evaluation, policy: Policy, origin: str) -> list[bytes]:
    """The witnesses that are not the log itself, whatever a policy calls them."""
    keys = {name: one.key for name, one in policy.witnesses.items()}
    own = {log.key.name for log in policy.logs} | {origin}
    return [name for name in evaluation.witnesses if keys[name].name not in own]


def aged(cosigned: int | None, seconds_max: int, now: datetime) -> Age:
    """Whether a cosignature of that time (POSIX seconds) is young enough."""
    if cosigned is None:
        return Age(EXIT_STALE, "no cosigner says when it last saw this log")
    seconds = microseconds(now) // 1_000_000 - cosigned
    if seconds < -_AHEAD_SECONDS_MAX:
        why = f"it was cosigned {-seconds:,} s in the future, by one clock or another"
        return Age(EXIT_STALE, why)
    if seconds > seconds_max:
        why = f"it was last cosigned {seconds:,} s ago, expected at most {seconds_max:,} s"
        return Age(EXIT_STALE, why)
    return Age(EXIT_OK)

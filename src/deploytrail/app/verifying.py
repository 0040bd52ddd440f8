"""Verify a directory or an export: offline, with no index, no server and no trust in us.

`trust` says whose key counts, `proven` verifies a single proof.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Literal, NamedTuple

from msgspec import structs

from deploytrail.app import home as homes
from deploytrail.app.home import Home
from deploytrail.app.proofs import stated
from deploytrail.app.proofs.accepted import Accepted, newest_accepted
from deploytrail.app.proofs.evidence import StoredEvidence
from deploytrail.app.proofs.examining import Examination, deep_of_export, deep_of_log
from deploytrail.app.proofs.exported import ExportedEvidence
from deploytrail.app.proofs.handed import checkpoint_claim, leaf_claims
from deploytrail.app.proofs.proven import Asked, is_proof, verify_proof
from deploytrail.app.proofs.trust import Trust, Vouched, aged, trust_in, vouched
from deploytrail.clock import Clock, SystemClock
from deploytrail.errors import (
    EXIT_INCOMPLETE,
    EXIT_OK,
    EXIT_POLICY_UNMET,
    EXIT_TAMPERED,
    DeploytrailError,
    EvidenceError,
    Incomplete,
    Malformed,
    NotFound,
    PolicyUnmet,
    Tampered,
)
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log import verify as core
from deploytrail.log.evidence import Claim, LeafClaim, Outcome
from deploytrail.log.policy import NO_QUORUM, Evaluation, Policy
from deploytrail.log.replay import Finding
from deploytrail.report import Found, Report
from deploytrail.sentence import counted
from deploytrail.stores import kept
from deploytrail.stores.kept import Kept
from deploytrail.stores.sqlite.examined import ExaminedKeys, ExaminedLog, examined
from deploytrail.xdg import state_directory

_FAILURES: Final = {"MISSING": EXIT_INCOMPLETE, "CORRUPT": EXIT_TAMPERED}


def verify(
    target: Path | str | None = None,
    *,
    policy: Path | None = None,
    state: Path | None = None,
    receipts: Sequence[Path] = (),
    checkpoints_seen: Sequence[Path] = (),
    entry: Path | None = None,
    max_age_seconds: int | None = None,
    disclosures: bool = False,
    environment: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Report:
    """Verify a trail's directory, its `log.db`, an export or a proof; default: the own directory.

    Or a database by its URL, which is a text.
    A proof is about an `entry`, a file of its bytes, or about what a receipt names.
    `checkpoints_seen` are files that others have of this log, such as what a witness cosigned.
    `state` is the directory of kept checkpoints (default: the user's); a success updates it.
    `told` hears (entries done, entries in all). Bad evidence is in the report, with its exit
    code; raises NotFound or Malformed only where there is nothing to verify, or a policy or
    receipt can't be read.
    """
    environment = os.environ if environment is None else environment
    clock = SystemClock() if clock is None else clock
    url = target if isinstance(target, str) else None
    home = Home(Path()) if isinstance(target, str) else homes.find(target, environment)
    states = state_directory(environment) if state is None else state
    if url is None and is_proof(home.directory):
        if checkpoints_seen:
            raise Malformed("--checkpoint: expected a log with it, found a proof; leave it out")
        asked = Asked(entry, receipts, policy, states, max_age_seconds)
        return verify_proof(home.directory, asked, clock.now())
    if entry is not None:
        found = "a database" if url else home.directory
        raise Malformed(f"--entry: expected a proof with it, found {found}; leave it out")
    with ExitStack() as stack:
        try:
            examination = _examination(stack, url or home, environment)
            trust = trust_in(
                examination.origin, given=policy, states=states, own=examination.policy
            )
        except EvidenceError as error:
            return _unreadable(error)
        claims = _claims(examination.origin, states, trust, checkpoints_seen)
        leaves = [one for path in receipts for one in leaf_claims(path, examination.origin)]
        verification = _Verification(examination, trust, claims, leaves, clock)
        report = verification.run(disclosures, max_age_seconds, told)
        return _kept(verification, report, states) if report.exit_code == EXIT_OK else report


def _kept(verification: _Verification, report: Report, states: Path) -> Report:
    """The report, once its checkpoint is kept for the next time."""
    try:
        verification.keep(states)
    except (DeploytrailError, OSError) as error:
        # What was found stays true; the next time has less to compare with.
        what = f"nothing was kept of this for the next time: {error}"
        return structs.replace(report, not_checked=(*report.not_checked, what))
    return report


def _unreadable(error: EvidenceError) -> Report:
    """What is said of evidence that can't even be opened as what it claims to be."""
    state: Literal["MISSING", "CORRUPT"] = "MISSING" if isinstance(error, Incomplete) else "CORRUPT"
    return Report(
        origin="",
        size=0,
        root="",
        size_signed=0,
        checkpoints=0,
        anchoring="UNANCHORED",
        key_from="directory",
        witnesses=(),
        cosigned=None,
        found=(Found(state=state, first=0, until=0, what=str(error)),),
        checked=(),
        not_checked=("everything: the log can't be read that far",),
        disclosures=None,
        seconds=0.0,
        exit_code=_FAILURES[state],
    )


def _examination(
    stack: ExitStack, place: Home | str, environment: Mapping[str, str]
) -> Examination:
    """The evidence, whichever kind it is."""
    if isinstance(place, str):
        return _of_database(stack, place, environment)
    home = place
    path = home.directory
    if path.is_file() and path.name != "log.db":
        export = ExportedEvidence(path)
        stack.callback(export.close)
        return Examination(export, export.policy, export.origin, deep_of_export(export))
    if path.is_file():
        home = Home(path.parent)
    if home.has_lost_its_log:
        raise homes.lost_log(home)
    if not home.exists:
        raise NotFound(
            f"{path}: expected a trail's directory or an export, found "
            f"{'no log.db in it' if path.exists() else 'nothing'}"
        )
    log = ExaminedLog(stack.enter_context(examined(home.log)))
    stack.callback(log.close)
    stored = StoredEvidence(log)
    own = home.policy.read_bytes() if home.policy.exists() else None

    def keys() -> ExaminedKeys:
        wrapping = homes.wrapping_key(home, environment)
        return ExaminedKeys(stack.enter_context(examined(home.keys)), wrapping)

    deep = deep_of_log(log, keys, log_name="log.db", keys_name="keys.db")
    return Examination(stored, own, stored.origin, deep)


def _of_database(stack: ExitStack, url: str, environment: Mapping[str, str]) -> Examination:
    # Only here: whoever verifies a directory needs no driver of a database.
    from deploytrail.app.trails.database import examine_database

    return examine_database(stack, url, environment)


def _claims(origin: str, states: Path, trust: Trust, seen: Sequence[Path]) -> list[Claim]:
    """What was seen of this log: by us, in the kept state, and by others."""
    known = kept.load(states, origin)
    logs = [log.key for log in trust.policy.logs]
    claims = [checkpoint_claim(path, origin, logs) for path in seen]
    if known is not None:
        whose = f"the kept state ({states})"
        claims.append(Claim(known.checkpoint.size, known.checkpoint.root, whose))
    return claims


class _Judgement(NamedTuple):
    """What comes of all findings, and of the signatures of the newest checkpoint."""

    exit_code: int
    seen: Vouched = Vouched()
    why: str = ""


class _Verification:
    """One run over one piece of evidence."""

    def __init__(
        self,
        examination: Examination,
        trust: Trust,
        claims: Sequence[Claim],
        leaves: Sequence[LeafClaim],
        clock: Clock,
    ) -> None:
        self._examination = examination
        self._trust = trust
        self._claims = claims
        self._leaves = leaves
        self._clock = clock
        self._newest = examination.evidence.newest

    def run(
        self, is_deep: bool, age_max: int | None, told: Callable[[int, int], None] | None
    ) -> Report:
        started = self._clock.now()
        examination, evidence = self._examination, self._examination.evidence
        policy = self._trust.policy
        deep, broken = None, None
        try:
            deep = examination.deep() if is_deep else None
        except Tampered as error:
            broken = Finding("CORRUPT", 0, evidence.size, str(error))
        outcome = core.verify(
            evidence,
            origin=examination.origin,
            logs=[log.key for log in policy.logs],
            cosigners=[witness.key for witness in policy.witnesses.values()],
            claims=self._claims,
            leaves=self._leaves,
            each=None if deep is None else deep.each,
            told=None if told is None else lambda done: told(done, evidence.size),
            kinds=stated.KINDS | stated.kinds_of(evidence.state),
        )
        for finding in stated.findings(evidence.state, outcome):
            outcome.find(finding)
        outcome.findings += [
            Finding(state, 0, evidence.size, what) for state, what in evidence.unaccounted()
        ]
        if deep is not None:
            outcome.findings += deep.findings(outcome.erased)
        if broken is not None:
            outcome.find(broken)
        if outcome.strangers:
            what = f"by keys that the policy does not list, the first below {outcome.strange_first}"
            outcome.not_checked.append(f"{counted(outcome.strangers, 'signature')} {what}")
        judgement = self._judge(outcome, age_max)
        seconds = (self._clock.now() - started).total_seconds()
        return self._report(outcome, judgement, seconds, None if deep is None else deep.disclosures)

    def _judge(self, outcome: Outcome, age_max: int | None) -> _Judgement:
        """Whether what was found, who signed it and when is enough."""
        states = {finding.state for finding in outcome.findings}
        code = next((_FAILURES[one] for one in ("CORRUPT", "MISSING") if one in states), EXIT_OK)
        if outcome.foreign and outcome.checkpoints:
            count = counted(outcome.foreign, "checkpoint")
            what = f"{outcome.foreign_first}: {count} without a signature by the log's key"
            outcome.find(Finding("CORRUPT", 0, 0, what))
            code = EXIT_TAMPERED
        if not self._newest:
            outcome.not_checked.append("no checkpoint was published yet: nothing is signed")
            # Nothing to sign is no yes to somebody who asks for a signature.
            is_asked = self._trust.key_from != "directory" or age_max is not None
            return _Judgement(code or (EXIT_INCOMPLETE if outcome.size or is_asked else EXIT_OK))
        try:
            evaluation = self._accepted(outcome)
        except PolicyUnmet as error:
            return _Judgement(code or EXIT_POLICY_UNMET, why=str(error))
        except DeploytrailError as error:
            outcome.find(Finding("CORRUPT", 0, 0, f"newest checkpoint: {error}"))
            return _Judgement(EXIT_TAMPERED)
        seen = vouched(evaluation, self._trust, self._examination.origin, is_sound=code == EXIT_OK)
        if seen.cosigned is None:
            outcome.not_checked.append("no cosigner says when it last saw this log")
        why = ""
        if age_max is not None and code == EXIT_OK:
            code, why = aged(seen.cosigned, age_max, self._clock.now())
        return _Judgement(code, seen, why)

    def _accepted(self, outcome: Outcome) -> Evaluation:
        """What the policy makes of the newest checkpoint, or of one shortly before it.

        While a log grows, its newest checkpoint is one that witnesses are still being asked for.
        Raises PolicyUnmet where none is accepted.
        """
        policy, examined = self._trust.policy, self._examination
        try:
            return policy.evaluate(notes.decode(self._newest))
        except PolicyUnmet as error:
            if policy.quorum == NO_QUORUM:
                raise
            before = newest_accepted(examined.evidence.notes(), policy, examined.origin)
            if before is None or not before.is_fresh(self._clock):
                raise PolicyUnmet(f"{error}. {self._vouched_for(before, outcome)}") from None
        ahead = outcome.size_signed - before.evaluation.checkpoint.size
        if ahead > 0:
            outcome.not_checked.append(
                f"{counted(ahead, 'entry')} behind the newest checkpoint that the policy accepts: "
                "its witnesses have not cosigned them yet"
            )
        return before.evaluation

    def _vouched_for(self, before: Accepted | None, outcome: Outcome) -> str:
        """How far witnesses vouch for a log whose newest checkpoint they do not, and what to do."""
        whom = "Either they were not asked, or they refused, because they saw another history"
        ask = (
            "ask them for the checkpoint that they cosigned last, and hold this log against it: "
            "deploytrail verify --checkpoint FILE (docs/witness.md)"
        )
        if before is None:
            return f"No quorum of witnesses has vouched for anything in it of late. {whom}: {ask}"
        size = before.evaluation.checkpoint.size
        ahead = counted(outcome.size_signed - size, "entry")
        return (
            f"Its witnesses vouch for its first {counted(size, 'entry')}, since {before.time}, "
            f"and for none of the {ahead} behind. {whom}: {ask}"
        )

    def _report(
        self, outcome: Outcome, judgement: _Judgement, seconds: float, disclosures: int | None
    ) -> Report:
        unchecked = list(outcome.not_checked)
        checked = ["every entry's hash", "every tile"]
        if outcome.checkpoints:
            checked.append("every checkpoint's signature and root")
        if self._trust.key_from == "policy" and judgement.exit_code != EXIT_POLICY_UNMET:
            checked.append("that those signed it whom the policy asks for")
        if self._claims:
            checked.append("that nothing changed of what was seen of this log before")
        if self._leaves:
            count = len(self._leaves)
            checked.append("the receipt" if count == 1 else f"{count:,} receipts")
        if disclosures is None:
            unchecked.append("disclosures, deliveries and attachments (--disclosures checks them)")
        else:
            checked += self._examination.deep_checks
        is_sound = all(one.state not in _FAILURES for one in outcome.findings)
        if is_sound and outcome.size > outcome.size_signed:
            ahead = outcome.size - outcome.size_signed
            unchecked.append(
                f"{counted(ahead, 'entry')} behind the newest checkpoint: not signed yet"
            )
        return Report(
            origin=self._examination.origin,
            size=outcome.size,
            root=outcome.root.hex(),
            size_signed=outcome.size_signed,
            checkpoints=outcome.checkpoints,
            anchoring=judgement.seen.anchoring,
            key_from=self._trust.key_from,
            witnesses=judgement.seen.witnesses,
            cosigned=judgement.seen.cosigned,
            found=tuple(
                Found(state=one.state, first=one.first, until=one.until, what=one.what)
                for one in sorted(outcome.findings, key=lambda each: (each.first, each.until))
                if one.state != "OK"
            ),
            checked=tuple(checked),
            not_checked=tuple(unchecked),
            disclosures=disclosures,
            seconds=seconds,
            exit_code=judgement.exit_code,
            why=judgement.why,
            size_witnessed=judgement.seen.size_witnessed,
        )

    def keep(self, states: Path) -> None:
        """Remember the newest checkpoint, which was just found consistent with what was kept."""
        if not self._newest:
            return
        parsed = checkpoints.decode(notes.decode(self._newest).text)
        known = kept.load(states, parsed.origin)
        if known is None or known.checkpoint.size < parsed.size:
            kept.replace(states, Kept(parsed, self._newest, self._kept_policy()))

    def _kept_policy(self) -> Policy:
        """What came with the log tells its keys, and nothing about who else must have signed."""
        policy = self._trust.policy
        if self._trust.key_from != "directory":
            return policy
        return Policy(policy.logs, policy.witnesses, {}, NO_QUORUM)

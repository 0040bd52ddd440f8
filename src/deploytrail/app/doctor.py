"""What is wrong with a trail's directory, and the two things that only an operator may decide.

Letting writers in again after a fence, and calling a clock right that jumped. Both are entered.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from msgspec import Struct

from deploytrail.actions import OWN_TOOL
from deploytrail.app import home as homes
from deploytrail.app.home import Home
from deploytrail.app.trails.directory import open_directory
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.app.verifying import verify
from deploytrail.clock import Clock, SystemClock
from deploytrail.errors import (
    EXIT_INCOMPLETE,
    EXIT_OK,
    EXIT_POLICY_UNMET,
    Busy,
    ClockSuspect,
    DeploytrailError,
    Fenced,
    Misconfigured,
    SenderError,
    Tampered,
)
from deploytrail.event import Actor, Event, Reason, Source
from deploytrail.log import plan
from deploytrail.log.plan import Moment
from deploytrail.sentence import counted
from deploytrail.stores.sqlite.examined import ExaminedKeys, examined
from deploytrail.stores.sqlite.place import filesystem, raise_fence, sync_directory
from deploytrail.trail import LOCAL_INSTANCE, Receipt


class Check(Struct, frozen=True, kw_only=True):
    """One thing looked at. `advice` says what to do where it is not well.

    `exit_code` is that of the verification which found it, 0 where there was none.
    """

    what: str
    state: Literal["ok", "note", "bad"]
    found: str
    advice: str = ""
    exit_code: int = EXIT_OK


def examine(
    directory: Path | None = None, *, environment: Mapping[str, str] | None = None
) -> list[Check]:
    """Everything that can be looked at without changing anything."""
    environment = os.environ if environment is None else environment
    home = homes.find(directory, environment)
    if not home.exists:
        return [_nothing(home)]
    checks = [_place(home), _modes(home), _key(home, environment), _fence(home)]
    checks.extend(verification(home.directory, environment))
    checks.extend(unrecorded(home.directory))
    checks.extend(_leftover(home))
    return checks


def clear_fence(
    directory: Path | None,
    *,
    actor: Actor,
    reason: str | None,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
) -> Receipt:
    """Verify the log, and if it is sound, remove the fence and enter that it was cleared.

    Raises Fenced where the log is not sound: then it stays fenced.
    """
    clock = SystemClock() if clock is None else clock
    environment = os.environ if environment is None else environment
    home = homes.find(directory, environment)
    refuse_unsound(home.directory, clock, environment)
    with open_directory(
        home.directory, create=False, clock=clock, environment=environment
    ) as trail:
        # Moving the write-ahead log into the database syncs what is about to be trusted again;
        # stopped here, the fence still stands.
        trail.store.sync_all()
        trail.keyring.sync_all()
    home.fence.unlink(missing_ok=True)
    sync_directory(home.directory)
    try:
        with open_directory(
            home.directory, create=False, clock=clock, environment=environment
        ) as trail:
            return enter(trail, clock, "audit.fence.cleared", actor, reason)
    except BaseException as error:
        # Nobody may find the fence gone and no entry that says who cleared it.
        raise_fence(home.fence, f"cleared, but that could not be entered: {error}")
        raise


def refuse_unsound(target: Path | str, clock: Clock, environment: Mapping[str, str]) -> None:
    """Raise Fenced unless a fenced log verifies, to the last disclosure."""
    report = verify(target, disclosures=True, clock=clock, environment=environment)
    # A log that was fenced before its first checkpoint is whole, though nothing of it is signed.
    is_bad = any(one.state in {"MISSING", "CORRUPT"} for one in report.found)
    # And one whose own key signed it lacks others' signatures, who can't be asked behind a fence.
    is_signed = report.exit_code == EXIT_POLICY_UNMET and report.size_signed > 0
    if is_bad or not (is_signed or report.exit_code in {EXIT_OK, EXIT_INCOMPLETE}):
        first = report.found[0].what if report.found else ", ".join(report.not_checked)
        raise Fenced(
            f"the log stays fenced: verification ended with {report.exit_code}: {first}. Restore "
            "it from a backup, or keep it as evidence and begin a new origin"
        )


def accept_clock(
    directory: Path | None, *, actor: Actor, reason: str | None, clock: Clock | None = None
) -> Receipt | None:
    """Take the clock for right as it stands, and enter who said so; None where nothing is wrong."""
    clock = SystemClock() if clock is None else clock
    return accept_clock_of(
        open_directory(directory, create=False, clock=clock), clock, actor=actor, reason=reason
    )


def accept_clock_of(
    opened: StoredTrail, clock: Clock, *, actor: Actor, reason: str | None
) -> Receipt | None:
    """As `accept_clock`, of a trail that was opened for it."""
    with opened as trail:
        with trail.store.writing() as writer:
            try:
                plan.refuse_jump(writer.tree(), Moment(writer.clock(), writer.uptime()))
                return None
            except ClockSuspect:
                writer.accept_clock()
        return enter(trail, clock, "audit.clock.accepted", actor, reason)


def enter(
    trail: StoredTrail, clock: Clock, action: str, actor: Actor, reason: str | None
) -> Receipt:
    """Record a decision of the operator's, and publish it where that can be."""
    stated = Reason(from_="stated", text=reason) if reason else Reason(from_="none")
    event = Event(
        id=clock.event_id(),
        action=action,
        outcome="success",
        time=clock.now(),
        actor=actor,
        source=Source(tool=OWN_TOOL, instance=LOCAL_INSTANCE),
        reason=stated,
    )
    (answer,) = trail.record([event])
    if isinstance(answer, SenderError):
        raise answer
    # What was decided is durable; whoever appends next publishes it where that fails now.
    with suppress(Busy, Misconfigured):
        trail.publish()
    return answer


def _nothing(home: Home) -> Check:
    """What there is to say of a directory without a log."""
    if home.has_lost_its_log:
        found = str(homes.lost_log(home))
        return Check(what="trail", state="bad", found=found, advice="restore it from a backup")
    return Check(
        what="trail",
        state="bad",
        found=f"{home.directory}: expected a trail, found none",
        advice="'deploytrail init' makes one; --home or DEPLOYTRAIL_HOME says where one is",
    )


def _place(home: Home) -> Check:
    kind = filesystem(home.directory) if home.directory.exists() else ""
    return Check(what="place", state="ok", found=f"{home.directory} on {kind or 'a local disk'}")


def _modes(home: Home) -> Check:
    open_to_others = [
        path.name
        for path in (home.directory, home.key, home.keys, home.log)
        if path.exists() and path.stat().st_mode & 0o077
    ]
    if not open_to_others:
        return Check(what="modes", state="ok", found="readable by the owner alone")
    return Check(
        what="modes",
        state="bad",
        found=f"others may read {', '.join(open_to_others)}",
        advice=f"chmod -R go= {home.directory}",
    )


def _key(home: Home, environment: Mapping[str, str]) -> Check:
    try:
        wrapping = homes.wrapping_key(home, environment)
    except DeploytrailError as error:
        return Check(what="key", state="bad", found=str(error), advice="restore the key")
    if not home.keys.exists():
        found = "keys.db is gone: names, reasons and values can't be read any more"
        return Check(what="keys", state="bad", found=found, advice="restore keys.db from a backup")
    try:
        with examined(home.keys) as connection:
            ExaminedKeys(connection, wrapping)
    except DeploytrailError as error:
        found = f"it does not open keys.db, so it is another trail's or was changed ({error})"
        return Check(what="key", state="bad", found=found, advice="restore the key of this trail")
    if environment.get("DEPLOYTRAIL_KEY") or not home.key.exists():
        return Check(what="key", state="ok", found="kept outside the trail's directory")
    return Check(
        what="key",
        state="note",
        found="not protected at rest: the key lies beside what it protects",
        advice="on a server, move it away and set DEPLOYTRAIL_KEY=file:PATH, env: or command:",
    )


def _fence(home: Home) -> Check:
    if not home.fence.exists():
        return Check(what="fence", state="ok", found="writers are let in")
    reason = home.fence.read_text(encoding="utf-8", errors="replace").strip()
    return Check(what="fence", state="bad", found=reason, advice="deploytrail doctor --clear-fence")


def verification(target: Path | str, environment: Mapping[str, str]) -> Iterator[Check]:
    """Whether the log of a directory, or of a database by its URL, is what its checkpoints say."""
    try:
        report = verify(target, environment=environment)
    except DeploytrailError as error:
        is_bad = isinstance(error, Tampered)
        yield Check(
            what="log",
            state="bad" if is_bad else "note",
            found=str(error),
            advice="see the message",
            exit_code=error.exit_code if is_bad else EXIT_OK,
        )
        return
    if report.exit_code:
        unchecked = "; ".join(report.not_checked)
        first = report.found[0].what if report.found else report.why or unchecked
        yield Check(
            what="log",
            state="bad",
            found=f"verification ended with {report.exit_code}: {first}",
            advice="deploytrail verify --disclosures",
            exit_code=report.exit_code,
        )
    else:
        yield Check(what="log", state="ok", found=f"{counted(report.size, 'entry')}, all verified")
    if report.size > report.size_signed:
        ahead = counted(report.size - report.size_signed, "entry")
        yield Check(
            what="published",
            state="note",
            found=f"{ahead} not under a checkpoint yet",
            advice="the next command that appends publishes",
        )
    if report.anchoring == "UNANCHORED":
        yield _unanchored(report.witnesses)


def _unanchored(witnesses: Sequence[str]) -> Check:
    found = "UNANCHORED: whoever owns this machine could rewrite the whole log"
    advice = "deploytrail witness add: somebody else cosigns it; or keep exports elsewhere"
    if witnesses:
        found = f"UNANCHORED: cosigned by {', '.join(witnesses)}, as the log itself says"
        advice = "deploytrail verify --policy FILE, by a policy that you were given, proves it"
    return Check(what="anchoring", state="note", found=found, advice=advice)


def unrecorded(directory: Path) -> Iterator[Check]:
    """What lies aside in a directory until its trail takes it."""
    folders = [directory / "spool", directory / "unrecorded"]
    waiting = len([*folders[0].glob("[!.]*.spool"), *folders[1].glob("*.jsonl")])
    if waiting:
        yield Check(
            what="unrecorded",
            state="note",
            found=f"{counted(waiting, 'run')} to be appended",
            advice="the next command that appends takes them in",
        )
    refused = sorted(path for folder in folders for path in folder.glob("*.refused"))
    if refused:
        yield Check(
            what="refused",
            state="bad",
            found=f"{counted(len(refused), 'run')} that the log did not take: {refused[0]}",
            advice="look into the file, record what is true of it ('deploytrail record --json'), "
            "then remove it",
        )


def _leftover(home: Home) -> Iterator[Check]:
    folder = home.restoring.directory
    if folder.exists():
        yield Check(
            what="restoring",
            state="note",
            found=f"{folder}: a restore was stopped, and what it had made is still there",
            advice=f"rm -r {folder}",
        )

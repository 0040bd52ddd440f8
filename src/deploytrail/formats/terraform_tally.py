"""What a run did to each resource, summed up from what it told line by line.

Pure, and the same for streams and plain output. It believes what was told of the end of a step;
where the output breaks off, it says `unknown` and doesn't guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from deploytrail.formats.terraform_plan import PlanDocument, ResourceChange
from deploytrail.formats.terraform_run import (
    UNTOLD,
    Action,
    Declined,
    Diagnostic,
    Drifted,
    Ended,
    Failed,
    Invoked,
    Output,
    Planned,
    Provisioned,
    Refreshed,
    Saved,
    Started,
    Summary,
    Told,
    Version,
)
from deploytrail.formats.terraform_tracks import Track, Tracks

Outcome = Literal["success", "failure", "partial", "unknown"]

_BY_STATE_ALONE: Final[frozenset[Action]] = frozenset({"import", "move", "forget"})


class Step(Struct, frozen=True, kw_only=True):
    """One thing that was done to one resource, or to a deposed object of it."""

    address: str
    deposed: str | None = None
    action: Action
    outcome: Outcome
    time: datetime | None = None
    seconds: int | None = None
    id: str | None = None
    previous: str | None = None
    error: Diagnostic | None = None


class Tally:
    """Takes what was told, in order; everything else reads from it."""

    def __init__(self, document: PlanDocument | None = None) -> None:
        self.tracks = Tracks()
        self.drifts: dict[str, Drifted] = {}
        self.outputs: dict[str, Output] = {}
        self.diagnostics: list[Diagnostic] = []
        self.provisioned: list[Provisioned] = []
        self._provisioning: dict[tuple[str, str], int] = {}
        self.invoked: list[Invoked] = []
        self.planned: Summary | None = None
        self.applied: Summary | None = None
        self.version: Version | None = None
        self.saved: Saved | None = None
        self.has_failed = False
        self.is_declined = False
        self._is_planned = document is not None
        for one in document.resources if document else ():
            if one.has_effect:
                self._expect(one)

    def take(self, told: Told) -> None:
        """Count one thing in; `told.time` is its time, the tool's or ours."""
        match told:
            case Planned():
                self._plan(told)
            case Started() | Ended():
                self._do(told)
            case Refreshed():
                self.tracks.refresh(told)
            case Drifted():
                self.drifts[told.address] = told
            case Output():
                # Values are told after the apply; what changes in them is told with the plan.
                known = self.outputs.get(told.name)
                if known is None or told.action is not None:
                    self.outputs[told.name] = told
            case Diagnostic():
                self.diagnostics.append(told)
            case Provisioned():
                self._provision(told)
            case Invoked():
                self.invoked.append(told)
            case _:
                self._say(told)

    @property
    def errors(self) -> list[Diagnostic]:
        return [one for one in self.diagnostics if one.is_error]

    def steps(self) -> Iterator[Step]:
        """What was done, by the order in which it ended; first what the state alone was told."""
        tracks = self.tracks.all()
        for track in tracks:
            yield from self._state_steps(track)
        acted = [track for track in tracks if track.action is not None]
        for track in sorted(acted, key=lambda one: (one.time is None, one.time)):
            if track.action != "read" or track.planned == "read":
                yield self._step(track)

    def not_started(self) -> int:
        """How many planned changes the run never came to; none of those that concern state."""
        return sum(
            track.action is None and track.planned not in (None, "no-op", *_BY_STATE_ALONE)
            for track in self.tracks.all()
        )

    def _expect(self, one: ResourceChange) -> None:
        track = self.tracks.track(one.address, one.deposed)
        track.planned = "move" if one.action == "no-op" and one.is_moved else one.action
        track.previous = one.previous_address if one.is_moved else None
        track.is_imported = one.importing is not None

    def _plan(self, told: Planned) -> None:
        if self._is_planned and told.deposed == UNTOLD:
            # The document has said all of it, and which objects it is about.
            return
        track = self.tracks.planned(told)
        track.planned = told.action
        track.previous = told.previous or track.previous
        track.is_imported = (
            track.is_imported or told.action == "import" or told.import_id is not None
        )

    def _do(self, told: Started | Ended) -> None:
        if isinstance(told, Started):
            self._act(self.tracks.started(told), told)
        else:
            for track, end in self.tracks.ended(told):
                self._act(track, end)

    def _act(self, track: Track, told: Started | Ended) -> None:
        track.time = told.time or track.time
        track.id = told.id or track.id
        if told.action == "import":
            track.is_imported = True
            track.ended |= {"import": True} if isinstance(told, Ended) else {}
        elif isinstance(told, Started):
            track.begun |= {told.action: told.time}
        else:
            track.ended |= {told.action: not told.is_failed}
            if told.seconds is not None:
                track.seconds = (track.seconds or 0) + told.seconds

    def _provision(self, told: Provisioned) -> None:
        """An end takes the place of its start; of one resource, they run one after the other."""
        key = told.address, told.provisioner
        at = self._provisioning.pop(key, None) if told.state != "started" else None
        if at is not None:
            self.provisioned[at] = told
            return
        if told.state == "started":
            self._provisioning[key] = len(self.provisioned)
        self.provisioned.append(told)

    def _say(self, told: Told) -> None:
        match told:
            case Summary(operation="plan"):
                self.planned = told
            case Summary():
                self.applied = told
            case Version():
                self.version = told
            case Saved():
                self.saved = told
            case Failed():
                self.has_failed = True
            case Declined():
                self.is_declined = True

    def _state_steps(self, track: Track) -> Iterator[Step]:
        """An import, move or removal from the state, which most tools don't tell the end of."""
        actions: list[Action] = ["import"] if track.is_imported else []
        actions += ["move"] if track.previous else []
        actions += ["forget"] if track.planned == "forget" else []
        for action in actions:
            is_done = self.applied is not None or track.ended.get(action, False)
            yield Step(
                address=track.address,
                deposed=track.deposed,
                action=action,
                outcome="success" if is_done else "unknown",
                time=self.applied.time if self.applied else None,
                id=track.id,
                previous=track.previous if action == "move" else None,
            )

    def _step(self, track: Track) -> Step:
        action = track.action
        assert action is not None
        error = self._error(track)
        return Step(
            address=track.address,
            deposed=track.deposed,
            action=action,
            outcome=self._outcome(track, error is not None),
            time=track.time,
            seconds=track.seconds,
            id=track.id,
            error=error,
        )

    def _error(self, track: Track) -> Diagnostic | None:
        """The first of its address; not of an object that is through while another one isn't."""
        others = [one for one in self.tracks.of(track.address) if one is not track and one.action]
        if _is_through(track) and any(not _is_through(one) for one in others):
            return None
        return next((one for one in self.errors if one.address == track.address), None)

    def _outcome(self, track: Track, has_error: bool) -> Outcome:
        needed, done = _needed(track), _done(track)
        if needed <= done and not has_error:
            return "success"
        if not has_error and False not in track.ended.values():
            # Nothing says that it failed: the output broke off, or the tool was stopped.
            return "partial" if needed & done else "unknown"
        return "partial" if track.action == "replace" and needed & done else "failure"


def _needed(track: Track) -> set[Action | None]:
    return {"create", "delete"} if track.action == "replace" else {track.action}


def _done(track: Track) -> set[Action | None]:
    return {action for action, is_done in track.ended.items() if is_done}


def _is_through(track: Track) -> bool:
    return _needed(track) <= _done(track)

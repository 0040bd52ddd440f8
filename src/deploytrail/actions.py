"""The catalogue of actions: every name that an event may bear, and what it stands for.

The table is `actions.txt`, beside this file; here it is read, events are checked against it, and
its sentences are rendered. Pure but for reading that table once: the time is an argument.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final, NoReturn, get_args

from msgspec import Struct, structs

from deploytrail import sentence
from deploytrail.errors import Malformed
from deploytrail.event import Actor, Approval, Change, Event, Outcome, Severity
from deploytrail.redact import mask

OWN_TOOL: Final = "deploytrail"
"""`source.tool` of what the trail and its wrapper say themselves."""
TIME_MIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
TIME_AHEAD_MAX: Final = timedelta(hours=24)

_uuid7 = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
).fullmatch


class Action(Struct, frozen=True, kw_only=True):
    """One kind of action. `blocks` are the optional fields of an event that it should carry."""

    name: str
    meaning: str
    severity: Severity
    blocks: tuple[str, ...]
    sentence: str
    successor: str | None = None

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]


def parse(table: str) -> dict[str, Action]:
    """The actions of a table in the form that the head of `actions.txt` describes, in its order.

    Raises Malformed, naming the line.
    """
    found: dict[str, Action] = {}
    for number, line in enumerate(table.split("\n"), start=1):
        if not line or line.startswith("#"):
            continue
        columns = [column.strip() for column in line.split(" | ")]
        if len(columns) not in {5, 6} or columns[1] not in _SEVERITIES or columns[0] in found:
            _refuse_line(number, line, found)
        name, severity, blocks, words, meaning, *successor = columns
        found[name] = Action(
            name=name,
            meaning=meaning,
            severity=_SEVERITIES[severity],
            blocks=() if blocks == "-" else tuple(blocks.split()),
            sentence=words,
            successor=successor[0] if successor else None,
        )
    return found


_SEVERITIES: Final[dict[str, Severity]] = {word: word for word in get_args(Severity)}


def _refuse_line(number: int, line: str, found: Mapping[str, Action]) -> NoReturn:
    name = line.partition(" | ")[0].strip()
    fault = "a name that is new" if name in found else "5 or 6 columns, the second a severity"
    raise Malformed(f"actions.txt line {number}: expected {fault}, found {line[:60]!r}; mend it")


CATALOGUE: Final[Mapping[str, Action]] = MappingProxyType(
    parse(Path(__file__).with_suffix(".txt").read_text(encoding="utf-8"))
)


def find(name: str) -> Action | None:
    """The action of that name, also where it is deprecated."""
    return CATALOGUE.get(name)


def outcome(name: str) -> Outcome:
    """How what bears this name went, where nobody says it: by the verb that its name ends in."""
    return _OUTCOMES.get(name.rpartition(".")[2], "success")


def check_outcome(name: str, stated: str) -> None:
    """Raises Malformed for an outcome that says the opposite of the action's own name."""
    verb = name.rpartition(".")[2]
    if stated in _CONTRADICTIONS.get(verb, ()):
        raise Malformed(
            f"outcome: expected {outcome(name)} as {name} says, found {stated}; leave it out, or "
            f"name {_OPPOSITES.get(name, 'the action that says what happened')}"
        )


_OUTCOMES: Final[dict[str, Outcome]] = {
    **dict.fromkeys(("failed", "errored", "crashed"), "failure"),
    **dict.fromkeys(("requested", "scheduled", "queued", "started"), "pending"),
    **dict.fromkeys(("denied", "refused", "rejected"), "denied"),
}
_CONTRADICTIONS: Final = {
    "succeeded": ("failure", "denied", "pending"),
    **dict.fromkeys(("failed", "errored", "crashed"), ("success", "pending")),
}
_OPPOSITES: Final = {
    "deployment.succeeded": "deployment.failed",
    "deployment.failed": "deployment.succeeded",
}


def check(event: Event, now: datetime) -> Event:
    """The event as it may be appended: what its types can't tell is checked, its times are UTC.

    Raises Malformed, naming the field. An event that came as JSON passed `untrusted.parse_event`
    before; nothing of that is looked at again.
    """
    if event.action not in _open_to_all:
        _check_action(event)
    if _uuid7(event.id) is None:
        raise Malformed(f"id: {_not_a_uuid7(event.id)}")
    if event.actor.id is None and event.actor.type not in _NAMELESS:
        raise Malformed(
            f"actor.id: is missing; a {event.actor.type} has one, such as github:alice; where "
            "nobody knows who it was, say so by the type anonymous, unknown or system"
        )
    latest = now + TIME_AHEAD_MAX
    is_utc = _check_time("time", event.time, latest)
    if event.observed is not None:
        is_utc &= _check_time("observed", event.observed, latest)
    for change in event.changes:
        if change.sensitive and not (change.old is None and change.new is None):
            _refuse_value(event, change)
    if event.command is not None or event.on_behalf_of is not None or event.links is not None:
        _check_blocks(event)
    if event.approval is not None:
        _check_decision(event.action, event.approval)
    if is_utc and (event.access is None or event.access.expires is None):
        return event
    return _in_utc(event)


_open_to_all: Final = frozenset(name for name in CATALOGUE if not name.startswith("audit."))
_NAMELESS: Final = frozenset({"anonymous", "unknown", "system"})
_DECISIONS: Final = {
    f"approval.{word}": word
    for word in ("requested", "granted", "rejected", "dismissed", "expired")
}


def _check_action(event: Event) -> None:
    if event.action not in CATALOGUE:
        _refuse_action(event.action)
    if event.source.tool != OWN_TOOL:
        raise Malformed(
            f"action: expected what a tool did, found {event.action}, which only the trail itself "
            "says; for the audit log of a tool there is integration.audit_log.*"
        )


def _check_blocks(event: Event) -> None:
    if event.on_behalf_of is not None:
        _check_principal(event.on_behalf_of)
    if event.links is not None:
        for at, cause in enumerate(event.links.caused_by):
            if _uuid7(cause) is None:
                raise Malformed(f"links.caused_by[{at}]: {_not_a_uuid7(cause)}")
    if event.command is not None:
        for variable in event.command.variables:
            if not variable.isascii():
                raise Malformed(
                    f"command.variables: expected names in ASCII, found {mask(variable)[:80]!r}; "
                    "leave it out"
                )


def _check_decision(action: str, approval: Approval) -> None:
    decision = _DECISIONS.get(action, approval.decision)
    if decision != approval.decision:
        raise Malformed(
            f"approval.decision: expected {decision} as the action says, "
            f"found {approval.decision}; let both say the same"
        )


def _refuse_value(event: Event, change: Change) -> NoReturn:
    raise Malformed(
        f"changes[{event.changes.index(change)}]: expected neither old nor new beside sensitive, "
        f"found a value of {mask(change.path)[:80]!r}; leave it out, or send its fingerprint"
    )


def _check_principal(principal: Actor) -> None:
    if principal.type == "anonymous":
        raise Malformed(
            "on_behalf_of.type: expected somebody, found anonymous; leave on_behalf_of out where "
            "nobody is known"
        )
    if principal.id is None:
        raise Malformed("on_behalf_of.id: is missing; say who it was, such as github:alice")


def _check_time(field: str, moment: datetime, latest: datetime) -> bool:
    """Whether the time, which is a plausible one, is in UTC."""
    try:
        if TIME_MIN <= moment <= latest:
            return moment.tzinfo is UTC
    except TypeError:
        raise Malformed(f"{field}: expected a time with its zone, found none; add Z") from None
    bound = "not before 2000-01-01" if moment < TIME_MIN else "at most 24 hours ahead of our clock"
    raise Malformed(
        f"{field}: expected a time {bound}, found {moment.isoformat()}; "
        "mend the sender's clock, or its unit"
    )


def _in_utc(event: Event) -> Event:
    """The same moments, all in UTC: an entry knows one way to write a time."""
    access = event.access
    if access is not None and access.expires is not None:
        access = structs.replace(access, expires=_utc("access.expires", access.expires))
    return structs.replace(
        event,
        time=_utc("time", event.time),
        observed=None if event.observed is None else _utc("observed", event.observed),
        access=access,
    )


def _utc(field: str, moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Malformed(
            f"{field}: expected a time that UTC can tell, found {moment.isoformat()}; leave it out"
        ) from None


def _refuse_action(name: str) -> NoReturn:
    # Only on the way to an error, and too heavy for the start of every command.
    from difflib import get_close_matches

    near = get_close_matches(name, CATALOGUE, n=3, cutoff=0.5)
    advice = f"did you mean {', '.join(near)}?" if near else "'deploytrail actions' lists them"
    raise Malformed(
        f"action: expected a name of the catalogue, found {mask(name)[:64]!r}; {advice}"
    )


def _not_a_uuid7(text: str) -> str:
    return (
        f"expected a UUIDv7 in lower case such as 019ab2f0-7c3e-7a51-8d0e-3f1b2c4d5e6f, "
        f"found {mask(text)[:64]!r}; make one per RFC 9562 §5.7"
    )


def summary(event: sentence.Spoken) -> str:
    """One sentence about an event: a plain dict, e.g. of `trail.Shown.event`, or an `Event`.

    Never raises: what is absent, concealed or erased is said in general words. Foreign text
    stands in it as it came; a terminal gets it through `printable.printable`.
    """
    name, stated = sentence.value_of(event, "action"), sentence.value_of(event, "outcome")
    action = CATALOGUE.get(name) if isinstance(name, str) else None
    if action is None:
        return f"{sentence.actor(event)} did {name if isinstance(name, str) else 'something'}"
    if not isinstance(stated, str) or stated == outcome(action.name):
        return sentence.rendered(action.sentence, event)
    attempted = sentence.attempted(action.sentence, stated)
    if attempted is not None:
        return sentence.rendered(attempted, event)
    return sentence.rendered(action.sentence, event) + _ending(action, stated)


_ENDINGS: Final = {
    "failure": " (failed)",
    "denied": " (denied)",
    "pending": " (pending)",
    "partial": " (in part)",
    "unknown": " (nobody knows how it went)",
}
_TELLING: Final = (
    "failed",
    "errored",
    "refused",
    "rejected",
    "denied",
    "crashed",
    "killed",
    "cancelled",
)
_ENDINGS_OF_TELLING: Final = _ENDINGS | {
    "failure": "",
    "denied": "",
    "partial": " (a part of it was done)",
}


def _ending(action: Action, stated: str) -> str:
    endings = _ENDINGS_OF_TELLING if action.name.endswith(_TELLING) else _ENDINGS
    return endings.get(stated, "")

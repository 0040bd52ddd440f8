"""The event of `deploytrail record`, before the trail has it: what was said, and what we know.

Pure: the clock and the account are arguments. In a directory nobody proves more than that the
account of the operating system is theirs, so every other actor is only claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct, structs

from deploytrail.actions import OWN_TOOL, check_outcome, outcome
from deploytrail.app.events.claimed import claimed
from deploytrail.clock import Clock, rfc3339
from deploytrail.errors import Malformed
from deploytrail.event import UNKNOWN_PLACE, Actor, Event, Links, Outcome
from deploytrail.redact import fingerprint, mask
from deploytrail.redacted_event import redacted
from deploytrail.trail import LOCAL_INSTANCE
from deploytrail.untrusted import parse_event

TOOL: Final = "record"
"""`source.tool` of what is recorded by hand."""
_LINK_NAMES: Final = tuple(each.encode_name for each in structs.fields(Links))
KeyOf = Callable[[str], bytes]
"""The key under which a project's secrets leave a fingerprint."""


class Sender(Struct, frozen=True, kw_only=True):
    """Who records: the account, whom it says it acts for, and the id of this call."""

    account: Actor
    on_behalf_of: Actor | None
    run: str


class Stated(Struct, frozen=True, kw_only=True):
    """One event in the words of the command line."""

    action: str | None = None
    outcome: str | None = None
    environment: str | None = None
    project: str | None = None
    unit: str | None = None
    reason: str | None = None
    tickets: Sequence[str] = ()
    targets: Sequence[str] = ()
    links: Sequence[str] = ()
    time: str | None = None
    deployment: str | None = None


def stated_event(stated: Stated) -> dict[str, Any]:
    """What was said, in the shape of an event; raises Malformed, naming the option."""
    where = {
        "project": stated.project,
        "unit": stated.unit,
        "environment": stated.environment,
    }
    links = _links(stated.links)
    if stated.deployment and "deployment" not in links:
        links["deployment"] = stated.deployment
    if stated.outcome is not None and stated.outcome not in get_args(Outcome):
        raise Malformed(
            f"--outcome: expected one of {', '.join(get_args(Outcome))}, "
            f"found {mask(stated.outcome)!r}"
        )
    reason: dict[str, Any] = {}
    if stated.reason or stated.tickets:
        reason = {"from": "stated" if stated.reason else "ticket"}
        reason |= {"text": stated.reason} if stated.reason else {}
        reason |= {"tickets": list(stated.tickets)} if stated.tickets else {}
    fields = {
        "action": stated.action,
        "outcome": stated.outcome,
        "time": stated.time,
        "where": {name: value for name, value in where.items() if value},
        "targets": [_target(text) for text in stated.targets],
        "reason": reason,
        "links": links,
    }
    return {name: value for name, value in fields.items() if value}


def _target(text: str) -> dict[str, str]:
    kind, colon, id = text.partition(":")
    if not (kind and colon and id):
        raise Malformed(
            f"--target: expected TYPE:ID such as resource:aws_instance.web, found {mask(text)!r}"
        )
    return {"type": kind, "id": id}


def _links(words: Sequence[str]) -> dict[str, Any]:
    links: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value or name not in _LINK_NAMES:
            raise Malformed(
                f"--link: expected NAME=VALUE with a name of {', '.join(_LINK_NAMES)}; "
                f"found {mask(word)!r}"
            )
        if name == "caused_by":
            links.setdefault(name, []).append(value)
        elif name in links:
            raise Malformed(f"--link: expected {name} once, found it twice; only caused_by repeats")
        else:
            links[name] = value
    return links


def with_defaults(said: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The event, with the options of the command line where it does not speak itself."""
    filled = defaults | said
    for block in ("where", "links", "reason"):
        own = said.get(block)
        if block in defaults and isinstance(own, dict):
            filled[block] = defaults[block] | own
    return filled


def completed(
    said: dict[str, Any], sender: Sender, clock: Clock, *, part: int, key_of: KeyOf
) -> Event:
    """The whole event: what was not said is what we know.

    An event that brings its own id is the same one whenever it comes, so no delivery of this call
    goes into it. Secrets are dropped. Raises Malformed, naming the field, or TooLarge.
    """
    source = _source(said.get("source", {}))
    if "id" not in said and "delivery" not in source:
        source |= {"delivery": sender.run, "part": part}
    if "action" not in said:
        raise Malformed("action: is missing; 'deploytrail actions' lists the names")
    reason = said.get("reason")
    if isinstance(reason, dict) and reason.get("text") and "from" not in reason:
        said = said | {"reason": {"from": "stated"} | reason}
    known = {
        "id": clock.event_id(),
        "outcome": outcome(str(said["action"])),
        "time": rfc3339(clock.now()),
        "actor": sender.account,
    }
    event = claimed(parse_event(msgspec.json.encode(known | said | {"source": source})))
    check_outcome(event.action, event.outcome)
    project = (event.where.project if event.where else None) or UNKNOWN_PLACE
    event = redacted(event, lambda path, value: fingerprint(key_of(project), path, value))
    if "actor" in said:
        return event
    # What was just parsed is claimed; the account is known.
    principal = event.on_behalf_of or sender.on_behalf_of
    return structs.replace(event, actor=sender.account, on_behalf_of=principal)


def _source(said: Any) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise Malformed("source: expected an object, found another value; or leave it out")
    if said.get("tool") == OWN_TOOL:
        raise Malformed(
            f"source.tool: expected the tool that did it, found {OWN_TOOL}, which only the trail "
            "itself says; leave it out"
        )
    return {"tool": TOOL, "instance": LOCAL_INSTANCE} | said

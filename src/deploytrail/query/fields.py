"""The fields that a query can name: what each is called, means, and where an event has it.

Values only. A field that the log keeps clear is read from entries; one that is concealed is known
only as long as its disclosure is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple, get_args

from deploytrail.event import (
    ActorType,
    Approval,
    EnvironmentClass,
    Outcome,
    Policy,
    ReasonFrom,
    Severity,
    Trigger,
)


class Kind(Enum):
    """What a field's values are, hence what can be asked of them."""

    WORD = "word"
    """Clear text: equal to, or beginning with."""
    PERSON = "person"
    """An identity: a subject in the log, found by its id, what stands behind the id's first colon,
    its name, or the subject's own pseudonym. Without id, name and pseudonym there is none."""
    NUMBER = "number"
    """A whole number: equal to, or between."""
    TIME = "time"
    """A moment, in microseconds since 1970."""
    FLAG = "flag"
    """True or absent."""


class Field(NamedTuple):
    """One field. `paths` are where an event has it, `*` standing for each item of an array."""

    name: str
    kind: Kind
    paths: tuple[tuple[str, ...], ...]
    what: str
    aliases: tuple[str, ...] = ()
    unit: str = ""
    """Of a number: the unit it is stored in, as `ms`."""
    choices: tuple[str, ...] = ()
    """Of a word: all that it can be, where the types of an event say so."""
    none: str = ""
    """The value that says that there is none: `Exists` leaves it out."""


def _choice(name: str, path: str, what: str, choices: Any, none: str = "") -> Field:
    return Field(name, Kind.WORD, _paths(path), what, choices=get_args(choices), none=none)


def _word(name: str, path: str, what: str, *aliases: str) -> Field:
    return Field(name, Kind.WORD, _paths(path), what, aliases)


def _decision(block: type[Policy | Approval]) -> Any:
    return block.__annotations__["decision"]


def _paths(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in text.split(" "))


FIELDS: Final = (
    _word("id", "id", "the event's id"),
    _word("action", "action", "what was done, as deployment.started or build.*"),
    _choice("outcome", "outcome", "how it went", Outcome),
    _choice("severity", "severity", "how bad it is", Severity),
    Field("time", Kind.TIME, _paths("time"), "when it happened, as the source says"),
    Field("observed", Kind.TIME, _paths("observed"), "when we heard of it"),
    Field("logged", Kind.TIME, _paths("logged"), "when the log took it in"),
    Field("actor", Kind.PERSON, _paths("actor"), "who did it: an id, a name, or a pseudonym"),
    Field("for", Kind.PERSON, _paths("on_behalf_of"), "on whose behalf", ("on_behalf_of",)),
    _choice("actor.type", "actor.type", "what kind of actor", ActorType),
    _word("role", "actor.roles.*", "a role that the actor had"),
    _word("auth", "actor.auth.method", "how the actor proved who it is"),
    Field("assurance", Kind.NUMBER, _paths("actor.auth.assurance"), "how well, 0 to 3"),
    _choice("trigger", "trigger", "what set it off", Trigger),
    _word("project", "where.project", "the project"),
    _word("unit", "where.unit", "what deploys on its own"),
    _word("env", "where.environment", "the environment", "environment"),
    _choice("class", "where.environment_class", "the environment's class", EnvironmentClass),
    _word("repository", "where.raw.repository links.repository", "the repository", "repo"),
    _word("path", "where.raw.path", "the path in the repository"),
    _word("workspace", "where.raw.workspace", "the workspace"),
    _word("account", "where.raw.account", "the cloud account"),
    _word("cluster", "where.raw.cluster", "the cluster"),
    _word("namespace", "where.raw.namespace", "the namespace"),
    _word("application", "where.raw.application", "the application", "app"),
    _word("target", "targets.*.id", "the id of what was acted upon, as a resource address"),
    _word("target.type", "targets.*.type", "its type"),
    _word("change", "changes.*.path", "the path of a changed value"),
    _choice("reason", "reason.from", "where the reason comes from", ReasonFrom, none="none"),
    _word("ticket", "reason.tickets.*", "a ticket that the reason names"),
    _word("incident", "reason.incident", "the incident that the reason names"),
    Field("emergency", Kind.FLAG, _paths("reason.emergency"), "whether it was an emergency"),
    _word("deployment", "links.deployment", "the deployment that it says to belong to"),
    _word("run", "links.run", "the run, job or pipeline"),
    _word("commit", "links.commit", "the commit"),
    _word("change_request", "links.change_request", "the pull or merge request", "pr"),
    _word("plan", "links.plan plan.content_digest", "the digest of the plan"),
    _word("artifact", "links.artifact artifact.digest", "the digest of the artifact"),
    _word("trace", "links.trace", "the trace id"),
    _word("caused_by", "links.caused_by.*", "an event that caused it"),
    _word("error", "error.code", "the code of what went wrong"),
    _choice("policy", "policy.decision", "what a policy check said", _decision(Policy)),
    _word("rule", "policy.violations.*.rule", "a rule that was broken"),
    _choice("approval", "approval.decision", "what was asked or answered", _decision(Approval)),
    _word("permission", "access.permission", "the right that was used, granted or taken away"),
    _word("command", "command.tool", "the tool that the wrapper ran"),
    Field("exit_code", Kind.NUMBER, _paths("command.exit_code"), "what it exited with"),
    Field("duration", Kind.NUMBER, _paths("duration_ms"), "how long it took", unit="ms"),
    Field("attempt", Kind.NUMBER, _paths("attempt"), "which try it was"),
    _word("tool", "source.tool", "the tool that told us"),
    _word("connection", "source.instance", "the connection over which we heard of it"),
    Field("imported", Kind.FLAG, _paths("source.imported"), "whether it came in afterwards"),
    Field("index", Kind.NUMBER, _paths("index"), "where it stands in the log"),
)
"""In the order of the documentation."""
BY_NAME: Final[Mapping[str, Field]] = {
    name: field for field in FIELDS for name in (field.name, *field.aliases)
}
SCOPING: Final = frozenset({"project", "env", "class", "connection", "action"})
"""What a scope may be made of: clear in each entry, so that it decides roll-ups as well."""


def folded(text: str) -> str:
    """As texts are compared: without regard to case, in one Unicode form (UAX #15, NFKC)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def known_as(id: str | None, name: str | None) -> Iterator[str]:
    """The texts by which an identity is found, folded: its id, what stands behind the id's first
    colon, and its name; nothing where it has none.
    """
    if id:
        whole = folded(id)
        yield whole
        behind = whole.partition(":")[2]
        if behind:
            yield behind
    if name:
        yield folded(name)


def values(event: Mapping[str, Any], field: Field) -> Iterator[Any]:
    """What an event has in a field, of every path; nothing where it has none.

    An event in the shape of `event.Event` with `logged` and, where known, `index`.
    """
    for path in field.paths:
        yield from values_at(event, path)


def values_at(found: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """What stands at a path below an object, `*` standing for each item of an array."""
    for at, name in enumerate(path):
        if name == "*":
            for item in found:
                yield from values_at(item, path[at + 1 :])
            return
        found = found.get(name)
        if found is None:
            return
    yield found

"""The sentence about an event: a template of the catalogue, filled with what the event says.

`{field|words}` says what stands there when the field is absent, `{target,unit|words}` tries one
after the other, `[ in {environment}]` is left out when one of its fields is absent. Pure, and never
an exception because of an event: every value may be absent, concealed or of another type. An event
is a plain dict, or an `Event` as it is before anything of it is concealed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Final, NamedTuple

import msgspec

Spoken = Mapping[str, Any] | msgspec.Struct
"""What a sentence is about."""


def rendered(template: str, event: Spoken) -> str:
    """The template filled from an event. Foreign text stands in it as it came."""
    said = [piece if isinstance(piece, str) else piece.said(event) for piece in _pieces(template)]
    return "".join([text for text in said if text])


@cache
def attempted(template: str, outcome: str) -> str | None:
    """The template about what was not done, or perhaps not; None where it has no such form."""
    found = _begins_with_verb(template)
    forms = _VERBS.get(found[1]) if found else None
    if found is None or forms is None or outcome not in _ATTEMPTS:
        return None
    return f"{{actor}} {_ATTEMPTS[outcome].format(**forms)}{template[found.end() :]}"


_begins_with_verb: Final = re.compile(r"\{actor\} (\w+)(?= )").match
_ATTEMPTS: Final = {
    "failure": "could not {infinitive}",
    "denied": "was not allowed to {infinitive}",
    "unknown": "may have {participle}",
    "pending": "is {gerund}",
}
_VERBS: Final = {
    past: {"infinitive": infinitive, "gerund": gerund, "participle": participle or past}
    for past, infinitive, gerund, participle in (
        ("attached", "attach", "attaching", ""),
        ("backed", "back", "backing", ""),
        ("changed", "change", "changing", ""),
        ("closed", "close", "closing", ""),
        ("copied", "copy", "copying", ""),
        ("created", "create", "creating", ""),
        ("deleted", "delete", "deleting", ""),
        ("detached", "detach", "detaching", ""),
        ("disabled", "disable", "disabling", ""),
        ("enabled", "enable", "enabling", ""),
        ("exported", "export", "exporting", ""),
        ("forgot", "forget", "forgetting", "forgotten"),
        ("imported", "import", "importing", ""),
        ("invoked", "invoke", "invoking", ""),
        ("listed", "list", "listing", ""),
        ("moved", "move", "moving", ""),
        ("opened", "open", "opening", ""),
        ("protected", "protect", "protecting", ""),
        ("read", "read", "reading", ""),
        ("removed", "remove", "removing", ""),
        ("replaced", "replace", "replacing", ""),
        ("restored", "restore", "restoring", ""),
        ("tagged", "tag", "tagging", ""),
        ("updated", "update", "updating", ""),
    )
}
"""The verbs of resources, by the form in which the catalogue has them."""


def counted(number: int, noun: str) -> str:
    """How many there are: `1 entry`, `1,234 entries`, `2 more events`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("ry") else f"{number:,} {noun}s"


class _Blank(NamedTuple):
    """A place of a sentence: what may fill it, in order, and the words if nothing does."""

    readers: tuple[Callable[[Spoken], str | None], ...]
    otherwise: str | None

    def said(self, event: Spoken) -> str | None:
        for read in self.readers:
            value = read(event)
            if value:
                return value
        return self.otherwise


class _Optional(NamedTuple):
    """A part of a sentence that is left out when one of its fields is absent."""

    pieces: tuple[str | _Blank, ...]

    def said(self, event: Spoken) -> str | None:
        said = [piece if isinstance(piece, str) else piece.said(event) for piece in self.pieces]
        return None if None in said else "".join(filter(None, said))


@cache
def _pieces(sentence: str) -> tuple[str | _Blank | _Optional, ...]:
    found: list[str | _Blank | _Optional] = []
    for part in re.split(r"(\[[^\]]*\])", sentence):
        if part.startswith("["):
            found.append(_Optional(tuple(_blanks(part[1:-1]))))
        else:
            found.extend(_blanks(part))
    return tuple(found)


def _blanks(text: str) -> list[str | _Blank]:
    return [_blank_or_text(part) for part in re.split(r"(\{[^}]*\})", text) if part]


def _blank_or_text(part: str) -> str | _Blank:
    if not part.startswith("{"):
        return part
    fields, _, otherwise = part[1:-1].partition("|")
    return _Blank(tuple(FIELDS[field] for field in fields.split(",")), otherwise or None)


_OBJECT: Final = (dict, msgspec.Struct)


def value_of(holder: Any, name: str) -> Any:
    """What stands under a name in an event or a part of it; None where nothing does."""
    if isinstance(holder, dict):
        return holder.get(name)
    return getattr(holder, name, None) if isinstance(holder, msgspec.Struct) else None


_TEXT_MAX: Final = 120


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return value if len(value) <= _TEXT_MAX else value[: _TEXT_MAX - 1] + "…"


def _field(*path: str) -> Callable[[Spoken], str | None]:
    def read(event: Spoken) -> str | None:
        value: Any = event
        for step in path:
            value = value_of(value, step)
        return _text(value)

    return read


def _first(*readers: Callable[[Spoken], str | None]) -> Callable[..., str | None]:
    return lambda event: next((found for read in readers if (found := read(event))), None)


def actor(event: Spoken, *, mark: str = "") -> str:
    """Who acted, and for whom; `mark` stands behind each of them who only claims to be it."""
    who = _marked(value_of(event, "actor"), mark)
    principal = value_of(event, "on_behalf_of")
    return f"{who} for {_marked(principal, mark)}" if isinstance(principal, _OBJECT) else who


def _marked(actor: Any, mark: str) -> str:
    return f"{_person(actor)}{mark}" if mark and _is_claimed(actor) else _person(actor)


def _is_claimed(actor: Any) -> bool:
    """Nobody proved it: assurance 0, or no word about that."""
    if value_of(actor, "type") not in ("user", "service", "agent"):
        return False
    return not value_of(value_of(actor, "auth"), "assurance")


_NOBODY: Final = {
    "anonymous": "somebody anonymous",
    "unknown": "somebody unknown",
    "system": "the system",
    "user": "somebody whose name is not shown",
    "service": "a service whose name is not shown",
    "agent": "an agent whose name is not shown",
}


def _person(actor: Any) -> str:
    """A name, else an id; else its type tells: only of these types an entry always had an id."""
    kind = value_of(actor, "type")
    nobody = _NOBODY.get(kind, "someone") if isinstance(kind, str) else "someone"
    return _text(value_of(actor, "name")) or _text(value_of(actor, "id")) or nobody


def _targets(event: Spoken) -> Sequence[Any]:
    targets = value_of(event, "targets")
    return targets if isinstance(targets, list | tuple) else ()


def _target(event: Spoken) -> str | None:
    targets = _targets(event)
    if not targets:
        return None
    names = [_text(value_of(targets[0], "name")), _text(value_of(targets[0], "id"))]
    action = str(value_of(event, "action"))
    # A resource is known by its address; what its provider calls it is often a random id.
    if action.startswith(("resource.", "drift.", "state.")):
        names.reverse()
    first = names[0] or names[1]
    if first and action.startswith("state.output."):
        first = first.removeprefix("output.")
    return f"{first} and {len(targets) - 1} more" if first and len(targets) > 1 else first


def _artifact(event: Spoken) -> str | None:
    name = _field("artifact", "id")(event)
    version = _field("artifact", "version")(event)
    return f"{name} {version}" if name and version else name or _target(event)


_COUNTS: Final = {
    "import": "imported",
    "add": "added",
    "change": "changed",
    "replace": "replaced",
    "destroy": "destroyed",
    "move": "moved",
    "forget": "forgotten",
}


def _plan(event: Spoken, *, is_done: bool = False) -> str | None:
    # Of an `Event`, too, as its fields are called in JSON: one of them is a keyword.
    plan = msgspec.to_builtins(value_of(event, "plan"))
    if not isinstance(plan, dict):
        return None
    counts = {word: count for word in _COUNTS if isinstance(count := plan.get(word), int)}
    replaced = counts.get("replace", 0)
    for word in ("add", "destroy"):
        # Terraform counts each replacement as both; told beside it, it would seem to be a third.
        counts[word] = max(counts.get(word, 0) - replaced, 0)
    said = [
        f"{count} {_COUNTS[word] if is_done else f'to {word}'}"
        for word in _COUNTS
        if (count := counts.get(word, 0))
    ]
    return ", ".join(said) or "no changes"


def _change(event: Spoken) -> str | None:
    """What became of the first target, where it is one that came or went."""
    change = value_of(_targets(event)[0], "change") if _targets(event) else None
    return {"create": "was created", "delete": "was removed"}.get(str(change))


def _command(event: Spoken) -> str | None:
    command = value_of(event, "command")
    tool = value_of(command, "tool")
    if not isinstance(tool, str):
        return None
    arguments = value_of(command, "arguments")
    words = arguments if isinstance(arguments, list | tuple) else ()
    return _text(" ".join([tool, *(word for word in words if isinstance(word, str))]))


FIELDS: Final[Mapping[str, Callable[[Spoken], str | None]]] = {
    "actor": actor,
    "target": _target,
    "unit": _first(_field("where", "unit"), _field("where", "raw", "application")),
    "environment": _field("where", "environment"),
    "repository": _first(_field("links", "repository"), _field("where", "raw", "repository")),
    "ref": _field("links", "ref"),
    "artifact": _artifact,
    "plan": _plan,
    "done": partial(_plan, is_done=True),
    "change": _change,
    "permission": _field("access", "permission"),
    "command": _command,
    "tool": _field("source", "tool"),
    "agent": _field("agent", "tool"),
}
"""What a sentence may speak of, and how it is read from an event."""

"""The fields of an event and all actions as a page: `python -m tools.event_docs --write | --check`

docs/event.md is written from event.py and the catalogue, so that it can't say anything else.
"""

from __future__ import annotations

import sys
import types
from datetime import datetime
from inspect import getdoc
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Meta, structs

from deploytrail.actions import CATALOGUE, Action
from deploytrail.event import Block, Event, is_concealed

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "event.md"
HEAD: Final = """\
# The event

One JSON object says what happened: who did what, when, where and why. This page is written by
`python -m tools.event_docs --write` from `src/deploytrail/event.py` and the catalogue of actions.

```json
{
  "id": "019ab2f0-7c3e-7a51-8d0e-3f1b2c4d5e6f",
  "action": "deployment.succeeded",
  "outcome": "success",
  "time": "2026-11-22T10:11:12.123456Z",
  "actor": {"type": "user", "id": "github:alice"},
  "where": {"unit": "live/prod/network", "environment": "prod"},
  "source": {"tool": "terraform", "instance": "local"}
}
```

What is absent is left out. A *concealed* field leaves the entry for the vault, where it can be
erased; every other field stands in the log for ever. Unknown fields are refused.

Beyond the types, an event is refused, with the field and what to do, unless

- `action` is in the catalogue below; only the trail itself says `audit.*`;
- `id` and `links.caused_by` are UUIDv7 (RFC 9562) in lower case with dashes;
- `time` and `observed` lie between 2000-01-01 and 24 hours ahead of the trail's clock; any offset
  is taken, UTC is kept;
- `actor.id` is there, except for the types anonymous, unknown and system; `on_behalf_of` has one
  always;
- a sensitive change has neither `old` nor `new`;
- the names in `command.variables` are ASCII;
- `approval.decision` says what the action says.

The action says what was done, `outcome` how it went: a `resource.created` with the outcome
`failure` was tried in vain, `denied` was forbidden, `partial` was done in part.

A sensitive value is dropped. What may stay is a fingerprint: HMAC-SHA256 under the project's key
over path and value, each after its length in UTF-8 as four bytes, big-endian; its first 12 bytes in
hexadecimal. Equal secrets at one path have equal fingerprints.
"""
ACTIONS: Final = """\
## Actions

A name is `family.verb` or `family.object.verb` in the past tense; it is never reused. The sentence
is filled when an event is read: `{target,unit|something}` is the first of these that the event has,
else the words behind the bar, and what stands in brackets is left out where a field is absent.
"""


def page() -> str:
    """The whole page."""
    blocks = [_block(name, block) for name, block in _blocks(Event)]
    families = [
        _family(name, list(group)) for name, group in groupby(CATALOGUE.values(), _family_of)
    ]
    return "\n".join([HEAD, *blocks, ACTIONS, *families])


def _family_of(action: Action) -> str:
    return action.family


def _blocks(root: type[Block]) -> list[tuple[str, type[Block]]]:
    """All structs below one, each once, in the order in which they are met."""
    found = {root.__name__: root}
    waiting = [root]
    while waiting:
        for annotation in get_type_hints(waiting.pop(0), include_extras=True).values():
            for inner in _structs_in(annotation):
                if inner.__name__ not in found:
                    found[inner.__name__] = inner
                    waiting.append(inner)
    return list(found.items())


def _structs_in(annotation: Any) -> list[type[Block]]:
    if isinstance(annotation, type) and issubclass(annotation, Block):
        return [annotation]
    return [inner for argument in get_args(annotation) for inner in _structs_in(argument)]


def _block(name: str, block: type[Block]) -> str:
    hints = get_type_hints(block, include_extras=True)
    rows = [
        f"| `{field.encode_name}` | {_kind(hints[field.name])} "
        f"| {'yes' if field.required else ''} "
        f"| {'concealed' if is_concealed(hints[field.name]) else ''} |"
        for field in structs.fields(block)
    ]
    head = ["| field | is | required | |", "|---|---|---|---|"]
    return "\n".join([f"## {name}", "", getdoc(block) or "", "", *head, *rows, ""])


def _kind(annotation: Any, metas: tuple[Any, ...] = ()) -> str:
    """A type in words, with its bounds."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _kind(annotation.__origin__, metas + annotation.__metadata__)
    if origin in {Union, types.UnionType}:
        return _kind(next(inner for inner in arguments if inner is not type(None)), metas)
    if origin is Literal:
        return " · ".join(f"`{word}`" for word in arguments)
    if origin is tuple:
        return f"list{_bounds(metas)} of {_kind(arguments[0])}"
    if origin is dict:
        return f"object{_bounds(metas)} of text"
    if isinstance(annotation, type) and issubclass(annotation, Block):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    names = {bool: "true or false", int: "integer", datetime: "time with its zone"}
    return names.get(getattr(annotation, "__supertype__", annotation), "text") + _bounds(metas)


def _bounds(metas: tuple[Any, ...]) -> str:
    said = []
    for meta in metas:
        if isinstance(meta, Meta):
            said += [f"≤ {meta.max_length:,}"] if meta.max_length else []
            said += [f"≥ {meta.ge}"] if meta.ge is not None else []
            said += [f"≤ {meta.le}"] if meta.le is not None else []
            said += ["< 2⁵³"] if meta.lt == 2**53 else []
    return f" ({', '.join(said)})" if said else ""


def _family(name: str, actions: list[Action]) -> str:
    rows = [
        f"| `{action.name}` | {action.meaning}{_successor(action)} | {action.severity} "
        f"| {' '.join(action.blocks)} | {_cell(action.sentence)} |"
        for action in actions
    ]
    head = ["| action | meaning | severity | blocks | sentence |", "|---|---|---|---|---|"]
    return "\n".join([f"### {name}", "", *head, *rows, ""])


def _successor(action: Action) -> str:
    return f" Deprecated: use `{action.successor}`." if action.successor else ""


def _cell(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def main(arguments: list[str]) -> int:
    """0 where the page is as it should be, 1 where it isn't, 2 for other words."""
    if arguments == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if arguments != ["--check"]:
        print("usage: python -m tools.event_docs --write | --check", file=sys.stderr)
        return 2
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print("docs/event.md: out of date; run python -m tools.event_docs --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

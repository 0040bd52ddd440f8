"""Scopes: which part of the trail a token reaches, as a query over a few clear fields.

Pure. A scope decides entries, deployments and roll-ups alike, so it is made of nothing but what
stands clear in every entry; what it leaves out looks absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from deploytrail.access.principal import Principal
from deploytrail.errors import Malformed, NotPermitted
from deploytrail.query.fields import SCOPING
from deploytrail.query.parse import parse
from deploytrail.query.predicate import predicate
from deploytrail.query.tree import (
    EVERYTHING,
    And,
    Branch,
    Filter,
    Leaf,
    Not,
    Or,
    Within,
    Words,
    bottom_up,
)
from deploytrail.query.written import canonical

_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""What is relative in a query is so to its time, and of a scope no part is."""
_NAMES: Final = "project, env, class, connection and action"


def scope(text: str) -> Filter:
    """A scope from its text, simplified; of empty text, everything.

    Raises Malformed for what is no query, and for fields, words and memberships that no scope may
    be made of, naming the first.
    """
    try:
        found = parse(text, now=_NO_TIME)
    except Malformed as error:
        raise Malformed(f"scope: {str(error).removeprefix('query: ')}") from None
    foreign = _foreign(found)
    if foreign is not None:
        raise Malformed(
            f"scope: expected nothing but the fields {_NAMES}, such as "
            f"'env:prod project:payments', found {foreign}; leave that out"
        )
    return found


def written(scope: Filter) -> str:
    """The canonical text of a scope; that of everything is empty."""
    return "" if scope == EVERYTHING else canonical(scope)


def refuse_outside(
    who: Principal, event: Mapping[str, Any], *, covers: Callable[[Mapping[str, Any]], bool]
) -> None:
    """Raises NotPermitted for an event that somebody records and could not read.

    The event is in the shape of `event.Event`, its `source.instance` already that of `who`;
    `covers` is the predicate of `who.scope`, made once and not per event.
    """
    if who.scope != EVERYTHING and not covers(event):
        raise NotPermitted(
            f"{who.id}: expected an event within {written(who.scope)}, which is all that this "
            "credential reaches, found one outside; say where it happened, or use another"
        )


def refuse_project(who: Principal, project: str) -> None:
    """Raises NotPermitted for a project none of whose events lie within somebody's scope."""
    event = {"where": {"project": project}}

    def leaf(asked: Leaf) -> bool | None:
        is_known = not isinstance(asked, Words | Within) and asked.field.name == "project"
        # Whatever else a scope asks for, some event of the project may have.
        return predicate(asked)(event) if is_known else None

    if bottom_up(who.scope, leaf, _joined) is False:
        raise NotPermitted(
            f"{who.id}: expected a project within {written(who.scope)}, which is all that this "
            f"credential reaches, found {project[:64]!a}; name another, or use another credential"
        )


def _joined(branch: Branch, parts: list[bool | None]) -> bool | None:
    """What a branch says where its parts say yes, no, or that it depends."""
    if isinstance(branch, Not):
        return None if parts[0] is None else not parts[0]
    decides = isinstance(branch, Or)
    if decides in parts:
        return decides
    return None if None in parts else not decides


def _foreign(filter: Filter) -> str | None:
    """What in it no scope may be made of, in order of the text."""
    # No recursion: a query may be as deep as it likes.
    rest = [filter]
    while rest:
        found = rest.pop()
        if isinstance(found, And | Or):
            rest.extend(reversed(found.of))
        elif isinstance(found, Not):
            rest.append(found.of)
        elif isinstance(found, Words):
            return f"the words {' '.join(found.words)[:60]!a}"
        elif isinstance(found, Within):
            return f"in:{found.kind[:20]}"
        elif found.field.name not in SCOPING:
            return f"the field {found.field.name}"
    return None

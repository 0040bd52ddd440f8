"""Scopes: which part of the trail a token reaches, as a query over a few clear fields.

Pure. A scope decides entries, deployments and roll-ups alike, so it is made of nothing but what
stands clear in every entry; what it leaves out looks absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from deploytrail.errors import Malformed
from deploytrail.query.fields import SCOPING
from deploytrail.query.tree import And, Filter, Not, Or, Within, Words

Parse = Callable[[str], Filter]
"""A query's text as its filter; raises Malformed."""
Matches = Callable[[Filter, Mapping[str, Any]], bool]
"""Whether a filter lets an event pass."""
_NAMES: Final = "project, env, class, connection and action"


def scope(text: str, *, parse: Parse) -> Filter:
    """A scope from its text; of empty text, everything.

    Raises Malformed for what is no query, and for fields, words and memberships that no scope may
    be made of, naming the first.
    """
    found = parse(text)
    foreign = _foreign(found)
    if foreign is not None:
        raise Malformed(
            f"scope: expected nothing but the fields {_NAMES}, such as "
            f"'env:prod project:payments', found {foreign}; leave that out"
        )
    return found


def is_scope(filter: Filter) -> bool:
    """Whether it is made of scoping fields alone."""
    return _foreign(filter) is None


def is_within(scope: Filter, event: Mapping[str, Any], *, matches: Matches) -> bool:
    """Whether the scope covers an event; one that says no project is in no project's scope."""
    return matches(scope, event)


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

"""The filter tree: what a query means, whoever answers it.

Values only. A predicate decides it over an event, a compiler per engine turns it into SQL; both
must agree on every event. Texts are compared as `fields.folded` gives them, and stand folded here.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from deploytrail.query.fields import Field


class Is(NamedTuple):
    """The field has a value equal to `value`; of several values, any."""

    field: Field
    value: str


class StartsWith(NamedTuple):
    """The field has a value that begins with `value`, which is not empty."""

    field: Field
    value: str


class Exists(NamedTuple):
    """The field has a value at all."""

    field: Field


class Between(NamedTuple):
    """The number, or the time in microseconds since 1970, is at least `low` and below `high`.

    None leaves that side open; both are never None. A field without a value is not between.
    """

    field: Field
    low: int | None
    high: int | None


class Words(NamedTuple):
    """The event's text has these words one behind the other; never empty.

    As `words.words` cuts them. Of the last one `is_prefix` wants only its beginning.
    """

    words: tuple[str, ...]
    is_prefix: bool = False


class Within(NamedTuple):
    """The event belongs to something derived: `in:deployment/ID`."""

    kind: str
    id: str


class Not(NamedTuple):
    """The event does not match."""

    of: Filter


class And(NamedTuple):
    """Every one of them; of none: everything."""

    of: tuple[Filter, ...]


class Or(NamedTuple):
    """Any of them; of none: nothing."""

    of: tuple[Filter, ...]


Filter: TypeAlias = Is | StartsWith | Exists | Between | Words | Within | Not | And | Or
EVERYTHING: Final = And(())
NOTHING: Final = Or(())

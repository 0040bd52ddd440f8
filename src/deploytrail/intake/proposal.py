"""A rule for what no rule places: text to be looked at, mended and put into `environments.toml`.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from deploytrail.event import Raw
from deploytrail.intake.mapping import FIELDS, is_writable
from deploytrail.intake.pattern import PATTERN_CHARACTERS_MAX

_is_environment: Final = re.compile(
    r"(?:prod|production|prd|preprod|staging|stage|stg|dev|development|test|testing|qa|uat|sandbox)"
    r"(?:[-_][A-Za-z0-9_-]{1,40})?",
    re.IGNORECASE,
).fullmatch


def proposal(raws: Sequence[Raw]) -> str:
    """A stanza that places all of them, "" where they have no field in common.

    What they share stands in it literally, but for what looks like an environment.
    """
    taken: set[str] = set()
    words = []
    for field in FIELDS:
        values = [getattr(raw, field) for raw in raws]
        if not values or None in values:
            continue
        pattern = _pattern(values, taken)
        is_quoted = any(character.isspace() for character in pattern)
        words.append(f'{field}:"{pattern}"' if is_quoted else f"{field}:{pattern}")
    if not words:
        return ""
    project = _project(raws)
    return f"[[where]]\nmatch = '{' '.join(words)}'\nproject = \"{project}\"\n"


def _pattern(values: Sequence[str], taken: set[str]) -> str:
    split = [value.split("/") for value in values]
    if len({len(one) for one in split}) > 1:
        return "**"
    captured: set[str] = set()
    steps = [_step(step, taken | captured, captured) for step in zip(*split, strict=True)]
    found = "/".join(steps)
    if len(found) > PATTERN_CHARACTERS_MAX:
        return "**"
    taken |= captured
    return found


def _step(values: Sequence[str], taken: set[str], captured: set[str]) -> str:
    if "environment" not in taken and all(_is_environment(one) for one in values):
        captured.add("environment")
        return "{environment}"
    if len(set(values)) > 1:
        if "unit" not in taken and all(values):
            captured.add("unit")
            return "{unit}"
        return "*"
    only = values[0]
    is_plain = is_writable(only) and "'" not in only and only.strip() == only
    return only if is_plain or not only else "*"


def _project(raws: Sequence[Raw]) -> str:
    """The repository's own name, to be mended."""
    names = {(raw.repository or "").rsplit("/", 1)[-1] for raw in raws}
    name = names.pop() if len(names) == 1 else ""
    return name if is_writable(name) and len(name) <= 64 else "unknown"

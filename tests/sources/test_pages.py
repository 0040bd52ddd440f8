"""The table on a source's page says what becomes of each kind, and is right.

A row is a kind; a cell names, in backticks, fields of the delivery's body (`user.login`,
`commits[].id`), or for actions and outcomes the words themselves. For each sample of the kind at
least one of a cell's fields that the sample has must stand in that part of an event; a cell of `–`
says that this part is never there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail.intake.known import known
from deploytrail.kit.source import Source, Telling
from deploytrail.testing import Sample, events, samples
from tests.conftest import ROOT

SOURCES = list(known().sources.values())
COLUMNS = ("Kind", "Action", "Outcome", "Actor", "Where", "Target", "Links", "Reason")
PARTS = {
    "Actor": ("actor", "on_behalf_of"),
    "Where": ("place",),
    "Target": ("targets",),
    "Links": ("links",),
    "Reason": ("reason",),
}
TICKED = re.compile(r"`([^`]+)`")
Row = dict[str, str]


def table(source: Source) -> dict[str, Row]:
    """The rows of the page's table, by kind."""
    text = (ROOT / "docs" / "sources" / f"{source.name}.md").read_text(encoding="utf-8")
    head = "| " + " | ".join(COLUMNS) + " |"
    assert head in text, f"{source.name}.md: expected the table {head}"
    found = {}
    for line in text[text.index(head) :].split("\n")[2:]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        row = dict(zip(COLUMNS, cells, strict=True))
        for kind in TICKED.findall(row["Kind"]):
            found[kind] = row
    return found


def at(value: Any, path: str) -> Iterator[str]:
    """The scalars at a path of a body, as texts; none where it is not there.

    A name may have dots, as those of attributes do.
    """
    if isinstance(value, dict) and "." in path and path in value:
        yield from scalars(value[path])
        return
    name, _, rest = path.partition(".")
    step = name.removesuffix("[]")
    inner = value.get(step) if isinstance(value, dict) else None
    for one in inner if name.endswith("[]") and isinstance(inner, list) else [inner]:
        if rest:
            yield from at(one, rest)
        elif isinstance(one, str | int) and not isinstance(one, bool) and one != "":
            yield str(one)


def scalars(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from scalars(inner)
    elif value is not None:
        yield str(value)


def told(source: Source, sample: Sample) -> list[tuple[Telling, list[dict[str, Any]]]]:
    """Each telling of a sample that is read, with its events."""
    tellings = [each for each in source.tell(sample.delivery()) if each.kind in source.kinds]
    found = events(source, sample.delivery())
    if len(tellings) == 1:
        return [(tellings[0], found)]
    return [
        (each, [event for event in found if event["source"].get("delivery") == each.id])
        for each in tellings
    ]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_the_table_has_a_row_for_each_kind(source: Source) -> None:
    assert sorted(table(source)) == sorted(source.kinds)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_the_table_says_what_becomes_of_each_sample(source: Source) -> None:
    rows = table(source)
    for sample in samples(Path(__file__).parent / source.name.replace("-", "_")):
        for telling, found in told(source, sample):
            if found and found[0]["action"] != "integration.delivery.malformed":
                check(rows[telling.kind], msgspec.json.decode(bytes(telling.octets)), found, sample)


def check(row: Row, body: Any, found: list[dict[str, Any]], sample: Sample) -> None:
    for column, name in (("Action", "action"), ("Outcome", "outcome")):
        words = TICKED.findall(row[column])
        assert {event[name] for event in found} <= set(words), f"{sample.name}: {column}"
    for column, names in PARTS.items():
        values = [text for event in found for name in names for text in scalars(event.get(name))]
        paths = TICKED.findall(row[column])
        expected = [text for path in paths for text in at(body, path)]
        if row[column] == "–":
            assert column == "Actor" or not values, f"{sample.name}: {column} {values}"
        elif expected:
            is_there = any(text in value for text in expected for value in values)
            assert is_there, f"{sample.name}: {column}: {expected} in {values}"

"""docs/query.md is true: its fields are those of the language, its examples find an event."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from deploytrail.errors import Malformed
from deploytrail.event import Event
from deploytrail.query.fields import FIELDS, Kind
from deploytrail.query.parse import parse
from deploytrail.query.predicate import predicate
from deploytrail.query.terms import IN, NO_FIELDS
from tests.app.places import place
from tests.app.searched import Searched
from tests.fakes import NOON

PAGE: Final = (Path(__file__).parents[2] / "docs/query.md").read_text(encoding="utf-8")
_cell: Final = re.compile(r"(?<!\\)\|")
_code: Final = re.compile("`([^`]+)`").findall
KINDS: Final = {
    Kind.WORD: "word",
    Kind.PERSON: "person",
    Kind.NUMBER: "number",
    Kind.TIME: "time",
    Kind.FLAG: "flag",
}
FOUND: Final = msgspec.convert(
    {
        "id": "01a20320-a200-7000-8000-000000000001",
        "action": "deployment.failed",
        "outcome": "failure",
        "severity": "critical",
        "time": NOON,
        "duration_ms": 600_000,
        "attempt": 2,
        "actor": {
            "type": "agent",
            "id": "github:alice",
            "name": "Alice Example",
            "roles": ["on-call"],
            "auth": {"method": "oidc", "assurance": 2},
        },
        "on_behalf_of": {"type": "user", "id": "github:bob"},
        "trigger": "schedule",
        "where": {
            "project": "payments",
            "unit": "network",
            "environment": "prod",
            "environment_class": "prod",
            "raw": {
                "repository": "acme/infra",
                "path": "live/prod/network",
                "workspace": "default",
                "account": "123456789012",
                "cluster": "eu-1",
                "namespace": "checkout",
                "application": "shop",
            },
        },
        "targets": [{"type": "aws_instance", "id": "aws_instance.web[0]"}],
        "changes": [{"path": "instance_type", "op": "update"}],
        "reason": {
            "from": "ticket",
            "text": "the read replica lags",
            "tickets": ["OPS-7"],
            "incident": "INC-42",
            "emergency": True,
        },
        "links": {
            "deployment": "dep-1",
            "run": "4711",
            "commit": "0a1b2c3d",
            "change_request": "acme/infra#12",
            "plan": "sha256:0a1b2c",
            "artifact": "sha256:9f8e",
            "trace": "4bf92f3577b34da6a3ce929d0e0e4736",
            "caused_by": ["01a20320-a200-7000-8000-000000000002"],
        },
        "error": {"code": "E42"},
        "policy": {"engine": "opa", "decision": "deny", "violations": [{"rule": "no-tags"}]},
        "approval": {"decision": "granted"},
        "access": {"permission": "db.admin"},
        "command": {"tool": "terraform", "exit_code": 1},
        "source": {"tool": "terraform", "instance": "token:ci"},
    },
    Event,
)
"""What each example of a field finds."""


def tables() -> Iterator[list[list[str]]]:
    """The rows of each table, below its head."""
    found: list[list[str]] = []
    for line in [*PAGE.splitlines(), ""]:
        if line.startswith("|"):
            found.append([cell.strip() for cell in _cell.split(line)[1:-1]])
        elif found:
            yield found[2:]
            found = []


FIRST, FORMS, TIMES, TABLE = tables()
FIELD_EXAMPLES: Final = {row[0]: _code(row[3])[0] for row in TABLE}
EXAMPLES: Final = [
    *(_code(row[0])[0] for row in FIRST),
    *(code for row in (*FORMS, *TIMES) for code in _code(row[-1])),
    *(code for code in _code(PAGE.split("## Times")[0].split("**Words**")[1]) if ":" in code),
]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    there = place(tmp_path_factory.mktemp("documented"))
    with there.opened() as trail:
        found = Searched(trail, there.clock)
        found.record(FOUND)
        found.follow()
        yield found
        found.close()


def test_every_field_is_in_the_table_with_its_names_and_what_it_is() -> None:
    told = [([*_code(row[0])], row[1]) for row in TABLE]
    assert told == [([field.name, *field.aliases], field.what) for field in FIELDS]
    for row, field in zip(TABLE, FIELDS, strict=True):
        kind = "one of " + " ".join(f"`{one}`" for one in field.choices)
        assert row[2] == (kind if field.choices else KINDS[field.kind])


@pytest.mark.parametrize("field", FIELD_EXAMPLES)
def test_the_example_of_a_field_finds_what_has_it(searched: Searched, field: str) -> None:
    example = FIELD_EXAMPLES[field]
    assert example.partition(":")[0] in _code(field)
    assert [one.index for one in searched.searching.search(example).items] == [0]
    assert searched.searching.search(f"-({example})").items == ()


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_answered(searched: Searched, example: str) -> None:
    searched.searching.search(example)


def test_what_is_said_to_be_no_field_is_told() -> None:
    for name in NO_FIELDS:
        assert f"`{name}:" in PAGE
    belonging = parse(f"{IN}:deployment/dep-1", now=NOON)
    with pytest.raises(Malformed, match="does not derive"):
        predicate(belonging)


TIMES_NAMED: Final = [
    code.strip('"') for code in _code(PAGE.split("TIME is ")[1].split("What is relative")[0])
]


@pytest.mark.parametrize("time", TIMES_NAMED)
def test_every_time_that_it_names_is_one(time: str) -> None:
    parse(f'since:"{time}"', now=NOON)


ERRORS: Final = [
    block.strip().split("\n") for block in PAGE.split("```text\n")[1].split("```")[0].split("\n\n")
]


@pytest.mark.parametrize("lines", ERRORS, ids=lambda lines: lines[0])
def test_an_error_is_said_as_the_page_says(lines: list[str]) -> None:
    query, said = lines
    with pytest.raises(Malformed) as refused:
        parse(query, now=NOON)
    assert str(refused.value) == said

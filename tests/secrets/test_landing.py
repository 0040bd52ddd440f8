"""What is recorded with secrets in it: no file, answer, export or message of a trail has them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import msgspec
import pytest

from deploytrail.app import open_directory
from deploytrail.event import Event
from tests.cli.program import Program
from tests.secrets.placed import placed
from tests.secrets.planted import Plant, plants


@pytest.fixture(scope="module")
def planted() -> list[tuple[Plant, Event]]:
    return [(plant, event) for plant, _, event in placed(plants(7))]


@pytest.fixture(scope="module")
def program(
    tmp_path_factory: pytest.TempPathFactory, planted: list[tuple[Plant, Event]]
) -> Program:
    """A trail in which every planted event is recorded."""
    program = Program(tmp_path_factory.mktemp("secrets"))
    lines = b"\n".join(msgspec.json.encode(event) for _, event in planted)
    done = program("record", "--json", "-", input=lines.decode())
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) >= len(planted)
    return program


def leaks(planted: list[tuple[Plant, Event]], *places: bytes) -> list[str]:
    """The kinds of the secrets that stand in any of these bytes, also as JSON writes them."""
    return [
        f"{plant.kind}, {plant.carrier}"
        for plant, _ in planted
        for spelling in {plant.secret, json.dumps(plant.secret)[1:-1]}
        if any(spelling.encode() in place for place in places)
    ]


def test_no_entry_and_no_disclosure_has_a_secret(
    program: Program, planted: list[tuple[Plant, Event]]
) -> None:
    trail = open_directory(program.home, environment=program.environ)
    shown = list(trail.entries())
    trail.close()

    assert len(shown) >= len(planted)
    # With what the vault discloses: as an auditor reads them who may read everything.
    assert any("reason" in one.event for one in shown)
    assert leaks(planted, json.dumps([one.event for one in shown], default=str).encode()) == []
    assert leaks(planted, b"\n".join(one.entry for one in shown)) == []


def test_no_file_and_no_export_has_a_secret(
    program: Program, planted: list[tuple[Plant, Event]]
) -> None:
    assert program("index", "rebuild").returncode == 0
    found = program("search", "deploy", "--count", "100")
    assert found.returncode == 0, found.stderr
    assert program("export", "events.jsonl").returncode == 0
    assert program("export", "--proofs", "export.tar").returncode == 0
    with tarfile.open(program.folder / "export.tar") as tar:
        members = [tar.extractfile(member) for member in tar.getmembers() if member.isfile()]
        exported = [member.read() for member in members if member is not None]
    files = [path.read_bytes() for path in files_of(program.folder)]

    assert len(files) > 5
    assert len(exported) > 5
    assert leaks(planted, *files, *exported, found.stdout.encode()) == []


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_no_message_about_a_bad_event_has_a_secret(
    tmp_path: Path, planted: list[tuple[Plant, Event]]
) -> None:
    program = Program(tmp_path)
    some = {plant.kind: plant for plant, _ in planted if plant.carrier in {"at the end", "itself"}}
    token = [plant.text.removeprefix("please rotate ") for plant in some.values()]
    bodies = [
        (
            {"action": text},
            {"action": "code.pushed", "outcome": text},
            {"action": "code.pushed", text: 1},
            {"action": "code.pushed", "time": text},
            {"action": "code.pushed", "id": text},
            {"action": "code.pushed", "where": {"project": text * 9}},
        )[at % 6]
        for at, text in enumerate(token)
    ]
    program.many({"init": ["init"]})
    calls = {}
    for at, body in enumerate(bodies):
        (tmp_path / f"{at}.json").write_text(json.dumps(body))
        calls[str(at)] = ["record", "--json", f"{at}.json"]
    answers = program.many(calls)

    assert all(code != 0 for code, _, _ in answers.values())
    told = "\n".join(out + error for _, out, error in answers.values()).encode()
    assert leaks([(plant, event) for plant, event in planted if plant in some.values()], told) == []

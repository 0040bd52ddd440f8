"""Of secrets planted in what tools deliver none lands: in no entry, disclosure, index or export."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from deploytrail.app import open_directory
from deploytrail.app.connections.known_connections import placed
from deploytrail.app.connections.taking import Connected, Keys, imported
from deploytrail.app.events.recording import Submission
from deploytrail.clock import SystemClock
from deploytrail.intake.known import known
from deploytrail.intake.mapping import NOWHERE
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.source import Source
from deploytrail.testing import Sample, samples, texts_of
from tests.cli.program import Program
from tests.conftest import ROOT
from tests.secrets.planted import SHAPED, core, made

SECRETS_MIN = 2_000
KINDS_MIN = 60


def connected(source: Source) -> Connected:
    nothing = SCHEMES["nothing"]
    return Connected(f"{source.name}-acme", source, nothing, [], partial(placed, NOWHERE))


def planted() -> Iterator[tuple[Source, Sample, bytes, list[tuple[str, str]]]]:
    """Each sample with a secret behind each of its texts, and their kinds."""
    chance, kinds = Random(20261124), cycle(SHAPED.items())
    for source in known().sources.values():
        for one in samples(ROOT / "tests" / "sources" / source.name.replace("-", "_")):
            if not one.is_json:
                continue
            body = msgspec.json.decode(one.body)
            for path in texts_of(body):
                kind, template = next(kinds)
                secret = made(template, chance)
                said = deepcopy(body)
                inner: Any = said
                for name in path[:-1]:
                    inner = inner[name]
                inner[path[-1]] = f"{inner[path[-1]]} {secret}"
                yield source, one, msgspec.json.encode(said), [(kind, core(secret))]


@pytest.fixture(scope="module")
def delivered(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Program, list[tuple[str, str]]]:
    """A trail into which all of it was delivered, and what was planted."""
    program = Program(tmp_path_factory.mktemp("sources"))
    assert program("init").returncode == 0
    clock = SystemClock()
    secrets: list[tuple[str, str]] = []
    with open_directory(program.home, environment=program.environ) as trail:
        keys = Keys(trail.keyring.secrets.body, trail.fingerprint_key)
        batch: list[Submission] = []
        for source, one, body, some in planted():
            batch += imported(one.delivery(body), connected(source), keys, clock)
            secrets += some
            if len(batch) > 1_000:
                trail.record_heard(batch)
                batch = []
        trail.record_heard(batch)
    return program, secrets


def left(secrets: list[tuple[str, str]], *places: bytes) -> Counter[str]:
    """How many of each kind stand in any of these bytes, also as JSON writes them."""
    whole = b"\n".join(places)
    return Counter(
        kind
        for kind, secret in secrets
        if any(each.encode() in whole for each in {secret, json.dumps(secret)[1:-1]})
    )


def test_no_secret_is_in_an_entry_or_a_disclosure(
    delivered: tuple[Program, list[tuple[str, str]]],
) -> None:
    program, secrets = delivered
    assert len({secret for _, secret in secrets}) >= SECRETS_MIN
    assert len({kind for kind, _ in secrets}) >= KINDS_MIN
    with open_directory(program.home, environment=program.environ) as trail:
        shown = list(trail.entries())
    assert len(shown) > SECRETS_MIN
    told = json.dumps([one.event for one in shown], default=str).encode()
    found = left(secrets, told, *(one.entry for one in shown))
    assert found == {}


def test_no_file_no_index_and_no_export_has_one(
    delivered: tuple[Program, list[tuple[str, str]]],
) -> None:
    program, secrets = delivered
    assert program("index", "rebuild").returncode == 0
    assert program("export", "events.jsonl").returncode == 0
    assert program("export", "--proofs", "export.tar").returncode == 0
    with tarfile.open(program.folder / "export.tar") as tar:
        members = [tar.extractfile(member) for member in tar.getmembers() if member.isfile()]
        exported = [member.read() for member in members if member is not None]
    files = [path.read_bytes() for path in files_of(program.folder)]
    assert left(secrets, *files, *exported) == {}


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]

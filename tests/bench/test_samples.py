"""What the figures of intake are measured on: deliveries that differ, of the size that is said."""

from __future__ import annotations

from pathlib import Path
from random import Random

import msgspec
import pytest

from bench import translating
from bench.figure import SOURCES
from bench.samples import log_files, samples, varied
from deploytrail.intake.known import known


def test_log_files_are_as_large_as_asked_and_no_event_is_in_them_twice(tmp_path: Path) -> None:
    files = log_files(tmp_path, size_bytes=6_000_000)
    assert 6_000_000 <= sum(file.stat().st_size for file in files) <= 11_000_000
    calls = [call for file in files for call in msgspec.json.decode(file.read_bytes())["Records"]]
    assert len({call["eventID"] for call in calls}) == len(calls) > 5_000
    assert len({msgspec.json.encode(call.get("userIdentity")) for call in calls}) > 500


def test_copies_have_names_of_their_own() -> None:
    random = Random(1)
    octets = {varied(b'{"user":"alice","repository":"acme/infra"}', random) for _ in range(100)}
    assert len(octets) > 95


@pytest.mark.parametrize("source", sorted(set(SOURCES) & set(known().sources)))
def test_the_samples_of_each_source_are_read(source: str) -> None:
    assert samples(source)
    assert f"source.translate.{source}" in translating.names()


def test_each_source_that_is_installed_has_a_target() -> None:
    assert {name.removeprefix("source.translate.") for name in translating.names()} <= set(SOURCES)

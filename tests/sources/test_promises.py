"""Every source keeps every promise of the kit, shown by its samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploytrail.intake.known import known
from deploytrail.kit.source import Source
from deploytrail.testing import PROMISES, Promise, samples
from tests.conftest import ROOT

SOURCES = list(known().sources.values())
HERE = Path(__file__).parent


def test_no_source_of_ours_is_at_fault() -> None:
    assert known().faults == {}


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_source(source: Source, promise: Promise) -> None:
    promise(source, samples(HERE / source.name.replace("-", "_")))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_has_a_page_and_a_set_up_text(source: Source) -> None:
    assert (ROOT / "docs" / "sources" / f"{source.name}.md").is_file()
    assert "{url}" in source.setup or source.is_lines or source.file_names
    assert source.page.startswith("https://")

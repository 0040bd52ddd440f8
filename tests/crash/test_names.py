"""Names and small files are durable before anything is promised, and the suite would notice.

Recorded from the real writer. A disk may lose a name whose directory was not synced, and all of a
file that was not synced before it took over a name.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.mutants import OF_NAMES, mutated
from tests.crash.names import Names
from tests.crash.strace import Writer
from tests.crash.writing import Place, filled


def late(tmp_path: Path, scenario: str, *, source: Path | None = None) -> list[str]:
    """What was not durable in time."""
    place = Place(tmp_path / "place")
    place.base.mkdir()
    if scenario != "init":
        filled(place, 3, published_at=(1,))
    writer = Writer(tmp_path, source=source)
    try:
        ran = writer.run(scenario, place, watch=True)
    finally:
        writer.close()
    names = Names(str(place.base))
    names.follow(writer.traced)
    return [*names.late, *([] if ran.status == 0 else ran.said)]


@pytest.mark.parametrize("scenario", ["init", "publish"])
def test_a_name_is_durable_before_anything_is_promised(scenario: str, tmp_path: Path) -> None:
    assert late(tmp_path, scenario) == []


@pytest.mark.parametrize("broken", OF_NAMES)
def test_a_sync_of_ours_that_is_left_out_is_noticed(broken: str, tmp_path: Path) -> None:
    source = mutated(OF_NAMES[broken], tmp_path / "source")
    found = [
        what
        for scenario in ("init", "publish")
        for what in late(_made(tmp_path / scenario), scenario, source=source)
    ]
    assert found


def _made(path: Path) -> Path:
    path.mkdir()
    return path

"""Names and small files are durable before anything is promised, and the suite would notice.

Recorded from the real writer. A disk may lose a name whose directory was not synced, and all of a
file that was not synced before it took over a name. What each missing sync of ours would lose is
told by name, so that no other difference passes for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.crash.form import IS_LONG
from tests.crash.mutants import OF_NAMES, mutated
from tests.crash.names import Names
from tests.crash.strace import Writer
from tests.crash.writing import Place, accepted, backed_up, deployment, filled

_KEPT = re.compile(r"\b[0-9a-f]{64}\b")
NOTHING: Final = "nothing"


def _nowhere(place: Place) -> None:
    assert not place.base.exists()


def _half_made(place: Place) -> None:
    """Stopped between the two renames that end the making of a trail."""
    place.open(create=True).close()
    for suffix in ("-wal", "-shm"):
        (place.home / f"log.db{suffix}").unlink(missing_ok=True)
    (place.home / "log.db").rename(place.home / "log.db.new")


def _filled(place: Place) -> None:
    filled(place, 3)


def _published(place: Place) -> None:
    filled(place, 3, published_at=(1,))


def _fenced(place: Place) -> None:
    """With a write-ahead log of which nobody knows what of it is durable."""
    filled(place, 3, published_at=(3,))
    with place.open() as trail:
        accepted(*trail.record([deployment("before the fence", by="newcomer")]))
    (place.home / "fence").write_text("tried\n")


SCENARIOS: Final[dict[str, tuple[Callable[[Place], object], str]]] = {
    "made": (_nowhere, "init"),
    "made to its end": (_half_made, "init"),
    "published first": (_filled, "publish"),
    "published again": (_published, "publish"),
    "fenced": (_filled, "fenced"),
    "let in again": (_fenced, "cleared"),
    "exported": (_published, "exported"),
    "backed up": (_published, "backed_up"),
    "restored": (backed_up, "restored"),
    "indexed": (_filled, "indexed"),
    "put aside": (_filled, "put_aside"),
    "put aside where nothing is": (_nowhere, "put_aside"),
}
"""What stands before, and what is then done."""


def _unnamed(*files: str) -> list[str]:
    return [f"promised, but {file}: its name was not synced" for file in files]


def _early(*files: str) -> list[str]:
    return [f"{file}: took its name before it was synced" for file in files]


def _unsynced(*files: str) -> list[str]:
    return [f"fence: fell before {file} was synced" for file in files]


_FALLING: Final = "fence: behind it something was written before its fall was synced"
_PUT_ASIDE: Final = {
    "put aside": _unnamed("run.spool", "spool"),
    "put aside where nothing is": _unnamed("home", "place", "run.spool", "spool"),
}
LOST: Final[dict[str, dict[str, list[str]]]] = {
    NOTHING: {},
    "no sync of directories": {
        "made": _unnamed("home", "keys.db", "log.db", "place", "policy"),
        "made to its end": _unnamed("log.db"),
        "published first": _unnamed("deploytrail", "kept state", "state"),
        "published again": _unnamed("kept state"),
        "fenced": _unnamed("fence", "log.db"),
        "let in again": [_FALLING, *_unnamed("kept state")],
        "exported": _unnamed("export.tar", "kept state"),
        "backed up": _unnamed("backup.tar.keys", "backup.tar", "kept state"),
        "restored": _unnamed(
            "deploytrail",
            "home",
            "kept state",
            "key",
            "keys.db",
            "log.db",
            "policy",
            "restoring",
            "state",
        ),
    },
    "no sync of small files": {
        "made": _early("key", "policy"),
        "published first": _early("kept state"),
        "published again": _early("kept state"),
        "let in again": _early("kept state"),
        "exported": _early("kept state"),
        "backed up": _early("kept state"),
        "restored": _early("kept state", "key", "policy"),
    },
    "no sync behind a replaced file": {
        "published first": _unnamed("kept state"),
        "published again": _unnamed("kept state"),
        "let in again": _unnamed("kept state"),
        "exported": _unnamed("kept state"),
        "backed up": _unnamed("kept state"),
        "restored": _unnamed("kept state"),
    },
    "no sync of made directories": {
        "made": _unnamed("home", "place"),
        "published first": _unnamed("deploytrail", "state"),
        "restored": _unnamed("deploytrail", "home", "state"),
    },
    "no sync behind the renames of a new trail": {"made": _unnamed("keys.db", "log.db")},
    "no sync behind the renames of a restored trail": {"restored": _unnamed("keys.db", "log.db")},
    "no sync behind the rename that was left to do": {"made to its end": _unnamed("log.db")},
    "no empty write-ahead log behind a made database": {
        "made": ["failed Malformed log.db: expected a database of Deploytrail, found another's"],
    },
    "no sync of a made database": {"made": _early("keys.db", "log.db")},
    "no sync of a fence": {"fenced": ["promised, but fence: its bytes were not synced"]},
    # The scenario gives the log its name and leaves its sync to the fence's.
    "no sync behind a fence": {"fenced": _unnamed("fence", "log.db")},
    "no sync of the log before the fence falls": {"let in again": _unsynced("log.db")},
    "no sync of the keys before the fence falls": {"let in again": _unsynced("keys.db")},
    "no truncating checkpoint before the fence falls": {
        "let in again": _unsynced("keys.db", "log.db"),
    },
    "no sync behind the fence that fell": {"let in again": [_FALLING]},
    "no sync of an export": {
        "exported": _early("export.tar"),
        "backed up": _early("backup.tar.keys", "backup.tar"),
    },
    "no sync behind an export": {
        "exported": _unnamed("export.tar"),
        "backed up": _unnamed("backup.tar.keys", "backup.tar"),
    },
    "no sync of an index and its directory": {
        "indexed": [*_early("live.db"), *_unnamed("current", "index", "v1-1")],
    },
    "no sync of which index is the current one": {"indexed": _early("current", "successor")},
    "no sync behind the directory of an index": {"indexed": _unnamed("index")},
    "no sync of what is put aside": {
        "put aside": _early("run.spool"),
        "put aside where nothing is": _early("run.spool"),
    },
    "no sync behind what is put aside": _PUT_ASIDE,
    "no sync of the folders of what is put aside": _PUT_ASIDE,
}
"""By what is missing and what is done; nothing is lost where a scenario is not named."""


def late(path: Path, scenario: str, *, source: Path | None = None) -> list[str]:
    """What was not durable in time, or what the writer says where it did not end well."""
    prepare, order = SCENARIOS[scenario]
    place = Place(path / "place")
    prepare(place)
    existing = [str(one) for one in place.base.rglob("*")]
    writer = Writer(path, source=source)
    try:
        ran = writer.run(order, place, watch=True)
    finally:
        writer.close()
    names = Names(str(place.base), existing)
    names.follow(writer.traced)
    said = [*names.late, *([] if ran.status == 0 else ran.said)]
    return sorted(_KEPT.sub("kept state", one).replace(f"{place.home}/", "") for one in said)


@pytest.mark.parametrize("missing", [NOTHING, *OF_NAMES])
def test_a_missing_sync_loses_what_it_is_there_for(missing: str, tmp_path: Path) -> None:
    source = None if missing == NOTHING else mutated(OF_NAMES[missing], tmp_path / "source")
    # In the short form not where nothing is to be lost: a process more for each.
    scenarios = SCENARIOS if IS_LONG or missing == NOTHING else LOST[missing]
    for number, scenario in enumerate(scenarios):
        path = tmp_path / str(number)
        path.mkdir()
        assert late(path, scenario, source=source) == LOST[missing].get(scenario, []), scenario
    assert bool(LOST[missing]) == (missing != NOTHING)

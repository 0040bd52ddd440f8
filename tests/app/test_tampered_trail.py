"""What a trail gives out of a log that was changed: no receipt, no proof, no export of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from backports import zstd

from deploytrail.app.exporting import export
from deploytrail.errors import Tampered
from deploytrail.event import EventId
from tests.app.doctored import doctored
from tests.app.trails import Place, place

COUNT = 300


@pytest.fixture
def trail(tmp_path: Path) -> Place:
    there = place(tmp_path)
    there.record(COUNT)
    return there


def flip(there: Place) -> None:
    """The first entry's reason is there no more; the page and its digests are as they should be."""
    with doctored(there.home) as connection:
        ((packed,),) = connection.execute("SELECT data FROM bundle WHERE n = 0")
        octets = bytearray(zstd.decompress(packed))
        octets[octets.index(b'"argocd"') + 1] ^= 1
        row = (zstd.compress(bytes(octets)),)
        connection.execute("UPDATE bundle SET data = ? WHERE n = 0", row)


def first_id(there: Place) -> EventId:
    with there.opened() as trail:
        (shown,) = trail.entries(until=1)
        return EventId(str(shown.event["id"]))


def test_a_changed_entry_is_neither_shown_nor_proven(trail: Place) -> None:
    first = first_id(trail)
    with trail.opened() as opened:
        (last,) = opened.newest(count=1)
        flip(trail)
        for ask in (opened.show, opened.proof):
            with pytest.raises(Tampered, match="entry 0: its bytes"):
                ask(first)
        # Another bundle is not concerned.
        assert opened.show(EventId(str(last.event["id"]))).index == COUNT - 1


def test_a_changed_log_is_not_exported(trail: Place, tmp_path: Path) -> None:
    flip(trail)
    with trail.opened() as opened, pytest.raises(Tampered, match="nothing was exported"):
        export(opened, tmp_path / "x.tar")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("x.tar")] == []


def test_an_entry_behind_the_newest_checkpoint_is_shown(trail: Place) -> None:
    (receipt,) = trail.record(1, publish=False)
    with trail.opened() as opened:
        assert opened.show(receipt.id).index == COUNT

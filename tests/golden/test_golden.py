"""Every format ever shipped stays readable: what is in this folder was written once."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from deploytrail import entry
from deploytrail.app.trails.directory import open_directory
from deploytrail.event import Event
from deploytrail.trail import Receipt
from deploytrail.vault import disclosure
from deploytrail.vault.conceal import reveal
from tests.events import event
from tests.fakes import FakeClock
from tests.golden.make import golden_entry, golden_event
from tests.verified import verified

FORMATS = sorted(Path(__file__).parent.glob("format_*"))


def as_sent(shown: dict[str, object]) -> Event:
    """An event as it was before the log and the vault added what is theirs."""
    found = {name: value for name, value in shown.items() if name not in {"logged", "evidence"}}
    whole = msgspec.convert(found, Event)
    return structs.replace(whole, observed=None, source=structs.replace(whole.source, body=None))


def test_the_format_that_we_write_has_its_golden_files() -> None:
    assert f"format_{entry.FORMAT}" in [folder.name for folder in FORMATS]


def test_an_entry_and_its_disclosures_are_still_written_byte_for_byte() -> None:
    folder = FORMATS[-1]
    concealed = golden_entry()
    assert concealed.entry == (folder / "entry.json").read_bytes()
    lines = (folder / "disclosures.jsonl").read_bytes().split(b"\n")[:-1]
    assert sorted(found.json for _, found in concealed.disclosures) == lines


@pytest.mark.parametrize("folder", FORMATS, ids=lambda folder: folder.name)
def test_a_golden_entry_is_revealed(folder: Path) -> None:
    lines = (folder / "disclosures.jsonl").read_bytes().split(b"\n")[:-1]
    known = {disclosure.digest(line): line for line in lines}
    fields = entry.fields((folder / "entry.json").read_bytes())
    revealed = reveal(fields, known.get)
    assert revealed.withheld == {}
    assert as_sent(revealed.event) == golden_event(0)


@pytest.mark.parametrize("folder", FORMATS, ids=lambda folder: folder.name)
def test_a_golden_trail_is_opened_shown_and_appended_to(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(folder, home)
    receipts = msgspec.json.decode((folder / "receipts.json").read_bytes(), type=list[Receipt])
    events = msgspec.json.decode((folder / "events.json").read_bytes(), type=list[Event])
    clock, environment = FakeClock(), {"XDG_STATE_HOME": str(tmp_path / "state")}
    with open_directory(home, create=False, clock=clock, environment=environment) as trail:
        assert [as_sent(shown.event) for shown in trail.entries()] == events
        assert [shown.withheld for shown in trail.entries()] == [()] * 3
        assert trail.publish().note == (folder / "checkpoint").read_text(encoding="utf-8")
        assert trail.record(events) == receipts
        evidence = trail.show(events[2].id).event["evidence"]
        assert isinstance(evidence, list)
        assert trail.attachment(events[2].id, evidence[0]["id"]) == b"Apply complete!\n"
        (added,) = trail.record([event()])
        assert isinstance(added, Receipt)
        assert added.index == 3
        verified(trail.store, [*receipts, added])

"""Events that no trail took, and the trail that takes them later."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from deploytrail import attachment_line
from deploytrail.errors import DiskFull, Malformed
from deploytrail.event import Actor, Event, Source
from deploytrail.trail import Attachment
from deploytrail.wrapper.unrecorded import FOLDER, append_unrecorded
from tests.fakes import FakeClock, FakeTrail

BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "the last line is torn": lambda raw: raw[:-20],
    "no JSON": lambda raw: raw + b"not json\n",
    "an empty line": lambda raw: raw + b"\n",
    "a duplicate key": lambda raw: raw.replace(b'"outcome"', b'"outcome":"denied","outcome"', 1),
    "an attachment that is no base64": lambda raw: raw.replace(b'"data":"', b'"data":"!'),
    "an attachment without its event": lambda raw: (
        raw[: raw.find(b"\n") + 1] + raw[raw.rfind(b"\n", 0, -1) + 1 :]
    ),
    "not UTF-8": lambda raw: raw.replace(b"success", b"succes\xff", 1),
    "empty": lambda raw: raw[:0],
    "an erasure that the trail never entered": lambda raw: raw.replace(
        b"runtime.command.finished", b"audit.subject.erased", 1
    ).replace(b'"wrapper"', b'"deploytrail"', 1),
    "somebody better proven than an account": lambda raw: raw.replace(
        b'"id":"os:alice@laptop"',
        b'"id":"os:alice@laptop","auth":{"method":"sso","assurance":3}',
        1,
    ),
    "evidence that did not come with it": lambda raw: raw.replace(
        b'"outcome"', b'"evidence":[{"id":"A","type":"plan","size":1,"digest":"d"}],"outcome"', 1
    ),
}


def run_of(count: int, *, name: str = "run-1") -> list[Event]:
    clock = FakeClock()
    alice = Actor(type="user", id="os:alice@laptop")
    return [
        Event(
            id=clock.event_id(),
            action="runtime.command.finished",
            outcome="success",
            time=clock.now(),
            actor=alice,
            source=Source(tool="wrapper", instance="local", delivery=name, part=part),
        )
        for part in range(count)
    ]


def left(home: Path, *, name: str = "run-1") -> tuple[Path, list[Event]]:
    events = run_of(2, name=name)
    attachments = {events[1].id: [Attachment(type="output", data=b"\0\xff output")]}
    lines = [
        line
        for event in events
        for line in (
            msgspec.json.encode(event),
            *(attachment_line.encode(event.id, each) for each in attachments.get(event.id, ())),
        )
    ]
    path = home / FOLDER / f"{name}.jsonl"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path, events


def test_events_and_attachments_come_back_as_they_were(tmp_path: Path) -> None:
    path, events = left(tmp_path)
    trail = FakeTrail()
    assert append_unrecorded(trail, tmp_path).events == 2
    assert trail.events == events
    assert trail.attachments[events[1].id] == [Attachment(type="output", data=b"\0\xff output")]
    assert not path.exists()


def test_appending_twice_records_once(tmp_path: Path) -> None:
    path, _ = left(tmp_path)
    raw = path.read_bytes()
    trail = FakeTrail()
    append_unrecorded(trail, tmp_path)
    path.write_bytes(raw)
    append_unrecorded(trail, tmp_path)
    assert trail.size() == 2


def test_what_the_trail_can_not_take_stays(tmp_path: Path) -> None:
    path, _ = left(tmp_path)
    raw = path.read_bytes()
    with pytest.raises(DiskFull):
        append_unrecorded(FakeTrail(failure=DiskFull("log.db: no room")), tmp_path)
    assert path.read_bytes() == raw


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_file_is_set_aside_and_told(tmp_path: Path, reason: str) -> None:
    path, _ = left(tmp_path)
    broken = BROKEN[reason](path.read_bytes())
    path.write_bytes(broken)
    _, events = left(tmp_path, name="run-2")
    trail = FakeTrail()
    appended = append_unrecorded(trail, tmp_path)
    ((aside, why),) = appended.set_aside
    assert aside.read_bytes() == broken
    assert why
    assert trail.events == events
    assert append_unrecorded(trail, tmp_path).set_aside == ()


def test_a_refused_event_keeps_its_file(tmp_path: Path) -> None:
    left(tmp_path)
    trail = FakeTrail()
    trail.refused = {"runtime.command.finished": Malformed("action: expected another")}
    ((aside, why),) = append_unrecorded(trail, tmp_path).set_aside
    assert aside.exists()
    assert why == "action: expected another"


def test_nothing_left_is_nothing_done(tmp_path: Path) -> None:
    assert append_unrecorded(FakeTrail(), tmp_path).events == 0
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_set_aside_and_holds_nobody(tmp_path: Path) -> None:
    path, _ = left(tmp_path)
    path.unlink()
    os.mkfifo(path)
    ((aside, why),) = append_unrecorded(FakeTrail(), tmp_path).set_aside
    assert aside.is_fifo()
    assert "expected a file" in why

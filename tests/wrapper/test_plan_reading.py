"""Of one call of terraform no more is told than is known to hold no secret."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from deploytrail.errors import Incomplete, NotFound
from deploytrail.event import Actor, Command, Event, Links, Source
from deploytrail.wrapper.child import Ending
from deploytrail.wrapper.given_values import FILES_BYTES_MAX
from deploytrail.wrapper.plan_reading import PlanReading
from deploytrail.wrapper.terraform import Invocation, invocation
from tests.fakes import FakeClock

SECRET = "correct-horse-battery"
STATE = json.dumps(
    {
        "format_version": "1.0",
        "values": {"outputs": {"made": {"sensitive": True, "value": SECRET}}, "root_module": {}},
    }
).encode()
BOX = f"""
Error: creating the user

  with x_user.a,
  on main.tf line 1, in resource "x_user" "a":

The server said: {SECRET} is taken
"""


class Shown:
    """What `terraform show` says, or how it fails; counts how often it was asked."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.count = 0

    def __call__(self, call: Invocation, plan_file: str | None) -> bytes:
        self.count += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def told(folder: Path, show: Shown, *words: str, is_output_kept: bool = False) -> str:
    """All that is recorded of a run that failed with the words of BOX."""
    call = invocation(["terraform", *words], {}, folder)
    assert call is not None
    clock = FakeClock()
    reading = PlanReading(
        call,
        environ={},
        show=show,
        clock=clock,
        tell=lambda _: None,
        fingerprint_key=lambda: None,
        is_output_kept=is_output_kept,
    )
    reading.feed(2, BOX.encode())
    facts = reading.finish()
    assert facts.error is not None
    start = Event(
        id=clock.event_id(),
        action="deployment.started",
        outcome="pending",
        time=clock.now(),
        actor=Actor(type="unknown"),
        links=Links(),
        command=Command(tool="terraform"),
        source=Source(tool="terraform", instance="local"),
    )
    events = reading.events(start, Ending(exit_code=1), first_part=1)
    if is_output_kept:
        with pytest.raises(Incomplete):
            reading.kept_output(BOX)
    return msgspec.json.encode([facts.error, events]).decode()


@pytest.mark.parametrize("words", [("apply",), ("destroy",), ("plan",)], ids=str)
def test_of_an_error_only_what_the_state_marks_is_left_out(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    show = Shown(STATE)
    recorded = told(tmp_path, show, *words)
    assert show.count == 1
    assert SECRET not in recorded
    assert "The server said: (sensitive) is taken" in recorded


@pytest.mark.parametrize("words", [("apply",), ("plan",), ("apply", "tf.plan")], ids=str)
def test_of_an_error_only_the_summary_is_told_where_the_state_can_not_be_read(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    recorded = told(tmp_path, Shown(NotFound("no state")), *words, is_output_kept=True)
    assert SECRET not in recorded
    assert "creating the user" in recorded


def test_of_an_error_only_the_summary_is_told_where_values_are_too_many(tmp_path: Path) -> None:
    (tmp_path / "terraform.tfvars").write_text(f'a = "{"x" * FILES_BYTES_MAX}"\n')
    other = STATE.replace(SECRET.encode(), b"another")
    recorded = told(tmp_path, Shown(other), "apply", is_output_kept=True)
    assert SECRET not in recorded
    assert "creating the user" in recorded

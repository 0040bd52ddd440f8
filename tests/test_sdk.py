"""What programs are given to make events with."""

from __future__ import annotations

from typing import Any

import pytest

from deploytrail.errors import Malformed
from deploytrail.event import Actor, Reason, Target, Where
from deploytrail.sdk import event
from tests.fakes import FakeClock

OUTCOMES = {
    "deployment.failed": "failure",
    "deployment.started": "pending",
    "deployment.succeeded": "success",
    "access.denied": "denied",
}


@pytest.mark.parametrize("action", OUTCOMES)
def test_an_outcome_is_what_its_action_says(action: str) -> None:
    assert event(action, actor="ci:release").outcome == OUTCOMES[action]
    assert event(action, actor="ci:release", outcome="unknown").outcome == "unknown"


def test_an_outcome_that_contradicts_its_action_is_refused() -> None:
    with pytest.raises(Malformed, match=r"outcome: expected failure as deployment\.failed says"):
        event("deployment.failed", actor="ci:release", outcome="success")


def test_an_event_of_now_is_whole() -> None:
    clock = FakeClock()
    target = Target(type="service", id="web")
    made = event(
        "deployment.succeeded", actor="ci:release", project="web", environment="prod",
        reason="first release", targets=[target], delivery="run-7", clock=clock,
    )  # fmt: skip
    assert made.actor == Actor(type="service", id="ci:release")
    assert made.where == Where(project="web", environment="prod")
    assert made.reason == Reason(from_="stated", text="first release")
    assert (made.targets, made.source.delivery, made.time) == ((target,), "run-7", clock.now())
    bob = Actor(type="user", id="github:bob")
    assert event("deployment.succeeded", actor=bob).actor == bob
    assert event("deployment.succeeded", actor=bob).where is None


@pytest.mark.parametrize(
    ("given", "found"),
    [({"action": 7}, "action"), ({"actor": ""}, "actor"), ({"links": 7}, "links")],
)
def test_what_no_event_can_be_is_refused(given: dict[str, Any], found: str) -> None:
    told = {"action": "deployment.succeeded", "actor": "ci:release"} | given
    with pytest.raises(Malformed, match=found):
        event(**told)

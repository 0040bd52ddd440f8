"""What was done to a resource is believed when it was told, and unknown when it was not."""

from __future__ import annotations

from deploytrail.formats.terraform_run import (
    Action,
    Diagnostic,
    Ended,
    Planned,
    Started,
    Summary,
    Told,
)
from deploytrail.formats.terraform_tally import Tally

A = "a_b.c"
APPLIED = Summary(operation="apply")
ERROR = Diagnostic(is_error=True, summary="no", address=A)


def start(action: Action) -> Told:
    return Started(address=A, action=action)


def end(action: Action, *, is_failed: bool = False) -> Told:
    return Ended(address=A, action=action, is_failed=is_failed, seconds=2)


def plan(action: Action, previous: str | None = None, import_id: str | None = None) -> Told:
    return Planned(address=A, action=action, previous=previous, import_id=import_id)


STEPS: dict[str, tuple[list[Told], list[tuple[str, str]]]] = {
    "created": ([start("create"), end("create")], [("create", "success")]),
    "failed in a stream": (
        [start("create"), end("create", is_failed=True)],
        [("create", "failure")],
    ),
    "failed in plain output": ([start("update"), ERROR], [("update", "failure")]),
    "cut off": ([start("delete")], [("delete", "unknown")]),
    "replaced": (
        [plan("replace"), start("delete"), end("delete"), start("create"), end("create")],
        [("replace", "success")],
    ),
    "replaced, unplanned as far as we saw": (
        [start("create"), end("create"), start("delete"), end("delete")],
        [("replace", "success")],
    ),
    "gone and not made anew": (
        [plan("replace"), start("delete"), end("delete"), start("create"), ERROR],
        [("replace", "partial")],
    ),
    "gone, then cut off": (
        [plan("replace"), start("delete"), end("delete")],
        [("replace", "partial")],
    ),
    "not even gone": ([plan("replace"), start("delete"), ERROR], [("replace", "failure")]),
    "moved": ([plan("move", previous="a_b.old"), APPLIED], [("move", "success")]),
    "moved by a run that failed": ([plan("move", previous="a_b.old")], [("move", "unknown")]),
    "moved and updated": (
        [plan("update", previous="a_b.old"), start("update"), end("update"), APPLIED],
        [("move", "success"), ("update", "success")],
    ),
    "imported, told in plain output": (
        [plan("import"), start("import"), end("import")],
        [("import", "success")],
    ),
    "imported and updated": (
        [plan("update", import_id="i"), start("update"), end("update"), APPLIED],
        [("import", "success"), ("update", "success")],
    ),
    "forgotten": ([plan("forget"), APPLIED], [("forget", "success")]),
    "never come to": ([plan("create")], []),
    "read while planning": ([start("read"), end("read"), APPLIED], []),
    "read by the apply": ([plan("read"), start("read"), end("read")], [("read", "success")]),
}


def test_steps_are_summed_up() -> None:
    for name, (told, expected) in STEPS.items():
        tally = Tally()
        for one in told:
            tally.take(one)
        assert [(step.action, step.outcome) for step in tally.steps()] == expected, name


def test_what_was_planned_and_never_begun_is_counted() -> None:
    tally = Tally()
    tally.take(plan("create"))
    assert tally.not_started() == 1


def test_both_halves_of_a_replacement_take_their_time() -> None:
    tally = Tally()
    for one in (start("delete"), end("delete"), start("create"), end("create")):
        tally.take(one)
    assert [step.seconds for step in tally.steps()] == [4]

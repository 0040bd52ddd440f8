"""What was done to a resource is believed when it was told, and unknown when it was not."""

from __future__ import annotations

from deploytrail.formats.terraform_run import (
    UNTOLD,
    Action,
    Diagnostic,
    Ended,
    Planned,
    Provisioned,
    Refreshed,
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


K = "1a2b3c4d"
REFRESHED = Refreshed(address=A)


def stream(kind: type[Started | Ended | Planned], action: Action = "delete") -> Told:
    return kind(address=A, action=action, deposed=UNTOLD)


def marked(kind: type[Started | Planned], key: str = K) -> Told:
    return kind(address=A, action="delete", deposed=key)


BOTH = [(None, "delete", "success"), (K, "delete", "success")]
OBJECTS: dict[str, tuple[list[Told], list[tuple[str | None, str, str]]]] = {
    "a deposed one alone": (
        [marked(Planned), marked(Started), end("delete")],
        [(K, "delete", "success")],
    ),
    "a deposed one whose plan we did not see": (
        [marked(Started), end("delete")],
        [(K, "delete", "success")],
    ),
    "a deposed one beside an update": (
        [plan("update"), marked(Planned), start("update"), end("update"), marked(Started)],
        [(None, "update", "success"), (K, "delete", "unknown")],
    ),
    "the error is of what did not end": (
        [start("update"), end("update"), marked(Started), ERROR],
        [(None, "update", "success"), (K, "delete", "failure")],
    ),
    "both, one after the other": (
        [start("delete"), end("delete"), marked(Started), end("delete")],
        BOTH,
    ),
    "both at once": ([start("delete"), marked(Started), end("delete"), end("delete")], BOTH),
    "both at once, and one end": (
        [start("delete"), marked(Started), end("delete")],
        [(None, "delete", "unknown"), (K, "delete", "unknown")],
    ),
    "deposed by this run, which creates first": (
        [plan("replace"), start("create"), end("create"), marked(Started), end("delete")],
        [(None, "replace", "success")],
    ),
    "one of before, and one of this run": (
        [
            *(plan("replace"), marked(Planned), start("create"), end("create")),
            *(marked(Started, "ffff"), end("delete"), marked(Started), end("delete")),
        ],
        [(None, "replace", "success"), (K, "delete", "success")],
    ),
    "a stream's, planned before an update": (
        [
            *(stream(Planned), stream(Planned, "update"), stream(Started, "update")),
            *(stream(Ended, "update"), stream(Started), stream(Ended)),
        ],
        [(None, "update", "success"), (UNTOLD, "delete", "success")],
    ),
    "a stream's, planned after an update": (
        [stream(Planned, "update"), stream(Planned), stream(Started), stream(Ended)],
        [(UNTOLD, "delete", "success")],
    ),
    "a stream's alone: two were read, one goes": (
        [REFRESHED, REFRESHED, stream(Planned), stream(Started), stream(Ended)],
        [(UNTOLD, "delete", "success")],
    ),
    "a stream's, and one end for two": (
        [
            *(REFRESHED, REFRESHED, stream(Planned), stream(Planned)),
            *(stream(Started), stream(Started), stream(Ended)),
        ],
        [(UNTOLD, "delete", "unknown"), (None, "delete", "unknown")],
    ),
    "a stream's current one": (
        [REFRESHED, stream(Planned), stream(Started), stream(Ended)],
        [(None, "delete", "success")],
    ),
}


def test_a_deposed_object_that_goes_is_not_the_resource() -> None:
    for name, (told, expected) in OBJECTS.items():
        tally = Tally()
        for one in told:
            tally.take(one)
        found = [(step.deposed, step.action, step.outcome) for step in tally.steps()]
        assert sorted(found, key=str) == sorted(expected, key=str), name


def test_each_provisioner_of_a_resource_is_told() -> None:
    tally = Tally()
    for state in ("started", "complete", "started", "errored", "started"):
        tally.take(Provisioned(address=A, provisioner="local-exec", state=state))
    assert [one.state for one in tally.provisioned] == ["complete", "errored", "started"]

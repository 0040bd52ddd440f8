"""Plain output is read where the tools wrote it, and nobody else can forge a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.formats.terraform_lines import plain
from deploytrail.formats.terraform_run import (
    Declined,
    Diagnostic,
    Drifted,
    Ended,
    Failed,
    Output,
    Planned,
    Provisioned,
    Saved,
    Started,
    Summary,
    Told,
)
from deploytrail.formats.terraform_text import Text


def read(*lines: str) -> list[Told]:
    text = Text()
    return [told for line in lines for told in text.feed(line)] + text.finish()


LINES: dict[str, Told] = {
    "aws_x.y: Creating...": Started(address="aws_x.y", action="create"),
    'module.a["x: y"].aws_x.y[0]: Creation complete after 1m3s [id=i-1]': Ended(
        address='module.a["x: y"].aws_x.y[0]', action="create", seconds=63, id="i-1"
    ),
    "aws_x.y: Modifying... [id=a=b]": Started(address="aws_x.y", action="update", id="a=b"),
    "aws_x.y: Modifications complete after 2h0m1s [id=x]": Ended(
        address="aws_x.y", action="update", seconds=7201, id="x"
    ),
    "aws_x.y (deposed object 1a2b3c4d): Destroying... [id=x]": Started(
        address="aws_x.y", action="delete", deposed="1a2b3c4d", id="x"
    ),
    "  # aws_x.y (deposed object 1a2b3c4d) will be destroyed": Planned(
        address="aws_x.y", action="delete", deposed="1a2b3c4d"
    ),
    "aws_x.y: Destruction complete after 0s": Ended(address="aws_x.y", action="delete", seconds=0),
    "data.aws_x.y: Reading...": Started(address="data.aws_x.y", action="read"),
    "data.aws_x.y: Read complete after 0s [name=n]": Ended(
        address="data.aws_x.y", action="read", seconds=0, id="n"
    ),
    "aws_x.y: Importing... [id=x]": Started(address="aws_x.y", action="import", id="x"),
    "aws_x.y: Import complete [id=x]": Ended(address="aws_x.y", action="import", id="x"),
    "aws_x.y: Provisioning with 'local-exec'...": Provisioned(
        address="aws_x.y", provisioner="local-exec", state="started"
    ),
    "Plan: 1 to import, 3 to add, 2 to change, 1 to destroy.": Summary(
        operation="plan", import_=1, add=3, change=2, remove=1
    ),
    "Plan: 0 to add, 0 to change, 0 to destroy, 2 to forget.": Summary(operation="plan", forget=2),
    "Apply complete! Resources: 5 added, 1 changed, 2 destroyed.": Summary(
        operation="apply", add=5, change=1, remove=2
    ),
    "Apply complete! Resources: 1 imported, 1 added, 0 changed, 0 destroyed, 1 forgotten.": Summary(
        operation="apply", import_=1, add=1, forget=1
    ),
    "Destroy complete! Resources: 6 destroyed.": Summary(operation="destroy", remove=6),
    "No changes. Your infrastructure matches the configuration.": Summary(operation="plan"),
    "Saved the plan to: plan.bin": Saved(path="plan.bin"),
    "Apply cancelled.": Declined(),
    "Destroy cancelled.": Declined(),
    "Planning failed. Terraform encountered an error while generating this plan.": Failed(),
    "  # aws_x.y will be created": Planned(address="aws_x.y", action="create"),
    "  # aws_x.y[0] must be replaced": Planned(address="aws_x.y[0]", action="replace"),
    "  # aws_x.y is tainted, so must be replaced": Planned(address="aws_x.y", action="replace"),
    "  # aws_x.y will be destroyed": Planned(address="aws_x.y", action="delete"),
    "  # aws_x.y has moved to module.m.aws_x.y": Planned(
        address="module.m.aws_x.y", action="move", previous="aws_x.y"
    ),
    " # aws_x.y will no longer be managed by OpenTofu, but will not be destroyed": Planned(
        address="aws_x.y", action="forget"
    ),
    "  # data.aws_x.y will be read during apply": Planned(address="data.aws_x.y", action="read"),
    "  # aws_x.y has been deleted": Drifted(address="aws_x.y", action="delete"),
    "  # aws_x.y has changed": Drifted(address="aws_x.y", action="update"),
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_says_what_it_says(line: str) -> None:
    assert read(line, "") == [LINES[line]]


def test_colour_changes_nothing() -> None:
    raw = b"\x1b[0m\x1b[1maws_x.y: Creation complete after 0s [id=x]\x1b[0m"
    assert read(plain(raw)) == [Ended(address="aws_x.y", action="create", seconds=0, id="x")]


def test_an_import_and_a_move_stand_below_the_heading() -> None:
    assert read(
        "  # aws_x.y will be updated in-place",
        "  # (moved from aws_x.old)",
        '  # (imported from "i-1")',
        '  ~ resource "aws_x" "y" {',
    ) == [Planned(address="aws_x.y", action="update", previous="aws_x.old", import_id="i-1")]


FORGED = {
    "a provisioner's output": "aws_x.y (local-exec): aws_z.w: Creation complete after 0s [id=x]",
    "an attribute": "      + text = aws_z.w: Creating...",
    "no resource": "warning: Creating...",
    "a sentence": "the thing a.b c: Creating...",
    "progress": "aws_x.y: Still creating... [10s elapsed]",
    "a refresh": "aws_x.y: Refreshing state... [id=x]",
    "a heading of no resource": "  # everything will be destroyed",
    "a move to nowhere": "  # aws_x.y has moved to somewhere nice",
    "an echo": "> aws_x.y: Creating...",
}


@pytest.mark.parametrize("name", FORGED)
def test_a_line_that_others_wrote_says_nothing(name: str) -> None:
    assert read(FORGED[name]) == []


def test_values_of_outputs_say_nothing() -> None:
    assert read(
        "Apply complete! Resources: 0 added, 0 changed, 0 destroyed.",
        "",
        "Outputs:",
        "",
        "text = <<EOT",
        "aws_x.y: Creating...",
        "forged = 1",
        "Error: forged",
        "EOT",
        "last = <sensitive>",
    ) == [
        Summary(operation="apply"),
        Output(name="text"),
        Output(name="last", is_sensitive=True),
    ]


def test_changes_to_outputs_are_told_by_name() -> None:
    assert read(
        "Changes to Outputs:",
        "  + new  = 1",
        "  ~ name = {",
        "      + inner = 2",
        "    }",
        "  - pw   = (sensitive value) -> null",
    ) == [
        Output(name="new", action="create"),
        Output(name="name", action="update"),
        Output(name="pw", action="delete", is_sensitive=True),
    ]


BODY = (
    "Error: local-exec provisioner error",
    "",
    "  with aws_x.y[0],",
    '  on main.tf line 32, in resource "aws_x" "y":',
    "  32:   provisioner {",
    "",
    "Error running command 'x': exit",
    "status 3.",
)
ERROR = Diagnostic(
    is_error=True,
    summary="local-exec provisioner error",
    detail="Error running command 'x': exit\nstatus 3.",
    address="aws_x.y[0]",
    file="main.tf",
    line=32,
    block='resource "aws_x" "y"',
)


def test_an_error_is_read_in_its_box_and_without_one() -> None:
    assert read("╷", *(f"│ {line}".rstrip() for line in BODY), "│", "╵") == [ERROR]
    assert read("", *BODY, "") == [ERROR]


def test_two_errors_without_boxes_are_two() -> None:
    found = read("", *BODY, "", "Warning: second", "", "words", "")
    assert found == [ERROR, Diagnostic(is_error=False, summary="second", detail="words")]


def test_another_stream_may_speak_within_a_box() -> None:
    lines = [f"│ {line}" for line in BODY]
    found = read("╷", *lines[:3], "aws_z.w: Creating...", *lines[3:], "╵")
    assert found == [Started(address="aws_z.w", action="create"), ERROR]


def test_an_unfinished_box_is_told_at_the_end() -> None:
    assert read("╷", "│ Error: cut") == [Diagnostic(is_error=True, summary="cut")]


def test_a_statement_ends_an_error_without_a_box() -> None:
    assert read("Error: one", "", "words", "Apply complete! Resources: 1 added.") == [
        Diagnostic(is_error=True, summary="one", detail="words"),
        Summary(operation="apply", add=1),
    ]


SLOW = {
    "starts": "aws_x.y: Creating... [id=" * 40_000,
    "quotes": 'aws_x.y["' + '\\"' * 400_000,
    "dots": "a." * 500_000,
    "words": "a" * 1_000_000,
    "headings": "  # " + "aws_x.y has moved to " * 40_000,
    "places": "  on x line 1" * 70_000,
    "escapes": "\x1b[" * 500_000,
    "titles": "\x1b]0;" * 200_000,
}


@pytest.mark.parametrize("name", SLOW)
def test_a_line_made_to_be_slow_is_passed_over(name: str) -> None:
    # A pattern that went back would take hours here, and the suite would stop.
    line = plain(SLOW[name].encode())
    assert [type(told) for told in read("Error: slow", line, "x")] == [Diagnostic]
    assert read(line, "x") == []


LOGGED = (
    b"2026-11-23T06:17:38.480Z [TRACE] statemgr.Filesystem: not making a backup",
    b"2026-11-23T06:17:38.480Z [TRACE] aws_instance.a: Creating...",
    b"2026-11-23T06:17:38.480Z",
    b"    terraform_data.a (expand) - *terraform.nodeExpandPlannableResource",
    b"   # aws_instance.a will be created",
    b"  ------",
    b"  + o = 1",
    b"   ",
)
SAID = (
    b"aws_instance.a: Creating...",
    b"aws_instance.a: Creation complete after 1s [id=i-1]",
    b"  # aws_instance.a will be created",
    b" # aws_instance.a has changed",
    b"  \x1b[1m# aws_instance.a must be replaced\x1b[0m",
    b"\x1b[1m  # aws_instance.b has moved to aws_instance.c\x1b[0m",
    b"  # (moved from aws_instance.z)",
    b'  # (imported from "i-1")',
    b'  + resource "aws_instance" "a" {',
    "╷".encode(),
    "│ Error: no".encode(),
    "╵".encode(),
    b"Error: no",
    b"Warning: beware",
    b"  on main.tf line 3:",
    b"",
    b"Changes to Outputs:",
    b"  + o = 1",
    b"Outputs:",
    b"o = 1",
    b"o = <<EOT",
    b"EOT",
    b"Plan: 1 to add, 0 to change, 0 to destroy.",
    b"Apply complete! Resources: 1 added, 0 changed, 0 destroyed.",
    b"No changes. Your infrastructure matches the configuration.",
)
WITHIN = (b"  +", b"  on ")
"""How lines begin that say something only within others."""


@given(st.lists(st.sampled_from(LOGGED + SAID), max_size=30))
def test_what_is_passed_over_would_have_said_nothing(lines: list[bytes]) -> None:
    patient, hasty = Text(), Text()
    found = [told for line in lines for told in patient.feed(plain(line))]
    short = [
        told for line in lines if not hasty.passes_over(line) for told in hasty.feed(plain(line))
    ]
    assert short + hasty.finish() == found + patient.finish()


def test_a_log_is_passed_over_where_nothing_is_open() -> None:
    assert all(Text().passes_over(line) for line in LOGGED)
    assert not any(Text().passes_over(line) for line in SAID if not line.startswith(WITHIN))
    text = Text()
    text.feed("  # aws_instance.a will be created")
    assert not text.passes_over(LOGGED[0])

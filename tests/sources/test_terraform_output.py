"""Terraform's output without secrets."""

from __future__ import annotations

import json

import pytest

from deploytrail.formats.terraform_secrets import Secrets
from deploytrail.sources.terraform_output import kept_output

SECRET = 'correct "horse" <battery> staple'
COMMAND = "echo some-generated-word; exit 9"
FAILED = f"Error running command '{COMMAND}': exit status 9. Output: some-generated-word"
BOX = f"╷\n│ Error: local-exec provisioner error\n│ \n│ {FAILED}\n╵\nBye\n"
PRINTED = {
    "plain": SECRET,
    "in a configuration's quotes": 'output = "correct \\"horse\\" <battery> staple" -> null',
    "in a stream's JSON": 'correct \\"horse\\" \\u003cbattery\\u003e staple',
    "in a diagnostic that is wrapped": 'correct "horse"\n│   <battery> staple',
    "in a wrapped line": 'correct\r\n"horse" <battery>\n\tstaple',
}


def secrets(*texts: str) -> Secrets:
    known = Secrets()
    for text in texts:
        known.add(text)
    return known


@pytest.mark.parametrize("printed", PRINTED.values(), ids=PRINTED)
def test_a_secret_is_covered_as_it_is_printed(printed: str) -> None:
    kept = kept_output(f"before {printed} behind", secrets(SECRET))
    assert "battery" not in kept
    assert kept.startswith("before ")
    assert kept.endswith(" behind")


def test_a_short_secret_is_covered_where_it_is_a_word() -> None:
    kept = kept_output("hunter2 password=hunter2; hunter22 ahunter2", secrets("hunter2"))
    assert kept == "(sensitive) password=(sensitive); hunter22 ahunter2"


def test_what_one_document_marks_another_learns() -> None:
    known = secrets("one-of-eight")
    known.learn(secrets("two-of-eight", "six6"))
    assert known.covered("one-of-eight two-of-eight six6") == " ".join(["(sensitive)"] * 3)


def test_a_failed_command_is_left_out_of_a_diagnostic() -> None:
    kept = kept_output(BOX, Secrets())
    assert "some-generated-word" not in kept
    assert "│ Error running command '[masked:command]': exit status 9\n╵\nBye\n" in kept


def test_a_failed_command_is_left_out_of_a_wrapped_diagnostic() -> None:
    wrapped = BOX.replace("exit status", "exit\n│ status").replace("9. Output", "9.\n│ Output")
    kept = kept_output(wrapped, Secrets())
    assert "some-generated-word" not in kept
    assert "[masked:command]': exit status 9\n╵" in kept


def test_a_failed_command_is_left_out_of_a_stream_whose_lines_stay_json() -> None:
    line = json.dumps({"diagnostic": {"detail": FAILED + ' "quoted"', "address": "a.b"}})
    kept = json.loads(kept_output(line, Secrets()))
    detail = "Error running command '[masked:command]': exit status 9"
    assert kept == {"diagnostic": {"detail": detail, "address": "a.b"}}

"""`deploytrail record`: by hand, and from JSON."""

from __future__ import annotations

import json
import os
import pwd
import re
from pathlib import Path

import pytest

from tests.cli.program import Answer, Program, error_of

UUID7 = "019ab2f0-7c3e-7a51-8d0e-3f1b2c4d5e6f"
BAD_WORDS = {
    "an action that is none": (["deployment.suceeded"], "action", "deployment.succeeded"),
    "an action of the trail itself": (["audit.fence.cleared"], "action", "only the trail itself"),
    "an outcome that is none": (["code.pushed", "--outcome", "good"], "--outcome", "success"),
    "a success that failed": (
        ["deployment.succeeded", "--outcome", "failure"],
        "outcome",
        "expected success as deployment.succeeded says, found failure",
    ),
    "a failure that succeeded": (
        ["deployment.failed", "--outcome", "success"],
        "outcome",
        "expected failure as deployment.failed says, found success",
    ),
    "a target without a type": (["code.pushed", "--target", "main"], "--target", "TYPE:ID"),
    "a target without an id": (["code.pushed", "--target", "branch:"], "--target", "TYPE:ID"),
    "a link without a value": (["code.pushed", "--link", "commit"], "--link", "NAME=VALUE"),
    "a link of no known name": (["code.pushed", "--link", "sha=1"], "--link", "commit"),
    "a link twice": (
        ["code.pushed", "--link", "commit=a", "--link", "commit=b"],
        "--link",
        "once",
    ),
    "a cause that is no event": (["code.pushed", "--link", "caused_by=x"], "caused_by", "UUIDv7"),
    "a time that is none": (["code.pushed", "--time", "yesterday"], "time", "2026-11-22T"),
    "a time without a zone": (
        ["code.pushed", "--time", "2026-11-22T10:11:12"],
        "time",
        "add Z",
    ),
    "a time long ago": (["code.pushed", "--time", "1970-01-01T00:00:00Z"], "time", "2000-01-01"),
    "a time to come": (["code.pushed", "--time", "9999-01-01T00:00:00Z"], "time", "24 hours"),
    "a name that is too long": (["code.pushed", "--project", "x" * 65], "where.project", "64"),
    "a file that is nowhere": (["--json", "nosuch"], "nosuch", "name one that exists"),
    "both at once": (["code.pushed", "--json", "-"], "ACTION", "both"),
}
BAD_JSON = {
    "nothing": (b"", "event", "expected JSON"),
    "blank lines": (b"\n\n  \n", "event", "expected JSON"),
    "an empty array": (b"[]", "event", "no events"),
    "a number": (b"7", "event", "object"),
    "half an object": (b'{"action": "code.pushed"', "event", "JSON"),
    "no action": (b"{}", "action", "deploytrail actions"),
    "a key twice": (b'{"action": "code.pushed", "action": "x"}', "action", "once"),
    "a field that is none": (b'{"action": "code.pushed", "who": 1}', "who", "it has id, action"),
    "a number that is none": (b'{"action": "code.pushed", "attempt": NaN}', "event", "NaN"),
    "a fraction": (b'{"action": "code.pushed", "attempt": 0.5}', "attempt", "int"),
    "a lone surrogate": (b'{"action": "\\ud800"}', "event.action", "surrogate"),
    "bytes that are no UTF-8": (b'{"action": "\xff"}', "event", "UTF-8"),
    "levels without end": (b'{"a": ' * 5000 + b"1" + b"}" * 5000, "event", "levels"),
    "more than an event may have": (
        b'{"action": "code.pushed", "reason": {"from": "stated", "text": "'
        + b"x" * 70_000
        + b'"}}',
        "event",
        "60000 bytes",
    ),
    "an outcome against its action": (
        b'{"action": "deployment.succeeded", "outcome": "failure"}',
        "outcome",
        "deployment.failed",
    ),
    "nobody": (b'{"action": "code.pushed", "actor": {"type": "user"}}', "actor.id", "github:alice"),
    "the trail's own name": (
        b'{"action": "audit.fence.cleared", "source": {"tool": "deploytrail"}}',
        "source.tool",
        "leave it out",
    ),
    "a source that is no object": (b'{"action": "code.pushed", "source": 1}', "source", "object"),
    "an id that is none": (b'{"action": "code.pushed", "id": "7"}', "id", "UUIDv7"),
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """What each bad input gives: exit code, standard output and error; all into one empty trail."""
    program = Program(tmp_path_factory.mktemp("refused"))
    program("init")
    calls: dict[str, list[str]] = {case: words for case, (words, _, _) in BAD_WORDS.items()}
    for number, (case, (body, _, _)) in enumerate(BAD_JSON.items()):
        path = program.folder / f"events-{number}"
        path.write_bytes(body)
        calls[case] = ["--json", str(path)]
    calls = {case: ["record", *words] for case, words in calls.items()}
    return program.many(calls | {"log": ["log"]})


@pytest.mark.parametrize("case", [*BAD_WORDS, *BAD_JSON])
def test_bad_input_is_refused_by_its_name(case: str, refused: dict[str, Answer]) -> None:
    _, field, advice = BAD_WORDS[case] if case in BAD_WORDS else BAD_JSON[case]
    code, printed, told = refused[case]
    assert (code, printed) == (2, "")
    assert told.count("\n") == 1
    assert told.startswith("error: ")
    assert field in told
    assert advice in told


def test_nothing_that_was_refused_is_stored(refused: dict[str, Answer]) -> None:
    assert refused["log"][1] == ""


def test_a_receipt_is_printed_and_keeps_its_word(program: Program) -> None:
    receipt = program.json("record", "deployment.succeeded", "--environment", "prod")
    assert sorted(receipt) == ["id", "index", "leaf", "logged", "origin", "size"]
    assert (receipt["index"], receipt["size"], len(receipt["logged"])) == (0, 1, 27)
    shown = program.json("show", receipt["id"], "--json")
    assert shown["receipt"] == receipt
    (program.folder / "receipt").write_text(json.dumps(receipt))
    assert program("verify", "--receipt", "receipt").returncode == 0


def test_every_option_has_its_place_in_the_event(program: Program) -> None:
    receipt = program.json(
        *("record", "deployment.failed", "--outcome", "failure", "--environment", "prod"),
        *("--project", "payments", "--unit", "live/network", "--reason", "a try"),
        *("--ticket", "OPS-1", "--ticket", "OPS-2", "--target", "resource:aws_vpc.main"),
        *("--target", "url:https://example.org", "--time", "2026-11-22T10:11:12+01:00"),
        *("--link", "commit=abc123", "--link", f"caused_by={UUID7}"),
        environ={"DEPLOYTRAIL_DEPLOYMENT": "dep-7"},
    )
    event = program.json("show", receipt["id"], "--json")["event"]
    assert event["where"] == {"project": "payments", "unit": "live/network", "environment": "prod"}
    assert event["reason"] == {"from": "stated", "text": "a try", "tickets": ["OPS-1", "OPS-2"]}
    assert event["targets"] == [
        {"type": "resource", "id": "aws_vpc.main"},
        {"type": "url", "id": "https://example.org"},
    ]
    assert event["links"] == {"commit": "abc123", "caused_by": [UUID7], "deployment": "dep-7"}
    assert (event["outcome"], event["time"]) == ("failure", "2026-11-22T09:11:12.000000Z")


OUTCOMES = {
    "deployment.succeeded": "success",
    "deployment.failed": "failure",
    "deployment.started": "pending",
    "deployment.requested": "pending",
    "approval.rejected": "denied",
    "policy.admission.denied": "denied",
    "code.pushed": "success",
}


def test_the_action_says_how_it_went_where_nobody_does(program: Program) -> None:
    lines = "".join(f'{{"action": "{name}"}}\n' for name in OUTCOMES)
    assert program("record", "--json", "-", input=lines).returncode == 0
    assert program("record", "deployment.failed").returncode == 0
    assert program("record", "deployment.failed", "--outcome", "partial").returncode == 0
    told = [entry["event"]["outcome"] for entry in program.lines("log", "--json")]
    assert told == ["partial", "failure", *reversed(OUTCOMES.values())]


def test_the_actor_is_the_account_that_ran_it(program: Program) -> None:
    receipt = program.json("record", "approval.granted")
    event = program.json("show", receipt["id"], "--json")["event"]
    login = pwd.getpwuid(os.getuid()).pw_name
    assert event["actor"]["id"] == f"os:{login}@{os.uname().nodename}"
    assert event["actor"]["auth"] == {
        "method": "os_user",
        "assurance": 1,
        "verified_by": "kernel",
    }
    assert event["source"]["instance"] == "local"
    assert re.fullmatch(r"[0-9a-f-]{36}", event["source"]["delivery"])


def test_another_actor_is_only_claimed(program: Program) -> None:
    auth = {"method": "oidc", "assurance": 3, "verified_by": "kernel"}
    claim = {"type": "user", "id": "github:alice", "auth": auth}
    event = {
        "action": "code.pushed",
        "actor": claim,
        "on_behalf_of": claim | {"id": "github:bob", "auth": auth | {"assurance": 0}},
        "source": {"tool": "github", "instance": "acme"},
    }
    receipt = program.json("record", "--json", "-", input=json.dumps(event))
    recorded = program.json("show", receipt["id"], "--json")["event"]
    assert recorded["actor"]["id"] == "github:alice"
    assert recorded["actor"]["auth"] == {"method": "claimed", "assurance": 0}
    assert recorded["on_behalf_of"]["auth"] == recorded["actor"]["auth"]
    assert recorded["source"]["instance"] == "local"
    said = "github:alice (claimed) for github:bob (claimed)"
    assert program("log").stdout.split("\t")[2] == said
    assert program("show", receipt["id"]).stdout.startswith(f"{said} pushed to a branch\n")


def test_a_secret_in_a_reason_is_masked(program: Program) -> None:
    token = "ghp_" + "a1B2" * 9
    receipt = program.json("record", "approval.granted", "--reason", f"with {token}")
    assert token not in program("show", receipt["id"]).stdout


def test_secrets_in_json_are_dropped_and_leave_fingerprints(program: Program) -> None:
    secret = "hunter2-correct-horse"
    change = {"path": "db.password", "op": "update", "sensitive": True, "new": f'"{secret}"'}
    event = {
        "action": "config.updated",
        "changes": [change, change | {"path": "db.url", "new": f'"sql://alice:{secret}@db"'}],
        "error": {"text": f"password={secret}"},
    }
    lines = "\n".join(json.dumps(one) for one in (event, event)) + "\n"
    done = program("record", "--json", "-", "--project", "shop", input=lines)
    assert done.returncode == 0, done.stderr
    shown = program("log", "--json").stdout
    assert secret not in shown
    first, second = ([*entry["event"]["changes"]] for entry in program.lines("log", "--json"))
    assert first[0]["new_fingerprint"] == second[0]["new_fingerprint"]
    assert first[0]["new_fingerprint"] != first[1]["new_fingerprint"]


def test_each_line_has_its_answer_in_order(program: Program) -> None:
    lines = '{"action": "code.pushed"}\n\n{"action": "nosuch"}\n{"action": "code.tag.created"}\n'
    done = program("record", "--json", "-", input=lines)
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 2
    assert (first["index"], third["index"]) == (0, 1)
    assert (second["event"], second["exit_code"]) == ("line 3", 2)
    assert second["error"].startswith("action: ")
    assert done.stderr.splitlines()[-1].startswith("error: line 3: action: ")


@pytest.mark.parametrize("form", ["an array", "an object over several lines", "one line"])
def test_every_form_of_json_is_read(form: str, program: Program) -> None:
    event = {"action": "code.pushed"}
    text = {
        "an array": json.dumps([event, event]),
        "an object over several lines": json.dumps(event, indent=2),
        "one line": json.dumps(event),
    }[form]
    done = program("record", "--json", "-", input=text)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == (2 if form == "an array" else 1)


def test_options_say_what_an_event_does_not(program: Program) -> None:
    lines = (
        '{"action": "code.pushed", "where": {"environment": "dev"}}\n{"action": "code.pushed"}\n'
    )
    words = ("record", "--json", "-", "--environment", "prod", "--project", "infra")
    assert program(*words, input=lines).returncode == 0
    places = [entry["event"]["where"] for entry in program.lines("log", "--json")]
    assert places == [
        {"environment": "prod", "project": "infra"},
        {"environment": "dev", "project": "infra"},
    ]


def test_a_reason_that_was_written_down_is_stated(program: Program) -> None:
    event = {"action": "code.pushed", "reason": {"text": "asked for"}}
    receipt = program.json("record", "--json", "-", input=json.dumps(event))
    shown = program.json("show", receipt["id"], "--json")["event"]
    assert shown["reason"] == {"from": "stated", "text": "asked for"}


def test_the_same_event_again_gives_the_first_receipt(program: Program) -> None:
    event = {"action": "code.pushed", "id": UUID7, "time": "2026-11-22T10:11:12Z"}
    first = program.json("record", "--json", "-", input=json.dumps(event))
    assert program.json("record", "--json", "-", input=json.dumps(event)) == first


def test_the_same_id_with_another_body_is_a_conflict(program: Program) -> None:
    event = {"action": "code.pushed", "id": UUID7, "time": "2026-11-22T10:11:12Z"}
    program.json("record", "--json", "-", input=json.dumps(event))
    done = program("record", "--json", "-", input=json.dumps(event | {"action": "code.tag.moved"}))
    assert done.returncode == 2
    assert "found another body" in error_of(done)


def test_more_than_a_batch_is_recorded_and_published(program: Program) -> None:
    done = program("record", "--json", "-", input='{"action": "code.pushed"}\n' * 1001)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["index"] for line in done.stdout.splitlines()] == list(range(1001))
    report = program.json("verify", "--json", "--disclosures")
    assert (report["size"], report["size_signed"]) == (1001, 1001)


def test_a_line_without_an_end_to_it_is_refused_and_the_next_one_read(program: Program) -> None:
    good = '{"action": "code.pushed"}\n'
    endless = '{"action": "' + "x" * 3_000_000 + '"}\n'
    done = program("record", "--json", "-", input=good + endless + good)
    indices = [json.loads(line).get("index") for line in done.stdout.splitlines()]
    assert (done.returncode, indices) == (2, [0, None, 1])
    assert "line 2: event: expected at most 60000 bytes" in done.stderr


def test_words_that_are_no_unicode_are_recorded_readably(program: Program) -> None:
    word = os.fsdecode(b"caf\xe9")
    receipt = program.json("record", "code.pushed", "--reason", word)
    event = program.json("show", receipt["id"], "--json")["event"]
    assert event["reason"]["text"] == "caf\ufffd"


def test_a_trail_that_is_made_on_the_way_is_told(program: Program) -> None:
    done = program("record", "code.pushed")
    assert done.returncode == 0
    assert str(program.home) in done.stderr


def test_what_a_run_could_not_record_is_appended_first(program: Program, tmp_path: Path) -> None:
    program("init")
    key = program.home / "key"
    key.rename(tmp_path / "key")
    assert program("run", "--", "true").returncode == 0
    (tmp_path / "key").rename(key)
    assert program("record", "code.pushed").returncode == 0
    actions = [entry["event"]["action"] for entry in program.lines("log", "--json")]
    assert actions == ["code.pushed", "runtime.command.finished", "runtime.command.started"]
    assert list((program.home / "spool").iterdir()) == []


def test_a_state_directory_that_can_not_be_used_costs_no_receipt(tmp_path: Path) -> None:
    program = Program(tmp_path)
    done = program("record", "code.pushed", environ={"XDG_STATE_HOME": "/proc/nowhere"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["index"] == 0
    assert "recorded, but nobody outside of the log knows" in done.stderr
    assert "Set XDG_STATE_HOME" in done.stderr
    # Where it can't even be read, nobody knows whether the log was set back.
    refused = program("record", "code.pushed", environ={"XDG_STATE_HOME": "/dev/null/x"})
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "expected what was seen of this log before" in refused.stderr
    again = json.loads(program("record", "code.pushed").stdout)
    assert again["index"] == 1
    assert program("verify").returncode == 0

"""`deploytrail show` and `deploytrail proof`: one event."""

from __future__ import annotations

import hashlib
import json
import shutil
from itertools import chain

import pytest

from deploytrail.log import merkle, policy, proof
from tests.cli.on_terminal import on_terminal
from tests.cli.program import Answer, Program, error_of

VERBS = ("show", "proof")
BAD_IDS = {
    "no id at all": ("last", "expected an event's id"),
    "too little of one": ("01a", "at least 4 characters"),
    "the id of nothing": ("01999999-7c3e-7a51-8d0e-3f1b2c4d5e6f", "not in this log"),
    "the end of nothing": ("ffffffff0", "begins or ends so"),
    "no UUIDv7": ("00000000-0000-0000-0000-000000000000", "not in this log"),
    "a path": ("../../etc/passwd", "expected an event's id"),
}


CALLS = {f"{verb}: {case}": [verb, id] for case, (id, _) in BAD_IDS.items() for verb in VERBS}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    program = Program(tmp_path_factory.mktemp("ids"))
    program("record", "code.pushed")
    return program.many(CALLS)


@pytest.mark.parametrize("case", CALLS)
def test_a_bad_id_is_told(case: str, answers: dict[str, Answer]) -> None:
    code, printed, told = answers[case]
    assert (code, printed, told.count("\n")) == (2, "", 1)
    assert BAD_IDS[case.partition(": ")[2]][1] in told


def test_an_event_is_found_by_its_id_and_by_its_end(recorded: Program) -> None:
    id = recorded.lines("log", "--json")[1]["id"]
    parts = (id, id.upper(), id[-8:], id[-12:])
    for code, printed, _ in recorded.many(
        {text: ["show", text, "--json"] for text in parts}
    ).values():
        assert (code, json.loads(printed)["id"]) == (0, id)


def test_a_part_of_several_ids_is_refused(recorded: Program) -> None:
    ids = [entry["id"] for entry in recorded.lines("log", "--json")]
    message = error_of(recorded("show", ids[0][:8]))
    assert "found 3" in message
    assert all(id in message for id in ids)


def test_the_bytes_of_an_entry_give_its_leaf(recorded: Program) -> None:
    shown = recorded.json("show", recorded.lines("log", "--json")[0]["id"], "--json")
    entry = recorded("show", shown["id"], "--entry").stdout.encode()
    assert hashlib.sha256(b"\x00" + entry).hexdigest() == shown["leaf"]


def test_a_person_sees_sentence_meaning_event_and_receipt(recorded: Program) -> None:
    shown = recorded.lines("log", "--json")[1]
    text = recorded("show", shown["id"]).stdout
    first, second, *_ = text.splitlines()
    assert first == shown["summary"]
    assert second == "A deployment ended as wanted."
    assert "where.environment" in text
    assert shown["leaf"] in text


def test_what_went_wrong_stands_at_the_top_in_lines_of_its_own(program: Program) -> None:
    failed = '{"action": "deployment.failed", "error": {"text": "no\\n\\nroom \\u001b[2J left"}}'
    assert program("record", "--json", "-", input=failed).returncode == 0
    lines = program("show", "--index", "0").stdout.splitlines()
    assert lines[2:5] == ["  no", "  room \\e[2J left", ""]
    assert not any(line.startswith("error.text") for line in lines)


def test_a_proof_verifies_with_the_policy_and_the_entry_alone(recorded: Program) -> None:
    id = recorded.lines("log", "--json")[1]["id"]
    done = recorded("proof", id, "-o", "proof", "--entry", "entry")
    assert (done.returncode, done.stdout) == (0, "")
    entry = (recorded.folder / "entry").read_bytes()
    trusted = policy.decode((recorded.home / "policy").read_bytes())
    # Not compared byte for byte: the cosignature is renewed when it is a minute old.
    for octets in ((recorded.folder / "proof").read_bytes(), recorded("proof", id).stdout.encode()):
        verified = proof.verify(proof.decode(octets), merkle.leaf_hash(entry), trusted)
        assert verified.checkpoint.size == 3


def test_an_entry_is_shown_and_proven_by_its_index(recorded: Program) -> None:
    listed = recorded.lines("log", "--json")[1]
    assert recorded.json("show", "--index", "1", "--json") == listed
    proven = recorded.json("proof", "--index", "1", "--json")
    assert proven["receipt"] == listed["receipt"]
    assert recorded("proof", listed["id"]).stdout == proven["proof"]
    assert hashlib.sha256(b"\x00" + proven["entry"].encode()).hexdigest() == listed["leaf"]
    assert "below 3, found 3" in error_of(recorded("show", "--index", "3"))


def test_a_proof_is_checked_without_the_log(recorded: Program) -> None:
    files = {"-o": "event.proof", "--entry": "event.json"}
    assert recorded("proof", "--index", "1", *chain(*files.items())).returncode == 0
    policy = shutil.copy(recorded.home / "policy", recorded.folder / "policy")
    shutil.rmtree(recorded.home)
    shutil.rmtree(recorded.folder / "state")
    words = ["verify", "event.proof", "--entry", "event.json", "--policy", policy]
    done = recorded(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("verified\n")
    assert "entry 1 of a log of 3 entries" in done.stdout
    changed = (recorded.folder / "event.json").read_text().replace("network", "netwerk")
    (recorded.folder / "event.json").write_text(changed)
    done = recorded(*words)
    assert done.returncode == 1
    assert "CORRUPT entry 1" in done.stdout


def test_a_proof_that_can_not_be_written_is_told(recorded: Program) -> None:
    id = recorded.lines("log", "--json")[0]["id"]
    done = recorded("proof", id, "-o", "nowhere/proof")
    assert done.returncode == 2
    assert "nowhere/proof" in error_of(done)


@pytest.fixture
def kept_output(program: Program) -> Program:
    """The program, with a run whose output was kept."""
    command = ["sh", "-c", r"printf 'bell\a\nlast\n'"]
    assert program("run", "--keep-output", "--", *command).returncode == 0
    return program


def test_an_attachment_is_printed_as_it_is(kept_output: Program) -> None:
    (finished,) = [
        line for line in kept_output.lines("log", "--json") if line["event"].get("evidence")
    ]
    (listed,) = finished["event"]["evidence"]
    for wanted in ("output", listed["id"]):
        answer = kept_output("show", finished["id"], "--attachment", wanted)
        assert (answer.returncode, answer.stdout) == (0, "bell\x07\nlast\n")


def test_on_a_terminal_an_attachment_moves_no_cursor(kept_output: Program) -> None:
    id = kept_output.lines("log", "--json")[0]["id"]
    shown = on_terminal(kept_output, "show", id, "--attachment", "output")
    assert shown == "bell\\x07\nlast\n"


def test_an_attachment_that_is_not_there_is_told_with_those_that_are(kept_output: Program) -> None:
    newest, oldest = kept_output.lines("log", "--json")
    message = error_of(kept_output("show", newest["id"], "--attachment", "plan"))
    assert f"output ({newest['event']['evidence'][0]['id']})" in message
    assert "has none" in error_of(kept_output("show", oldest["id"], "--attachment", "output"))


def test_the_receipt_of_an_event_is_the_one_that_its_sender_got(program: Program) -> None:
    given = program("record", "code.pushed").stdout
    id = json.loads(given)["id"]
    assert program("show", id, "--receipt").stdout == given
    (program.folder / "receipt.json").write_text(given)
    report = program.json("verify", "--receipt", "receipt.json", "--json")
    assert "the receipt" in report["checked"]

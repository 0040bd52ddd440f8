"""`deploytrail verify`, `export` and `doctor`: what holds, what doesn't, and what it exits with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.app.doctored import doctored, set_tree, tree
from tests.cli.program import Program, error_of


def flip(log: Path, text: bytes) -> None:
    """One bit of that text, where it stands in the file."""
    data = bytearray(log.read_bytes())
    data[data.index(text)] ^= 1
    log.write_bytes(data)


@pytest.fixture
def settled(recorded: Program) -> Program:
    """Its file holds everything, its write-ahead log nothing that would go before it."""
    assert recorded("log").returncode == 0
    assert (recorded.home / "log.db-wal").stat().st_size == 0
    return recorded


def test_a_sound_log_is_zero_and_says_what_it_did_not_check(recorded: Program) -> None:
    done = recorded("verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("verified\n")
    assert "UNANCHORED" in done.stdout
    assert "--disclosures" in done.stdout.partition("not checked")[2]


def test_programs_get_the_report(recorded: Program) -> None:
    report = recorded.json("verify", "--json", "--disclosures")
    assert {"origin", "size", "root", "anchoring", "key_from", "found", "exit_code"} <= set(report)
    assert (report["size"], report["exit_code"], report["found"]) == (3, 0, [])
    assert report["anchoring"] == "UNANCHORED"


def test_a_log_that_brings_its_own_key_is_self_attested(recorded: Program) -> None:
    shutil.rmtree(recorded.folder / "state")
    assert "SELF-ATTESTED" in recorded("verify").stdout
    assert "SELF-ATTESTED" not in recorded("verify").stdout
    policy = str(recorded.home / "policy")
    assert recorded.json("verify", "--json", "--policy", policy)["key_from"] == "policy"


def test_a_flipped_bit_is_one_and_located(settled: Program) -> None:
    flip(settled.home / "log.db", b"deployment.succeeded")
    done = settled("verify")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("TAMPERED")
    assert "CORRUPT entr" in done.stdout
    report = json.loads(settled("verify", "--json").stdout)
    assert report["exit_code"] == 1
    assert any(each["first"] <= 1 < each["until"] for each in report["found"])


def test_a_log_that_was_removed_is_three_and_no_fresh_start(settled: Program) -> None:
    for path in settled.home.glob("log.db*"):
        path.unlink()
    for words in (("log",), ("show", "1234"), ("record", "code.pushed"), ("init",)):
        done = settled(*words)
        assert done.returncode == 3, words
        assert "the log was removed" in error_of(done)
    done = settled("verify")
    assert done.returncode == 3
    assert "MISSING: " in done.stdout
    assert "the log was removed" in done.stdout
    done = settled("doctor")
    assert done.returncode == 3
    assert "the log was removed" in done.stdout
    ran = settled("run", "--", "true")
    assert ran.returncode == 0
    assert "no trail yet" not in ran.stderr
    assert "the log was removed" in ran.stderr
    assert not (settled.home / "log.db").exists()


def test_an_older_copy_is_three(settled: Program) -> None:
    older = settled.folder / "older"
    shutil.copytree(settled.home, older)
    settled("record", "code.pushed")
    done = settled("verify", older)
    assert done.returncode == 3
    assert done.stdout.startswith("INCOMPLETE")
    assert "MISSING" in done.stdout


def test_a_receipt_that_is_not_honoured_is_found(recorded: Program) -> None:
    entry = recorded.lines("log", "--json")[0]
    forged = entry["receipt"] | {"leaf": "00" * 32}
    (recorded.folder / "receipt").write_text(json.dumps(forged))
    assert recorded("verify", "--receipt", "receipt").returncode == 1


def test_an_old_checkpoint_is_five_only_if_asked(recorded: Program) -> None:
    assert recorded("verify", "--max-age", "1h").returncode == 0
    with doctored(recorded.home) as connection:
        # Nobody says any more when it was signed.
        connection.execute("DELETE FROM cosignature")
    done = recorded("verify", "--max-age", "1h")
    assert done.returncode == 5
    assert done.stdout.startswith("STALE")
    assert recorded("verify").returncode == 0


def test_a_policy_of_another_is_not_met(recorded: Program, tmp_path: Path) -> None:
    other = Program(tmp_path)
    other("init", "--home", "other")
    done = recorded("verify", "--policy", tmp_path / "other" / "policy")
    assert done.returncode == 4
    assert done.stdout.startswith("POLICY UNMET")
    assert "  policy: expected a signature by a listed log" in done.stdout


def test_a_state_directory_that_is_named_is_read_and_kept_up_to_date(
    recorded: Program, tmp_path: Path
) -> None:
    states = tmp_path / "states"
    assert recorded.json("verify", "--state", states, "--json")["key_from"] == "directory"
    assert len(list(states.iterdir())) == 1
    assert recorded.json("verify", "--state", states, "--json")["key_from"] == "state"


def test_nothing_to_verify_is_two(program: Program) -> None:
    done = program("verify", "nosuch")
    assert done.returncode == 2
    assert "nosuch" in error_of(done)


def test_an_export_verifies_elsewhere(recorded: Program, tmp_path: Path) -> None:
    done = recorded("export", "trail.tar", "--proofs")
    assert done.returncode == 0, done.stderr
    elsewhere = Program(tmp_path / "copy")
    elsewhere.environ["XDG_STATE_HOME"] = str(tmp_path / "new")
    report = elsewhere.json("verify", recorded.folder / "trail.tar", "--json", "--disclosures")
    assert (report["size"], report["exit_code"]) == (3, 0)
    assert report["disclosures"] > 0


def test_an_export_can_leave_the_concealed_out(recorded: Program) -> None:
    assert recorded("export", "clear.tar", "--proofs", "--concealed").returncode == 0
    report = recorded.json("verify", "clear.tar", "--json", "--disclosures")
    assert {each["state"] for each in report["found"]} == {"WITHHELD"}
    assert report["exit_code"] == 0


def test_an_export_of_events_is_json_lines_oldest_first(recorded: Program) -> None:
    done = recorded("export", "events.jsonl")
    assert (done.returncode, done.stdout) == (0, "")
    lines = (recorded.folder / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == [0, 1, 2]
    assert [json.loads(line) for line in lines] == recorded.lines("log", "--json")[::-1]


@pytest.mark.parametrize("kind", [(), ("--proofs",)])
def test_an_export_replaces_no_file(kind: tuple[str, ...], recorded: Program) -> None:
    (recorded.folder / "precious").write_text("kept")
    done = recorded("export", "precious", *kind)
    assert done.returncode == 2
    assert "precious" in error_of(done)
    assert (recorded.folder / "precious").read_text() == "kept"


def test_a_doctor_finds_nothing_bad_in_a_new_trail(recorded: Program) -> None:
    done = recorded("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert "not protected at rest" in done.stdout
    states = {check["what"]: check["state"] for check in recorded.lines("doctor", "--json")}
    assert states["log"] == "ok"
    assert "bad" not in states.values()


def test_a_doctor_finds_what_others_may_read(recorded: Program) -> None:
    (recorded.home / "key").chmod(0o644)
    done = recorded("doctor")
    assert done.returncode == 3
    assert "chmod" in done.stdout


def test_a_fence_is_cleared_once_and_recorded(recorded: Program) -> None:
    (recorded.home / "fence").write_text("tried by a test\n")
    refused = recorded("record", "code.pushed")
    assert refused.returncode == 75
    assert recorded("doctor").returncode == 3
    reason = "examined with password=hunter2-hunter2"
    receipt = recorded.json("doctor", "--clear-fence", "--reason", reason, "--json")
    event = recorded.json("show", receipt["id"], "--json")["event"]
    assert event["action"] == "audit.fence.cleared"
    assert event["reason"]["text"].startswith("examined with password=")
    assert "hunter2" not in event["reason"]["text"]
    again = recorded("doctor", "--clear-fence")
    assert (again.returncode, again.stdout) == (0, "")
    assert recorded("record", "code.pushed").returncode == 0


def test_a_clock_is_accepted_and_that_is_recorded(recorded: Program) -> None:
    done = recorded("doctor", "--accept-clock")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing was done" in done.stderr
    for decision in ("--accept-clock", "--clear-fence"):
        assert recorded.json("doctor", decision, "--json") is None
    with doctored(recorded.home) as connection:
        known = tree(connection)
        hour = 3_600_000_000
        set_tree(connection, known._replace(clock=known.clock - hour, logged=known.logged - hour))
    assert recorded("record", "code.pushed").returncode == 75
    receipt = recorded.json("doctor", "--accept-clock", "--json")
    event = recorded.json("show", receipt["id"], "--json")["event"]
    assert event["action"] == "audit.clock.accepted"


def test_one_decision_at_a_time(recorded: Program) -> None:
    done = recorded("doctor", "--accept-clock", "--clear-fence")
    assert done.returncode == 2
    assert "one decision" in error_of(done)

"""`import` takes history in, each event once, whatever happens to it meanwhile."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import PROGRAM, Program, error_of
from tests.wrapper.terminal import Terminal

MANY = 12_000


def line(number: int) -> bytes:
    """A decision of OPA's, as its log has it."""
    said = {
        "decision_id": f"0c2f9a44-6d0b-4f5e-9d55-{number:012}",
        "labels": {"app": "shop", "environment": "live"},
        "timestamp": "2026-11-22T11:58:01.5Z",
        "path": "deploy/authz/allow",
        "result": True,
    }
    return json.dumps(said).encode() + b"\n"


def lines(first: int, until: int) -> bytes:
    return b"".join(map(line, range(first, until)))


def told(program: Program, action: str = "policy.decision.made") -> list[dict[str, Any]]:
    """The events of that action, oldest first."""
    found = program.lines("log", "--json", "-n", "100000")[::-1]
    return [one["event"] for one in found if one["event"]["action"] == action]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    found = Program(tmp_path)
    assert found("init").returncode == 0
    return found


@pytest.fixture
def log(program: Program) -> Path:
    path = program.folder / "decision.log"
    path.write_bytes(lines(0, 3))
    return path


def imported(program: Program, *words: str | Path, **options: Any) -> list[dict[str, Any]]:
    """What is said of each file; all went well."""
    done = program("import", "--source", "opa", "--json", *words, **options)
    assert done.returncode == 0, done.stderr
    return [json.loads(each) for each in done.stdout.splitlines()]


def test_what_a_file_says_is_stamped_as_imported(program: Program, log: Path) -> None:
    done = program("import", "--source", "opa", log)
    assert (done.returncode, done.stdout) == (0, f"{log}: 3 new events\n"), done.stderr
    assert done.stderr == ""
    for event in told(program):
        assert event["source"]["imported"] is True
        assert event["source"]["instance"] == "import:opa"
        assert event["actor"]["auth"]["assurance"] == 0
    started, finished = (
        told(program, f"integration.import.{each}") for each in ("started", "finished")
    )
    assert [one["outcome"] for one in (*started, *finished)] == ["pending", "success"]
    assert finished[0]["targets"] == [{"type": "file", "name": "decision.log"}]
    assert program("verify").returncode == 0


def test_a_file_that_was_taken_in_is_passed_over(program: Program, log: Path) -> None:
    imported(program, log)
    size = len(program.lines("log", "--json"))
    done = program("import", "--source", "opa", log)
    assert done.stdout == f"{log}: taken in before, and unchanged since\n"
    assert len(program.lines("log", "--json")) == size


def test_the_same_again_changes_nothing(program: Program, log: Path) -> None:
    imported(program, log)
    done = program("import", "--source", "opa", "--again", log)
    assert done.stdout == f"{log}: 0 new events, 3 that stood there\n"
    assert len(told(program)) == 3


def test_gzip_and_standard_input_are_read_too(program: Program, log: Path) -> None:
    packed = log.with_name("decision.log.gz")
    packed.write_bytes(gzip.compress(lines(0, 5)))
    assert [one["events"] for one in imported(program, packed)] == [5]
    found = imported(program, "-", input=lines(0, 7).decode())
    assert found == [
        {"file": "standard input", "events": 2, "known": 5, "conflicts": 0, "unread": 0}
    ]
    with packed.open("rb") as stream:
        done = subprocess.run(
            [*PROGRAM, "import", "--source", "opa", "-"],
            env=program.environ, stdin=stream, capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert done.stdout == "standard input: 0 new events, 5 that stood there\n"


def test_a_folder_is_taken_in_order_and_what_is_left_out_is_told(program: Program) -> None:
    folder = program.folder / "history"
    (folder / "b").mkdir(parents=True)
    for at, name in enumerate(("b/two.json", "a-decisions.log", "c.jsonl")):
        (folder / name).write_bytes(line(at))
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "z.json").symlink_to(folder / "c.jsonl")
    (folder / "linked").symlink_to(folder / "b")
    done = program("import", "--source", "opa", folder)
    assert done.returncode == 0
    names = [each.partition(": ")[0] for each in done.stdout.splitlines()]
    assert names == [str(folder / name) for name in ("a-decisions.log", "b/two.json", "c.jsonl")]
    assert done.stderr.splitlines() == [
        f"left out {folder / 'linked'}: a link",
        f"left out {folder / 'picture.png'}: its name is none of a file of events",
        f"left out {folder / 'z.json'}: a link",
    ]


def test_a_torn_file_keeps_no_other_from_being_taken_in(program: Program, log: Path) -> None:
    torn = log.with_name("a.log.gz")
    torn.write_bytes(gzip.compress(lines(3, 6))[:-6])
    done = program("import", "--source", "opa", torn, log)
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1] == f"{log}: 3 new events"
    assert "expected all of a gzip stream" in done.stderr
    first = told(program, "integration.import.finished")[0]
    assert first["outcome"] == "partial"
    assert "expected all of a gzip stream" in first["error"]["text"]


def test_a_line_that_is_being_written_waits_for_its_rest(program: Program, log: Path) -> None:
    whole = lines(0, 4)
    log.write_bytes(whole[:-20])
    done = program("import", "--source", "opa", log)
    assert done.returncode == 2
    assert "3 new events" in done.stdout
    assert f"found it cut, at byte {len(lines(0, 3))}" in done.stderr
    log.write_bytes(whole)
    assert imported(program, log)[0] == {
        "file": str(log), "events": 1, "known": 0, "conflicts": 0, "unread": 0,
    }  # fmt: skip


def test_of_a_log_file_that_grew_only_what_is_new_is_read(program: Program, log: Path) -> None:
    imported(program, log)
    with log.open("ab") as file:
        file.write(lines(3, 40))
    assert imported(program, log)[0]["events"] == 37
    with log.open("ab") as file:
        file.write(line(40))
    found = imported(program, log)[0]
    assert (found["events"], found["known"]) == (1, 0)


def test_another_file_of_the_same_name_is_read_from_its_beginning(
    program: Program, log: Path
) -> None:
    imported(program, log)
    log.write_bytes(lines(10, 30))
    assert imported(program, log)[0]["events"] == 20
    log.write_bytes(b"")
    assert imported(program, log)[0]["events"] == 0
    log.write_bytes(lines(30, 70))
    assert imported(program, log)[0]["events"] == 40


def call(number: int) -> dict[str, Any]:
    """A call in CloudTrail."""
    return {
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "userName": "alice", "accountId": "111122223333"},
        "eventTime": "2026-11-22T10:00:00Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "DeleteBucket",
        "requestParameters": {"bucketName": "acme-old"},
        "eventID": f"5f3c0000-0000-4000-8000-{number:012}",
        "eventType": "AwsApiCall",
    }


def test_a_document_that_changed_is_taken_in_anew(program: Program) -> None:
    path = program.folder / "1_CloudTrail_1.json"
    path.write_text(json.dumps({"Records": [call(1)]}))
    words = ("import", "--source", "cloudtrail", path)
    assert program(*words).stdout == f"{path}: 1 new event\n"
    path.write_text(json.dumps({"Records": [call(1), call(2)]}))
    assert program(*words).stdout == f"{path}: 1 new event, 1 that stood there\n"


KILLED_AFTER = (1, 3_000, 8_000)


@pytest.mark.parametrize("seen", KILLED_AFTER)
def test_what_was_killed_goes_on_and_each_event_stands_once(program: Program, seen: int) -> None:
    log = program.folder / "decision.log"
    log.write_bytes(lines(0, MANY))
    before = size_of(program)
    with subprocess.Popen(
        [*PROGRAM, "import", "--source", "opa", str(log)], env=program.environ,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        while size_of(program) < before + seen and process.poll() is None:
            pass
        process.send_signal(signal.SIGKILL)
    done = imported(program, log)[0]
    assert done["unread"] == 0
    events = told(program)
    assert len(events) == MANY
    assert len({one["source"]["delivery"] for one in events}) == MANY
    assert program("verify").returncode == 0


def test_how_far_it_is_is_kept_while_it_goes(program: Program) -> None:
    log = program.folder / "decision.log"
    log.write_bytes(lines(0, 5 * MANY))
    before = size_of(program)
    folder = program.folder / "state" / "deploytrail" / "imports"
    with subprocess.Popen(
        [*PROGRAM, "import", "--source", "opa", str(log)], env=program.environ,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        while not list(folder.glob("*.json")) and process.poll() is None:
            pass
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    found = imported(program, log)[0]
    assert found["events"] + found["known"] < 5 * MANY
    # Beside the events: that two imports started, and that one finished.
    assert size_of(program) == before + 5 * MANY + 3


def size_of(program: Program) -> int:
    """How many entries its log has, read while another process writes."""
    import apsw

    path = program.home / "log.db"
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(10_000)
    try:
        found: int = connection.execute("SELECT count(*) FROM delivery").get
        return found
    finally:
        connection.close()


def slowly(program: Program, log: Path, *, first: int) -> subprocess.Popen[bytes]:
    """An import that has taken in so many lines of standard input and waits for more."""
    process = subprocess.Popen(
        [*PROGRAM, "import", "--source", "opa", "-", str(log)], env=program.environ,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(lines(0, first))
    process.stdin.flush()
    return process


def test_who_stops_an_import_finds_a_good_state(program: Program, log: Path) -> None:
    with slowly(program, log, first=5_000) as process:
        until = time.monotonic() + 30
        # The file comes first, then what is read of standard input.
        while size_of(program) < 10 and time.monotonic() < until:
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (130, b"")
    finished = told(program, "integration.import.finished")
    assert (finished[-1]["outcome"], finished[0]["outcome"]) == ("partial", "success")
    assert "stopped by whoever ran it" in finished[-1]["error"]["text"]
    assert program("verify").returncode == 0
    found = imported(program, "-", log, input=lines(0, 5_000).decode())
    assert found[-1]["events"] + found[-1]["known"] == 5_000
    assert len(told(program)) == 5_000


def test_a_reader_that_goes_away_changes_nothing(program: Program, log: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [*PROGRAM, "import", "--source", "opa", str(log)], env=program.environ, stdout=writing,
        stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (process.returncode, process.stderr) == (141, b"")
    assert len(told(program)) == 3
    assert imported(program, log)[0]["events"] == 0


def test_progress_is_shown_at_a_terminal(program: Program) -> None:
    log = program.folder / "decision.log"
    # More than any machine takes in while nobody waits yet.
    log.write_bytes(lines(0, 60_000))
    command = [*PROGRAM, "import", "--source", "opa", str(log)]
    with Terminal(command, columns=120, env=program.environ | {"TERM": "xterm-256color"}) as shown:
        shown.expect(rb"\r\x1b\[Kimporting decision\.log \([0-9,]+ events\)")


ENVIRONMENTS = """\
[prod]
class = "prod"
aliases = ["live"]

[[where]]
name = "apps"
match = "application:{unit}"
project = "payments"
"""


def test_the_mapping_holds_for_what_is_imported(program: Program, log: Path) -> None:
    imported(program, log)
    assert "mapping" not in told(program)[-1]["where"]
    folder = program.home / "config"
    folder.mkdir()
    (folder / "environments.toml").write_text(ENVIRONMENTS)
    assert program("config", "apply").returncode == 0
    with log.open("ab") as file:
        file.write(line(3))
    imported(program, log)
    where = told(program)[-1]["where"]
    assert (where["project"], where["unit"], where["mapping"]) == ("payments", "shop", "apps")
    assert (where["environment"], where["environment_class"]) == ("prod", "prod")


REFUSED: dict[str, tuple[list[str], str]] = {
    "no such path": (["--source", "opa", "nowhere.log"], "found nothing there"),
    "another source": (["--source", "nix", "a.log"], "there is argocd, cdevents, cloudtrail, "),
    "nearly a source": (["--source", "opaa", "a.log"], "did you mean opa? Else there is argocd, "),
    "no source": (["a.log"], "--source: is missing; there is argocd, cdevents, cloudtrail, "),
    "no connection": (["--connection", "nobody", "a.log"], "found 'nobody'"),
    "a device": (["--source", "opa", "/dev/zero"], "expected a file, found a pipe, a device"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_can_not_be_is_told(program: Program, why: str) -> None:
    (program.folder / "a.log").write_bytes(line(0))
    words, expected = REFUSED[why]
    done = program("import", *words)
    assert done.returncode == 2
    assert expected in error_of(done)
    assert not told(program)


def test_no_trail_is_made_by_an_import(tmp_path: Path) -> None:
    program = Program(tmp_path)
    (tmp_path / "a.log").write_bytes(line(0))
    done = program("import", "--source", "opa", "a.log")
    assert done.returncode == 2
    assert "init" in error_of(done)
    assert not program.home.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_keeps_no_other_from_it(program: Program, log: Path) -> None:
    closed = log.with_name("closed.log")
    closed.write_bytes(line(9))
    closed.chmod(0)
    done = program("import", "--source", "opa", closed, log)
    assert done.returncode == 77
    assert "expected to read it, but you may not" in done.stderr
    assert len(told(program)) == 3

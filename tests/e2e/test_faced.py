"""A directory has one face: `record` and `run` speak to the server that runs over it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from deploytrail.app.verifying import verify
from deploytrail.clock import SystemClock
from tests.web.running import Running, running


class Person:
    """Somebody at a shell beside the server, and all that the server was asked."""

    def __init__(self, home: Path, server: Running) -> None:
        self.server = server
        self.environment = {
            **os.environ,
            "DEPLOYTRAIL_HOME": str(home),
            "XDG_STATE_HOME": str(home.parent / "state"),
        }

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deploytrail", *words], env=self.environment,
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=60,
        )  # fmt: skip

    def events(self) -> list[dict[str, Any]]:
        lines = self("log", "--all", "--json").stdout.splitlines()
        return [json.loads(line)["event"] for line in lines][::-1]

    def asked(self, count: int, *, route: str = "") -> list[str]:
        """The routes that were asked for, without the question whether a server is there.

        A request's line is written once its answer is out: waited for until there are so many.
        """
        clock, nobody = SystemClock(), Event()
        end = clock.monotonic() + 30
        while True:
            routes = [line.get("route") for line in self.server.journal()]
            found = [one for one in routes if one not in (None, "/v1/stats")]
            found = [one for one in found if route in ("", one)]
            if len(found) >= count:
                return found
            assert clock.monotonic() < end, f"{count} expected, {found} found"
            clock.wait(nobody, 0.02)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def person(home: Path) -> Iterator[Person]:
    with running(home) as server:
        yield Person(home, server)


def test_what_is_recorded_goes_through_the_server_and_says_the_same(person: Person) -> None:
    done = person("record", "deployment.succeeded", "--environment", "prod", "--reason", "by hand")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["index"] == 1
    ran = person("run", "--environment", "prod", "--", "sh", "-c", "echo out; exit 7")
    assert (ran.returncode, ran.stdout, ran.stderr) == (7, "out\n", "")
    _, by_hand, started, ended = person.events()
    assert len(person.asked(3, route="/v1/events")) == 3
    for one in (by_hand, started, ended):
        # As a directory's own files would have it: an account, of this machine.
        assert one["actor"]["auth"]["method"] == "os_user"
        assert one["actor"]["auth"]["assurance"] == 1
        assert one["source"]["instance"] == "local"
    assert (ended["outcome"], by_hand["reason"]["text"]) == ("failure", "by hand")


def test_what_reads_asks_the_server_and_what_proves_reads_the_files(
    person: Person, home: Path
) -> None:
    person("record", "deployment.succeeded", "--environment", "prod", "--reason", "by hand")
    person("run", "--keep-output", "--", "echo", "kept")
    # Each of three events, and the checkpoint that came of it.
    before = len(person.asked(6))
    for words in (
        ["proof", "--index", "1"],
        ["verify"],
        ["export", "--proofs", str(home.parent / "a.tar")],
    ):
        assert person(*words).returncode == 0, words
    assert len(person.asked(before)) == before == 6
    reading = [
        ["log"], ["log", "--json"], ["log", "--failed", "--json"], ["show", "--index", "1"],
        ["show", "--index", "1", "--json"], ["show", "--index", "1", "--entry"],
        ["show", "--index", "1", "--receipt"], ["show", "--index", "3", "--attachment", "output"],
    ]  # fmt: skip
    through = []
    for words in reading:
        through.append(person(*words))
        assert through[-1].returncode == 0, through[-1].stderr
        before = len(person.asked(before + 1))
    assert person("export", str(home.parent / "a.jsonl")).returncode == 0
    person.asked(before + 1)
    assert person.server.stop() == 0
    # The files say the same as their server did.
    for words, answer in zip(reading, through, strict=True):
        assert person(*words).stdout == answer.stdout, words
    assert person("export", str(home.parent / "b.jsonl")).returncode == 0
    exported = [(home.parent / name).read_bytes() for name in ("a.jsonl", "b.jsonl")]
    assert exported[0] == exported[1]


def test_a_server_that_does_not_answer_keeps_nobody_from_reading(person: Person) -> None:
    person("record", "deployment.succeeded", "--environment", "prod")
    person.server.process.send_signal(signal.SIGSTOP)
    try:
        done = person("log", "--json")
    finally:
        person.server.process.send_signal(signal.SIGCONT)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)


def test_kept_output_stands_in_the_trail_whoever_takes_it(person: Person) -> None:
    ran = person("run", "--keep-output", "--", "echo", "kept")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "kept\n", "")
    last = person.events()[-1]
    shown = person("show", str(last["id"]), "--attachment", "output")
    assert shown.stdout == "kept\n"


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_server_that_does_not_answer_costs_no_event_and_no_command(
    person: Person, home: Path, number: int
) -> None:
    person.server.process.send_signal(number)
    ran = person("run", "--", "sh", "-c", "exit 3")
    assert ran.returncode == 3
    recorded = person("record", "deployment.succeeded")
    assert recorded.returncode == 0, recorded.stderr
    person.server.process.send_signal(signal.SIGCONT)
    # Nothing waits aside: the files took it all.
    assert not list(home.glob("spool/*"))
    state = home.parent / "state"
    report = verify(home, environment={"XDG_STATE_HOME": str(state)}, disclosures=True)
    assert (report.exit_code, report.size) == (0, 4)


def test_a_server_elsewhere_records_and_what_it_could_not_take_waits_for_it(
    person: Person, home: Path
) -> None:
    secret = person("token", "create", "ci", "--role", "recorder").stdout.strip()
    away = {"DEPLOYTRAIL_URL": person.server.url, "DEPLOYTRAIL_TOKEN": secret}
    nowhere = home.parent / "nowhere"
    person.environment |= away | {"DEPLOYTRAIL_HOME": str(nowhere)}
    person.server.process.send_signal(signal.SIGSTOP)
    ran = person("run", "--", "sh", "-c", "exit 4")
    person.server.process.send_signal(signal.SIGCONT)
    assert ran.returncode == 4
    assert "kept 2 events in" in ran.stderr
    sensitive = {
        "action": "config.updated",
        "changes": [{"path": "password", "op": "update", "new": "hunter2", "sensitive": True}],
    }
    (home.parent / "event.json").write_text(json.dumps(sensitive))
    done = person("record", "--json", str(home.parent / "event.json"))
    assert (done.returncode, "appended 2 events" in done.stderr) == (0, True), done.stderr
    person.environment |= {"DEPLOYTRAIL_URL": "", "DEPLOYTRAIL_HOME": str(home)}
    *_, started, ended, changed = person.events()
    assert [one["source"]["instance"] for one in (started, ended, changed)] == ["token:ci"] * 3
    # Whoever comes by a token claims; dropped secrets leave the fingerprint of the trail's own key.
    assert started["actor"]["auth"] == {"method": "claimed", "assurance": 0}
    over_http = changed["changes"][0]
    assert "hunter2" not in json.dumps(changed)
    person("record", "--json", str(home.parent / "event.json"))
    assert person.events()[-1]["changes"][0] == over_http
    assert "fingerprint" in json.dumps(over_http)


def test_what_waits_aside_is_taken_by_the_server(person: Person, home: Path) -> None:
    environment = person.environment
    person.environment = environment | {"DEPLOYTRAIL_HOME": str(home.parent / "elsewhere")}
    person.environment["DEPLOYTRAIL_KEY"] = "env:NONE"
    assert person("run", "--", "true").returncode == 0
    (file,) = (home.parent / "elsewhere").glob("spool/*.spool")
    (home / "spool").mkdir(mode=0o700, exist_ok=True)
    file.rename(home / "spool" / file.name)
    person.environment = environment
    done = person("record", "deployment.succeeded")
    assert "appended 2 events" in done.stderr
    assert len(person.events()) == 4
    assert len(person.asked(1, route="/v1/events")) == 1
    assert len(person.asked(1, route="/v1/spools")) == 1


UNREADABLE = {
    "a search": ("search", "actor:alice", "straße", "東京", "envv:prod"),
    "changes": ("changes", "(env:prod"),
    "a tail": ("tail", "since:yesteryear"),
    "what is no text": ("search", "a\udcff"),
    "one too long for an address": ("search", "a " * 4_000 + "envv:prod"),
}


def test_a_query_that_can_t_be_read_is_pointed_at_with_a_server_and_without(home: Path) -> None:
    with running(home) as server:
        person = Person(home, server)
        over = {reason: person(*words) for reason, words in UNREADABLE.items()}
    for reason, words in UNREADABLE.items():
        beside = person(*words)
        assert beside.stderr.count("\n") == 3, reason
        assert (over[reason].returncode, over[reason].stderr) == (2, beside.stderr), reason

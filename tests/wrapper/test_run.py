"""Real commands under the wrapper: what they, their callers and the trail see."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail.actions import check
from deploytrail.clock import SystemClock
from deploytrail.event import Event
from tests.conftest import ROOT

DRIVER = [sys.executable, str(ROOT / "tests" / "wrapper" / "driver.py")]
NOT_STARTED = {"a command that is nowhere": ("nosuch-command", 127), "no program": ("/etc", 126)}

PRINTING_ON = (
    "(n=0; while [ ! -e stop ] && [ $n -lt 400 ]; do n=$((n+1)); echo $n; sleep 0.05; done; "
    "echo done > finished; echo last)"
)
"""A process that prints every 50 ms, for 20 seconds or until it is told to stop."""


class Wrapped:
    """A command under the wrapper, with a fake trail in a folder."""

    def __init__(self, folder: Path, *, failures: list[str] | None = None) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.failures = failures or []
        self.request: dict[str, Any] = {}
        self.more: dict[str, Any] = {}

    def arguments(self, *command: str) -> list[str]:
        spec = {
            "events": str(self.folder / "events.jsonl"),
            "home": str(self.home),
            "failures": self.failures,
            "request": self.request,
            **self.more,
        }
        return [*DRIVER, json.dumps(spec), "--", *command]

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.arguments(*command),
            check=False,
            timeout=60,
            capture_output=True,
            cwd=self.folder,
            **options,
        )

    def start(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.arguments(*command), stdout=subprocess.PIPE, cwd=self.folder, **options
        )

    @property
    def events(self) -> list[Event]:
        path = self.folder / "events.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [msgspec.json.decode(line, type=Event) for line in lines]


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))


@pytest.fixture
def wrapped(tmp_path: Path) -> Wrapped:
    return Wrapped(tmp_path)


def test_a_silent_command_stays_silent_and_is_recorded_twice(wrapped: Wrapped) -> None:
    done = wrapped.run("true")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    start, end = wrapped.events
    assert [start.action, end.action] == ["runtime.command.started", "runtime.command.finished"]
    assert [start.outcome, end.outcome] == ["pending", "success"]
    assert end.links is not None
    assert end.links.caused_by == (start.id,)
    spool, counter = str(start.source.delivery).rsplit(":", 1)
    assert (counter, end.source.delivery) == ("1", f"{spool}:2")
    assert [event.source.sequence for event in (start, end)] == [1, 2]
    assert end.duration_ms is not None


def test_every_event_passes_the_catalogue(wrapped: Wrapped) -> None:
    wrapped.run("true")
    now = SystemClock().now()
    assert [check(event, now) for event in wrapped.events] == wrapped.events


def test_the_start_is_recorded_before_the_command_is_executed(wrapped: Wrapped) -> None:
    done = wrapped.run("cat", "events.jsonl")
    seen = [msgspec.json.decode(line, type=Event) for line in done.stdout.splitlines()]
    assert [event.action for event in seen] == ["runtime.command.started"]


def test_the_exit_code_is_the_commands(wrapped: Wrapped) -> None:
    assert wrapped.run("sh", "-c", "exit 3").returncode == 3
    end = wrapped.events[-1]
    assert end.command is not None
    assert (end.outcome, end.command.exit_code) == ("failure", 3)


def test_a_killed_command_is_told_by_its_signal(wrapped: Wrapped) -> None:
    assert wrapped.run("sh", "-c", "kill -KILL $$").returncode == 128 + 9
    end = wrapped.events[-1]
    assert end.command is not None
    assert (end.command.exit_code, end.command.signal) == (None, 9)


@pytest.mark.parametrize("case", NOT_STARTED)
def test_what_can_not_be_started_ends_as_in_a_shell(wrapped: Wrapped, case: str) -> None:
    command, code = NOT_STARTED[case]
    done = wrapped.run(command)
    assert done.returncode == code
    assert done.stderr.startswith(f"deploytrail: {command}: ".encode())
    end = wrapped.events[-1]
    assert end.error is not None
    assert end.error.code == "not_started"


def test_a_script_without_an_interpreter_line_runs_as_in_a_shell(wrapped: Wrapped) -> None:
    script = wrapped.folder / "deploy"
    script.write_text("echo $0 $1\n")
    script.chmod(0o755)
    assert wrapped.run("./deploy", "prod").stdout == b"./deploy prod\n"


def test_standard_input_reaches_the_command(wrapped: Wrapped) -> None:
    assert wrapped.run("cat", input=b"\x00\xff yes\n").stdout == b"\x00\xff yes\n"


def test_standard_output_and_error_stay_apart(wrapped: Wrapped) -> None:
    done = wrapped.run("sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


def test_descriptors_of_the_caller_are_handed_on_and_none_of_ours(wrapped: Wrapped) -> None:
    reading, writing = os.pipe()
    script = (
        "import os\nfor n in os.listdir('/proc/self/fd'):\n"
        f" try: os.write({writing}, os.readlink('/proc/self/fd/' + n).encode() + b'\\n')\n"
        " except FileNotFoundError: pass"
    )
    with os.fdopen(reading, "rb") as told:
        done = wrapped.run(sys.executable, "-c", script, pass_fds=(writing,))
        os.close(writing)
        opened = told.read().decode()
    assert done.returncode == 0
    assert opened.count("pipe:") == 3
    assert "trail.lock" not in opened
    assert "events.jsonl" not in opened


def test_a_kept_output_is_masked_bounded_and_attached_to_the_end(wrapped: Wrapped) -> None:
    wrapped.request = {"is_output_kept": True}
    script = "seq 1 100000; echo password=hunter2-is-long; echo last"
    done = wrapped.run("sh", "-c", script)
    assert done.stdout.endswith(b"100000\npassword=hunter2-is-long\nlast\n")
    kept = (wrapped.folder / "events.output").read_bytes()
    assert kept.endswith(b"\nlast\n")
    assert b"hunter2" not in kept
    assert 250 * 1024 < len(kept) <= 256 * 1024


def test_fifty_megabytes_pass_the_tee_unchanged_and_without_growth(wrapped: Wrapped) -> None:
    wrapped.request = {"is_output_kept": True}
    script = "import os\nfor n in range(800): os.write(1, bytes([n % 256]) * 65536)"
    process = wrapped.start(sys.executable, "-c", script)
    assert process.stdout is not None
    expected, found, size = hashlib.sha256(), hashlib.sha256(), 0
    while chunk := process.stdout.read(1 << 20):
        found.update(chunk)
        size += len(chunk)
    process.wait()
    process.stdout.close()
    for n in range(800):
        expected.update(bytes([n % 256]) * 65536)
    assert (process.returncode, size) == (0, 800 * 65536)
    assert found.digest() == expected.digest()
    assert int((wrapped.folder / "events.peak").read_text()) < 60 * 1024


def test_a_reader_that_goes_away_does_not_stop_the_command(wrapped: Wrapped) -> None:
    wrapped.request = {"is_output_kept": True}
    script = "for n in 1 2 3 4 5 6; do seq 1 20000; done; echo done > finished"
    process = wrapped.start("sh", "-c", script)
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert (wrapped.folder / "finished").read_text() == "done\n"


def test_a_silent_background_process_does_not_hold_the_run(wrapped: Wrapped) -> None:
    wrapped.request = {"is_output_kept": True}
    script = "(read _ < go; echo later) & echo now; exit 4"
    os.mkfifo(wrapped.folder / "go")
    process = wrapped.start("sh", "-c", script, stdin=subprocess.DEVNULL)
    assert process.wait(timeout=20) == 4
    (wrapped.folder / "go").write_text("go\n")
    assert process.communicate(timeout=20)[0] == b"now\nlater\n"
    assert (wrapped.folder / "events.output").read_bytes() == b"now\n"


def test_a_background_process_that_prints_on_neither_holds_the_run_nor_loses_a_word(
    wrapped: Wrapped,
) -> None:
    wrapped.request = {"is_output_kept": True}
    process = wrapped.start("sh", "-c", f"seq 1 9000; {PRINTING_ON} & exit 4")
    assert process.wait(timeout=10) == 4
    assert not (wrapped.folder / "finished").exists()
    (wrapped.folder / "stop").touch()
    # To the end: then nothing of ours holds the output any more.
    *first, last = process.communicate(timeout=20)[0].split(b"\n9000\n")[1].split()
    assert first == [b"%d" % n for n in range(1, len(first) + 1)]
    assert last == b"last"
    assert (wrapped.folder / "finished").read_text() == "done\n"
    assert b"\n9000\n" in (wrapped.folder / "events.output").read_bytes()
    assert len(wrapped.events) == 2


def test_a_flood_of_a_background_process_does_not_hold_the_run(wrapped: Wrapped) -> None:
    wrapped.request = {"is_output_kept": True}
    script = "(while [ ! -e stop ]; do seq 1 20000; done; echo last) & echo now >&2; exit 4"
    process = wrapped.start("sh", "-c", script, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    while process.poll() is None:
        process.stdout.read(65_536)
    assert process.returncode == 4
    (wrapped.folder / "stop").touch()
    assert process.stdout.read().endswith(b"\n20000\nlast\n")
    assert process.stderr.read() == b"now\n"
    process.stdout.close()
    process.stderr.close()


def test_a_command_that_was_cancelled_before_its_start_is_not_started(wrapped: Wrapped) -> None:
    wrapped.failures = ["cancelled"]
    done = wrapped.run("touch", "started")
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr == b"deploytrail: not started: SIGTERM came before\n"
    assert not (wrapped.folder / "started").exists()
    end = wrapped.events[-1]
    assert end.error is not None
    assert (end.outcome, end.error.code) == ("failure", "not_started")


def test_nothing_of_ours_outlives_a_killed_wrapper(wrapped: Wrapped) -> None:
    process = wrapped.start("sh", "-c", "echo $$; exec sleep 30")
    assert process.stdout is not None
    command = int(process.stdout.readline())
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (sentinel,) = {int(child) for child in children} - {command}
    opened = Path(f"/proc/{sentinel}/fd")
    while len(list(opened.iterdir())) != 2:
        os.sched_yield()
    process.kill()
    process.wait(timeout=30)
    while _is_running(sentinel):
        os.sched_yield()
    os.kill(command, signal.SIGKILL)
    process.stdout.close()


@pytest.mark.parametrize("is_read", [False, True])
def test_a_killed_wrapper_ends_neither_the_command_nor_its_output(
    wrapped: Wrapped, is_read: bool
) -> None:
    wrapped.request = {"is_output_kept": is_read}
    script = (
        "echo ready; for n in 1 2 3 4 5 6 7 8 9; do seq 1 4000; echo e$n >&2; sleep 0.1; done; "
        "echo done > finished; echo last"
    )
    process = wrapped.start("sh", "-c", script, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.kill()
    # To the end: when the command has ended, nothing of ours holds the streams any more.
    output, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert (wrapped.folder / "finished").read_text() == "done\n"
    assert output.endswith(b"\n3999\n4000\nlast\n")
    assert errors.endswith(b"e8\ne9\n")
    assert [event.action for event in wrapped.events] == ["runtime.command.started"]


@pytest.mark.parametrize("failure", ["disk full", "bug", "panic", "memory"])
def test_no_failure_of_the_trail_fails_the_command(wrapped: Wrapped, failure: str) -> None:
    wrapped.failures = [failure] * 9
    done = wrapped.run("sh", "-c", "echo deployed; exit 3")
    assert (done.returncode, done.stdout) == (3, b"deployed\n")
    assert b"kept 2 events in" in done.stderr
    (path,) = (wrapped.home / "spool").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    lines = [line.rpartition(b" ")[0] for line in path.read_bytes().splitlines()]
    actions = [json.loads(line)["body"]["action"] for line in lines[1:]]
    assert actions == ["runtime.command.started", "runtime.command.finished"]


def test_a_start_that_failed_is_recorded_with_the_end(wrapped: Wrapped) -> None:
    wrapped.failures = ["disk full"]
    done = wrapped.run("true")
    assert done.returncode == 0
    assert b"not recorded yet (1 event): log.db: expected room" in done.stderr
    assert [event.source.sequence for event in wrapped.events] == [1, 2]
    assert not list((wrapped.home / "spool").iterdir())


def test_the_next_run_appends_what_the_last_one_left(wrapped: Wrapped) -> None:
    wrapped.failures = ["bug", "bug"]
    wrapped.run("false")
    wrapped.failures = []
    done = wrapped.run("true")
    assert done.stderr == b""
    tools = [event.command.tool for event in wrapped.events if event.command]
    assert sorted(tools) == ["false", "false", "true", "true"]
    assert list((wrapped.home / "spool").iterdir()) == []


def test_events_that_fit_nowhere_are_counted_aloud(wrapped: Wrapped) -> None:
    wrapped.home.write_text("not a directory")
    wrapped.failures = ["disk full"] * 2
    done = wrapped.run("sh", "-c", "exit 7")
    assert done.returncode == 7
    assert b"2 EVENTS OF THIS RUN LOST" in done.stderr


def test_a_full_disk_is_told_and_leaves_no_torn_file(wrapped: Wrapped) -> None:
    wrapped.failures = ["disk full"] * 2
    full = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (100, 100))"
    arguments = wrapped.arguments("sh", "-c", "exit 5")
    script = f"{full}\nimport os, sys; os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        check=False,
        capture_output=True,
        cwd=wrapped.folder,
    )
    assert done.returncode == 5
    assert b"2 EVENTS OF THIS RUN LOST" in done.stderr
    assert list((wrapped.home / "spool").iterdir()) == []


@pytest.mark.parametrize("is_read", [False, True], ids=["not read", "read"])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_where_processes_are_short_the_command_goes_before_ours(
    processes: int, is_read: bool
) -> None:
    if os.getuid() != 0:
        pytest.skip("needs to become another user, whose processes can be counted")
    # The other user must be able to get there.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        wrapped = Wrapped(Path(folder))
        wrapped.request = {"is_output_kept": is_read}
        wrapped.more = {"processes": processes}
        done = wrapped.run("sh", "-c", "echo deployed; exit 3")
        assert (done.returncode, done.stdout) == (3, b"deployed\n"), done.stderr
        assert len(wrapped.events) == 2


def _is_running(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False

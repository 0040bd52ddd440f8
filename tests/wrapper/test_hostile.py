"""Surroundings that are broken or hostile: the command runs, and what is known is recorded.

Through the whole program and a real trail, as its user starts it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploytrail.app import open_directory
from deploytrail.stores.sqlite.locks import FileLock
from tests.conftest import ROOT

SCRIPT = "echo deployed; exit 3"


class Place:
    """Where a run takes place: a work tree of git that says nothing yet, and what else is given."""

    def __init__(self, folder: Path) -> None:
        self.top = folder / "work"
        self.git = self.top / ".git"
        self.home = folder / "home"
        self.git.mkdir(parents=True)
        (self.git / "HEAD").write_text("ref: refs/heads/main\n")
        self.environ: dict[bytes, bytes] = dict(os.environb)
        self.environ[b"PYTHONPATH"] = os.fsencode(ROOT / "src")
        self.options: list[str] = []
        self.before: Callable[[], None] = lambda: None
        self.command: list[str | bytes] = ["sh", "-c", SCRIPT]

    def run(self, **more: Any) -> subprocess.CompletedProcess[bytes]:
        program = [sys.executable, "-m", "deploytrail", "run", "--home", str(self.home)]

        def before() -> None:
            os.chdir(self.top)
            self.before()

        return subprocess.run(
            [*program, *self.options, "--", *self.command],
            env=self.environ,
            preexec_fn=before,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
            **more,
        )

    def recorded(self) -> list[dict[str, Any]]:
        with open_directory(self.home, create=False) as trail:
            return [dict(shown.event) for shown in trail.entries()]


def head_is_a_pipe(place: Place) -> None:
    (place.git / "HEAD").unlink()
    os.mkfifo(place.git / "HEAD")


def head_is_garbage(place: Place) -> None:
    (place.git / "HEAD").write_bytes(b"ref: \xff\xfe\x00\x1b[2J/../../../etc/passwd\n" * 1000)


def head_leads_out(place: Place) -> None:
    (place.git / "HEAD").write_text("ref: ../../../../../../etc/passwd\n")


def git_is_endless(place: Place) -> None:
    (place.git / "HEAD").unlink()
    place.git.rmdir()
    place.git.symlink_to("/dev/zero")


def git_is_itself(place: Place) -> None:
    (place.git / "HEAD").unlink()
    place.git.rmdir()
    place.git.write_text("gitdir: .git\n")


def git_is_a_loop(place: Place) -> None:
    (place.git / "HEAD").unlink()
    place.git.rmdir()
    place.git.symlink_to(".git")


def config_is_blank(place: Place) -> None:
    (place.git / "config").write_text('[remote "x"]' + "\n" * 300_000)


def config_is_one_line(place: Place) -> None:
    (place.git / "config").write_text('[remote "x"]\nurl = a' + " " * 300_000 + "b/c")


def git_is_no_program(place: Place) -> None:
    _put_git(place, "\x7fELF and nothing else", 0o755)


def git_hangs(place: Place) -> None:
    _put_git(place, "#!/bin/sh\ntouch was-run; exec sleep 600\n", 0o755)


def git_may_not_be_run(place: Place) -> None:
    _put_git(place, "#!/bin/sh\n", 0o000)


def _put_git(place: Place, text: str, mode: int) -> None:
    folder = place.top / "bin"
    folder.mkdir()
    (folder / "git").write_text(text)
    (folder / "git").chmod(mode)
    place.environ[b"PATH"] = os.fsencode(folder) + b":" + place.environ[b"PATH"]


def directory_is_gone(place: Place) -> None:
    place.before = lambda: shutil.rmtree(place.top)


def directory_may_not_be_read(place: Place) -> None:
    place.before = lambda: place.top.chmod(0o000)


def no_home(place: Place) -> None:
    for name in (b"HOME", b"XDG_DATA_HOME", b"XDG_STATE_HOME", b"PWD", b"LANG", b"LC_ALL"):
        place.environ.pop(name, None)
    place.environ[b"XDG_STATE_HOME"] = os.fsencode(place.top / "state")


def variables_are_no_text(place: Place) -> None:
    place.environ |= {b"GITHUB_ACTIONS": b"true", b"GITHUB_REPOSITORY": b"\xff\xfe/\xf0"}
    place.environ |= {
        b"GITHUB_RUN_ID": b"\x80",
        b"N\xffAME": b"\xff",
        b"GITHUB_REF": b"\xc3" * 9999,
    }
    place.environ |= {b"SUDO_USER": b"\xff", b"DEPLOYTRAIL_REASON": b"\xffwhy"}


def arguments_are_no_text(place: Place) -> None:
    place.command += [b"\xff\xfe=\xf0", b"--pass\xffword=hunter2", b"\xed\xa0\x80"]


HOSTILE: dict[str, Callable[[Place], None]] = {
    "HEAD is a named pipe": head_is_a_pipe,
    "HEAD is garbage": head_is_garbage,
    "HEAD leads out of the repository": head_leads_out,
    ".git has no end": git_is_endless,
    ".git leads to itself": git_is_itself,
    ".git is a loop of links": git_is_a_loop,
    "git's configuration is nothing but lines": config_is_blank,
    "git's configuration is one long line": config_is_one_line,
    "git is no program": git_is_no_program,
    "git hangs": git_hangs,
    "git may not be run": git_may_not_be_run,
    "the directory is gone": directory_is_gone,
    "the directory may not be read": directory_may_not_be_read,
    "there is no home": no_home,
    "variables are no text": variables_are_no_text,
    "arguments are no text": arguments_are_no_text,
    "standard input is closed": lambda place: _close(place, 0),
    "standard output is closed": lambda place: _close(place, 1),
    "standard error is closed": lambda place: _close(place, 2),
    "all streams are closed": lambda place: _close(place, 0, 1, 2),
}


def _close(place: Place, *descriptors: int) -> None:
    def close() -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    place.before = close


@pytest.mark.parametrize("output", [[], ["--keep-output"]], ids=["not read", "read"])
@pytest.mark.parametrize("case", HOSTILE)
def test_the_command_runs_and_is_recorded(tmp_path: Path, case: str, output: list[str]) -> None:
    place = Place(tmp_path)
    place.options = output
    HOSTILE[case](place)
    done = place.run()
    if place.top.exists():
        place.top.chmod(0o700)
    is_heard = case not in ("standard output is closed", "all streams are closed")
    assert (done.returncode, done.stdout) == (3, b"deployed\n" if is_heard else b"")
    assert b"Traceback" not in done.stderr
    start, end = place.recorded()
    assert [start["action"], end["action"]] == [
        "runtime.command.started",
        "runtime.command.finished",
    ]
    assert end["command"]["exit_code"] == 3
    assert start["command"]["tool"] == "sh"
    assert start["actor"]["id"].startswith("os:")
    assert not list((place.home / "spool").glob("*"))
    assert not (place.top / "was-run").exists()


def test_the_command_waits_for_no_other_writer_and_is_recorded_with_its_end(tmp_path: Path) -> None:
    place = Place(tmp_path)
    open_directory(place.home).close()
    lock = FileLock(place.home / "log.lock")
    assert lock.try_exclusive()
    # The command itself lets the lock go: only what waits until it runs can go on.
    ours, its = os.pipe()
    place.command = [sys.executable, "-c", f"import os; os.write({its}, b'!')"]

    def let_go() -> None:
        os.read(ours, 1)
        lock.release()

    letting_go = threading.Thread(target=let_go, daemon=True)
    letting_go.start()
    done = place.run(pass_fds=[its])
    os.close(its)
    letting_go.join()
    os.close(ours)
    lock.close()
    assert done.returncode == 0
    assert b"not recorded yet (1 event): log.lock: expected another writer" in done.stderr
    assert [event["outcome"] for event in place.recorded()] == ["pending", "success"]


@pytest.mark.parametrize("descriptor", [0, 1, 2])
def test_a_stream_that_is_closed_is_closed_for_the_command(tmp_path: Path, descriptor: int) -> None:
    place = Place(tmp_path)
    script = f"import os\ntry: os.fstat({descriptor})\nexcept OSError: open('closed', 'w')"
    place.command = [sys.executable, "-c", script]
    _close(place, descriptor)
    place.run()
    assert (place.top / "closed").exists()

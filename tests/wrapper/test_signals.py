"""Signals: each reaches the command once, whoever else it was sent to."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.wrapper.test_run import Wrapped

INT, TERM = signal.SIGINT, signal.SIGTERM
Send = Callable[[int, signal.Signals], None]
SENT: dict[str, tuple[list[tuple[Send, signal.Signals]], list[signal.Signals]]] = {
    "INT and TERM to all": ([(os.killpg, INT), (os.killpg, TERM)], [INT, TERM]),
    "TERM and INT to all": ([(os.killpg, TERM), (os.killpg, INT)], [INT, TERM]),
    "INT and TERM to us alone": ([(os.kill, INT), (os.kill, TERM)], [INT, TERM]),
    "TERM and INT to us alone": ([(os.kill, TERM), (os.kill, INT)], [INT, TERM]),
    "INT to all and TERM to us alone": ([(os.killpg, INT), (os.kill, TERM)], [INT, TERM]),
    "INT to us alone and TERM to all": ([(os.kill, INT), (os.killpg, TERM)], [INT, TERM]),
    "TERM to us and then to all, as by timeout": ([(os.kill, TERM), (os.killpg, TERM)], [TERM]),
}


@pytest.fixture
def wrapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wrapped:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))
    return Wrapped(tmp_path)


def test_a_signal_is_handed_on_once(wrapped: Wrapped) -> None:
    script = "trap 'echo got' TERM; echo ready; while :; do read _ || sleep 0.1; done"
    process = wrapped.start("sh", "-c", script, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == b"got\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == b"got\n"
    process.send_signal(signal.SIGQUIT)
    assert process.communicate(timeout=30)[0] == b""
    assert process.returncode == 128 + signal.SIGQUIT
    end = wrapped.events[-1]
    assert end.command is not None
    assert end.command.signal == signal.SIGQUIT


def test_a_signal_to_the_whole_group_is_not_handed_on_again(wrapped: Wrapped) -> None:
    script = "trap 'echo got' TERM; echo ready; sleep 1 & wait; sleep 0.4; echo done"
    process = wrapped.start("sh", "-c", script, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.killpg(process.pid, signal.SIGTERM)
    assert process.communicate(timeout=30)[0] == b"got\ndone\n"
    assert process.returncode == 0


@pytest.mark.parametrize("case", SENT)
def test_each_signal_reaches_the_command_once(wrapped: Wrapped, case: str) -> None:
    names = ("SIGINT", "SIGTERM", "SIGUSR1")
    script = (
        "import signal\n"
        f"numbers = {{signal.Signals[name] for name in {names}}}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, numbers)\n"
        "print('ready', flush=True)\n"
        "while True: print(signal.Signals(signal.sigwait(numbers)).name, flush=True)\n"
    )
    process = wrapped.start(sys.executable, "-c", script, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    sent, expected = SENT[case]
    for send, number in sent:
        send(process.pid, number)
    found = [process.stdout.readline() for _ in expected]
    # It waits its turn, the second time behind higher numbers, too: what would follow, has.
    for _ in range(2):
        process.send_signal(signal.SIGUSR1)
        while (line := process.stdout.readline()) != b"SIGUSR1\n":
            found.append(line)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert sorted(found) == sorted(f"{number.name}\n".encode() for number in expected)


def test_a_signal_is_handed_on_once_more_when_it_is_sent_later(wrapped: Wrapped) -> None:
    script = "trap 'echo got' TERM; echo ready; while :; do read _ || sleep 0.1; done"
    process = wrapped.start("sh", "-c", script, stdin=subprocess.DEVNULL, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.killpg(process.pid, signal.SIGTERM)
    assert process.stdout.readline() == b"got\n"
    # Alone, again and again: at last it is none that everybody got at the same moment.
    while not select.select([process.stdout], [], [], 0.3)[0]:
        process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == b"got\n"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_without_the_sentinel_a_signal_is_still_handed_on(wrapped: Wrapped) -> None:
    script = "trap 'echo got; exit 4' TERM; echo $$; while :; do read _ || sleep 0.1; done"
    process = wrapped.start("sh", "-c", script, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    command = int(process.stdout.readline())
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (sentinel,) = {int(child) for child in children} - {command}
    os.kill(sentinel, signal.SIGKILL)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30)[0] == b"got\n"
    assert process.returncode == 4


def test_the_command_gets_back_the_signal_mask_and_dispositions(wrapped: Wrapped) -> None:
    script = "grep -E 'Sig(Blk|Ign)' /proc/self/status"
    bare = subprocess.run(["sh", "-c", script], check=True, capture_output=True)
    found = wrapped.run("sh", "-c", script)
    assert signals(found.stdout) == signals(bare.stdout)


def signals(status: bytes) -> list[int]:
    """The masks of a process, without 32 and 33: glibc's own, which no program can use."""
    return [int(line.split()[1], 16) & ~(3 << 31) for line in status.splitlines()]


def test_what_was_ignored_stays_ignored(wrapped: Wrapped) -> None:
    process = wrapped.start(
        "sh",
        "-c",
        "echo ready; sleep 0.5; echo done",
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=30)[0] == b"done\n"
    assert process.returncode == 0


GONE = """
import os, sys
from deploytrail.wrapper.sentinel import Legacy, _stand
leash_end, leash = os.pipe()
reports, report_end = os.pipe()
os.write(leash, b"?")
os.close(leash)
os.close(reports)
_stand(leash_end, report_end, (), Legacy((1,), lambda: os.write(1, b"carried out")))
"""


def test_who_died_of_a_question_leaves_its_legacy_all_the_same() -> None:
    environ = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", GONE], env=environ, check=True, capture_output=True, timeout=30
    )
    assert done.stdout == b"carried out"

"""Commands on a terminal: what is asked, typed, resized, interrupted and suspended."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, tool
from tests.wrapper.terminal import Terminal
from tests.wrapper.test_run import PRINTING_ON, Wrapped

MODES: dict[str, dict[str, Any]] = {"nothing is read": {}, "read": {"is_output_kept": True}}


@pytest.fixture(params=MODES)
def wrapped(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Wrapped:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))
    wrapped = Wrapped(tmp_path)
    wrapped.request = MODES[request.param]
    return wrapped


def on_terminal(wrapped: Wrapped, script: str) -> Terminal:
    return Terminal(wrapped.arguments("sh", "-c", script), cwd=wrapped.folder)


def test_all_three_streams_are_terminals(wrapped: Wrapped) -> None:
    with on_terminal(wrapped, "test -t 0 && test -t 1 && test -t 2 && echo yes") as terminal:
        terminal.expect(rb"yes\r\n")
        assert terminal.wait() == 0


def test_no_byte_is_changed_or_added(wrapped: Wrapped) -> None:
    script = r"printf 'a\nb\r\n\tc\033[31mred\033[0m\n'; printf err >&2"
    with on_terminal(wrapped, script) as terminal:
        assert terminal.wait() == 0
        shown = terminal.seen
    with Terminal(["sh", "-c", script]) as bare:
        bare.wait()
        assert shown == bare.seen


def test_output_and_error_keep_their_order(wrapped: Wrapped) -> None:
    script = "for n in 1 2 3 4 5; do echo o$n; echo e$n >&2; done"
    with on_terminal(wrapped, script) as terminal:
        terminal.wait()
        expected = b"".join(b"o%d\r\ne%d\r\n" % (n, n) for n in range(1, 6))
        assert terminal.seen == expected


def test_a_prompt_shows_before_its_line_ends_and_is_answered(wrapped: Wrapped) -> None:
    with on_terminal(wrapped, "printf 'Enter a value: '; read v; echo got $v") as terminal:
        terminal.expect(rb"Enter a value: $")
        terminal.type(b"yes\n")
        assert terminal.expect(rb"got yes\r\n") == b"yes\r\ngot yes\r\n"
        assert terminal.wait() == 0


def test_a_hidden_answer_is_not_shown(wrapped: Wrapped) -> None:
    script = "stty -echo; printf 'Password: '; read v; stty echo; echo got $v | wc -c"
    with on_terminal(wrapped, script) as terminal:
        terminal.expect(rb"Password: $")
        terminal.type(b"hunter2\n")
        terminal.wait()
        assert b"hunter2" not in terminal.seen


def test_control_c_reaches_the_command_once_and_its_answer_counts(wrapped: Wrapped) -> None:
    script = "trap 'echo interrupted' INT; echo ready; sleep 1; sleep 0.3; exit 4"
    with on_terminal(wrapped, script) as terminal:
        terminal.expect(rb"ready\r\n")
        terminal.type(b"\x03")
        assert terminal.wait() == 4
        assert terminal.seen.count(b"interrupted") == 1
    end = wrapped.events[-1]
    assert end.command is not None
    assert end.command.exit_code == 4


@pytest.mark.parametrize(
    ("key", "kind"), [(b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)], ids=["C", "backslash"]
)
def test_a_control_key_ends_a_command_that_does_not_mind(
    wrapped: Wrapped, key: bytes, kind: signal.Signals
) -> None:
    with on_terminal(wrapped, "ulimit -c 0; echo ready; exec sleep 30") as terminal:
        terminal.expect(rb"ready\r\n")
        terminal.type(key)
        assert terminal.wait() == 128 + kind
    end = wrapped.events[-1]
    assert end.command is not None
    assert end.command.signal == kind


def test_a_progress_bar_shows_as_it_goes(wrapped: Wrapped) -> None:
    script = "for n in 10 20 30; do printf '\\r\\033[K%s%% ' $n; read v; done; echo; echo done"
    with on_terminal(wrapped, f"stty -echo; {script}") as terminal:
        for n in (10, 20, 30):
            assert terminal.expect(rb"% $") == b"\r\x1b[K%d%% " % n
            terminal.type(b"\n")
        terminal.expect(rb"\r\ndone\r\n")
        assert terminal.wait() == 0


def test_a_terminal_within_a_terminal_answers_and_ends_as_without_us(wrapped: Wrapped) -> None:
    inner = "printf 'Name? '; read v; echo hello $v; stty size; exit 3"
    command = [tool("script"), "--quiet", "--return", "--command", inner, os.devnull]
    arguments = wrapped.arguments(*command)
    with Terminal(arguments, rows=31, columns=99, cwd=wrapped.folder) as terminal:
        terminal.expect(rb"Name\? $")
        terminal.type(b"Alice\n")
        terminal.expect(rb"hello Alice\r\n")
        terminal.expect(rb"31 99\r\n")
        assert terminal.wait() == 3


def test_control_z_suspends_and_continues(wrapped: Wrapped) -> None:
    # A shell with job control, as a person has it: only that can bring a job back.
    arguments = wrapped.arguments("sh", "-c", "echo pid $$; read v; echo got $v")
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in arguments)
    shell = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
    with Terminal(
        shell, cwd=wrapped.folder, env={**os.environ, "PS1": "$ ", "HISTFILE": ""}
    ) as terminal:
        terminal.expect(rb"\$ ")
        terminal.type(f"{quoted}\n".encode())
        pid = int(terminal.expect(rb"\npid \d+\r\n").split()[-1])
        terminal.type(b"\x1a")
        terminal.expect(rb"Stopped")
        # Until it has left its read, the command could still take what is meant for the shell.
        while "\nState:\tT" not in Path(f"/proc/{pid}/status").read_text():
            os.sched_yield()
        terminal.type(b"fg\n")
        terminal.type(b"again\n")
        terminal.expect(rb"got again\r\n")
        terminal.type(b"exit $?\n")
        assert terminal.wait() == 0


def test_a_killed_wrapper_ends_neither_the_command_nor_its_output(wrapped: Wrapped) -> None:
    script = (
        "echo parent $PPID; read v; "
        "for n in 1 2 3 4 5 6 7 8 9; do printf '\\r%s' $n; sleep 0.1; done; "
        "test -t 1 && echo done > finished; echo last"
    )
    # A shell above it, as a person has one: who leads the session takes all with it.
    shell = ["sh", "-c", '"$@"; echo shell $?; read v', "sh"]
    arguments = wrapped.arguments("sh", "-c", script)
    with Terminal([*shell, *arguments], cwd=wrapped.folder) as terminal:
        parent = int(terminal.expect(rb"parent \d+\r\n").split()[1])
        terminal.type(b"go\n")
        terminal.expect(rb"\r2")
        os.kill(parent, signal.SIGKILL)
        terminal.expect(rb"shell 137\r\n")
        terminal.expect(rb"\r9last\r\n")
        terminal.type(b"\n")
        assert terminal.wait() == 0
    assert (wrapped.folder / "finished").read_text() == "done\n"


def test_a_background_process_prints_on_after_the_run(wrapped: Wrapped) -> None:
    # A shell above it, as a person has one: who leads the session takes all with it.
    shell = ["sh", "-c", '"$@"; echo shell $?; read v', "sh"]
    arguments = wrapped.arguments("sh", "-c", f"seq 1 9000; {PRINTING_ON} & exit 4")
    with Terminal([*shell, *arguments], cwd=wrapped.folder) as terminal:
        terminal.expect(rb"\r\n9000\r\n")
        terminal.expect(rb"shell 4\r\n", seconds_max=5)
        assert not (wrapped.folder / "finished").exists()
        terminal.expect(rb"\d+\r\n")
        (wrapped.folder / "stop").touch()
        terminal.expect(rb"last\r\n")
        assert (wrapped.folder / "finished").read_text() == "done\n"
        terminal.type(b"\n")
        assert terminal.wait() == 0


def test_the_size_is_the_terminals_and_follows_it(wrapped: Wrapped) -> None:
    script = (
        "import os, signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])\n"
        "while True:\n"
        "    size = os.get_terminal_size(1)\n"
        "    print(*size, flush=True)\n"
        "    if size == (120, 40): break\n"
        "    signal.sigwait([signal.SIGWINCH])\n"
    )
    arguments = wrapped.arguments(sys.executable, "-c", script)
    with Terminal(arguments, rows=30, columns=97, cwd=wrapped.folder) as terminal:
        terminal.expect(rb"97 30\r\n")
        terminal.resize(40, 120)
        terminal.expect(rb"120 40\r\n")
        assert terminal.wait() == 0

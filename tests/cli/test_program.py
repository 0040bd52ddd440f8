"""The program as a whole: how it starts, how it ends, and what it exits with."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import typer

from deploytrail import errors
from deploytrail.cli.program import SUB_VERBS, VERBS, app, exit_code
from deploytrail.errors import DeploytrailError
from tests.cli.program import PROGRAM, Answer, Program, error_of

BAD_USAGE = {
    "an unknown verb": (["recrod"], "recrod", "deploytrail --help"),
    "an unknown option": (["log", "--bogus"], "--bogus", "deploytrail log --help"),
    "a missing argument": (["show"], "ID", "deploytrail log"),
    "an argument too many": (["proof", "1234", "--index", "1"], "--index", "found both"),
    "an index below all": (["show", "--index", "-1"], "--index", "is less than 0"),
    "a word too many": (["init", "extra"], "extra", "deploytrail init --help"),
    "an age without a unit": (["verify", "--max-age", "24"], "--max-age", "24h"),
    "a count that is none": (["log", "-n", "x"], "--count", "is no whole number"),
    "a count of nothing": (["log", "-n", "0"], "--count", "is less than 1"),
    "standard output as a file": (["export", "-"], "FILE", "deploytrail log --all --json"),
    "nothing to record": (["record"], "ACTION", "deploytrail record --help"),
}
# DESIGN §14. `run` returns its child's code instead, which tests/cli/test_run.py holds it to.
EXIT_CODES: dict[str, tuple[BaseException, int]] = {
    "bytes that contradict a proof": (errors.Tampered("x"), 1),
    "what was read is not what was expected": (errors.Malformed("x"), 2),
    "over a limit": (errors.TooLarge("x"), 2),
    "another body under the same delivery": (errors.Conflict("x"), 2),
    "no such thing": (errors.NotFound("x"), 2),
    "a setting that can't work": (errors.Misconfigured("x"), 2),
    "evidence is absent": (errors.Incomplete("x"), 3),
    "signatures are missing": (errors.PolicyUnmet("x"), 4),
    "older than asked for": (errors.Stale("x"), 5),
    "somebody else holds the lock": (errors.Busy("x"), 75),
    "no room for an entry": (errors.DiskFull("x"), 75),
    "a commit that failed half-way": (errors.CommitUnknown("x"), 75),
    "the clock jumped": (errors.ClockSuspect("x"), 75),
    "a fence": (errors.Fenced("x"), 75),
    "more than can be held": (errors.Overloaded("x"), 75),
    "a query that takes too long": (errors.TooSlow("x"), 75),
    "a view that has not read so far": (errors.Behind("x"), 75),
    "nobody answers": (errors.Unreachable("x"), 75),
    "nobody that we know": (errors.Unknown("x"), 77),
    "known and not allowed": (errors.NotPermitted("x"), 77),
    "a file of somebody else": (PermissionError(errno.EACCES, "Permission denied", "f"), 77),
    "a full disk": (OSError(errno.ENOSPC, "No space left on device", "f"), 75),
    "a file that is nowhere": (FileNotFoundError(errno.ENOENT, "No such file", "f"), 2),
    "a file that is there already": (FileExistsError(errno.EEXIST, "File exists", "f"), 2),
    "a broken disk": (OSError(errno.EIO, "Input/output error", "f"), 70),
    "what nobody expected": (ZeroDivisionError("division by zero"), 70),
    "an interrupt": (KeyboardInterrupt(), 130),
}


@pytest.fixture(scope="module")
def misused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    program = Program(tmp_path_factory.mktemp("misused"))
    answers = program.many({case: words for case, (words, _, _) in BAD_USAGE.items()})
    assert not program.home.exists()
    return answers


@pytest.mark.parametrize("case", BAD_USAGE)
def test_bad_usage_is_two_and_says_where_the_help_is(case: str, misused: dict[str, Answer]) -> None:
    _, named, advice = BAD_USAGE[case]
    code, printed, told = misused[case]
    assert (code, printed, told.count("\n")) == (2, "", 1)
    assert told.startswith("error: ")
    assert named in told
    assert advice in told


def test_bad_usage_is_two_in_a_process_of_its_own(program: Program) -> None:
    done = program("log", "--bogus")
    assert done.returncode == 2
    assert "--bogus" in error_of(done)


@pytest.mark.parametrize("case", EXIT_CODES)
def test_every_exception_has_its_exit_code(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    error, code = EXIT_CODES[case]
    assert exit_code(error) == code
    told = capsys.readouterr().err
    assert told.count("\n") == {70: 2, 130: 0}.get(code, 1)


def test_every_error_of_ours_is_in_that_table() -> None:
    families = {"DeploytrailError", "SenderError", "EvidenceError", "OwnError", "StaleEpoch"}
    ours = {
        name
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, DeploytrailError)
    }
    assert ours - families <= {type(error).__name__ for error, _ in EXIT_CODES.values()}


def test_without_a_verb_the_help_is_shown_and_the_usage_is_wrong(program: Program) -> None:
    done = program()
    assert (done.returncode, done.stderr) == (2, "")
    for verb in VERBS:
        assert f"\n  {verb} " in done.stdout


def test_the_version_is_printed(program: Program) -> None:
    done = program("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("deploytrail 0.")


@contextmanager
def waiting_for_events(program: Program) -> Iterator[subprocess.Popen[str]]:
    """A `record` that has opened its file and waits for what is in it."""
    fifo = program.folder / "fifo"
    os.mkfifo(fifo)
    started = subprocess.Popen(
        [*PROGRAM, "record", "--json", str(fifo)],
        env=program.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    writing = _opened_to_write(fifo, started)
    try:
        yield started
    finally:
        os.close(writing)


def _opened_to_write(fifo: Path, reader: subprocess.Popen[str]) -> int:
    """Waits until the other side has opened it to read; fails where that ended instead."""
    while True:
        with suppress(OSError):
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"ended with {reader.wait(timeout=0.02)} before it read anything")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_a_signal_ends_it_quietly(number: signal.Signals, code: int, program: Program) -> None:
    with waiting_for_events(program) as started:
        started.send_signal(number)
        assert started.communicate(timeout=60) == ("", "")
    assert started.returncode == code


def test_a_reader_who_goes_away_is_no_error(recorded: Program) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [*PROGRAM, "log", "--json"],
        env=recorded.environ,
        check=False,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (141, b"")


def broken(program: Program, module: str) -> dict[str, str]:
    """An environment in which a library of ours can't be loaded."""
    (program.folder / f"{module}.py").write_text("raise RuntimeError('wrong architecture')\n")
    return {"PYTHONPATH": str(program.folder)}


@pytest.mark.parametrize("module", ["apsw", "typer"])
def test_our_fault_is_seventy_and_asks_for_a_report(module: str, recorded: Program) -> None:
    done = recorded("log", environ=broken(recorded, module))
    assert (done.returncode, done.stdout) == (70, "")
    first, second = done.stderr.splitlines()
    assert first == "error: RuntimeError: wrong architecture"
    assert "DEPLOYTRAIL_DEBUG=1" in second


def test_a_fault_shows_where_it_was_if_asked(recorded: Program) -> None:
    environ = broken(recorded, "apsw") | {"DEPLOYTRAIL_DEBUG": "1"}
    assert "Traceback" in recorded("log", environ=environ).stderr


def test_run_loads_no_terminal_framework(program: Program) -> None:
    done = subprocess.run(
        [PROGRAM[0], "-X", "importtime", *PROGRAM[1:], "run", "--", "true"],
        env=program.environ,
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "deploytrail.wrapper.run" in loaded
    assert loaded.isdisjoint({"typer", "click", "rich", "pydantic"})


def test_run_returns_the_code_of_its_command(program: Program) -> None:
    assert program("run", "--", "sh", "-c", "exit 3").returncode == 3


def test_listing_loads_no_library_that_only_draws(recorded: Program) -> None:
    done = subprocess.run(
        [PROGRAM[0], "-X", "importtime", *PROGRAM[1:], "log"],
        env=recorded.environ,
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert loaded.isdisjoint({"rich", "rich.console", "deploytrail.wrapper.run"})


COMPLETED = {
    "deploytrail re": ["record", "restore"],
    "deploytrail log --out": ["--outcome"],
    "deploytrail run --en": ["--environment"],
    "deploytrail run --environment prod --re": ["--reason"],
}


@pytest.mark.parametrize("typed", COMPLETED)
def test_completion_knows_verbs_and_options_and_leaves_nothing_behind(
    program: Program, typed: str
) -> None:
    asked = {
        "_DEPLOYTRAIL_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    done = program(environ=asked)
    assert (done.returncode, done.stdout.split()) == (0, COMPLETED[typed])
    assert list(program.user.iterdir()) == []
    assert not program.home.exists()


def test_an_output_that_knows_no_unicode_gets_escapes(recorded: Program) -> None:
    bob = '{"action": "code.pushed", "actor": {"type": "user", "id": "x:bob", "name": "Bøb"}}'
    assert recorded("record", "--json", "-", input=bob).returncode == 0
    done = recorded("log", "-n", "1", environ={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "B\\xf8b" in done.stdout


def test_closed_streams_are_no_fault(recorded: Program) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *PROGRAM, "log"],
        env=recorded.environ,
        check=False,
    )
    assert done.returncode == 0


def test_a_home_below_a_file_is_told(program: Program) -> None:
    (program.folder / "file").write_text("")
    done = program("init", "--home", program.folder / "file" / "trail")
    assert done.returncode == 2
    assert "a part of it is a file; name a directory" in error_of(done)


def test_the_help_of_every_verb_fits_a_narrow_terminal(program: Program) -> None:
    program.environ["COLUMNS"] = "80"
    verbs = [[verb] for verb in VERBS if verb != "run"]
    verbs += [[verb, word] for verb, words in SUB_VERBS.items() for word in words]
    calls = {" ".join(words): [*words, "--help"] for words in verbs}
    for verb, (code, printed, told) in program.many(calls).items():
        assert (code, told) == (0, "")
        assert max(len(line) for line in printed.splitlines()) <= 80, verb


def test_a_home_is_named_by_option_before_variable(recorded: Program, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert recorded("init", "--home", other).returncode == 0
    assert recorded("log", "--home", other).stdout == ""
    assert recorded("log").stdout.count("\n") == 3


def test_what_may_not_be_read_is_told_by_us_and_not_as_misuse() -> None:
    """The framework would look first, and exit with 2."""
    commands = typer.main.get_group(app).commands
    paths = {
        f"{verb} {option.name}": option.type
        for verb, command in commands.items()
        for option in command.params
        if hasattr(option.type, "readable")
    }
    assert len(paths) > 10
    assert [name for name, kind in paths.items() if kind.readable] == []

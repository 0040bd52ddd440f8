"""The arguments of `deploytrail run`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploytrail.cli.run import OPTIONS, asked, help_text
from tests.conftest import ROOT

MAIN = "import sys; from deploytrail.cli.run import main; sys.exit(main(sys.argv[1:]))"
BAD_USAGE = {
    "no command": [],
    "no command behind --": ["--reason", "x", "--"],
    "an unknown option": ["--enviroment", "prod", "--", "true"],
    "a missing value": ["--environment", "--", "true"],
}
NOT_USED = {
    "an empty value": "--environment=",
    "a value for a switch": "--keep-output=yes",
    "a name that is too long": "--environment=" + "x" * 65,
}


def deploytrail_run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | environ,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("case", BAD_USAGE)
def test_bad_usage_is_125_and_runs_nothing(case: str) -> None:
    done = deploytrail_run(*BAD_USAGE[case])
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("deploytrail: run: ")


def test_a_flag_goes_before_its_variable() -> None:
    environ = {"DEPLOYTRAIL_ENVIRONMENT": "staging", "DEPLOYTRAIL_UNIT": "network"}
    given, command = asked(["--environment", "prod", "--", "true", "--unit"], environ)
    assert given == {"--environment": ["prod"], "--unit": ["network"]}
    assert command == ("true", "--unit")


def test_the_command_begins_at_the_first_word_that_is_no_option() -> None:
    given, command = asked(["--ticket=OPS-1", "--ticket", "OPS-2", "terraform", "--help"], {})
    assert given == {"--ticket": ["OPS-1", "OPS-2"]}
    assert command == ("terraform", "--help")


@pytest.mark.parametrize("case", NOT_USED)
def test_a_value_that_can_not_be_used_is_told_and_the_command_runs(
    tmp_path: Path, case: str
) -> None:
    home = f"--home={tmp_path / 'home'}"
    done = deploytrail_run(home, NOT_USED[case], "--", "sh", "-c", "echo deployed; exit 3")
    assert (done.returncode, done.stdout) == (3, "deployed\n")
    assert " is not used: expected " in done.stderr


def test_help_names_every_option_and_its_variable() -> None:
    done = deploytrail_run("--help")
    assert deploytrail_run("-h").stdout == done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == help_text() + "\n"
    for option in OPTIONS:
        assert option.name in done.stdout
        assert option.variable in done.stdout


def test_help_that_nobody_reads_to_its_end_is_no_fault() -> None:
    environ = os.environ | {"PYTHONUNBUFFERED": "1"}
    words = [sys.executable, "-m", "deploytrail", "run", "--help"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, env=environ, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_help_fits_a_terminal() -> None:
    assert max(len(line) for line in help_text().split("\n")) <= 100


def test_an_installation_that_can_not_be_loaded_runs_the_command(tmp_path: Path) -> None:
    (tmp_path / "msgspec.py").write_text("raise ImportError('wrong architecture')\n")
    paths = os.pathsep.join([str(tmp_path), str(ROOT / "src")])
    done = deploytrail_run("--", "sh", "-c", "echo deployed; exit 3", PYTHONPATH=paths)
    assert (done.returncode, done.stdout) == (3, "deployed\n")
    assert "NOTHING OF THIS RUN IS RECORDED: ImportError: wrong architecture" in done.stderr


def test_a_trail_that_is_made_on_the_way_is_told_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = deploytrail_run("--", "true", DEPLOYTRAIL_HOME=str(home))
    assert first.stderr.count("no trail yet, so one is made; 'deploytrail init' explains it") == 1
    assert deploytrail_run("--", "true", DEPLOYTRAIL_HOME=str(home)).stderr == ""


def test_a_home_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    home = tmp_path / "nosuch"
    no = {"DEPLOYTRAIL_HOME": "", "XDG_DATA_HOME": ""}
    done = deploytrail_run("--", "sh", "-c", "echo deployed; exit 3", HOME=str(home), **no)
    assert (done.returncode, done.stdout) == (3, "deployed\n")
    assert f"HOME: expected your home directory, found {home}, which is not there" in done.stderr
    assert "2 EVENTS OF THIS RUN LOST" in done.stderr
    assert not home.exists()


def test_a_variable_that_can_not_be_used_is_told_and_left_out(tmp_path: Path) -> None:
    done = deploytrail_run(
        "--", "true", DEPLOYTRAIL_ENVIRONMENT="x" * 65, DEPLOYTRAIL_HOME=str(tmp_path / "home")
    )
    assert done.returncode == 0
    assert "DEPLOYTRAIL_ENVIRONMENT is not used" in done.stderr


def test_what_a_run_can_do_without_is_not_imported(tmp_path: Path) -> None:
    probe = f"import sys; from deploytrail.cli.run import main; main(sys.argv[1:]); {PRINT}"
    done = subprocess.run(
        [sys.executable, "-c", probe, "--home", str(tmp_path / "home"), "--", "true"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = set(done.stdout.split())
    assert "deploytrail.wrapper.run" in loaded
    assert not loaded & {"typer", "click", "rich", "argparse", "typing_extensions"}
    # Each of these takes milliseconds that every command would wait for.
    assert not loaded & {"asyncio", "concurrent.futures", "dataclasses", "inspect", "json"}
    assert not loaded & {"logging", "subprocess", "deploytrail.zstd", "importlib.metadata"}
    assert not {name for name in loaded if name.startswith("deploytrail.sources")}


PRINT = "print(*sys.modules)"

"""`log`, `show` and `proof` of what one may only read: an export, another's directory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cli.program import ANSWERING, Answer, Program, error_of

NOBODY = 65_534
AS_NOBODY = f"""{ANSWERING}
if os.geteuid() == 0:
    # Nobody may not read where Python lies: what is loaded late is loaded before.
    for words in json.loads(sys.argv[1]):
        answer(words)
    os.environ["XDG_STATE_HOME"] = "/nowhere"
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
json.dump(answer(json.loads(sys.argv[2])), sys.__stdout__)
"""


@pytest.fixture(scope="module")
def exported_once(recorded_once: Path) -> dict[str, bytes]:
    program = Program(recorded_once)
    for name, more in (("full.tar", []), ("concealed.tar", ["--concealed"])):
        assert program("export", "--proofs", name, *more).returncode == 0
    names = ("full.tar", "concealed.tar")
    return {name: (recorded_once / name).read_bytes() for name in names}


@pytest.fixture
def exported(recorded: Program, exported_once: dict[str, bytes]) -> Program:
    """The program of somebody who was handed two exports, and has seen this log before."""
    for name, octets in exported_once.items():
        (recorded.folder / name).write_bytes(octets)
    return recorded


def test_an_export_reads_as_its_trail_does(exported: Program) -> None:
    listed = exported.lines("log", "--json")
    assert exported.lines("log", "--json", "--home", "full.tar") == listed
    for entry in listed:
        for words in (["show", entry["id"][-8:]], ["show", "--index", str(entry["index"])]):
            assert exported.json(*words, "--json", "--home", "full.tar") == entry
        proven = exported("proof", entry["id"]).stdout
        again = exported("proof", entry["id"], "--home", "full.tar").stdout
        assert _unsigned(again) == _unsigned(proven)
    done = exported("log", environ={"DEPLOYTRAIL_HOME": "full.tar"})
    assert (done.stdout, done.stderr) == (exported("log").stdout, "")


def _unsigned(proof: str) -> list[str]:
    """Without signatures: the log's own is made anew once a minute, while it is idle."""
    found = [line for line in proof.splitlines() if not line.startswith("— ")]
    assert 3 < len(found) < len(proof.splitlines())
    return found


def test_who_never_saw_the_log_is_told_whose_key_it_is_read_by(exported: Program) -> None:
    shutil.rmtree(exported.folder / "state")
    done = exported("log", "--home", "full.tar")
    assert (done.returncode, done.stdout.count("\n")) == (0, 3)
    assert "came with it" in done.stderr
    assert exported("verify", "full.tar").returncode == 0
    assert exported("log", "--home", "full.tar").stderr == ""


def test_what_was_left_out_is_said_in_words(exported: Program) -> None:
    done = exported("show", "--index", "2", "--home", "concealed.tar")
    assert done.returncode == 0
    facts = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert ["actor", "left out of this export"] in facts
    assert done.stderr == (
        "concealed.tar: names, reasons and values were left out of this export\n"
    )


def test_without_the_key_the_rest_is_read(exported: Program) -> None:
    (exported.home / "key").unlink()
    done = exported("log")
    assert (done.returncode, done.stdout.count("\n"), done.stderr.count("\n")) == (0, 3, 1)
    assert f"{exported.home}: names, reasons and values can't be shown" in done.stderr
    shown = exported("show", "--index", "2").stdout
    assert "concealed: this trail's key is not at hand" in shown
    assert "MISSING" not in shown


def test_what_is_neither_trail_nor_export_is_told(exported: Program) -> None:
    (exported.folder / "x.tar").write_text("hello")
    message = error_of(exported("log", "--home", "x.tar"))
    assert "expected a trail's directory or export" in message
    assert exported("log", "--home", exported.home / "log.db").stdout == exported("log").stdout
    # What appends, or publishes first, is for directories.
    assert exported("export", "--home", "full.tar", "y.tar").returncode == 2
    assert not (exported.folder / "y.tar").exists()


@pytest.fixture
def others(recorded_once: Path) -> Iterator[Path]:
    """A trail of somebody else, in a place that everybody may enter."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "trail"
        shutil.copytree(recorded_once / "trail", home)
        yield home
        home.chmod(0o700)


def permit(home: Path, *, closed: str = "") -> None:
    """Everything there may be read and nothing written; what is closed is closed to all."""
    for path in home.iterdir():
        path.chmod(0 if path.name == closed else 0o444)
    home.chmod(0 if home.name == closed else 0o555)


def as_nobody(program: Program, *words: str | Path) -> Answer:
    """The answer to somebody whom permissions stop; they stop everybody but root."""
    before = [["log", "--home", str(program.home)], ["log", "--home", "full.tar"]]
    before += [["verify", str(program.home)], list(map(str, words))]
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, json.dumps(before), json.dumps(list(map(str, words)))],
        env=program.environ,
        cwd=program.folder,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    code, printed, told = json.loads(done.stdout)
    return code, printed, told


def test_a_directory_that_may_only_be_read_is_listed(exported: Program, others: Path) -> None:
    permit(others)
    listed = exported("log").stdout
    assert as_nobody(exported, "log", "--home", others) == (0, listed, "")


def test_another_s_directory_without_its_key_is_listed(exported: Program, others: Path) -> None:
    permit(others, closed="key")
    code, printed, told = as_nobody(exported, "log", "--home", others)
    assert (code, printed.count("\n"), told.count("\n")) == (0, 3, 1)
    assert "can't be shown" in told
    assert "Permission denied" in told


@pytest.mark.parametrize("closed", ["log.db", "trail"])
@pytest.mark.parametrize("verb", [["log"], ["show", "--index", "0"]])
def test_who_may_not_read_is_advised(
    exported: Program, others: Path, closed: str, verb: list[str]
) -> None:
    permit(others, closed=closed)
    code, printed, told = as_nobody(exported, *verb, "--home", others)
    assert (code, printed, told.count("\n")) == (77, "", 1)
    assert "ask its owner for an export" in told


def test_an_export_that_may_not_be_read_is_not_permitted(exported: Program, others: Path) -> None:
    path = shutil.copy(exported.folder / "full.tar", others.parent / "x.tar")
    Path(path).chmod(0)
    for words in (["log", "--home", path], ["verify", path]):
        code, printed, told = as_nobody(exported, *words)
        assert (code, printed, told.count("\n")) == (77, "", 1)
        assert "you may not" in told

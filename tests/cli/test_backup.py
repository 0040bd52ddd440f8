"""`deploytrail backup` and `restore`, as their users type them."""

from __future__ import annotations

import shutil

import pytest

from tests.cli.program import Program, error_of


def test_what_was_backed_up_is_restored_and_verified(recorded: Program) -> None:
    done = recorded("backup", "b.tar")
    assert (done.returncode, done.stdout) == (0, "")
    assert "wrote 3 entries to b.tar\n" in done.stderr
    assert "to b.tar.keys; remove it after thirty days" in done.stderr
    assert "own key is in neither" in done.stderr
    away = recorded.folder / "away"
    shutil.move(recorded.home, away)
    missing = recorded("restore", "b.tar")
    assert missing.returncode == 2
    assert "no backup has it. Name your copy of it with --key FILE" in error_of(missing)
    again = recorded("restore", "b.tar", "--key", away / "key")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("restored 3 entries as of 20")
    assert "\nverified\n" in again.stdout
    assert "every disclosure, delivery and attachment" in again.stdout
    assert [one["event"]["action"] for one in recorded.lines("log", "--json")] == [
        "code.pushed", "deployment.succeeded", "deployment.started",
    ]  # fmt: skip
    assert recorded("record", "build.started").returncode == 0


def test_programs_get_what_was_done_as_json(recorded: Program) -> None:
    found = recorded.json("backup", "b.tar", "--json")
    assert (found["file"], found["keys"], found["size"]) == ("b.tar", "b.tar.keys", 3)
    assert (found["size_signed"], found["checkpoints"], found["state"]) == (3, 1, 0)
    key = shutil.copy(recorded.home / "key", recorded.folder / "key")
    made = recorded.json("restore", "b.tar", "--key", key, "--home", "other", "--json")
    assert (made["home"], made["older"], made["report"]["exit_code"]) == ("other", "", 0)
    assert made["refilled"]["root"] == made["report"]["root"] == found["root"]
    assert (made["refilled"]["erased"], made["refilled"]["unreadable"]) == (0, 0)


def test_an_older_backup_is_restored_and_says_how_to_go_on(recorded: Program) -> None:
    recorded("backup", "b.tar")
    recorded("record", "build.started")
    shutil.move(recorded.home, recorded.folder / "away")
    key = recorded.folder / "away" / "key"
    done = recorded("restore", "b.tar", "--key", key)
    assert done.returncode == 3
    assert "INCOMPLETE" in done.stdout
    assert "MISSING entry 3: the log ends at 3" in done.stdout
    assert done.stderr.startswith("warning: log: expected at least 4 entries under a checkpoint")
    command = done.stderr.partition("deploytrail init ")[2].split(" --home")[0].split()
    gone_on = recorded("init", *command, "--home", recorded.folder / "successor")
    assert gone_on.returncode == 0, gone_on.stderr


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "a file that stands there": (["backup", "there"], 2, "there: it is there already; name an"),
    "a folder that is not there": (["backup", "none/b.tar"], 2, "none/b.tar: there is no such"),
    "no trail": (["backup", "b.tar", "--home", "none"], 2, "expected a trail, found none"),
    "a trail in the way": (["restore", "b.tar"], 2, "expected no trail, found one; name an empty"),
    "no backup": (["restore", "none.tar", "--home", "new"], 2, "expected a file of a backup"),
    "another file": (["restore", "there", "--home", "new"], 2, "expected a file that 'deploytrail"),
    "no keys": (["restore", "alone.tar", "--home", "new"], 2, "expected the keys of the backup"),
}


def test_it_is_refused_with_what_to_do(recorded: Program) -> None:
    recorded("backup", "b.tar")
    shutil.copy(recorded.folder / "b.tar", recorded.folder / "alone.tar")
    (recorded.folder / "there").write_text("mine")
    for reason, (words, code, said) in REFUSED.items():
        done = recorded(*words)
        assert (reason, done.returncode) == (reason, code)
        assert said in error_of(done), reason
    assert not (recorded.folder / "new").exists()
    assert (recorded.folder / "there").read_text() == "mine"


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_a_file_has_to_be_named(program: Program, verb: str) -> None:
    done = program(verb)
    assert done.returncode == 2
    assert "missing argument 'FILE'" in error_of(done)

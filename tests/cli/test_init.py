"""`deploytrail init`."""

from __future__ import annotations

import re
import shutil
import stat

from tests.cli.program import Program, error_of


def test_a_new_owner_is_told_of_key_backup_and_unanchored(program: Program) -> None:
    done = program("init")
    assert (done.returncode, done.stderr) == (0, "")
    assert str(program.home / "key") in done.stdout
    assert "backup  deploytrail backup FILE\n" in done.stdout
    assert "UNANCHORED" in done.stdout
    assert "'deploytrail witness add'" in " ".join(done.stdout.split())
    assert max(len(line) for line in done.stdout.splitlines()) <= 84 + len(str(program.home))


def test_the_home_is_for_its_owner_alone(program: Program) -> None:
    program("init")
    assert stat.S_IMODE(program.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((program.home / "key").stat().st_mode) == 0o600


def test_programs_get_json(program: Program) -> None:
    made = program.json("init", "--json", "--origin", "example.org/alice/1")
    assert made == {
        "origin": "example.org/alice/1",
        "home": str(program.home),
        "key": f"file:{program.home / 'key'}",
    }


def test_an_origin_is_random_unless_it_is_named(program: Program) -> None:
    origin = program.json("init", "--json")["origin"]
    assert re.fullmatch(r"deploytrail\.local/[0-9a-f]{16}/1", origin)


def test_a_trail_is_not_made_twice_but_explained(recorded: Program) -> None:
    origin = recorded.lines("log", "--json")[0]["receipt"]["origin"]
    done = recorded("init")
    assert done.returncode == 0
    assert done.stdout.startswith(f"this is a trail in {recorded.home}\norigin  {origin}\n")
    assert "UNANCHORED" in done.stdout
    assert recorded.json("init", "--json")["origin"] == origin
    assert "found one" in error_of(recorded("init", "--origin", "example.org/other/1"))
    assert recorded("log").stdout.count("\n") == 3


def test_a_directory_that_is_open_to_others_is_told(program: Program) -> None:
    program.home.mkdir(mode=0o755)
    assert f"open to others  chmod go= {program.home}\n" in program("init").stdout
    program.home.chmod(0o700)
    assert "open to others" not in program("init").stdout


def test_a_key_kept_elsewhere_is_not_written(program: Program) -> None:
    key = program.folder / "elsewhere"
    key.write_text("ab" * 32)
    made = program.json("init", "--json", environ={"DEPLOYTRAIL_KEY": f"file:{key}"})
    assert made["key"] == f"file:{key}"
    assert not (program.home / "key").exists()


def test_a_trail_goes_on_after_the_checkpoint_that_was_kept_of_a_lost_one(
    recorded: Program,
) -> None:
    old = recorded.json("verify", "--json")["origin"]
    (kept,) = (recorded.folder / "state" / "deploytrail").iterdir()
    shutil.rmtree(recorded.home)
    reason = "the disk died, password=hunter2-hunter2"
    made = recorded.json("init", "--continue", kept, "--reason", reason, "--json")
    assert made["origin"] == f"{old.removesuffix('1')}2"
    (first,) = recorded.lines("log", "--json")
    assert first["event"]["action"] == "audit.trail.continued"
    assert first["event"]["targets"][0]["id"].startswith(f"{old}\n3\n")
    assert first["event"]["reason"]["text"].startswith("the disk died")
    assert "hunter2" not in str(first)
    # Published: whoever has this checkpoint can tell what the new log begins with.
    assert recorded.json("verify", "--json")["size_signed"] == 1

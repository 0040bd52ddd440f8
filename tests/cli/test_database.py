"""The verbs on a database: by `--url` or DEPLOYTRAIL_URL, as on a directory."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Program
from tests.postgresql import Server

PASSWORD = "s3cret-of-the-role"


class OnDatabase:
    """The program with the URL of a database in its environment, and all that it ever said."""

    def __init__(self, program: Program, url: str) -> None:
        self.program = program
        self.url = url
        self.said: list[str] = []

    def __call__(self, *words: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
        done = self.program(*words, environ={"DEPLOYTRAIL_URL": self.url} | environ)
        self.said += [done.stdout, done.stderr]
        return done

    def json(self, *words: str | Path) -> Any:
        return self.program.json(*words, environ={"DEPLOYTRAIL_URL": self.url})


@pytest.fixture
def verbs(postgres_server: Server, program: Program) -> OnDatabase:
    url = postgres_server.url(postgres_server.database())
    return OnDatabase(program, url.replace("postgres@", f"postgres:{PASSWORD}@"))


def test_a_trail_in_a_database_answers_every_verb(verbs: OnDatabase, tmp_path: Path) -> None:
    assert verbs("log").returncode == 2
    made = verbs.json("init", "--json")
    assert made["url"].startswith("postgresql://postgres:***@/trail_")
    assert verbs.json("init", "--json") == made
    receipt = verbs.json("record", "deployment.succeeded", "--reason", "by hand")
    assert (receipt["origin"], receipt["index"]) == (made["origin"], 0)
    assert verbs("run", "--", "true").returncode == 0
    lines = verbs("log").stdout.splitlines()
    assert [line.split("\t")[3] for line in lines] == [
        "ran true",
        "started true",
        "deployed a unit",
    ]
    assert "by hand" in verbs("show", receipt["id"]).stdout
    proof, entry = tmp_path / "proof", tmp_path / "entry"
    assert verbs("proof", receipt["id"], "-o", proof, "--entry", entry).returncode == 0
    assert verbs("verify", proof, "--entry", entry).returncode == 0
    report = verbs.json("verify", "--disclosures", "--json")
    assert (report["size"], report["size_signed"], report["found"]) == (3, 3, [])
    assert verbs("export", "--proofs", tmp_path / "log.tar").returncode == 0
    assert verbs("verify", tmp_path / "log.tar").returncode == 0
    assert verbs("export", tmp_path / "log.jsonl").returncode == 0
    assert verbs("doctor").returncode == 0
    assert verbs("doctor", "--clear-fence").returncode == 0
    assert verbs("doctor", "--accept-clock").returncode == 0
    assert not (verbs.program.home / "log.db").exists()
    assert PASSWORD not in "".join(verbs.said)


def test_who_has_no_home_directory_records_all_the_same(verbs: OnDatabase, tmp_path: Path) -> None:
    """As a runner of CI often has none; only what could not be recorded needs a place."""
    assert verbs("init").returncode == 0
    key = verbs.program.home / "key"
    nowhere = {"HOME": str(tmp_path / "nowhere"), "DEPLOYTRAIL_KEY": f"file:{key}"}
    del verbs.program.environ["DEPLOYTRAIL_HOME"]
    done = verbs("record", "deployment.succeeded", **nowhere)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["index"] == 0
    assert verbs("run", "--", "true", **nowhere).stderr == ""
    done = verbs("doctor", **nowhere)
    assert (done.returncode, "3 entries, all verified" in done.stdout) == (0, True)


def test_a_trail_in_a_database_is_asked_as_one_in_a_directory(verbs: OnDatabase) -> None:
    for number in range(3):
        verbs.json(
            "record", "deployment.succeeded", "--environment", "prod", "--unit", f"u{number}"
        )
    verbs.json("record", "plan.queued", "--environment", "prod")
    found = verbs("search", "env:prod action:deployment.*")
    assert (found.returncode, len(found.stdout.splitlines())) == (0, 3)
    assert len(verbs("search", "env:prod", "--oldest", "-n", "2").stdout.splitlines()) == 2
    assert len(verbs("changes", "--environment", "prod").stdout.splitlines()) == 3
    stats = verbs.json("stats", "--json")
    assert (stats["size"], stats["size_signed"], stats["followers"]) == (4, 4, {"index": 4})
    assert "rebuilt the index of 4 entries" in verbs("index", "rebuild").stderr
    assert verbs("search", "env:prod action:deployment.*").stdout == found.stdout
    secret = verbs("token", "create", "ci", "--role", "recorder").stdout.strip()
    assert secret.startswith("dt_ci_")
    assert verbs("token", "list").stdout.split("\t")[:2] == ["ci", "recorder"]
    assert verbs("token", "rotate", "ci").stdout.startswith("dt_ci_")
    assert verbs("token", "revoke", "ci", "--reason", "done").returncode == 0
    assert verbs("log", "--action", "audit.token").stdout.count("\n") == 3
    assert PASSWORD not in "".join(verbs.said)


def test_a_backup_of_a_database_is_restored_into_a_directory(
    verbs: OnDatabase, tmp_path: Path
) -> None:
    receipt = verbs.json("record", "deployment.succeeded", "--reason", "by hand")
    file, there = tmp_path / "trail.backup", tmp_path / "there"
    assert verbs("backup", file).returncode == 0
    refused = verbs("restore", file)
    assert (refused.returncode, "expected no trail, found one; name an" in refused.stderr) == (
        2,
        True,
    )
    restored = verbs("restore", file, "--key", verbs.program.home / "key", "--home", there)
    assert restored.returncode == 0, restored.stderr
    assert "by hand" in verbs("show", receipt["id"], "--home", there).stdout
    assert verbs("verify", there, "--disclosures").returncode == 0


def test_a_backup_of_a_directory_is_restored_into_a_database(
    verbs: OnDatabase, tmp_path: Path
) -> None:
    there, file = tmp_path / "there", tmp_path / "trail.backup"
    receipt = verbs.json("record", "deployment.succeeded", "--reason", "by hand", "--home", there)
    assert verbs("backup", file, "--home", there).returncode == 0
    restored = verbs("restore", file, "--key", there / "key")
    assert restored.returncode == 0, restored.stderr
    assert PASSWORD not in restored.stdout
    assert "by hand" in verbs("show", receipt["id"]).stdout
    assert verbs("record", "deployment.succeeded").returncode == 0
    assert verbs("verify", "--disclosures").returncode == 0


@pytest.mark.parametrize("url", ["sqlite:///srv?x", "mysql://db/x", "sqlite:srv"])
def test_a_run_for_a_trail_that_can_t_be_is_kept_aside(program: Program, url: str) -> None:
    done = program("run", "--url", url, "--", "sh", "-c", "exit 5")
    assert done.returncode == 5
    assert "URL: expected sqlite:///" in done.stderr
    assert "kept 2 events in" in done.stderr
    assert not list(program.home.glob("**/log.db"))


SERVER = "http://127.0.0.1:9"
THERE = "do it on a machine that reaches its directory (--home) or its database (--url)"
STORED_ONLY = {
    "init": (["init"], "record there, or leave --url out to make one in a directory of yours"),
    "restore": (["restore", "FILE"], "restore into an empty directory (--home) or database"),
    "index rebuild": (["index", "rebuild"], THERE),
    "token": (["token", "list"], THERE),
    "witness": (["witness", "list"], THERE),
    "clear-fence": (["doctor", "--clear-fence"], THERE),
    "accept-clock": (["doctor", "--accept-clock"], THERE),
}


@pytest.mark.parametrize("verb", STORED_ONLY)
def test_what_only_the_store_can_do_says_so_of_a_server(program: Program, verb: str) -> None:
    words, instead = STORED_ONLY[verb]
    done = program(*words, environ={"DEPLOYTRAIL_URL": SERVER})
    assert (done.returncode, done.stdout) == (2, "")
    assert f"found the server {SERVER}" in done.stderr
    assert instead in done.stderr


def test_a_password_is_in_no_message(verbs: OnDatabase) -> None:
    unreachable = f"postgresql://alice:{PASSWORD}@127.0.0.1:1/trail"
    misread = f"postgresql://alice:{PASSWORD}@x@127.0.0.1:1/trail"
    foreign = f"mysql://alice:{PASSWORD}@127.0.0.1/trail"
    for url, code in ((unreachable, 75), (misread, 2), (foreign, 2)):
        for words in (["log"], ["record", "deployment.started"], ["verify"], ["init", "--json"]):
            done = verbs(*words, "--url", url)
            assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert verbs("doctor", "--json", "--url", url, DEPLOYTRAIL_DEBUG="1").returncode != 0
    assert PASSWORD not in "".join(verbs.said)


def test_a_flag_comes_before_the_environment(verbs: OnDatabase, tmp_path: Path) -> None:
    here = tmp_path / "here"
    assert verbs("record", "deployment.started", "--home", here).returncode == 0
    assert verbs("run", "--home", str(here), "--", "true").returncode == 0
    assert len(verbs("log", "--home", here).stdout.splitlines()) == 3
    assert len(verbs("log", "--url", f"sqlite://{here}").stdout.splitlines()) == 3
    assert verbs("log").returncode == 2
    both = verbs("log", "--home", here, "--url", f"sqlite://{tmp_path}/there")
    assert (both.returncode, "found both" in both.stderr) == (2, True)
    assert verbs("run", "--home", str(here), "--url", "x", "--", "true").returncode == 125


def test_what_a_database_could_not_take_is_taken_later(verbs: OnDatabase) -> None:
    url, verbs.url = verbs.url, "postgresql://127.0.0.1:1/trail"
    done = verbs("run", "--", "sh", "-c", "exit 7")
    assert done.returncode == 7
    assert list(verbs.program.home.glob("databases/*/spool/*.spool"))
    # It waits for that database, and for no other.
    verbs.url = url
    verbs("init")
    assert len(verbs("log").stdout.splitlines()) == 0

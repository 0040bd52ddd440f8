"""`deploytrail witness add | remove | quorum | list | ask | log | policy`."""

from __future__ import annotations

import json
import tarfile

import pytest

from deploytrail.log import note as notes
from deploytrail.log.note import COSIGNATURE_V1, Signer
from tests.cli.program import Answer, Program, error_of

BOB, CAROL = (
    notes.encode_vkey(
        Signer(f"witness.test/{name}", name.encode().ljust(32, b"."), COSIGNATURE_V1).key
    )
    for name in ("bob", "carol")
)
NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def trail(program: Program) -> Program:
    """A trail in which nothing happened yet."""
    assert program("init").returncode == 0
    return program


def test_witnesses_are_named_listed_and_taken_off(trail: Program) -> None:
    answers = trail.many({
        "log": ["witness", "log"],
        "none": ["witness", "list"],
        "add": ["witness", "add", BOB, NOBODY, "--name", "bob"],
        "more": ["witness", "add", CAROL, "https://carol.test", "--quorum", "all"],
        "list": ["witness", "list"],
        "json": ["witness", "list", "--json"],
        "quorum": ["witness", "quorum", "1", "--reason", "one will do"],
        "policy": ["witness", "policy"],
        "remove": ["witness", "remove", "witness.test/carol", "--reason", "she moved"],
        "told": ["log", "--all"],
    })  # fmt: skip
    assert {case: code for case, (code, _, _) in answers.items() if code} == {}
    (log_key,) = answers["log"][1].splitlines()
    assert answers["none"] == (0, "", "of 0 witnesses none has to cosign this trail\n")
    assert answers["add"][1] == (
        "added: 1 of 1 witness must cosign this trail\n"
        f"The witness has to know this log: deploytrail witness up --log {log_key}\n"
    )
    assert answers["more"][1].startswith("added: 2 of 2 witnesses must cosign this trail\n")
    assert answers["list"][1] == (
        f"bob  {NOBODY}  has cosigned nothing of late\n"
        "witness.test/carol  https://carol.test  has cosigned nothing of late\n"
    )
    first, second = (json.loads(line) for line in answers["json"][1].splitlines())
    assert first == {"name": "bob", "vkey": BOB, "url": NOBODY, "size": None, "time": None}
    assert second["name"] == "witness.test/carol"
    assert answers["quorum"][1] == "1 of 2 witnesses must cosign this trail\n"
    policy = answers["policy"][1].splitlines()
    assert policy[0] == f"log {log_key}"
    assert policy[2] == f"witness bob {BOB} {NOBODY}"
    assert policy[-2:] == ["group witnesses 1 bob witness.test/carol", "quorum witnesses"]
    assert answers["remove"][1] == "removed: 1 of 1 witness must cosign this trail\n"
    said = answers["told"][1]
    assert "removed the witness witness.test/carol" in said
    assert "added the witness bob" in said
    assert "changed the policy of this trail" in said


def test_nobody_who_can_not_be_reached_vouches(trail: Program) -> None:
    trail("witness", "add", BOB, NOBODY, "--name", "bob")
    done = trail("witness", "ask")
    assert done.returncode == 4
    assert done.stdout.startswith("✗ bob: http://127.0.0.1:1: expected a server there, but no")
    done = trail("verify")
    assert done.returncode == 4
    assert "POLICY UNMET" in done.stdout
    text = " ".join(done.stdout.split())
    assert "expected cosignatures for quorum 'witnesses', found 1; missing: 'bob'" in text
    assert "No quorum of witnesses has vouched for anything in it of late." in text
    assert "deploytrail verify --checkpoint FILE" in text


BAD_WORDS = {
    "add: no key": (["add", "x", NOBODY], "vkey"),
    "add: no URL": (["add", BOB, "bob.test"], "expected http://"),
    "add: no quorum": (["add", BOB, NOBODY, "--quorum", "2"], "number up to 1"),
    "remove: nobody": (["remove", "bob"], "it has none"),
    "quorum: too many": (["quorum", "1"], "number up to 0"),
}


def test_what_can_not_be_is_said_in_a_line_and_changes_nothing(trail: Program) -> None:
    answers = trail.many({case: ["witness", *words] for case, (words, _) in BAD_WORDS.items()})
    for case, (_, said) in BAD_WORDS.items():
        answer: Answer = answers[case]
        assert (answer[0], answer[1]) == (2, ""), case
        assert said in answer[2], case
        assert answer[2].count("\n") == 1, case
    assert trail("log", "--all").stdout == ""


@pytest.mark.parametrize("verb", ["list", "log", "policy", "ask"])
def test_where_there_is_no_trail_none_is_made(verb: str, program: Program) -> None:
    done = program("witness", verb)
    assert done.returncode == 2
    assert "expected a trail, found none" in error_of(done)
    assert not program.home.exists()


def checkpoint_of(program: Program) -> bytes:
    export = program.folder / "export.tar"
    assert program("export", "--proofs", export).returncode == 0
    with tarfile.open(export) as tar:
        member = tar.extractfile("checkpoint")
        assert member is not None
        return member.read()


def test_a_checkpoint_of_another_log_is_none_of_this(trail: Program) -> None:
    folder = trail.folder / "mallory"
    folder.mkdir()
    other = Program(folder)
    for program in (trail, other):
        program("record", "deployment.succeeded")
    mine, path = checkpoint_of(trail), trail.folder / "checkpoint"
    path.write_bytes(mine)
    assert trail("verify", "--checkpoint", path).returncode == 0
    for octets in (checkpoint_of(other), b"x", mine.replace(b"\n1\n", b"\n2\n")):
        path.write_bytes(octets)
        done = trail("verify", "--checkpoint", path)
        assert done.returncode == 2, done.stdout
        assert "expected a checkpoint" in error_of(done)
    assert trail("verify", "--checkpoint", folder / "none").returncode == 2

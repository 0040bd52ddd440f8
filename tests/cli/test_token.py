"""`deploytrail token`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploytrail.access.token import ROLES, checked_secret
from tests.cli.on_terminal import ESCAPE, on_terminal
from tests.cli.program import Answer, Program, error_of


@pytest.fixture
def trail(program: Program) -> Program:
    """A trail in which nothing happened yet."""
    assert program("init").returncode == 0
    return program


def create(program: Program, name: str, *words: str) -> str:
    """The secret."""
    done = program("token", "create", name, "--role", "viewer", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.removesuffix("\n")


def test_the_secret_alone_is_printed_and_what_it_opens_is_told(trail: Program) -> None:
    words = (
        "--role",
        "recorder",
        "--scope",
        "env:prod project:payments",
        "--expires",
        "2126-01-01",
    )
    done = trail("token", "create", "ci", *words, "--owner", "github:bob")
    assert done.returncode == 0
    assert done.stdout == f"{checked_secret(done.stdout.strip())}\n"
    assert done.stderr == (
        "made the token ci of github:bob: recorder, within env:prod project:payments, until "
        "2126-01-01 00:00 UTC. Its secret is shown this once; 'deploytrail token revoke ci' ends "
        "it\n"
    )


def test_the_secret_of_what_was_made_is_printed_whatever_fails_then(trail: Program) -> None:
    (trail.home / "publish.lock").unlink(missing_ok=True)
    (trail.home / "publish.lock").mkdir()
    for words in (["create", "ci", "--role", "viewer"], ["rotate", "ci"]):
        done = trail("token", *words)
        assert done.returncode != 0
        assert checked_secret(done.stdout.strip())
    assert trail("log").stdout.count("\n") == 2


def test_a_token_is_its_maker_s_and_ends_unless_otherwise_said(trail: Program) -> None:
    create(trail, "mine")
    create(trail, "endless", "--expires", "never")
    endless, mine = trail.lines("token", "list", "--json")
    assert mine["owner"] == mine["created_by"]
    assert mine["owner"].startswith("os:")
    assert mine["expires"] > mine["created"]
    assert endless["expires"] is None


def test_making_and_revoking_are_entries_that_verify(trail: Program) -> None:
    create(trail, "ci")
    trail("token", "revoke", "ci", "--reason", "it leaked, password=hunter2-hunter2")
    revoked, created = trail.lines("log", "--json")
    assert created["event"]["action"] == "audit.token.created"
    assert revoked["event"]["action"] == "audit.token.revoked"
    assert revoked["event"]["reason"]["text"].startswith("it leaked")
    assert "hunter2" not in str(revoked)
    report = trail.json("verify", "--json")
    assert (report["size"], report["size_signed"]) == (2, 2)


def test_a_rotated_token_keeps_its_name_and_gets_a_secret(trail: Program) -> None:
    old = create(trail, "ci", "--scope", "env:prod", "--expires", "2126-01-01")
    done = trail("token", "rotate", "ci", "--expires", "2127-01-01", "--overlap", "2h")
    assert checked_secret(done.stdout.strip()) != old
    told = "rotated the token ci, until 2127-01-01 00:00 UTC; the old secret opens until "
    assert done.stderr.startswith(told)
    (listed,) = trail.lines("token", "list", "--json")
    assert (listed["name"], listed["scope"], listed["role"]) == ("ci", "env:prod", "viewer")
    assert listed["expires"] == "2127-01-01T00:00:00.000000Z"
    assert listed["old_secret_expires"] > listed["created"]
    done = trail("token", "rotate", "ci", "--overlap", "0s")
    assert "old secret" not in done.stderr
    assert trail("log").stdout.count("\n") == 3


def test_no_file_of_the_trail_has_the_secret(trail: Program) -> None:
    secret = create(trail, "ci")
    files = [path for path in trail.folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if secret.split("_")[2].encode() in path.read_bytes()] == []


def test_programs_get_json(trail: Program) -> None:
    made = trail.json(
        "token", "create", "ci", "--role", "auditor", "--json", "--owner", "github:bob"
    )
    assert checked_secret(made.pop("secret"))
    assert {
        name: made[name] for name in ("name", "role", "scope", "owner", "revoked", "state")
    } == {
        "name": "ci",
        "role": "auditor",
        "scope": "",
        "owner": "github:bob",
        "revoked": None,
        "state": "live",
    }
    assert made["permissions"] == ["events.read", "log.read_all"]
    assert trail.lines("token", "list", "--json") == [made]
    revoked = trail.json("token", "revoke", "ci", "--json")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]{15}Z", revoked["revoked"])
    assert revoked | {"revoked": None, "state": "live"} == made
    assert trail.json("token", "revoke", "ci", "--json") is None


def test_columns_are_for_programs_and_revoked_tokens_for_who_asks(trail: Program) -> None:
    create(trail, "old")
    create(trail, "ci", "--scope", "env:prod", "--expires", "2126-01-01", "--owner", "github:bob")
    assert trail("token", "revoke", "old").stdout == "revoked old\n"
    line = "ci\tviewer\tenv:prod\tgithub:bob\t2126-01-01 00:00\tlive\n"
    done = trail("token", "list")
    assert done.stdout == line
    assert done.stderr == "1 that is revoked is left out; --all lists it\n"
    done = trail("token", "list", "--all")
    assert done.stdout.startswith(line + "old\tviewer\t")
    assert done.stdout.endswith("\trevoked\n")
    assert done.stderr == ""


def test_a_person_gets_a_table(trail: Program) -> None:
    create(trail, "ci", "--scope", "env:prod", "--expires", "2126-01-01", "--owner", "github:bob")
    create(trail, "longer-than-that", "--expires", "never", "--owner", "Bob's team")
    seen = ESCAPE.sub("", on_terminal(trail, "token", "list", columns=90))
    assert [" ".join(line.split()) for line in seen.splitlines()] == [
        "name role scope owner until state",
        "ci viewer env:prod github:bob 2126-01-01 00:00 live",
        "longer-than-that viewer Bob's team never live",
    ]
    assert len({line.index("live") for line in seen.splitlines()[1:]}) == 1
    narrow = ESCAPE.sub("", on_terminal(trail, "token", "list", columns=40))
    assert "longer-than-that" in narrow


def test_without_tokens_it_is_told_how_to_make_one(trail: Program) -> None:
    done = trail("token", "list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "'deploytrail token create' makes one" in done.stderr


def test_revoking_twice_is_told_and_no_error(trail: Program) -> None:
    create(trail, "ci")
    trail("token", "revoke", "ci")
    done = trail("token", "revoke", "ci")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "the token ci was revoked before, and nothing was done\n"
    assert trail("log").stdout.count("\n") == 2


def test_a_token_is_for_a_trail_that_is_there(program: Program) -> None:
    assert "expected a trail, found none" in error_of(
        program("token", "create", "ci", "--role", "viewer")
    )
    assert not program.home.exists()


MISUSED = {
    "no verb of its own": (["token", "rename"], "rename", "deploytrail token --help"),
    "no role": (["token", "create", "x"], "--role", "deploytrail token create --help"),
    "no name": (["token", "revoke"], "NAME", "deploytrail token revoke --help"),
    "a role that nobody knows": (["token", "create", "x", "--role", "root"], "--role", "admin"),
    "no end": (["token", "create", "x", "--role", "viewer", "--expires", "soon"], "90d", "soon"),
    "a name with a blank": (["token", "create", "a b", "--role", "viewer"], "name", "ci-payments"),
    "no owner": (["token", "create", "x", "--role", "viewer", "--owner", ""], "owner", "alice"),
    "a scope of persons": (
        ["token", "create", "x", "--role", "viewer", "--scope", "actor:alice"],
        "scope: expected nothing but the fields project, env, class, connection and action",
        "found the field actor",
    ),
    "a scope that is no query": (
        ["token", "create", "x", "--role", "viewer", "--scope", "env:prod ("],
        "expected",
        "found",
    ),
    "a scope for an auditor": (
        ["token", "create", "x", "--role", "auditor", "--scope", "env:prod"],
        "log.read_all",
        "leave the scope out",
    ),
    "an overlap that is no span": (["token", "rotate", "x", "--overlap", "1"], "--overlap", "2h"),
    "an overlap without end": (["token", "rotate", "x", "--overlap", "91d"], "at most 90d", "91d"),
    "a token that is none": (["token", "revoke", "nobody"], "NAME", "deploytrail token list"),
}


@pytest.fixture(scope="module")
def misused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    program = Program(tmp_path_factory.mktemp("misused"))
    program("init")
    answers = program.many({case: words for case, (words, _, _) in MISUSED.items()})
    assert program("log").stdout == ""
    return answers


@pytest.mark.parametrize("case", MISUSED)
def test_misuse_is_two_and_says_what_to_do(case: str, misused: dict[str, Answer]) -> None:
    _, named, advice = MISUSED[case]
    code, printed, told = misused[case]
    assert (code, printed, told.count("\n")) == (2, "", 1)
    assert told.startswith("error: ")
    assert named in told
    assert advice in told


def test_a_name_that_was_used_is_refused_with_another(trail: Program) -> None:
    create(trail, "ci")
    done = trail("token", "create", "ci", "--role", "viewer")
    assert done.returncode == 2
    assert "Name another, such as ci-2" in error_of(done)


def test_every_role_is_told_in_the_help(program: Program) -> None:
    printed = program("token", "create", "--help").stdout
    assert [role for role in ROLES if role not in printed] == []


def test_a_verb_of_several_words_alone_shows_its_help(program: Program) -> None:
    done = program("token")
    assert (done.returncode, done.stderr) == (2, "")
    for word in ("create", "list", "rotate", "revoke"):
        assert f"\n  {word} " in done.stdout


def test_a_trail_of_before_takes_tokens(tmp_path: Path) -> None:
    """The database of the first release has no place for state, and gets one."""
    program = Program(tmp_path)
    golden = Path(__file__).parent.parent / "golden" / "format_1"
    program.home.mkdir(mode=0o700)
    for name in ("key", "keys.db", "log.db", "policy"):
        (program.home / name).write_bytes((golden / name).read_bytes())
    before = program("log").stdout.count("\n")
    create(program, "ci")
    assert [one["name"] for one in program.lines("token", "list", "--json")] == ["ci"]
    assert program("log").stdout.count("\n") == before + 1
    assert program("verify").returncode == 0

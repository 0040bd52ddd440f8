"""The trail's directory: where it is, who may read it, where its key comes from."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from deploytrail.app import home as homes
from deploytrail.app.home import Home
from deploytrail.app.trails.directory import open_directory
from deploytrail.errors import (
    Conflict,
    DeploytrailError,
    Incomplete,
    Malformed,
    Misconfigured,
    NotFound,
)
from deploytrail.log import policy
from deploytrail.stores.sqlite.database import Guard
from tests.fakes import FakeClock

HEX = "6b" * 32
KEY = b"k" * 32


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "a" / "home")


ACCOUNT = Path(pwd.getpwuid(os.getuid()).pw_dir)
PLACES: dict[str, tuple[Path | None, dict[str, str], Path]] = {
    "named": (Path("/given"), {"DEPLOYTRAIL_HOME": "/variable"}, Path("/given")),
    "a variable": (None, {"DEPLOYTRAIL_HOME": "/variable"}, Path("/variable")),
    "an empty variable": (
        None,
        {"DEPLOYTRAIL_HOME": "", "XDG_DATA_HOME": "/data"},
        Path("/data/deploytrail"),
    ),
    "a relative data directory": (
        None,
        {"XDG_DATA_HOME": "data", "HOME": "/"},
        Path("/.local/share/deploytrail"),
    ),
    "a home": (None, {"HOME": "/"}, Path("/.local/share/deploytrail")),
    "an empty home": (None, {"HOME": ""}, ACCOUNT / ".local/share/deploytrail"),
    "nothing": (None, {}, ACCOUNT / ".local/share/deploytrail"),
}


def test_a_home_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="expected your home directory"):
        homes.find(None, {"HOME": str(tmp_path / "nosuch")})
    assert not (tmp_path / "nosuch").exists()


@pytest.mark.parametrize("reason", PLACES)
def test_the_directory_is_named_or_the_user_s_own(reason: str) -> None:
    given, environment, expected = PLACES[reason]
    assert homes.find(given, environment).directory == expected


def test_a_new_trail_is_for_its_owner_alone(home: Home) -> None:
    origin = homes.create(home, clock=FakeClock(), environment={})
    modes = {path.name: path.stat().st_mode & 0o777 for path in home.directory.iterdir()}
    assert set(modes.values()) == {0o600}
    assert modes.keys() == {"log.db", "keys.db", "key", "policy", "log.lock"}
    assert home.directory.stat().st_mode & 0o777 == 0o700
    assert origin.startswith("deploytrail.local/")
    assert origin.endswith("/1")
    assert len(origin.split("/")[1]) == 16


def test_a_trail_has_a_policy_with_its_own_keys_and_no_quorum(home: Home) -> None:
    origin = homes.create(home, clock=FakeClock(), environment={}, origin="deploytrail.test/a/1")
    found = policy.decode(home.policy.read_bytes())
    assert [log.key.name for log in found.logs] == [origin]
    assert found.quorum == policy.NO_QUORUM


def test_a_trail_is_never_made_over_another(home: Home) -> None:
    homes.create(home, clock=FakeClock(), environment={})
    before = {path: path.read_bytes() for path in home.directory.iterdir()}
    with pytest.raises(Conflict, match="expected no trail, found one"):
        homes.create(home, clock=FakeClock(), environment={})
    home.log.unlink()
    with pytest.raises(Incomplete, match=r"log\.db beside keys\.db, found none: .*from a backup"):
        homes.create(home, clock=FakeClock(), environment={})
    assert {path: path.read_bytes() for path in home.directory.iterdir()} == {
        path: octets for path, octets in before.items() if path != home.log
    }


ORIGINS = {
    "nothing": "",
    "a blank": "example.org/a b/1",
    "a plus": "example.org/a+b/1",
    "a line end": "example.org/a\n/1",
    "half a character": "example.org/\ud800/1",
    "too long": "a" * 254 + "/1",
}


@pytest.mark.parametrize("reason", ORIGINS)
def test_a_name_that_can_not_be_published_is_refused_before_anything_is_made(
    home: Home, reason: str
) -> None:
    with pytest.raises(Malformed, match=r"origin: expected a name such as .*; name another"):
        homes.create(home, clock=FakeClock(), environment={}, origin=ORIGINS[reason])
    assert not home.directory.exists()


def test_the_longest_name_can_be_published(home: Home) -> None:
    origin = "a" * 253 + "/1"
    assert homes.create(home, clock=FakeClock(), environment={}, origin=origin) == origin
    environment = {"XDG_STATE_HOME": str(home.directory / "state")}
    with open_directory(home.directory, clock=FakeClock(), environment=environment) as trail:
        assert trail.publish().origin == origin


def test_what_a_stopped_init_left_is_made_anew_and_the_key_stays(home: Home) -> None:
    home.directory.mkdir(parents=True)
    home.key.write_text(HEX)
    for leftover in ("log.db.new", "log.db.new-wal", "keys.db.new"):
        (home.directory / leftover).write_bytes(b"half")
    homes.create(home, clock=FakeClock(), environment={})
    assert home.key.read_text() == HEX
    assert not list(home.directory.glob("*.new*"))


def test_a_trail_whose_making_was_stopped_half_way_is_not_taken_for_another(home: Home) -> None:
    origin = homes.create(home, clock=FakeClock(), environment={}, origin="deploytrail.test/a/1")
    home.log.rename(home.directory / "log.db.new")
    before = {path: path.read_bytes() for path in home.directory.iterdir()}
    with pytest.raises(Conflict, match=r"make deploytrail\.test/b/1, found deploytrail\.test/a/1"):
        homes.create(home, clock=FakeClock(), environment={}, origin="deploytrail.test/b/1")
    assert {path: path.read_bytes() for path in home.directory.iterdir()} == before
    assert homes.create(home, clock=FakeClock(), environment={}, origin=origin) == origin
    home.log.rename(home.directory / "log.db.new")
    assert homes.create(home, clock=FakeClock(), environment={}) == origin


@pytest.mark.parametrize("name", ["log.db", "keys.db"])
def test_no_trail_is_made_beside_a_write_ahead_log_that_was_left_behind(
    home: Home, name: str
) -> None:
    """SQLite would play it into the new database: into another log, with other keys."""
    environment = {"XDG_STATE_HOME": str(home.directory / "state")}
    with open_directory(home.directory, clock=FakeClock(), environment=environment) as trail:
        trail.keyring.subjects(["github:alice"])
        with trail.store.writing() as writer:
            writer.touch()
    (home.directory / name).with_name(f"{name}-wal").rename(home.directory / "aside")
    for each in (home.log, home.keys, *home.directory.glob("*.db-*")):
        each.unlink()
    stray = (home.directory / "aside").rename(home.directory / f"{name}-wal")
    before = stray.read_bytes()
    assert before
    with pytest.raises(Incomplete, match=rf"{name}-wal: expected {name} beside it, found none"):
        homes.create(home, clock=FakeClock(), environment={})
    assert stray.read_bytes() == before
    stray.write_bytes(b"")
    homes.create(home, clock=FakeClock(), environment={})


def test_a_network_file_system_is_refused_when_made_and_when_opened(
    home: Home, tmp_path: Path
) -> None:
    mounts = tmp_path / "mountinfo"
    root = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    mounts.write_text(root + f"30 22 0:40 / {home.directory} rw - nfs4 server:/home rw\n")
    with pytest.raises(Misconfigured, match="network file system nfs4"):
        homes.create(home, clock=FakeClock(), environment={}, mounts=mounts)
    assert not home.exists
    mounts_before = tmp_path / "mountinfo before"
    mounts_before.write_text(root)
    homes.create(home, clock=FakeClock(), environment={}, mounts=mounts_before)
    with pytest.raises(Misconfigured, match="network file system nfs4"):
        Guard(home.directory, mounts=mounts)
    Guard(home.directory, mounts=mounts_before).close()


KEYS: dict[str, tuple[str, dict[str, str]]] = {
    "a file": ("file:{tmp}/elsewhere", {}),
    "a variable": ("env:TRAIL_KEY", {"TRAIL_KEY": HEX}),
    "a command": ("command:cat {tmp}/elsewhere", {}),
    "a command with a pipe": ("command:printf '6b%.0s' $(seq 32) | cat", {}),
}


@pytest.mark.parametrize("whence", KEYS)
def test_the_key_comes_from_outside_and_then_lies_not_inside(
    home: Home, tmp_path: Path, whence: str
) -> None:
    (tmp_path / "elsewhere").write_text(HEX + "\n")
    given, environment = KEYS[whence]
    environment = {**environment, "DEPLOYTRAIL_KEY": given.format(tmp=tmp_path)}
    assert homes.wrapping_key(home, environment) == KEY
    homes.create(home, clock=FakeClock(), environment=environment)
    assert not home.key.exists()


NO_KEYS: dict[str, tuple[str, dict[str, str], type[DeploytrailError], str]] = {
    "no file": ("file:/nowhere/key", {}, NotFound, "/nowhere/key: .*DEPLOYTRAIL_KEY"),
    "a directory": ("file:/", {}, NotFound, "expected the trail's key there"),
    "a short file": ("file:/proc/self/loginuid", {}, Misconfigured, "expected a key of 32 bytes"),
    "no variable": ("env:NOWHERE", {}, Misconfigured, "variable NOWHERE: .*found 0 bytes"),
    "a bad variable": ("env:K", {"K": "hunter2 hunter2"}, Misconfigured, "variable K: expected"),
    "not UTF-8": ("env:K", {"K": "\udcff" * 3}, Misconfigured, "found 3 bytes"),
    "a failing command": ("command:echo hunter2; exit 3", {}, Misconfigured, "but it failed"),
    "a silent command": ("command:true", {}, Misconfigured, "command true: .*found 0 bytes"),
    "no command": ("command:no-such-program", {}, Misconfigured, "but it failed"),
    "another kind": ("vault:secret/key", {}, Misconfigured, "expected file:PATH, env:NAME or"),
    "the key itself": ("hunter2", {}, Misconfigured, "expected file:PATH"),
}


@pytest.mark.parametrize("reason", NO_KEYS)
def test_a_key_that_is_none_is_refused_with_what_to_do(home: Home, reason: str) -> None:
    given, environment, error, message = NO_KEYS[reason]
    environment = {**environment, "DEPLOYTRAIL_KEY": given}
    with pytest.raises(error, match=message) as refused:
        homes.wrapping_key(home, environment)
    if given != "hunter2":
        assert "hunter2" not in str(refused.value)


def test_nothing_is_made_where_the_key_is_none(home: Home) -> None:
    with pytest.raises(Misconfigured):
        homes.create(home, clock=FakeClock(), environment={"DEPLOYTRAIL_KEY": "env:NOWHERE"})
    assert not home.exists
    homes.create(home, clock=FakeClock(), environment={})
    assert home.exists

"""A trail restored into a database is the one that was backed up, or nobody can open it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploytrail.app.backups.backing_up import backup, source_of
from deploytrail.app.backups.restoring import Restored
from deploytrail.app.backups.restoring_database import restore_database
from deploytrail.app.exporting import export
from deploytrail.app.trails.database import open_database, open_to_read
from deploytrail.app.verifying import verify
from deploytrail.errors import Busy, Conflict, DeploytrailError, NotFound, Tampered
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.lease import Lease
from deploytrail.trail import Patience, Receipt
from tests.app.backed_up import COUNT, backed_up, elsewhere, members, rich
from tests.app.places import Place
from tests.postgresql import Server
from tests.verified import verified


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return rich(tmp_path_factory.mktemp("there"))


@pytest.fixture(scope="module")
def file(there: Place) -> Path:
    path = there.home.parent / "backup.tar"
    backed_up(there, path)
    return path


@pytest.fixture
def url(postgres_server: Server) -> str:
    return postgres_server.url(postgres_server.database())


def restored(there: Place, file: Path, url: str, directory: Path, **given: Any) -> Restored:
    given.setdefault("key", there.home / "key")
    given.setdefault("environment", elsewhere(directory))
    return restore_database(file, url, clock=there.clock, **given)


def test_what_was_logged_comes_back(there: Place, file: Path, url: str, tmp_path: Path) -> None:
    done = restored(there, file, url, tmp_path)
    assert (done.report.exit_code, done.older, done.home) == (0, "", url)
    assert {found.state for found in done.report.found} == {"REDACTED"}
    counts = (done.refilled.size, done.refilled.checkpoints, done.refilled.state)
    assert counts == (COUNT + 3, 5, 2)
    with (
        there.opened() as one,
        open_database(url, create=False, environment=elsewhere(tmp_path)) as other,
    ):
        assert list(other.entries()) == list(one.entries())
        assert other.proof(7).partition(b"\n\n")[0] == one.proof(7).partition(b"\n\n")[0]
        assert other.fingerprint_key("network") == one.fingerprint_key("network")
        assert other.policy() == one.policy()
        export(one, tmp_path / "one.tar")
        export(other, tmp_path / "other.tar")
        # It goes on as the same log.
        (receipt,) = other.record([there.event(9)])
        assert isinstance(receipt, Receipt)
        assert receipt.index == COUNT + 3
        assert len(verified(other.store)) == COUNT + 4


def test_it_comes_back_from_there_as_it_went(
    there: Place, file: Path, url: str, tmp_path: Path
) -> None:
    restored(there, file, url, tmp_path)
    with open_database(url, create=False, environment=elsewhere(tmp_path)) as trail:
        backup(source_of(trail), tmp_path / "again.tar", clock=there.clock)
    before, after = members(file), members(tmp_path / "again.tar")
    same = {name for name in before if name.startswith(("log/", "vault/", "state/"))}
    assert len(same) > 3
    assert {name: before[name] for name in same} == {name: after[name] for name in same}


def stop(*_: int) -> None:
    raise RuntimeError("killed")


def among_the_entries(restore: Callable[..., Restored], _: Path) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        restore(told=stop)


def before_the_last_step(restore: Callable[..., Restored], directory: Path) -> None:
    (directory / "file").touch()
    nowhere = dict(elsewhere(directory)) | {"DEPLOYTRAIL_HOME": str(directory / "file" / "home")}
    with pytest.raises(OSError):
        restore(environment=nowhere)


@pytest.mark.parametrize("stopped", [among_the_entries, before_the_last_step])
def test_one_that_was_stopped_is_for_nobody_to_open_and_can_be_repeated(
    stopped: Callable[..., None], there: Place, file: Path, url: str, tmp_path: Path
) -> None:
    environment = elsewhere(tmp_path)
    stopped(partial(restored, there, file, url, tmp_path), tmp_path)
    opening: list[Callable[[], object]] = [
        lambda: open_database(url, environment=environment),
        lambda: open_to_read(url, environment),
        lambda: verify(url, environment=environment),
    ]
    for each in opening:
        with pytest.raises(Busy, match="being restored into it"):
            each()
    assert restored(there, file, url, tmp_path).report.exit_code == 0


def test_of_two_at_once_one_waits_and_is_refused(
    there: Place, file: Path, url: str, tmp_path: Path
) -> None:
    lease = Lease(Address(url), "restore")
    with lease.held(seconds_max=5), pytest.raises(Busy):
        restored(there, file, url, tmp_path, patience=Patience(writer=0.1))
    lease.close()
    assert restored(there, file, url, tmp_path).report.exit_code == 0
    with pytest.raises(Conflict, match="expected no trail, found one"):
        restored(there, file, url, tmp_path)


def test_keys_whose_log_was_removed_are_left_alone(
    there: Place, file: Path, url: str, tmp_path: Path, postgres_server: Server
) -> None:
    restored(there, file, url, tmp_path)
    name = Address(url).conninfo.partition("dbname=")[2].split()[0].strip("'")
    postgres_server.run("DROP SCHEMA deploytrail_log CASCADE", database=name)
    with pytest.raises(Conflict, match="the keys of one whose log was removed"):
        restored(there, file, url, tmp_path)
    assert postgres_server.run("SELECT count(*) > 0 FROM deploytrail_keys.secret", database=name)


UNSOUND: dict[str, tuple[dict[str, Any], type[DeploytrailError]]] = {
    "no key": ({"key": None}, NotFound),
    "a key that isn't there": ({"key": Path("/nowhere/key")}, NotFound),
    "no keys": ({"keys_file": Path("/nowhere/keys")}, NotFound),
}


@pytest.mark.parametrize("reason", UNSOUND)
def test_of_an_unsound_call_nothing_is_left(
    reason: str, there: Place, file: Path, url: str, tmp_path: Path
) -> None:
    given, error = UNSOUND[reason]
    with pytest.raises(error):
        restored(there, file, url, tmp_path, **given)
    with pytest.raises(NotFound):
        open_database(url, create=False, environment=elsewhere(tmp_path))


def test_a_key_of_another_trail_opens_nothing(
    there: Place, file: Path, url: str, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("5a" * 32 + "\n")
    with pytest.raises(Tampered):
        restored(there, file, url, tmp_path, key=other)
    assert not (tmp_path / ".local").exists()

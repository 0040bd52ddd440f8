"""A log is verified offline; what is wrong is found, located, and never softened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from deploytrail.app.home import Home
from deploytrail.app.verifying import verify
from deploytrail.errors import Malformed, NotFound
from deploytrail.log import note, policy
from deploytrail.log.note import COSIGNATURE_V1, Signer
from deploytrail.log.policy import Witness
from deploytrail.zstd import zstd
from tests.app.places import Place, place, recorded

COUNT = 600
"""Two full bundles and a tail of 88."""


@pytest.fixture
def trail(tmp_path: Path) -> Place:
    return recorded(tmp_path, COUNT)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Place:
    there = recorded(tmp_path_factory.mktemp("original"), 300)
    there.record(COUNT - 300)
    return there


def test_a_sound_log_verifies(trail: Place) -> None:
    report = trail.verified()
    assert (report.exit_code, report.found) == (0, ())
    assert (report.size, report.size_signed) == (COUNT, COUNT)
    assert report.anchoring == "UNANCHORED"


def test_an_empty_log_verifies_and_says_that_nothing_is_signed(tmp_path: Path) -> None:
    there = place(tmp_path)
    there.record(0, publish=False)
    report = there.verified()
    assert report.exit_code == 0
    assert any("no checkpoint" in each for each in report.not_checked)


def test_entries_without_a_checkpoint_are_incomplete(tmp_path: Path) -> None:
    there = place(tmp_path)
    there.record(3, publish=False)
    assert there.verified().exit_code == 3


def test_an_unpublished_tail_is_told(trail: Place) -> None:
    trail.record(5, publish=False)
    report = trail.verified()
    assert report.exit_code == 0
    assert any("5 entries behind" in each for each in report.not_checked)


def test_what_was_seen_before_is_told_as_checked(trail: Place, tmp_path: Path) -> None:
    what = "that nothing changed of what was seen of this log before"
    assert what in trail.verified().checked
    assert what not in verify(trail.home, state=tmp_path / "none", clock=trail.clock).checked


def test_disclosures_are_told_as_unchecked_unless_asked_for(trail: Place) -> None:
    report = trail.verified(disclosures=False)
    assert report.disclosures is None
    assert any("--disclosures" in each for each in report.not_checked)


def test_the_key_comes_from_the_directory_first_and_then_from_what_was_kept(trail: Place) -> None:
    elsewhere = trail.home.parent / "elsewhere"
    assert trail.verified(state=elsewhere).key_from == "directory"
    assert trail.verified(state=elsewhere).key_from == "state"


def test_a_policy_of_another_log_is_not_met(trail: Place, tmp_path: Path) -> None:
    other = place(tmp_path / "other")
    other.clock.random(1)
    other.record(1)
    report = trail.verified(policy=Home(other.home).policy)
    assert report.exit_code != 0
    assert report.key_from == "policy"


def test_a_quorum_of_absent_witnesses_is_not_met(trail: Place, tmp_path: Path) -> None:
    own = policy.decode(Home(trail.home).policy.read_bytes())
    bob = Signer("bob.example/witness", bytes(32), COSIGNATURE_V1).key
    asked = policy.Policy(own.logs, {**own.witnesses, b"bob": Witness(bob)}, {}, b"bob")
    path = tmp_path / "policy"
    path.write_bytes(policy.encode(asked))
    report = trail.verified(policy=path)
    assert report.exit_code == 4
    assert "bob" in report.why


def test_an_old_cosignature_is_stale_only_if_asked(trail: Place) -> None:
    trail.clock.advance(seconds=3_600)
    assert trail.verified().exit_code == 0
    assert trail.verified(max_age_seconds=3_599).exit_code == 5
    assert trail.verified(max_age_seconds=3_601).exit_code == 0


def test_a_receipt_is_held_against_the_log(trail: Place, tmp_path: Path) -> None:
    (receipt,) = trail.record(1)
    path = tmp_path / "receipts.jsonl"
    path.write_bytes(msgspec.json.encode(receipt) + b"\n")
    report = trail.verified(receipts=[path])
    assert report.exit_code == 0
    assert "the receipt" in report.checked
    path.write_bytes(2 * (msgspec.json.encode(receipt) + b"\n"))
    assert "2 receipts" in trail.verified(receipts=[path]).checked
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(receipt, leaf="00" * 32)))
    report = trail.verified(receipts=[path])
    assert report.exit_code == 1
    assert (report.found[0].first, report.found[0].until) == (COUNT, COUNT + 1)


@pytest.mark.parametrize("field", ["id", "logged"])
def test_a_receipt_that_tells_another_story_is_no_receipt(
    trail: Place, tmp_path: Path, field: str
) -> None:
    (receipt, other) = trail.record(2)
    path = tmp_path / "receipt.json"
    lie = msgspec.structs.replace(receipt, **{field: getattr(other, field)})
    path.write_bytes(msgspec.json.format(msgspec.json.encode(lie), indent=2))
    report = trail.verified(receipts=[path])
    assert report.exit_code == 1
    assert "tells another id or time" in report.found[0].what
    path.write_bytes(msgspec.json.encode(receipt).replace(b'"size"', b'"index":3,"size"'))
    with pytest.raises(Malformed, match="index"):
        trail.verified(receipts=[path])


def test_a_receipt_of_another_log_is_refused(trail: Place, tmp_path: Path) -> None:
    other = place(tmp_path / "other")
    with other.opened() as opened:
        (receipt,) = opened.record([other.event(0)])
    path = tmp_path / "receipt.json"
    path.write_bytes(msgspec.json.encode(receipt).replace(b'/1"', b'/9"'))
    with pytest.raises(Malformed, match="expected a receipt of"):
        trail.verified(receipts=[path])


def test_an_older_copy_is_found_by_the_kept_state(trail: Place) -> None:
    older = trail.home.parent / "older"
    shutil.copytree(trail.home, older)
    trail.record(10)
    assert trail.verified().exit_code == 0
    report = verify(older, environment=trail.environment, clock=trail.clock)
    assert report.exit_code == 3
    assert any(one.state == "MISSING" and one.until == COUNT + 10 for one in report.found)


@pytest.mark.parametrize("table", ["tile", "bundle", "segment"])
def test_of_what_failed_nothing_is_kept(trail: Place, tmp_path: Path, table: str) -> None:
    """Else what is wrong today would be what tomorrow's log is held against."""
    connection = apsw.Connection(str(trail.home / "log.db"))
    connection.execute(f"DELETE FROM {table}")  # noqa: S608 (names of ours)
    connection.close()
    states = tmp_path / "none"
    assert trail.verified(state=states).exit_code == 3
    assert not states.exists()


NO_RECEIPTS: dict[str, tuple[dict[str, Any], str]] = {
    "an index below none": ({"index": -1, "size": 0}, "size is its index"),
    "a size that does not fit": ({"size": 5}, "size is its index"),
    "a leaf that is no hash": ({"leaf": "zz"}, "64 hexadecimal digits"),
    "a leaf in capitals": ({"leaf": "AB" * 32}, "64 hexadecimal digits"),
    "an index that is text": ({"index": "0"}, "expected receipts as JSON"),
}


@pytest.mark.parametrize("reason", NO_RECEIPTS)
def test_what_is_no_receipt_is_refused(trail: Place, tmp_path: Path, reason: str) -> None:
    changed, message = NO_RECEIPTS[reason]
    (receipt,) = trail.record(1)
    path = tmp_path / "receipt.json"
    path.write_bytes(msgspec.json.encode(msgspec.to_builtins(receipt) | changed))
    with pytest.raises(Malformed, match=message):
        trail.verified(receipts=[path])


@pytest.mark.parametrize("octets", [b"", b"\n\n", b"[]"])
def test_a_file_without_receipts_is_not_a_yes(trail: Place, tmp_path: Path, octets: bytes) -> None:
    trail.record(1)
    path = tmp_path / "receipts.json"
    path.write_bytes(octets)
    with pytest.raises(Malformed, match="expected receipts, found none"):
        trail.verified(receipts=[path])


def test_an_older_copy_is_found_by_a_receipt(trail: Place, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(trail.home, older)
    (receipt,) = trail.record(1)
    path = tmp_path / "receipt.json"
    path.write_bytes(msgspec.json.encode(receipt))
    report = verify(older, receipts=[path], state=tmp_path / "none", clock=trail.clock)
    assert report.exit_code == 3


def test_a_log_that_was_rewritten_with_its_own_key_is_found_by_the_kept_state(
    trail: Place, tmp_path: Path
) -> None:
    """Mallory owns the directory: she takes yesterday's copy and writes another history."""
    forged = tmp_path / "forged"
    shutil.copytree(trail.home, forged)
    trail.record(10)
    assert trail.verified().exit_code == 0
    mallory = Place(
        forged, {**trail.environment, "XDG_STATE_HOME": str(tmp_path / "m")}, trail.clock
    )
    mallory.record(10)
    assert mallory.verified().exit_code == 0
    report = verify(forged, environment=trail.environment, clock=trail.clock)
    assert report.exit_code == 1
    assert any("kept state" in one.what for one in report.found)


def test_a_directory_without_a_trail_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="expected a trail's directory or an export"):
        verify(tmp_path, environment={"HOME": str(tmp_path)})


def test_verifying_changes_nothing_in_the_directory(trail: Place) -> None:
    before = _contents(trail.home)
    trail.verified()
    assert _contents(trail.home) == before


def _contents(home: Path) -> dict[str, bytes]:
    """Every file's bytes, but for SQLite's shared index and empty write-ahead logs."""
    found = {path.name: path.read_bytes() for path in home.iterdir() if path.suffix != ".db-shm"}
    return {name: octets for name, octets in found.items() if octets or "-wal" not in name}


def test_progress_is_told_up_to_the_end(trail: Place) -> None:
    told: list[tuple[int, int]] = []
    trail.verified(told=lambda done, size: told.append((done, size)))
    assert told[-1] == (COUNT, COUNT)


Forge = Callable[[apsw.Connection], object]


def _flip(sql: str, at: int) -> Forge:
    def forge(connection: apsw.Connection) -> None:
        select, update = sql.split(" => ")
        ((octets,),) = connection.execute(select)
        changed = bytearray(octets)
        changed[at] ^= 1
        connection.execute(update, (bytes(changed),))

    return forge


def _change_entry(connection: apsw.Connection) -> None:
    ((packed,),) = connection.execute("SELECT data FROM bundle WHERE n = 1")
    changed = bytearray(zstd.decompress(packed))
    changed[changed.index(b'"success"', len(changed) // 2) + 1] ^= 1
    connection.execute("UPDATE bundle SET data = ? WHERE n = 1", (zstd.compress(bytes(changed)),))


def _run(*statements: str) -> Forge:
    def forge(connection: apsw.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    return forge


TILE = "SELECT data FROM tile WHERE n = 1 => UPDATE tile SET data = ? WHERE n = 1"
SEGMENT = "SELECT data FROM segment => UPDATE segment SET data = ?"
NOTE = (
    "SELECT note FROM checkpoint WHERE size = 300 => "
    "UPDATE checkpoint SET note = ? WHERE size = 300"
)
SEALED = (
    "SELECT sealed FROM disclosure ORDER BY key LIMIT 1 => UPDATE disclosure SET sealed = ? "
    "WHERE key = (SELECT min(key) FROM disclosure)"
)
FORGERIES: dict[str, tuple[Forge, int, tuple[int, int]]] = {
    "an entry in a full bundle": (_change_entry, 1, (256, 512)),
    "an entry of the tail": (_flip(SEGMENT, 100), 1, (512, 600)),
    "a stored leaf hash": (_flip(TILE, 40), 1, (256, 512)),
    "a bundle is gone": (_run("DELETE FROM bundle WHERE n = 1"), 3, (256, 512)),
    "a tile is gone": (_run("DELETE FROM tile WHERE n = 1"), 3, (256, 512)),
    "the tail is gone": (_run("DELETE FROM segment"), 3, (512, 600)),
    "two bundles are swapped": (
        _run("UPDATE bundle SET n = n + 8", "UPDATE bundle SET n = 9 - n"),
        1,
        (0, 512),
    ),
    "a bundle too many": (
        _run("INSERT INTO bundle SELECT 2, 1, data FROM bundle WHERE n = 0"),
        1,
        (0, 600),
    ),
    "the tree says less": (_run("UPDATE tree SET size = 300"), 1, (0, 600)),
    "an old checkpoint": (_flip(NOTE, 60), 1, (0, 0)),
    "the newest checkpoint is gone": (_run("DELETE FROM checkpoint WHERE size = 600"), 1, (0, 600)),
    "a delivery is gone": (_run("DELETE FROM delivery WHERE idx = 77"), 3, (77, 78)),
    "two deliveries are swapped": (
        _run("UPDATE delivery SET idx = 67 - idx WHERE idx IN (33, 34)"),
        1,
        (33, 35),
    ),
    "a disclosure is changed": (_flip(SEALED, 30), 1, (0, 600)),
    "a disclosure is gone": (
        _run("DELETE FROM disclosure WHERE key = (SELECT min(key) FROM disclosure)"),
        3,
        (0, 600),
    ),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_is_found_and_located(what: str, original: Place, tmp_path: Path) -> None:
    forge, exit_code, (first, until) = FORGERIES[what]
    home = tmp_path / "home"
    shutil.copytree(original.home, home)
    connection = apsw.Connection(str(home / "log.db"))
    forge(connection)
    connection.close()
    report = verify(
        home, disclosures=True, state=tmp_path / "none", environment={}, clock=original.clock
    )
    assert report.exit_code == exit_code, report
    assert any(first <= one.first <= one.until <= until for one in report.found), report.found


def test_one_changed_entry_is_named_alone(original: Place, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(original.home, home)
    connection = apsw.Connection(str(home / "log.db"))
    _change_entry(connection)
    connection.close()
    report = verify(home, state=tmp_path / "none", environment={}, clock=original.clock)
    (found,) = report.found
    assert (found.state, found.until - found.first) == ("CORRUPT", 1)


def test_the_note_of_a_log_is_one_that_others_can_read(trail: Place) -> None:
    with trail.opened() as opened:
        published = opened.publish()
    assert note.decode(published.note.encode()).text.startswith(published.origin)

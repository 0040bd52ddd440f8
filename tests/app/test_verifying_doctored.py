"""Mallory may write the log's file, an export and whatever she sends, and has no key."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from deploytrail import entry
from deploytrail.app import home as homes
from deploytrail.app.home import Home
from deploytrail.clock import at_microseconds, rfc3339
from deploytrail.errors import Malformed
from deploytrail.event import Target
from deploytrail.log import checkpoint, note, policy
from deploytrail.log.merkle import Frontier
from deploytrail.log.note import COSIGNATURE_V1, Signer
from deploytrail.log.policy import Witness
from deploytrail.log.reading import entry_at
from deploytrail.report import Report
from deploytrail.trail import Attachment
from tests.app.doctored import append, doctored, forged, set_tree, tree
from tests.app.places import Place, place, recorded

COUNT = 300


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return recorded(tmp_path_factory.mktemp("original"), COUNT)


@pytest.fixture
def trail(original: Place, tmp_path: Path) -> Place:
    """A copy of a log of 300 entries, all signed, for somebody who never saw it before."""
    shutil.copytree(original.home, tmp_path / "home")
    environment = {"XDG_STATE_HOME": str(tmp_path / "state")}
    return Place(tmp_path / "home", environment, original.clock)


def first_entry(trail: Place) -> bytes:
    with trail.opened() as opened, opened.store.reading() as reader:
        return entry_at(reader, 0)


def forge(trail: Place, *many: dict[str, Any]) -> None:
    like = first_entry(trail)
    with doctored(trail.home) as connection:
        logged = tree(connection).logged
        entries = [
            forged(like, rfc3339(at_microseconds(logged + at)), **each)
            for at, each in enumerate(many, 1)
        ]
        append(connection, entries)


def states(report: Report) -> set[str]:
    return {found.state for found in report.found}


def test_an_unsigned_erasure_excuses_nothing(trail: Place) -> None:
    subject = entry.fields(first_entry(trail))["subjects"]["/actor"]
    forge(
        trail, {"action": "audit.subject.erased", "targets": [{"type": "subject", "id": subject}]}
    )
    with doctored(trail.home) as connection:
        connection.execute("DELETE FROM disclosure")
    report = trail.verified()
    assert (report.exit_code, "REDACTED" in states(report)) == (3, False)


@pytest.mark.parametrize("table", ["attachment", "disclosure"])
def test_anothers_erasure_excuses_nothing_else(tmp_path: Path, table: str) -> None:
    there = place(tmp_path)
    told = there.event(0, actor="github:alice")
    with there.opened() as trail:
        attached = {told.id: [Attachment(type="output", data=b"x")]}
        trail.record([told, there.event(1, actor="github:bob")], attachments=attached)
        trail.publish()
        subject = trail.keyring.subjects(["github:bob"])["github:bob"]
        erased = there.event(2)
        audit = msgspec.structs.replace(
            erased,
            action="audit.subject.erased",
            source=msgspec.structs.replace(erased.source, tool="deploytrail"),
            targets=(Target(type="subject", id=subject.name),),
        )
        with trail.store.writing() as writer:
            writer.erase(subject.id)
        trail.keyring.erase(subject.id)
        trail.record([audit])
        trail.publish()
    assert there.verified().exit_code == 0
    with doctored(there.home) as connection:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 (names of ours)
    report = there.verified()
    assert report.exit_code == 3
    gone = [found for found in report.found if found.state == "MISSING"]
    assert any(table in found.what for found in gone)
    # Bob's own are accounted for, and Alice's are not.
    assert {found.first for found in gone} <= {0, 2}


def test_evidence_that_a_sender_claims_is_refused(trail: Place) -> None:
    claim = {"id": "!!!", "type": "output", "size": 1, "digest": "sha256:00"}
    with trail.opened() as opened:
        like = msgspec.to_builtins(trail.event(0)) | {"evidence": [claim]}
        (answer,) = opened.record_json([msgspec.json.encode(like)])
        assert isinstance(answer, Malformed)
        assert str(answer).startswith("evidence: expected none")
        assert opened.size() == COUNT


@pytest.mark.parametrize("action", ["audit.subject.erased", "audit.retention.executed"])
def test_an_account_of_the_trail_itself_is_taken_from_no_sender(trail: Place, action: str) -> None:
    """Entered, it would be signed, and would excuse whatever she takes away."""
    with trail.opened() as opened:
        claim = {"action": action, "source": {"tool": "deploytrail", "instance": "local"}}
        like = msgspec.to_builtins(trail.event(0)) | claim
        (answer,) = opened.record_json([msgspec.json.encode(like)])
        assert isinstance(answer, Malformed)
        assert str(answer).startswith("action: expected one of your own")
        assert opened.size() == COUNT


BROKEN: dict[str, dict[str, Any]] = {
    "targets that are a number": {"action": "audit.subject.erased", "targets": 5},
    "a target's id of 5,000 digits": {
        "action": "audit.retention.executed",
        "targets": [{"type": "bundle", "id": "9" * 5_000}],
    },
    "an id that is none": {"id": "zz"},
    "a part below nothing": {"source": {"tool": "x", "instance": "y", "part": -1, "body": "AA"}},
    "a source that is text": {"source": "github"},
    "evidence that is a number": {"evidence": 5},
    "evidence without a digest": {"evidence": [{"id": "AAAA"}]},
    "subjects that are a list": {"subjects": ["/actor"]},
    "digests that are text": {"_sd": "abc"},
    "a time that is a number": {"logged": 5},
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_foreign_entry_breaks_no_verification(trail: Place, what: str) -> None:
    like = first_entry(trail)
    with doctored(trail.home) as connection:
        logged = rfc3339(at_microseconds(tree(connection).logged + 1))
        append(connection, [forged(like, logged, **BROKEN[what])])
    reports = [trail.verified(disclosures=is_deep) for is_deep in (False, True)]
    assert [(one.size, one.size_signed) for one in reports] == 2 * [(COUNT + 1, COUNT)]
    assert reports[1].exit_code == 1 or what in {
        "targets that are a number",
        "a target's id of 5,000 digits",
    }


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "of another log": ({"origin": "another/log/1"}, "made for another log"),
    "of a time before": ({"logged": "2001-01-01T00:00:00.000000Z"}, "not after that of the one"),
}


@pytest.mark.parametrize("what", LIES)
def test_the_deeper_check_holds_entries_against_each_other(trail: Place, what: str) -> None:
    fields, message = LIES[what]
    forge(trail, fields)
    assert any(message in found.what for found in trail.verified().found)


def _huge(connection: apsw.Connection) -> None:
    known = tree(connection)
    peaks = known.frontier.peaks[:1]
    set_tree(connection, known._replace(frontier=Frontier(1 << 50, peaks)))


def _late(connection: apsw.Connection) -> None:
    set_tree(connection, tree(connection)._replace(logged=253_402_300_799_000_000))


def _view(connection: apsw.Connection) -> None:
    connection.execute("ALTER TABLE tile RENAME TO tile_")
    connection.execute(
        "CREATE VIEW tile(level, n, data) AS WITH RECURSIVE "
        "endless(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM endless) "
        "SELECT 0, x, x'00' FROM endless WHERE x < 0"
    )


def _trigger(connection: apsw.Connection) -> None:
    connection.execute(
        "CREATE TRIGGER forgetful AFTER INSERT ON disclosure BEGIN DELETE FROM disclosure; END"
    )


def _long_notes(connection: apsw.Connection) -> None:
    connection.execute("UPDATE checkpoint SET note = CAST(note || hex(zeroblob(5000000)) AS BLOB)")


DOCTORED: dict[str, tuple[Callable[[apsw.Connection], None], int, str]] = {
    "a size that nobody can walk": (_huge, 1, "expected"),
    "a last time that is late": (_late, 1, "the time of its last entry"),
    "a view that never ends": (_view, 1, "expected our tables and nothing else"),
    "a trigger": (_trigger, 1, "expected our tables and nothing else"),
    "checkpoints of ten megabytes": (_long_notes, 1, "expected at most 65536 bytes"),
}


@pytest.mark.parametrize("what", DOCTORED)
def test_a_doctored_file_is_found_soon(trail: Place, what: str) -> None:
    doctor, code, message = DOCTORED[what]
    with doctored(trail.home) as connection:
        doctor(connection)
    report = trail.verified()
    assert report.exit_code == code
    assert any(message in found.what for found in report.found), report.found


def asked(trail: Place, path: Path, signer: Signer) -> Path:
    """A policy that wants this witness."""
    own = policy.decode(Home(trail.home).policy.read_bytes())
    names = {**own.witnesses, b"bob": Witness(signer.key)}
    path.write_bytes(policy.encode(policy.Policy(own.logs, names, {}, b"bob")))
    return path


BOB = Signer("bob.example/witness", bytes(32), COSIGNATURE_V1)


def test_an_emptied_log_satisfies_nobody_who_asks(tmp_path: Path) -> None:
    there = place(tmp_path)
    there.record(0, publish=False)
    assert there.verified().exit_code == 0
    report = there.verified(policy=asked(there, tmp_path / "policy", BOB))
    assert (report.exit_code, report.anchoring) == (3, "UNANCHORED")
    assert there.verified(max_age_seconds=60).exit_code == 3


def test_nothing_is_witnessed_that_the_quorum_did_not_sign(trail: Place, tmp_path: Path) -> None:
    with doctored(trail.home) as connection:
        connection.execute("DELETE FROM tile")
    report = trail.verified(policy=asked(trail, tmp_path / "policy", BOB))
    assert (report.exit_code, report.anchoring) == (3, "UNANCHORED")
    assert "bob" in report.why


def test_a_cosignature_of_the_future_is_not_fresh(trail: Place) -> None:
    with trail.opened() as opened:
        text = note.decode(opened.publish().note.encode()).text
        cosigner = homes.signers(opened.origin, opened.keyring.secrets).cosigner
    line = note.encode_signature(checkpoint.cosign(text, cosigner, 4_000_000_000)).encode()
    with doctored(trail.home) as connection:
        connection.execute("UPDATE cosignature SET line = ?", (line,))
    report = trail.verified(max_age_seconds=60)
    assert report.exit_code == 5
    assert "in the future" in report.why


def test_a_doctored_file_of_keys_is_found(trail: Place) -> None:
    connection = apsw.Connection(str(trail.home / "keys.db"))
    connection.execute("CREATE VIEW planted AS SELECT 1")
    connection.close()
    report = trail.verified()
    assert (report.exit_code, report.disclosures) == (1, None)
    assert "keys.db: expected our tables and nothing else" in report.found[0].what
    assert trail.verified(disclosures=False).exit_code == 0


def test_a_key_that_rotted_and_no_entry_needs_is_found(trail: Place) -> None:
    with trail.opened() as opened:
        newcomer = opened.keyring.subjects(["github:newcomer"])["github:newcomer"]
    connection = apsw.Connection(str(trail.home / "keys.db"))
    row = (newcomer.id,)
    connection.execute("UPDATE subject SET wrapped = zeroblob(60) WHERE subject = ?", row)
    connection.close()
    report = trail.verified()
    assert report.exit_code == 1
    assert [found.what[:9] for found in report.found] == ["keys.db: "]


def test_what_only_sqlite_s_own_check_finds_is_found(trail: Place) -> None:
    """No row is another one; but the file says to have a free page, which it has not."""
    with trail.opened() as opened:
        opened.store.sync_all()
    octets = bytearray((trail.home / "log.db").read_bytes())
    octets[36:40] = (1).to_bytes(4, "big")
    (trail.home / "log.db").write_bytes(octets)
    report = trail.verified()
    assert report.exit_code == 1
    assert [found.what[:8] for found in report.found] == ["log.db: "]
    assert trail.verified(disclosures=False).exit_code == 0

"""What one may only read: an export, a directory without its key, an older copy; or none of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deploytrail.app.exporting import export
from deploytrail.app.home import Home
from deploytrail.app.proofs.examined_trail import ExaminedTrail, open_examined, open_export
from deploytrail.app.verifying import verify
from deploytrail.entry import fields
from deploytrail.errors import DeploytrailError, Incomplete, NotFound, NotPermitted, Tampered
from deploytrail.event import Event, EventId
from deploytrail.log import merkle, policy, proof
from deploytrail.log.note import Signer
from deploytrail.log.tiles import decode_bundle, encode_bundle
from deploytrail.trail import Attachment, Shown
from tests.app.doctored import append, doctored, forged
from tests.app.events.test_recording import erase
from tests.app.places import Place, place, recorded
from tests.app.proofs.test_exported import members, replaced, written

COUNT = 600


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return recorded(tmp_path_factory.mktemp("original"), COUNT)


@pytest.fixture(scope="module")
def listed(original: Place) -> list[Shown]:
    with original.opened() as trail:
        return list(trail.entries())


@pytest.fixture(scope="module")
def exported(original: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "trail.tar"
    with original.opened() as trail:
        export(trail, path)
    return path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of somebody who never saw this log."""
    return {"XDG_STATE_HOME": str(tmp_path / "carol")}


@pytest.fixture
def copy(original: Place, tmp_path: Path) -> Place:
    shutil.copytree(original.home, tmp_path / "home")
    return original._replace(home=tmp_path / "home")


@pytest.fixture(params=["an export", "a directory"])
def handed(
    request: pytest.FixtureRequest, exported: Path, copy: Place, environment: dict[str, str]
) -> Iterator[ExaminedTrail[Any]]:
    opened: ExaminedTrail[Any] = (
        open_export(exported, environment)
        if request.param == "an export"
        else open_examined(Home(copy.home), environment)
    )
    with closing(opened) as trail:
        yield trail


def without_disclosures(original: Place, path: Path) -> Path:
    with original.opened() as trail:
        export(trail, path, disclosures=False)
    return path


def id_of(shown: Shown) -> EventId:
    return EventId(str(shown.event["id"]))


def test_it_lists_what_its_owner_sees(handed: ExaminedTrail[Any], listed: list[Shown]) -> None:
    assert (handed.size(), len(listed)) == (COUNT, COUNT)
    assert list(handed.entries()) == listed
    assert list(handed.newest(count=COUNT)) == listed[::-1]
    assert list(handed.newest(count=5, before=300)) == listed[299:294:-1]
    assert list(handed.entries(first=250, until=260)) == listed[250:260]


def test_it_shows_by_id_and_by_index(handed: ExaminedTrail[Any], listed: list[Shown]) -> None:
    for at in (0, 255, 256, 511, 512, 599):
        assert handed.show(at) == handed.show(id_of(listed[at])) == listed[at]
    for absent in (COUNT, -1, EventId("019ab2f0-7c3e-7a51-8d0e-3f1b2c4d5e6f")):
        with pytest.raises(NotFound, match=r"below 600|not in this log"):
            handed.show(absent)


@pytest.mark.parametrize("index", [0, 300, 599])
def test_its_proofs_verify(
    handed: ExaminedTrail[Any], original: Place, listed: list[Shown], index: int
) -> None:
    trusted = policy.decode(Home(original.home).policy.read_bytes())
    proven = proof.decode(handed.proof(id_of(listed[index])))
    leaf = merkle.leaf_hash(listed[index].entry)
    assert proof.verify(proven, leaf, trusted).checkpoint.size == COUNT


def test_reading_changes_no_file(copy: Place, environment: dict[str, str]) -> None:
    before = {path: path.read_bytes() for path in copy.home.iterdir()}
    with closing(open_examined(Home(copy.home), environment)) as trail:
        assert len(list(trail.entries())) == COUNT
        assert trail.told == ()
    after = {path: path.read_bytes() for path in copy.home.iterdir()}
    gone = {path.name for path in before.keys() ^ after.keys()}
    assert gone <= {"log.db-shm", "log.db-wal", "keys.db-shm", "keys.db-wal"}
    assert all(after[path] == octets for path, octets in before.items() if path.suffix != ".db-shm")
    assert not Path(environment["XDG_STATE_HOME"]).exists()


def test_a_live_log_shows_what_came_meanwhile(tmp_path: Path, environment: dict[str, str]) -> None:
    there = recorded(tmp_path, 250)
    with closing(open_examined(Home(there.home), environment)) as trail, there.opened() as owner:
        assert trail.size() == 250
        owner.record([there.event(at) for at in range(20)])
        assert [shown.index for shown in trail.newest(count=3)] == [269, 268, 267]
        with pytest.raises(NotFound, match="found one of 250 entries"):
            trail.proof(269)
        owner.publish()
        assert proof.decode(trail.proof(269)).index == 269


def states(shown: Shown) -> dict[str, str]:
    return {each.pointer: each.state for each in shown.withheld}


def test_what_was_left_out_is_not_missing(
    original: Place, listed: list[Shown], tmp_path: Path, environment: dict[str, str]
) -> None:
    path = without_disclosures(original, tmp_path / "x.tar")
    with closing(open_export(path, environment)) as trail:
        assert "left out of this export" in trail.told[0]
        shown = trail.show(7)
        assert states(shown) == {"/actor": "withheld", "/reason": "withheld"}
        assert (shown.entry, shown.leaf) == (listed[7].entry, listed[7].leaf)
        assert "name" not in str(shown.event["actor"])


def test_what_should_be_in_an_export_is_missing(
    exported: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    files = replaced(members(exported), "disclosures.jsonl", None)
    with closing(open_export(written(tmp_path / "x.tar", files), environment)) as trail:
        assert set(states(trail.show(7)).values()) == {"missing"}


KEYLESS: dict[str, Callable[[Home], None]] = {
    "no key": lambda home: home.key.unlink(),
    "no keyring": lambda home: home.keys.unlink(),
}


@pytest.mark.parametrize("what", KEYLESS)
def test_without_the_key_all_but_what_is_concealed_is_shown(
    copy: Place, listed: list[Shown], environment: dict[str, str], what: str
) -> None:
    home = Home(copy.home)
    KEYLESS[what](home)
    with closing(open_examined(home, environment)) as trail:
        assert "can't be shown" in trail.told[0]
        shown = list(trail.newest(count=COUNT))
    assert [one.entry for one in shown] == [one.entry for one in listed[::-1]]
    assert {state for one in shown for state in states(one).values()} == {"sealed"}


def test_a_signed_erasure_is_told(tmp_path: Path, environment: dict[str, str]) -> None:
    there = recorded(tmp_path, 3)
    with there.opened() as owner:
        erase(owner, "github:alice")
        export(owner, tmp_path / "x.tar", disclosures=False)
    trails: list[ExaminedTrail[Any]] = [
        open_examined(Home(there.home), environment),
        open_export(tmp_path / "x.tar", environment),
    ]
    for trail in trails:
        with closing(trail):
            assert set(states(trail.show(0)).values()) == {"redacted"}


def test_an_erasure_that_nobody_signed_excuses_nothing(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    there = recorded(tmp_path, 3)
    with there.opened() as owner:
        subject = owner.keyring.subjects(["github:alice"])["github:alice"]
        like = next(owner.entries()).entry
    targets = [{"type": "subject", "id": subject.name}]
    at = "2027-01-01T00:00:00.000000Z"
    told = forged(like, at, action="audit.subject.erased", targets=targets)
    with doctored(there.home) as connection:
        connection.execute("DELETE FROM disclosure")
        append(connection, [told])
    with closing(open_examined(Home(there.home), environment)) as trail:
        assert trail.show(3).entry == told
        assert set(states(trail.show(0)).values()) == {"missing"}


def attached(there: Place) -> tuple[Event, str]:
    """A recorded event with an attachment, and the id of that."""
    with there.opened() as owner:
        told = there.event(1)
        owner.record([told], attachments={told.id: [Attachment(type="output", data=b"said")]})
        owner.publish()
        (evidence,) = fields(owner.show(told.id).entry)["evidence"]
    return told, str(evidence["id"])


def test_an_attachment_needs_the_key_and_a_directory(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    there = place(tmp_path)
    told, id = attached(there)
    with there.opened() as owner:
        export(owner, tmp_path / "x.tar")
    home = Home(there.home)
    with closing(open_examined(home, environment)) as trail:
        assert trail.attachment(told.id, id) == b"said"
        with pytest.raises(NotFound, match="expected one of entry 0"):
            trail.attachment(told.id, "another")
    exported = open_export(tmp_path / "x.tar", environment)
    with closing(exported), pytest.raises(NotFound, match="exports have none"):
        exported.attachment(told.id, id)
    home.key.unlink()
    with closing(open_examined(home, environment)) as trail, pytest.raises(NotPermitted):
        trail.attachment(told.id, id)


def flipped(octets: bytes, at: int) -> bytes:
    entries = decode_bundle(octets)
    entries[at] = entries[at].replace(b'"argocd"', b'"brgocd"')
    return encode_bundle(entries)


def test_a_list_ends_at_an_entry_that_was_changed(
    exported: Path, listed: list[Shown], tmp_path: Path, environment: dict[str, str]
) -> None:
    name = "tile/entries/001"
    files = members(exported)
    files = replaced(files, name, flipped(dict(files)[name], 44))
    with closing(open_export(written(tmp_path / "x.tar", files), environment)) as trail:
        newest = trail.newest(count=COUNT)
        assert [next(newest) for _ in range(299)] == listed[:300:-1]
        with pytest.raises(Tampered, match="entry 300: its bytes"):
            next(newest)
        for ask in (trail.show, trail.proof):
            with pytest.raises(Tampered, match="entry 300: its bytes"):
                ask(id_of(listed[300]))
        assert trail.show(301) == listed[301]


def mallorys(octets: bytes) -> bytes:
    """The policy that says that Mallory's key is the log's."""
    own = policy.decode(octets)
    key = Signer(own.logs[0].key.name, b"m" * 32).key
    return policy.encode(policy.Policy((policy.Log(key),), {}, {}, b"none"))


Files = dict[str, bytes]
DOCTORED: dict[str, Callable[[Files], bytes | None]] = {
    "policy: another key": lambda files: mallorys(files["policy"]),
    "checkpoint: a signature with another bit": lambda files: _flipped_signature(
        files["checkpoint"]
    ),
    "tile/1/000.p/2: hashes in another order": lambda files: (
        files["tile/1/000.p/2"][32:] + files["tile/1/000.p/2"][:32]
    ),
    "tile/1/000.p/2: half of a hash": lambda files: files["tile/1/000.p/2"][:16],
    "tile/entries/001: the bundle before it": lambda files: files["tile/entries/000"],
    "tile/entries/001: other framing": lambda files: b"\xff\xff" + files["tile/entries/001"],
    "tile/entries/001: gone": lambda files: files.get("nothing"),
    "tile/entries/002.p/88: gone": lambda files: files.get("nothing"),
    "disclosures.jsonl: of nothing": lambda files: b"[]\n" + files["disclosures.jsonl"],
    "disclosures.jsonl: of other words": lambda files: files["disclosures.jsonl"].replace(
        b'","W', b'","X'
    ),
}


def _flipped_signature(octets: bytes) -> bytes:
    """The last letter of the first signature that is no padding, exchanged."""
    head, between, tail = octets.partition("\n\n— ".encode())
    line, newline, rest = tail.partition(b"\n")
    letters = bytearray(line)
    letters[-8] = ord("B") if letters[-8] == ord("A") else ord("A")
    return head + between + bytes(letters) + newline + rest


@pytest.mark.parametrize("what", DOCTORED)
def test_a_doctored_export_is_not_read_to_its_end(
    exported: Path, tmp_path: Path, environment: dict[str, str], what: str
) -> None:
    files = members(exported)
    name = what.partition(":")[0]
    octets = DOCTORED[what](dict(files))
    assert octets != dict(files)[name]
    path = written(tmp_path / "x.tar", replaced(files, name, octets))
    with (
        pytest.raises((Tampered, Incomplete)),
        closing(open_export(path, environment)) as trail,
    ):
        list(trail.entries())


def test_the_key_that_was_kept_counts_more_than_the_one_that_came_with_it(
    exported: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    with closing(open_export(exported, environment)) as trail:
        assert any("came with it" in text for text in trail.told)
    assert verify(exported, environment=environment).exit_code == 0
    with closing(open_export(exported, environment)) as trail:
        assert trail.told == ()
    files = members(exported)
    files = replaced(files, "policy", mallorys(dict(files)["policy"]))
    with closing(open_export(written(tmp_path / "x.tar", files), environment)) as trail:
        assert trail.size() == len(list(trail.entries())) == COUNT


def test_an_older_copy_is_told_and_a_directory_that_went_back_is_refused(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    there = recorded(tmp_path, 5)
    with there.opened() as owner:
        export(owner, tmp_path / "x.tar")
    shutil.copytree(there.home, tmp_path / "older")
    there.record(5)
    assert verify(there.home, environment=environment).exit_code == 0
    with closing(open_export(tmp_path / "x.tar", environment)) as trail:
        assert trail.told == (
            "an older copy: 5 entries of this log, which had 10 when it was last seen here",
        )
        assert trail.size() == 5
    with pytest.raises(Incomplete, match="expected at least 10 entries"):
        open_examined(Home(tmp_path / "older"), environment)


def test_a_log_that_grew_otherwise_than_was_seen_is_refused(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    there = recorded(tmp_path, 5)
    shutil.copytree(there.home, tmp_path / "fork")
    there.record(5)
    assert verify(there.home, environment=environment).exit_code == 0
    fork = there._replace(
        home=tmp_path / "fork", environment={"XDG_STATE_HOME": str(tmp_path / "mallory")}
    )
    fork.record(9)
    with fork.opened() as owner:
        export(owner, tmp_path / "x.tar")
    for opening in (
        lambda: open_export(tmp_path / "x.tar", environment),
        lambda: open_examined(Home(fork.home), environment),
    ):
        with pytest.raises(Tampered, match="had another root"):
            opening()


def test_a_file_that_is_no_export_is_told(tmp_path: Path, environment: dict[str, str]) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(b"hello")
    with pytest.raises(DeploytrailError, match="expected a trail's directory or export"):
        open_export(path, environment)

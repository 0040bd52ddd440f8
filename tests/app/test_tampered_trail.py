"""What a trail gives out of a log that was changed: no receipt, no proof, no export of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploytrail.app.exporting import export
from deploytrail.errors import EvidenceError, Tampered
from deploytrail.event import EventId
from deploytrail.log import checkpoint, note
from deploytrail.log.note import Signer
from deploytrail.log.tiles import WIDTH, decode_bundle, encode_bundle
from deploytrail.trail import Attachment
from deploytrail.zstd import zstd
from tests.app.doctored import doctored
from tests.app.places import Place, place, recorded

COUNT = 300


@pytest.fixture
def trail(tmp_path: Path) -> Place:
    return recorded(tmp_path, COUNT)


def flip(there: Place, index: int = 0) -> None:
    """Another tool did it; the page and its digests are as they should be."""
    number, at = divmod(index, WIDTH)
    with doctored(there.home) as connection:
        ((packed,),) = connection.execute("SELECT data FROM bundle WHERE n = ?", (number,))
        entries = decode_bundle(zstd.decompress(packed))
        entries[at] = entries[at].replace(b'"argocd"', b'"brgocd"')
        row = (zstd.compress(encode_bundle(entries)), number)
        connection.execute("UPDATE bundle SET data = ? WHERE n = ?", row)


def first_id(there: Place) -> EventId:
    with there.opened() as trail:
        (shown,) = trail.entries(until=1)
        return EventId(str(shown.event["id"]))


def test_a_changed_entry_is_neither_shown_nor_proven(trail: Place) -> None:
    first = first_id(trail)
    with trail.opened() as opened:
        (last,) = opened.newest(count=1)
        flip(trail)
        for ask in (opened.show, opened.proof):
            with pytest.raises(Tampered, match="entry 0: its bytes"):
                ask(first)
        # Another bundle is not concerned.
        assert opened.show(EventId(str(last.event["id"]))).index == COUNT - 1


def test_a_checkpoint_that_the_log_did_not_sign_vouches_for_nothing(trail: Place) -> None:
    """A signature by a key of Mallory's, under the log's own name and over what is true."""
    with trail.opened() as opened, opened.store.reading() as reader:
        newest = reader.checkpoint()
        assert newest is not None
        said = checkpoint.decode(note.decode(newest.note).text)
    forged = note.encode(checkpoint.sign(said, [Signer(said.origin, b"M" * 32)]))
    with doctored(trail.home) as connection:
        connection.execute("UPDATE checkpoint SET note = ?", (forged,))
    with trail.opened() as opened:
        for ask in (lambda: opened.show(0), lambda: list(opened.entries())):
            with pytest.raises(Tampered, match="not signed by this log's key"):
                ask()


def test_what_is_attached_to_a_changed_entry_is_not_given_out(tmp_path: Path) -> None:
    there = place(tmp_path)
    told = there.event(0)
    with there.opened() as opened:
        opened.record([told], attachments={told.id: [Attachment(type="output", data=b"ok")]})
        opened.publish()
        evidence = opened.show(0).event["evidence"]
        assert isinstance(evidence, list)
        assert opened.attachment(0, evidence[0]["id"]) == b"ok"
        with doctored(there.home) as connection:
            ((data,),) = connection.execute("SELECT data FROM segment")
            row = (data.replace(b'"argocd"', b'"brgocd"'),)
            connection.execute("UPDATE segment SET data = ?", row)
        with pytest.raises(Tampered, match="entry 0: its bytes"):
            opened.attachment(0, evidence[0]["id"])


def test_a_list_ends_at_an_entry_that_was_changed(trail: Place) -> None:
    flip(trail, 200)
    with trail.opened() as opened:
        newest = opened.newest(count=COUNT)
        assert [next(newest).index for _ in range(99)] == list(range(299, 200, -1))
        with pytest.raises(Tampered, match="entry 200: its bytes"):
            next(newest)
        # What was asked for does not have it; those beside it are good.
        assert [one.index for one in opened.newest(count=20)] == list(range(299, 279, -1))
        assert [one.index for one in opened.newest(count=3, before=200)] == [199, 198, 197]
        assert len(list(opened.entries(first=201))) == 99
        with pytest.raises(Tampered, match="entry 200: its bytes"):
            list(opened.entries(first=150))


BROKEN = {
    "a bundle that does not unpack": "UPDATE bundle SET data = x'00' WHERE n = 0",
    "a bundle of nothing": "UPDATE bundle SET data = x'28b52ffd2000010000' WHERE n = 0",
    "a tail in other framing": "UPDATE segment SET data = x'ffff00'",
    "a bundle that is gone": "DELETE FROM bundle",
    "a checkpoint that is another's": "UPDATE checkpoint SET note = x'0a'",
}


@pytest.mark.parametrize("how", BROKEN)
def test_rows_that_are_not_what_was_written_are_told_as_evidence(trail: Place, how: str) -> None:
    with trail.opened() as opened:
        with doctored(trail.home) as connection:
            connection.execute(BROKEN[how])
        with pytest.raises(EvidenceError):
            list(opened.entries())


@pytest.mark.parametrize("count", [1, 255, 256, 257, 512, 700])
@pytest.mark.parametrize("behind", [0, 1, 300])
def test_whatever_the_checkpoint_covers_is_listed(tmp_path: Path, count: int, behind: int) -> None:
    there = recorded(tmp_path, count)
    there.record(behind, publish=False)
    with there.opened() as opened:
        assert [one.index for one in opened.entries()] == list(range(count + behind))
        assert [one.index for one in opened.newest(count=300)] == list(
            range(count + behind - 1, max(-1, count + behind - 301), -1)
        )


def test_a_changed_log_is_not_exported(trail: Place, tmp_path: Path) -> None:
    flip(trail)
    with trail.opened() as opened, pytest.raises(Tampered, match="nothing was exported"):
        export(opened, tmp_path / "x.tar")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("x.tar")] == []


def test_an_entry_behind_the_newest_checkpoint_is_shown(trail: Place) -> None:
    (receipt,) = trail.record(1, publish=False)
    with trail.opened() as opened:
        assert opened.show(receipt.id).index == COUNT

"""A backup on its way is whole only behind its last member; cut anywhere before, it is none."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import msgspec
import pytest

from deploytrail import backup_stream
from deploytrail.backup_stream import Standing, head, member, padding
from deploytrail.errors import DeploytrailError, DiskFull, Incomplete, Malformed
from deploytrail.trail import Backup

LOG, KEYS = b"log" * 1_000, b"keys" * 300
DONE = Backup(
    file="backup.tar", keys="backup.tar.keys", origin="deploytrail.test/1", size=3, root="00",
    size_signed=3, checkpoints=1, disclosures=2, attachments=0, state=0, subjects=1, bytes=4_200,
)  # fmt: skip
PROGRESS = member(backup_stream.PROGRESS, msgspec.json.encode(Standing(2, 3)))
FILES = member(backup_stream.KEYS, KEYS) + member(backup_stream.LOG, LOG)
LAST = member(backup_stream.DONE, msgspec.json.encode(DONE))
WHOLE = PROGRESS * 2 + FILES + LAST + backup_stream.END


class Received:
    """What came out of a stream, and what was told of it."""

    def __init__(self) -> None:
        self.log, self.keys = io.BytesIO(), io.BytesIO()
        self.making: list[tuple[int, int]] = []
        self.receiving: list[tuple[int, int]] = []

    def __call__(self, octets: bytes, width: int = 700) -> Backup:
        return backup_stream.receive(
            _chunks(octets, width),
            self.log,
            self.keys,
            making=lambda *stood: self.making.append(stood),
            receiving=lambda *stood: self.receiving.append(stood),
            refused=_refused,
        )


def _chunks(octets: bytes, width: int) -> Iterator[bytes]:
    yield from (octets[at : at + width] for at in range(0, len(octets), width))


def _refused(problem: bytes) -> DeploytrailError:
    return DiskFull(problem.decode())


@pytest.mark.parametrize("width", [1, 511, 512, 100_000])
def test_what_was_sent_is_received_however_it_is_cut_into_pieces(width: int) -> None:
    received = Received()
    assert received(WHOLE, width) == DONE
    assert (received.log.getvalue(), received.keys.getvalue()) == (LOG, KEYS)
    assert received.making == [(2, 3), (2, 3)]
    assert received.receiving[-1] == (len(LOG), len(LOG))


def test_any_tar_reads_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(WHOLE)) as tar:
        stream = tar.extractfile(backup_stream.LOG)
        assert stream is not None
        assert stream.read() == LOG
        assert {one.mode for one in tar} == {0o600}


def test_wherever_it_is_cut_off_it_is_no_backup() -> None:
    before = len(WHOLE) - len(backup_stream.END) - len(LAST)
    said = before + 512 + len(msgspec.json.encode(DONE))
    for length in [*range(0, before, 128), *range(before, said)]:
        with pytest.raises(Incomplete, match="ended too early"):
            Received()(WHOLE[:length])


REFUSED: dict[str, bytes] = {
    "another tar": member("a.txt", b"x") + backup_stream.END,
    "a folder": tarfile.TarInfo("x").tobuf().replace(b"0000644", b"0000755") + FILES + LAST,
    "a file twice": FILES + member(backup_stream.LOG, LOG) + LAST,
    "its end before its files": LAST + FILES,
    "no JSON at its end": FILES + member(backup_stream.DONE, b"{"),
    "a link for a file": b"".join(
        (
            FILES[: len(FILES) - len(member(backup_stream.LOG, LOG))],
            tarfile.TarInfo(backup_stream.LOG).tobuf().replace(b"\x000", b"\x002", 1),
            LAST,
        )
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_backup_is_refused(reason: str) -> None:
    with pytest.raises((Malformed, Incomplete)):
        Received()(REFUSED[reason])


def test_what_the_server_could_not_make_is_its_problem() -> None:
    with pytest.raises(DiskFull, match="no room"):
        Received()(PROGRESS + member(backup_stream.PROBLEM, b"no room"))


def test_a_file_of_more_than_eight_gibibytes_has_a_head() -> None:
    info = tarfile.TarInfo.frombuf(head("x", 9 << 30), "utf-8", "strict")
    assert info.size == 9 << 30
    assert [len(padding(size)) for size in (0, 1, 512)] == [0, 511, 0]

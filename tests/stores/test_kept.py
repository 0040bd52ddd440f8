"""The highest checkpoint seen, kept outside of the log."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploytrail.errors import Malformed, Misconfigured
from deploytrail.log import checkpoint, note
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.policy import NO_QUORUM, Log, Policy
from deploytrail.stores import kept
from deploytrail.stores.kept import Kept
from tests.log.signers import LOG, ORIGIN

POLICY = Policy((Log(LOG.key),), {}, {}, NO_QUORUM)


def seen(size: int) -> Kept:
    head = Checkpoint(ORIGIN, size, bytes([size]) * 32)
    return Kept(head, note.encode(checkpoint.sign(head, [LOG])), POLICY)


def test_nothing_is_kept_of_a_log_that_was_never_seen(tmp_path: Path) -> None:
    assert kept.load(tmp_path / "nowhere", ORIGIN) is None


def test_what_is_kept_is_read_back_and_replaced(tmp_path: Path) -> None:
    state = tmp_path / "state" / "deploytrail"
    for size in (1, 7):
        kept.replace(state, seen(size))
        assert kept.load(state, ORIGIN) == seen(size)
    assert kept.load(state, "another/origin") is None
    (file,) = state.iterdir()
    assert file.name == hashlib.sha256(ORIGIN.encode()).hexdigest()
    assert (file.stat().st_mode & 0o777, state.stat().st_mode & 0o777) == (0o600, 0o700)


def test_who_keeps_at_once_is_in_nobody_s_way_and_the_highest_stays(tmp_path: Path) -> None:
    sizes = [*range(1, 33)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda size: kept.replace(tmp_path, seen(size)), reversed(sizes)))
    assert kept.load(tmp_path, ORIGIN) == seen(sizes[-1])
    assert len(list(tmp_path.iterdir())) == 1


BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "no checkpoint": b"log key\n",
    "half a checkpoint": b"\n---\ndeploytrail.test\n",
    "not UTF-8": b"\xff\n---\n\xff",
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_file_that_we_did_not_write_is_refused(tmp_path: Path, reason: str) -> None:
    kept.replace(tmp_path, seen(1))
    (file,) = tmp_path.iterdir()
    file.write_bytes(BROKEN[reason])
    with pytest.raises(Malformed):
        kept.load(tmp_path, ORIGIN)


def test_a_state_directory_that_can_not_be_used_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Misconfigured, match=r"Not a directory; .* set XDG_STATE_HOME"):
        kept.load(tmp_path / "file" / "deploytrail", ORIGIN)
    for directory in (tmp_path / "file" / "deploytrail", Path("/proc/nowhere/deploytrail")):
        with pytest.raises(Misconfigured, match=r"the log itself has it\. Set XDG_STATE_HOME"):
            kept.replace(directory, seen(1))

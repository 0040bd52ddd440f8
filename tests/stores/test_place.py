"""Where a database lies: whether its disk can be trusted, and whether its files are still ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploytrail.errors import Fenced
from deploytrail.stores.files import replace_file
from deploytrail.stores.sqlite.place import identity, mounted, raise_fence, refuse_fenced

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv/share rw - nfs4 server:/share rw
31 22 0:41 / /srv rw - xfs /dev/sdb1 rw
32 22 0:42 / /mnt/two\\040words rw master:1 - cifs //server/share rw
33 22 0:43 / /home rw - ext4 /dev/sdc1 rw
34 33 0:44 / /home rw - tmpfs tmpfs rw
broken line
"""
PLACES = {
    "/": "ext4",
    "/var/lib": "ext4",
    "/srv": "xfs",
    "/srv/share": "nfs4",
    "/srv/share/a/b": "nfs4",
    "/srv/shared": "xfs",
    "/mnt/two words/a": "cifs",
    # Of two mounts on one point the later one is on top.
    "/home/alice": "tmpfs",
}


@pytest.mark.parametrize("path", PLACES)
def test_the_longest_mount_point_above_a_path_decides(path: str) -> None:
    assert mounted(path, MOUNTS) == PLACES[path]


def test_where_the_system_does_not_tell_nothing_is_known() -> None:
    assert mounted("/srv", "") == ""


def test_an_unlinked_or_replaced_file_shows(tmp_path: Path) -> None:
    database, wal = tmp_path / "log.db", tmp_path / "log.db-wal"
    database.write_bytes(b"")
    alone = identity(database)
    assert (alone[0] is not None, alone[1:]) == (True, (None, None))
    wal.write_bytes(b"")
    both = identity(database)
    assert both[0] == alone[0]
    assert both[1] is not None
    other = tmp_path / "other"
    other.write_bytes(b"")
    other.rename(wal)
    assert identity(database) != both
    database.unlink()
    assert identity(database)[0] is None


def test_a_fence_says_every_reason_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    fence = tmp_path / "fence"
    refuse_fenced(fence)
    raise_fence(fence, "one reason")
    raise_fence(fence, "another")
    with pytest.raises(Fenced, match=r"one reason\nanother.*doctor --clear-fence"):
        refuse_fenced(fence)
    assert (fence.stat().st_mode & 0o777) == 0o600


def test_a_fence_that_cannot_be_read_is_a_fence(tmp_path: Path) -> None:
    fence = tmp_path / "fence"
    fence.mkdir()
    with pytest.raises(Fenced, match="can't be read"):
        refuse_fenced(fence)
    raise_fence(fence, "can't be written either")


def test_a_file_is_replaced_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "policy"
    path.write_bytes(b"old")
    path.with_name("policy.new").write_bytes(b"what a crash left, and longer than what comes")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert (path.stat().st_mode & 0o777) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["policy"]

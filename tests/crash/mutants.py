"""Copies of our source with one promise broken, to show that a suite notices."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final, NamedTuple

from tests.conftest import ROOT


class Mutant(NamedTuple):
    """In one file, one text stands for another."""

    file: str
    old: str
    new: str


OF_NAMES: Final = {
    "no sync of directories": Mutant(
        "stores/sqlite/place.py",
        "    try:\n        os.fsync(file)\n    except OSError as error:",
        "    try:\n        pass\n    except OSError as error:",
    ),
    "no sync of small files": Mutant(
        "stores/files.py",
        "stream.write(octets)\n        os.fsync(file)\n",
        "stream.write(octets)\n",
    ),
    "no sync behind a replaced file": Mutant(
        "stores/files.py",
        "    new.rename(path)\n    sync_directory(path.parent)\n",
        "    new.rename(path)\n",
    ),
    "no sync of made directories": Mutant(
        "stores/files.py", "        sync_directory(each.parent)\n", "        pass\n"
    ),
    "no sync behind the renames of a new trail": Mutant(
        "app/home.py",
        "    sync_directory(home.directory)\n    return origin\n",
        "    return origin\n",
    ),
    "no sync behind the renames of a restored trail": Mutant(
        "app/backups/restoring.py",
        "    home.new_log.rename(home.log)\n    sync_directory(home.directory)\n",
        "    home.new_log.rename(home.log)\n",
    ),
    "no sync behind the rename that was left to do": Mutant(
        "app/home.py",
        "        new_log.rename(home.log)\n        sync_directory(home.directory)\n",
        "        new_log.rename(home.log)\n",
    ),
    "no empty write-ahead log behind a made database": Mutant(
        "stores/sqlite/database.py",
        "        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)\n",
        "        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)\n",
    ),
    "no sync of a made database": Mutant(
        "stores/sqlite/database.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = OFF"
    ),
    "no sync of a fence": Mutant(
        "stores/sqlite/place.py",
        "            os.fsync(file)\n        finally",
        "            pass\n        finally",
    ),
    "no sync behind a fence": Mutant(
        "stores/sqlite/place.py", "        sync_directory(fence.parent)\n", ""
    ),
    "no sync of the log before the fence falls": Mutant(
        "app/doctor.py", "        trail.store.sync_all()\n", ""
    ),
    "no sync of the keys before the fence falls": Mutant(
        "app/doctor.py", "        trail.keyring.sync_all()\n", ""
    ),
    "no truncating checkpoint before the fence falls": Mutant(
        "stores/sqlite/database.py",
        "self._own_errors():\n            self._writer.wal_checkpoint(",
        "self._own_errors():\n            dict(",
    ),
    "no sync behind the fence that fell": Mutant(
        "app/doctor.py", "    sync_directory(home.directory)\n", ""
    ),
    "no sync of an export": Mutant(
        "stores/files.py",
        "            yield stream\n        os.fsync(file)\n",
        "            yield stream\n",
    ),
    "no sync behind an export": Mutant(
        "stores/files.py",
        "        Path(name).unlink(missing_ok=True)\n    sync_directory(path.parent)\n",
        "        Path(name).unlink(missing_ok=True)\n",
    ),
    "no sync of an index and its directory": Mutant(
        "index/sqlite/database.py", "        os.fsync(descriptor)\n", "        pass\n"
    ),
    "no sync of which index is the current one": Mutant(
        "index/sqlite/store.py", "            os.fsync(descriptor)\n", ""
    ),
    "no sync behind the directory of an index": Mutant(
        "index/sqlite/store.py", "            sync(self._directory.parent)\n", ""
    ),
    "no sync of what is put aside": Mutant(
        "wrapper/spool_file.py", "            os.fsync(file)\n", ""
    ),
    "no sync behind what is put aside": Mutant(
        "wrapper/spool_file.py", "                sync(each.parent)\n", "                pass\n"
    ),
    "no sync of the folders of what is put aside": Mutant(
        "wrapper/spool_file.py", "        os.fsync(descriptor)\n", "        pass\n"
    ),
}
OF_COMMITS: Final = {
    "synchronous off": Mutant(
        "stores/sqlite/database.py", '"synchronous", "FULL"', '"synchronous", "OFF"'
    ),
    "synchronous normal": Mutant(
        "stores/sqlite/database.py", '"synchronous", "FULL"', '"synchronous", "NORMAL"'
    ),
    "nothing settled at open": Mutant(
        "stores/sqlite/database.py", "                database.settle()\n", "                pass\n"
    ),
    "no truncating checkpoint at open": Mutant(
        "stores/sqlite/database.py",
        "        try:\n            self._writer.wal_checkpoint(",
        "        return True\n        try:\n            dict(",
    ),
    "no commit at open below an examiner": Mutant(
        "stores/sqlite/database.py",
        "            return False\n        finally:",
        "            return True\n        finally:",
    ),
}
OF_OTHERS: Final[dict[str, tuple[Mutant, str]]] = {
    "no sync of repeats": (
        Mutant("log/commit.py", "            writer.touch()\n", "            pass\n"),
        "tests/log/test_commit.py::test_nothing_but_repeats_still_commits",
    ),
    "no sync of another's key": (
        Mutant(
            "stores/sqlite/keys.py",
            "            self._database.settle()\n        return found",
            "            pass\n        return found",
        ),
        "tests/crash/test_power_loss.py::"
        "test_a_key_that_another_writer_left_is_synced_before_an_entry_names_its_person",
    ),
    "no checkpoint of a long write-ahead log": (
        Mutant(
            "stores/sqlite/database.py",
            "            self._writer.wal_checkpoint(mode=mode)\n",
            "            pass\n",
        ),
        "tests/stores/test_database.py::test_a_write_ahead_log_grows_no_longer_than_it_may",
    ),
    "no truncating checkpoint behind an erasure": (
        Mutant("stores/sqlite/database.py", "        self.sync_all()\n", ""),
        "tests/contract/test_store_erasing.py::test_after_scrubbing_the_bytes_are_in_no_file",
    ),
    "no truncating checkpoint behind an erasure from the index": (
        Mutant(
            "index/sqlite/database.py",
            "        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)\n",
            "        pass\n",
        ),
        "tests/contract/test_index.py::"
        "test_an_erased_subject_is_found_by_nothing_that_was_said_of_it",
    ),
}
"""What a test elsewhere notices, and which."""
_OURS: Final = re.compile(
    r"os\.fsync\(|(?<!def )sync_directory\(|(?<!def )_sync\(|wal_checkpoint\(|synchronous\b.*FULL"
    r"|trail\.\w+\.sync_all\(|self\.sync_all\(|(?<!self\._)database\.settle\(|writer\.touch\("
)


def unmutated() -> list[str]:
    """The lines of our source that sync something and stand in no mutant's text."""
    mutants = [*OF_NAMES.values(), *OF_COMMITS.values(), *(one for one, _ in OF_OTHERS.values())]
    found = []
    for path in sorted((ROOT / "src" / "deploytrail").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        spans = [
            (text.index(one.old), text.index(one.old) + len(one.old))
            for one in mutants
            if path.as_posix().endswith(one.file) and one.old in text
        ]
        found += [
            f"{path.name}: {text[text.rindex(chr(10), 0, sync.start()) :].split(chr(10))[1]}"
            for sync in _OURS.finditer(text)
            if not any(first <= sync.start() < until for first, until in spans)
        ]
    return found


def mutated(mutant: Mutant, into: Path) -> Path:
    """The folder to import from: our package with the mutant's change."""
    shutil.copytree(ROOT / "src", into, ignore=shutil.ignore_patterns("__pycache__"))
    path = into / "deploytrail" / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise LookupError(f"{mutant.file}: expected {mutant.old!r} once; the mutant is stale")
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    return into

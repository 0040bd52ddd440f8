"""History taken in: `deploytrail import` of CloudTrail's log files into a new trail, end to end.

Beside it what one would do with these files instead, over the first of them in the same run: jq
that takes them apart and PostgreSQL's COPY into a table of JSONB, and DuckDB that reads them into
a table. Neither redacts, translates, signs or knows an event that came before.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
import msgspec
import psycopg

from bench import postgres
from bench.figure import Figure, seconds
from bench.reading import peak_mb
from bench.samples import log_files

_MB = 1_000_000
_PEER_BYTES = 100 * _MB


def figures(directory: Path, *, size_mb: int) -> list[Figure]:
    """One import gives both: how fast it is, and the memory of it at most."""
    files = log_files(directory / "history", size_bytes=size_mb * _MB)
    some = files[: max(1, _PEER_BYTES // 5_000_000)]
    peers = {"jq, PostgreSQL COPY": _copied(directory, some), "DuckDB": _duckdb(directory, some)}
    environment = {
        "DEPLOYTRAIL_HOME": str(directory / "trail"),
        "XDG_STATE_HOME": str(directory / "state"),
    }
    program = [sys.executable, "-m", "deploytrail"]
    subprocess.run(
        [*program, "init"], check=True, capture_output=True, env=os.environ | environment
    )
    output = directory / "told"
    before, started = os.times(), time.perf_counter()
    with output.open("wb") as told:
        command = [
            *program,
            "import",
            "--source",
            "cloudtrail",
            "--json",
            str(directory / "history"),
        ]
        memory = peak_mb(command, output=told.fileno(), environment=environment)
    taken = time.perf_counter() - started
    after = os.times()
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    lines = [msgspec.json.decode(line) for line in output.read_bytes().splitlines()]
    events = sum(line["events"] for line in lines)
    shutil.rmtree(directory)
    note = f"{size_mb} MB in {len(files)} files; {spent:.0f} processor seconds in {taken:.0f}"
    rate = round(events / taken)
    return [
        Figure(name="import.rate", value=rate, unit="events/s", n=events, peers=peers, note=note),
        Figure(name="import.rss_mb", value=round(memory, 1), unit="MB", n=events),
    ]


def _copied(directory: Path, files: Sequence[Path]) -> float:
    """Calls a second by jq and COPY, each call a row."""
    with postgres.server(directory / "postgres") as uri, psycopg.connect(uri) as connection:
        connection.execute("CREATE TABLE call(body jsonb)")
        command = ["jq", "-c", ".Records[]", *map(str, files)]
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as jq:
            assert jq.stdout is not None
            with connection.cursor() as cursor, cursor.copy("COPY call FROM STDIN") as copy:
                while chunk := jq.stdout.read(1 << 20):
                    copy.write(chunk.replace(b"\\", b"\\\\"))
        connection.commit()
        taken = time.perf_counter() - started
        row = connection.execute("SELECT count(*) FROM call").fetchone()
        assert row is not None
        return round(int(row[0]) / taken)


def _duckdb(directory: Path, files: Sequence[Path]) -> float:
    with duckdb.connect(str(directory / "calls.duckdb")) as connection:
        taken = seconds(
            lambda: connection.execute(
                "CREATE TABLE call AS SELECT unnest(Records) AS body FROM "
                "read_json(?, columns={'Records': 'JSON[]'}, maximum_object_size=100000000)",
                [list(map(str, files))],
            )
        )
        row = connection.execute("SELECT count(*) FROM call").fetchone()
        assert row is not None
        return round(int(row[0]) / taken)

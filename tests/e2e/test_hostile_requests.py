"""Mallory speaks to the real server by hand: nothing breaks, nothing is believed, all is answered.

An answer is a problem (RFC 9457) wherever there is one; the server lives, its memory is bounded.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from deploytrail.zstd import zstd
from tests.e2e.hostile import (
    HEAD,
    POST,
    SECOND,
    answered,
    assert_alive,
    assert_problem,
    connected,
    heard,
    hostile,
    statuses,
)
from tests.events import body
from tests.web.running import Running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with hostile(tmp_path_factory.mktemp("hostile") / "home") as found:
        yield found


SMUGGLED: dict[str, bytes] = {
    "a length beside chunks": POST
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "chunks beside a length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + SECOND,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n" + SECOND,
    "a list of lengths": POST + b"Content-Length: 0, 40\r\n\r\n" + SECOND,
    "a length with a sign": POST + b"Content-Length: +0\r\n\r\n" + SECOND,
    "a length below nought": POST + b"Content-Length: -1\r\n\r\n" + SECOND,
    "a length in hexadecimal": POST + b"Content-Length: 0x0\r\n\r\n" + SECOND,
    "a length beyond all numbers": POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n" + SECOND,
    "a coding that hides chunks": POST
    + b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n" + SECOND,
    "chunked twice": POST
    + b"Transfer-Encoding: chunked, chunked\r\nContent-Length: 0\r\n\r\n" + SECOND,
    "a blank before the colon": POST + b"Content-Length : 0\r\n\r\n" + SECOND,
    "a folded header": POST + b"X: a\r\n b\r\nContent-Length\r\n : 0\r\n\r\n" + SECOND,
    "a zero byte": POST + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n" + SECOND,
    "a bare return in a value": POST + b"X: a\rContent-Length: 0\r\n\r\n" + SECOND,
    "a length of a chunk that is none": POST
    + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n" + SECOND,
}  # fmt: skip


@pytest.mark.parametrize("reason", SMUGGLED)
def test_nobody_smuggles_a_request_by(reason: str, server: Running) -> None:
    answer = answered(server, SMUGGLED[reason])
    # Whatever is behind it is not answered as a request.
    assert_problem(answer, 400, 401)
    assert b'"up"' not in answer


NO_HTTP: dict[str, bytes] = {
    "a greeting by TLS": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method that is none": b"STEAL / HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a version that is none": b"GET /healthz HTTP/9.9\r\n" + HEAD + b"\r\n",
    "a target that is none": b"GET http: HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a path of other bytes": b"GET /\xff\xfe HTTP/1.1\r\n" + HEAD + b"\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\n" + HEAD + b"Host: evil.example\r\n\r\n",
    "another's host": b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "a host of other bytes": b"GET /healthz HTTP/1.1\r\nHost: local\xffhost\r\n\r\n",
    "whatever": b"\x00" * 4_096,
}


@pytest.mark.parametrize("reason", NO_HTTP)
def test_what_is_no_request_of_ours_is_a_problem(reason: str, server: Running) -> None:
    answer = answered(server, NO_HTTP[reason])
    assert_problem(answer, 400, 405, 505)


ASKED = b"GET /v1/events?q="


@pytest.mark.parametrize("count", [61_500, 65_519, 66_000, 70_000, 200_000])
def test_an_address_that_is_too_long_is_told_where_to_ask(count: int, server: Running) -> None:
    token = f"Authorization: Bearer {server.token}\r\n".encode()
    asked = ASKED + b"x" * count + b" HTTP/1.1\r\nConnection: close\r\n" + token + HEAD + b"\r\n"
    answer = answered(server, asked)
    assert_problem(answer, 414)
    assert b"by POST at .../query" in answer


def test_an_address_that_is_as_long_as_is_read_is_read(server: Running) -> None:
    answer = server.ask("GET", "/healthz?x=" + "x" * 61_000)
    assert (answer.status, answer.json()["type"]) == (400, "/problems/malformed")
    assert "expected no parameters" in answer.json()["detail"]


HEADERS: dict[str, bytes] = {
    "one long line": b"X-A: " + b"a" * 300_000 + b"\r\n",
    "many lines": b"X-A: b\r\n" * 40_000,
    "a long name": b"X" * 300_000 + b": a\r\n",
}


@pytest.mark.parametrize("reason", HEADERS)
@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_more_header_than_is_read_is_refused(reason: str, pieces: int, server: Running) -> None:
    """Also where its end comes with so much of it that nobody has counted it before."""
    raw = b"GET /healthz HTTP/1.1\r\n" + HEAD + HEADERS[reason] + b"\r\n"
    size = -(-len(raw) // pieces)
    with connected(server) as connection:
        with suppress(OSError):
            for at in range(0, len(raw), size):
                connection.sendall(raw[at : at + size])
        answer = heard(connection)
    # Who still sends while it is closed may be told nothing.
    assert not answer or statuses(answer) == [431]


def test_as_much_header_as_is_read_is_read(server: Running) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 9_980) for number in range(26))
    raw = b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + HEAD + lines + b"\r\n"
    assert statuses(answered(server, raw)) == [200]


PATHS = (
    "//healthz", "/healthz/", "/v1/../healthz", "/%2e%2e/healthz", "/v1%2fevents", "/healthz%00",
    "/healthz%0d%0aX:%20y", "/%68ealthz/..", "/tile/../log.db", "/tile/0/../../../key",
    "/problems/..%2f..%2fetc%2fpasswd", "/v1/events/..", "/v1/events/%ff", "/HEALTHZ", "/;/healthz",
    "/v1/events/%2e%2e%2f%2e%2e", "/tile/0/x000/%30", "/tile/99999999999999999999/0",
    "/v1/events/" + "9" * 4_000,
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=range(len(PATHS)))
def test_a_path_leads_nowhere_but_where_it_says(path: str, server: Running) -> None:
    head = f"GET {path} HTTP/1.1\r\nAuthorization: Bearer {server.token}\r\nConnection: close\r\n"
    assert_problem(answered(server, head.encode() + HEAD + b"\r\n"), 400, 404)


def test_an_attribute_that_comes_twice_is_a_problem(server: Running) -> None:
    """A proxy before us would go by the first, and we by the last."""
    head = POST + f"Authorization: Bearer {server.token}\r\nContent-Length: 0\r\n".encode()
    attributes = b"ce-specversion: 1.0\r\nce-source: /ci\r\nce-type: ping\r\nce-id: 1\r\n"
    answer = answered(server, head + attributes + b"CE-ID: 2\r\n\r\n")
    assert_problem(answer, 400)
    assert b"ce-id: expected once" in answer
    assert statuses(answered(server, head + attributes + b"\r\n")) == [201]


def test_another_s_page_is_told_nothing(server: Running) -> None:
    """A browser lets a page read, or send, only what an Access-Control header allows."""
    for method in ("GET", "OPTIONS", "POST"):
        answer = server.ask(method, "/v1/events", Origin="https://evil.example",
                            Access_Control_Request_Method="POST")  # fmt: skip
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert server.ask("OPTIONS", "/v1/events").status == 405


ENCODED: dict[str, bytes] = {
    "UTF-16": body().decode().encode("utf-16"),
    "Latin-1": body().replace(b"github:", b"gith\xfcb:"),
    "a lone surrogate": body().replace(b"github:", b"\\ud800github:"),
    "a zero byte": body().replace(b"github:", b"\x00github:"),
    "half of it": body()[: len(body()) // 2],
    "nothing": b"",
    "depths": b"[" * 200_000,
    "depths in an event": b'{"a":' * 200_000,
}


@pytest.mark.parametrize("reason", ENCODED)
def test_a_body_of_another_encoding_is_a_problem(reason: str, server: Running) -> None:
    answer = server.record(ENCODED[reason])
    assert 400 <= answer.status < 500
    assert answer.headers["content-type"] == "application/problem+json"


EMPTY_GZIP, EMPTY_ZSTD = gzip.compress(b""), zstd.compress(b"")
LARGE = 16 * 1024 * 1024
BOMBS: dict[str, tuple[str, str, bytes]] = {
    "a gigabyte in gzip": ("json", "gzip", gzip.compress(bytes(LARGE), 9) * 64),
    "a gigabyte in zstd": ("json", "zstd", zstd.compress(bytes(LARGE)) * 64),
    "members of gzip that are empty": ("json", "gzip", EMPTY_GZIP * (LARGE // len(EMPTY_GZIP))),
    "frames of zstd that are empty": ("json", "zstd", EMPTY_ZSTD * (LARGE // len(EMPTY_ZSTD))),
    "an array of ones": ("json", "identity", b"[" + b"1," * (LARGE // 2 - 2) + b"1]"),
    "an array of arrays": ("json", "identity", b"[" + b"[]," * (LARGE // 3 - 2) + b"[]]"),
    "lines of nothing": ("x-ndjson", "identity", b"\n" * LARGE),
    "lines of ones": ("x-ndjson", "identity", b"1\n" * (LARGE // 2)),
    "a window of two gigabytes": ("json", "zstd", bytes.fromhex("28b52ffd00a8") + bytes(100)),
}  # fmt: skip


@pytest.mark.parametrize("reason", BOMBS)
def test_a_bomb_is_refused_and_holds_nobody_up(reason: str, server: Running) -> None:
    kind, coding, sent = BOMBS[reason]
    with ThreadPoolExecutor(4) as pool:
        answers = [
            pool.submit(
                server.ask, "POST", "/v1/events", sent,
                Content_Type=f"application/{kind}", Content_Encoding=coding,
            )
            for _ in range(4)
        ]  # fmt: skip
        found = [each.result() for each in answers]
    for answer in found:
        assert answer.status in {400, 413, 429}, answer.body
        assert answer.headers["content-type"] == "application/problem+json"
    assert_alive(server)

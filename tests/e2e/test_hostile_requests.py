"""Mallory speaks to the real server by hand: nothing breaks, nothing is believed, all is answered.

An answer is a problem (RFC 9457) wherever there is one; the server lives, its memory is bounded.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploytrail.app.verifying import verify
from deploytrail.zstd import zstd
from tests.events import body
from tests.web.running import Running, running

RSS_MB_MAX = 512
SLOW_SECONDS = 25
HEAD = b"Host: localhost\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for all of it, still there at the end; then its log verifies."""
    home = tmp_path_factory.mktemp("hostile") / "home"
    with running(home) as found:
        yield found
        assert_alive(found)
        assert not [one for one in found.journal() if one["what"] == "fault"]
        assert found.stop() == 0
    states = home.parent / "states"
    report = verify(home, state=states, environment={"XDG_STATE_HOME": str(states)})
    assert (report.exit_code, report.found) == (0, ())


def assert_alive(server: Running) -> None:
    assert server.process.poll() is None
    assert server.ask("GET", "/readyz").status == 200
    assert rss_mb(server) <= RSS_MB_MAX


def rss_mb(server: Running) -> float:
    """The most that the serving process ever had."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert match is not None
    return int(match[1]) / 1024


def connected(server: Running) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=30)


def answered(server: Running, raw: bytes) -> bytes:
    """All that comes back until the server closes, or says nothing for a second."""
    with connected(server) as connection:
        connection.sendall(raw)
        return heard(connection)


def heard(connection: socket.socket, *, quiet_seconds: float = 1) -> bytes:
    connection.settimeout(quiet_seconds)
    found = b""
    try:
        while more := connection.recv(65_536):
            found += more
    except (TimeoutError, ConnectionResetError):
        pass
    return found


def statuses(answers: bytes) -> list[int]:
    return [int(one) for one in re.findall(rb"^HTTP/1\.1 (\d{3}) ", answers, re.MULTILINE)]


def assert_problem(answer: bytes, *expected: int) -> None:
    """One answer, and it is a problem."""
    (status,) = statuses(answer)
    assert status in expected, answer
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head, answer
    assert json.loads(rest)["status"] == status


SECOND = b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"
POST = b"POST /v1/events HTTP/1.1\r\n" + HEAD
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


def size_of(server: Running) -> int:
    return int(server.ask("GET", "/v1/stats").json()["size"])


def test_half_a_body_is_nothing(server: Running) -> None:
    size = size_of(server)
    head = POST + f"Authorization: Bearer {server.token}\r\n".encode()
    for rest in (
        b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n" + body(),
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"Content-Type: application/json\r\nContent-Le",
    ):
        with connected(server) as connection:
            connection.sendall(head + rest)
    assert_alive(server)
    assert size_of(server) == size


def test_a_body_without_an_end_is_cut_off(server: Running) -> None:
    with connected(server) as connection:
        head = f"Authorization: Bearer {server.token}\r\nContent-Type: application/json\r\n"
        connection.sendall(POST + head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        sent = 0
        try:
            for _ in range(200):
                connection.sendall(chunk)
                sent += 1
        except OSError:
            pass
        answer = heard(connection)
    assert sent < 200
    assert not answer or statuses(answer) == [413]
    assert_alive(server)


def test_framing_without_a_body_is_cut_off(server: Running) -> None:
    """Trailers are no header, and lengths of chunks may not be longer than the chunks."""
    for flood in (b"0\r\n" + b"X-A: b\r\n" * 100_000, b"1;" + b"a" * 2_000_000):
        with connected(server) as connection:
            head = f"Authorization: Bearer {server.token}\r\nContent-Type: application/json\r\n"
            try:
                connection.sendall(POST + head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
                connection.sendall(flood * 10)
            except OSError:
                pass
            answer = heard(connection)
        assert not answer or statuses(answer) == [400]
    assert_alive(server)


@pytest.mark.parametrize("is_chunked", [False, True])
def test_large_bodies_come_one_behind_the_other(server: Running, *, is_chunked: bool) -> None:
    """What came before on a connection is not held against what comes now."""
    connection = server.connect()
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    large = b"[" + b" " * 3_000_000 + body() + b"]"
    try:
        for _ in range(4):
            sent = iter([large[:1_000_000], large[1_000_000:]]) if is_chunked else large
            connection.request("POST", "/v1/events", sent, headers, encode_chunked=is_chunked)
            answer = connection.getresponse()
            assert (answer.status, answer.read()[:9]) == (200, b'{"items":')
    finally:
        connection.close()


def test_requests_that_come_at_once_are_answered_in_order(server: Running) -> None:
    """Each answer whole, header and body in one; the last says that it is the last."""
    one = b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"
    none = b"GET /nothing HTTP/1.1\r\n" + HEAD + b"\r\n"
    last = b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"\r\n"
    answer = answered(server, one + none + one + last)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [b"200", b"404", b"200", b"200"]
    assert answer.count(b"connection: close\r\n") == 1
    lengths = re.findall(rb"content-length: ([0-9]+)\r\n", answer)
    heads = re.findall(rb"HTTP/1.1 .*?\r\n\r\n", answer, re.DOTALL)
    assert len(answer) == sum(map(len, heads)) + sum(map(int, lengths))


def test_who_speaks_an_older_version_is_answered_once(server: Running) -> None:
    answer = answered(server, b"GET /healthz HTTP/1.0\r\n" + HEAD + b"\r\n")
    assert statuses(answer) == [200]
    assert b"connection: close\r\n" in answer


def test_floods_of_headers_are_cut_off(server: Running) -> None:
    flood = b"GET /healthz HTTP/1.1\r\n" + HEAD + b"X-A: " + b"a" * 250_000
    with ExitStack() as stack:
        open_ = [stack.enter_context(connected(server)) for _ in range(300)]
        refused = 0
        for connection in open_:
            try:
                connection.sendall(flood)
            except OSError:
                refused += 1
        assert_alive(server)
        for connection in open_[-20:]:
            refused += statuses(heard(connection)) == [429]
        # All of them together are more than is kept.
        assert refused
    answer = answered(server, flood + b"a" * 100_000)
    assert not answer or statuses(answer) == [431]


def test_a_thousand_connections_are_answered_at_once(server: Running) -> None:
    with ExitStack() as stack:
        open_ = [stack.enter_context(connected(server)) for _ in range(1_000)]
        for connection in open_:
            connection.sendall(SECOND)
        for connection in open_:
            assert connection.recv(4_096).startswith(b"HTTP/1.1 200 ")
    assert_alive(server)


def test_who_sends_slowly_is_not_waited_for(server: Running) -> None:
    """Nobody holds a connection by a byte now and then."""
    refused = b"POST /v1/events HTTP/1.1\r\n" + HEAD + b"Content-Length: 9999\r\n\r\n"
    slow: dict[str, tuple[bytes, bytes]] = {
        "nothing": (b"", b""),
        "a header": (b"GET /healthz HTTP/1.1\r\nX: ", b"a"),
        "empty lines behind an answer": (SECOND, b"\r\n"),
        "a body that was refused": (refused, b"a"),
    }
    with ExitStack() as stack:
        open_ = {name: stack.enter_context(connected(server)) for name in slow}
        for name, connection in open_.items():
            connection.sendall(slow[name][0])
        left, deadline = set(open_), time.monotonic() + SLOW_SECONDS
        while left and time.monotonic() < deadline:
            time.sleep(0.5)
            for name in sorted(left):
                try:
                    open_[name].sendall(slow[name][1])
                    open_[name].settimeout(0.01)
                    if not open_[name].recv(65_536):
                        left.discard(name)
                except TimeoutError:
                    continue
                except OSError:
                    left.discard(name)
        assert left == set()
    assert_alive(server)


def test_who_vanishes_in_the_middle_of_a_commit_loses_nobody_s_events(server: Running) -> None:
    head = POST + f"Authorization: Bearer {server.token}\r\n".encode()
    for _ in range(100):
        event = body()
        with connected(server) as connection:
            connection.sendall(
                head + b"Content-Type: application/json\r\n"
                + f"Content-Length: {len(event)}\r\n\r\n".encode() + event
            )  # fmt: skip
    answer = server.record(body())
    assert answer.status in {200, 201}
    assert_alive(server)


def told_until(server: Running, word: str) -> str:
    """The journal once that stands in it: it is written a moment later."""
    until = time.monotonic() + SLOW_SECONDS
    while word not in (text := server.told.read_text(encoding="utf-8")):
        assert time.monotonic() < until
        time.sleep(0.02)
    return text


NAMES = ("a\nb", 'x"} 1', "\x1b[31m", "‮evil", "<script>", "mallory's\\", "ﬀ" * 60)


def test_no_word_of_a_user_s_is_a_label_or_in_the_journal(server: Running) -> None:
    for name in NAMES:
        escaped = "".join(f"%{octet:02x}" for octet in name.encode())
        server.ask("GET", f"/v1/events?q={escaped}")
        server.ask("GET", f"/{escaped}")
        server.ask("GET", "/healthz", User_Agent=name.encode("unicode_escape").decode())
        event = json.loads(body())
        event["actor"]["id"] = f"github:{name}"
        server.record(json.dumps(event).encode())
        server.ask("GET", "/v1/stats", Authorization=f"Bearer dt_{escaped}_hunter2")
    told = server.ask("GET", "/metrics").body.decode()
    routes = set(re.findall(r'route="([^"]*)"', told))
    labels = set(re.findall(r'(\w+)="', told))
    assert labels <= {"route", "status", "le"}
    known = {*server.ask("GET", "/openapi.json").json()["paths"], "none"}
    assert routes <= known
    text = told_until(server, '"route":"/metrics"')
    for said in (told, text):
        assert "mallory" not in said
        assert "evil" not in said
        assert "script" not in said
        assert "hunter2" not in said
    assert server.token not in text
    assert not [one for one in text if ord(one) < 32 and one != "\n"]
    lines = [one for one in server.journal() if one["what"] == "request"]
    assert len({one["request"] for one in lines}) == len(lines)
    assert {"method", "route", "status", "ms", "bytes", "principal"} <= set(lines[-1])

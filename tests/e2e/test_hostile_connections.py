"""Mallory holds connections by hand: whoever is slow, goes or floods keeps nobody else waiting."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.hostile import (
    HEAD,
    POST,
    SECOND,
    SLOW_SECONDS,
    answered,
    assert_alive,
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


def test_what_is_no_request_is_counted_and_told_without_what_was_sent(server: Running) -> None:
    def counted() -> int:
        text = server.ask("GET", "/metrics").body.decode()
        found = re.search(r'requests_total{route="none",status="400"} (\d+)', text)
        return int(found[1]) if found else 0

    before = counted()
    assert statuses(answered(server, b"hunter2 is my password\r\n\r\n")) == [400]
    assert counted() == before + 1
    until = time.monotonic() + 20
    while not (lines := [one for one in server.journal() if one["what"] == "refused"]):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert lines[0].keys() == {"time", "what", "status", "why"}
    assert "hunter2" not in server.told.read_text(encoding="utf-8")


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
    assert labels <= {"route", "status", "le", "follower"}
    assert set(re.findall(r'follower="([^"]*)"', told)) <= {"index", "publisher"}
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

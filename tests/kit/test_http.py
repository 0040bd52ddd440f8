"""What we send to others is limited, verified and told without its secrets."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from deploytrail.errors import (
    DeploytrailError,
    Malformed,
    Misconfigured,
    NotPermitted,
    Unreachable,
)
from deploytrail.kit.answer import Limits, NotSent, Request, Response
from deploytrail.kit.connection import refuse_private
from deploytrail.kit.http import Http
from tests.kit.servers import Handler, answer, says, serving

SECRET = "s3cr3t-t0k3n"
QUICK = Limits(connect_seconds=2, read_seconds=2, total_seconds=1, bytes_max=1000)
"""A second in all: nothing in these tests takes longer unless it never ends."""


_made: list[Http] = []


def client(**options: Any) -> Http:
    """One whose connections are closed when the test is over."""
    _made.append(Http(**options))
    return _made[-1]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _made:
        _made.pop().close()


def test_an_answer_has_status_headers_and_body() -> None:
    with serving(says(answer("418 Teapot", b"short", "X-Kind: Stout"))) as server:
        found = client().get(server.url("/tea"))
    assert (found.status, found.body, found.headers["x-kind"]) == (418, b"short", "Stout")
    assert server.requests[0].startswith(b"GET /tea HTTP/1.1\r\n")


def test_a_post_carries_its_body_and_headers() -> None:
    with serving(says(answer())) as server:
        client(agent="witness/1").post(server.url(), b"a\nb\n", {"Content-Type": "text/x"})
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == b"a\nb\n"
    assert b"content-type: text/x" in head
    assert b"user-agent: witness/1" in head


def test_connections_are_kept_for_the_next_request() -> None:
    ports: set[int] = set()

    def handle(connection: socket.socket, _: bytes) -> None:
        ports.add(connection.getpeername()[1])
        connection.sendall(answer(body=b"x"))

    with serving(handle, is_kept=True) as server:
        http = client()
        for _ in range(3):
            http.get(server.url())
        http.close()
    assert len(server.requests) == 3
    assert len(ports) == 1


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with serving(says(answer("302 Found", b"", "location: /elsewhere"))) as server:
        found = client().get(server.url())
    assert (found.status, found.headers["location"]) == (302, "/elsewhere")
    assert len(server.requests) == 1


def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(says(answer(body=b"direct"))) as server, serving(says(answer())) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        assert client().get(server.url()).body == b"direct"
    assert not proxy.requests


def test_a_proxy_is_used_where_one_is_given() -> None:
    with serving(says(answer(body=b"by proxy"))) as proxy:
        found = client(proxy=proxy.url()).get("http://trail.test/x")
    assert found.body == b"by proxy"
    assert proxy.requests[0].startswith(b"GET http://trail.test/x ")


def test_a_body_is_not_unpacked() -> None:
    packed = gzip.compress(b"0" * 100_000_000)
    with serving(says(answer("200 OK", packed, "content-encoding: gzip"))) as server:
        found = client().get(server.url())
    assert found.body == packed
    assert b"accept-encoding: identity" in server.requests[0]


def test_a_stream_gives_each_part_as_it_comes() -> None:
    may_go_on = threading.Event()

    def handle(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        assert may_go_on.wait(10)
        connection.sendall(b"6\r\nsecond\r\n0\r\n\r\n")

    with serving(handle) as server, client().stream(Request("GET", server.url())) as found:
        assert found.status == 200
        assert next(found.chunks) == b"first"
        may_go_on.set()
        assert list(found.chunks) == [b"second"]


def test_what_goes_wrong_in_the_caller_s_block_stays_what_it_is() -> None:
    with (
        serving(says(answer(body=b"x"))) as server,
        pytest.raises(ValueError, match="mine"),
        client().stream(Request("GET", server.url())),
    ):
        raise ValueError("mine")


def endless(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 1000)


def dripping(octets: bytes) -> Handler:
    """A byte now and then, each well before a time-out of the socket."""

    def handle(connection: socket.socket, _: bytes) -> None:
        for at in range(len(octets)):
            connection.sendall(octets[at : at + 1])
            threading.Event().wait(0.1)

    return handle


def silent(connection: socket.socket, _: bytes) -> None:
    connection.recv(1)


LIARS: dict[str, tuple[Handler, type[DeploytrailError], str]] = {
    "never answers": (silent, Unreachable, "within 1 s"),
    "closes without an answer": (says(b""), Unreachable, "connection broke"),
    "drips its head": (dripping(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 99), Unreachable, "1 s"),
    "drips its body": (dripping(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500), Unreachable, "1 s"),
    "never ends": (endless, Malformed, "at most 1000 bytes"),
    "is larger than allowed": (says(answer(body=b"x" * 1001)), Malformed, "at most 1000"),
    "speaks another protocol": (says(b"SSH-2.0-OpenSSH\r\n"), Unreachable, "broke"),
    "ends before its length": (
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"), Unreachable, "broke",
    ),
    "has a length that is none": (
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\nx"), Unreachable, "broke",
    ),
    "has ten thousand headers": (
        says(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 10_000 + b"\r\n"), Unreachable, "broke",
    ),
    "has a chunk that is none": (
        says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n"), Unreachable, "broke",
    ),
}  # fmt: skip


@pytest.mark.parametrize("who", LIARS)
def test_no_harm_is_done_by_a_server_that(who: str) -> None:
    handle, expected, words = LIARS[who]
    with serving(handle) as server, pytest.raises(expected, match=words) as raised:
        client(limits=QUICK).get(server.url(f"/{SECRET}"), {"authorization": SECRET}, repeats=0)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_port_where_nobody_listens_was_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    with pytest.raises(NotSent, match=f"http://127.0.0.1:{port}: .*Connection refused"):
        client().get(f"http://127.0.0.1:{port}/{SECRET}")


BAD_URLS = {
    "nothing": "",
    "no scheme": "trail.test/x",
    "a file": "file:///etc/passwd",
    "no host": "http:///x",
    "a password": f"http://alice:{SECRET}@127.0.0.1/",
    "a port that is none": "http://127.0.0.1:99999/",
}


@pytest.mark.parametrize("reason", BAD_URLS)
def test_what_is_no_url_is_refused(reason: str) -> None:
    with pytest.raises(Malformed) as raised:
        client().get(BAD_URLS[reason])
    assert SECRET not in str(raised.value)


def test_a_header_with_a_line_break_is_refused() -> None:
    with serving(says(answer())) as server, pytest.raises(Malformed) as raised:
        client().get(server.url(), {"x": f"{SECRET}\r\nhost: other"})
    assert not server.requests
    assert SECRET not in str(raised.value)


def breaking_at_first(times: int) -> Handler:
    seen: list[bytes] = []

    def handle(connection: socket.socket, request: bytes) -> None:
        seen.append(request)
        if len(seen) > times:
            connection.sendall(answer(body=b"at last"))

    return handle


def test_only_what_may_arrive_twice_is_sent_again() -> None:
    with serving(breaking_at_first(1)) as server:
        assert client().get(server.url()).body == b"at last"
    assert len(server.requests) == 2
    with serving(breaking_at_first(1)) as server, pytest.raises(Unreachable):
        client().post(server.url(), b"x")
    assert len(server.requests) == 1
    with serving(breaking_at_first(2)) as server:
        assert client().post(server.url(), b"x", repeats=2).body == b"at last"


def test_a_refusal_is_not_repeated_and_says_whether_it_passes() -> None:
    with serving(says(answer("503 Busy", b"", "retry-after: 7"))) as server:
        found = client().get(server.url(), repeats=5)
    assert len(server.requests) == 1
    assert (found.is_passing, found.retry_after_seconds) == (True, 7)
    assert not Response(404, {}, b"").is_passing
    assert Response(503, {"retry-after": "٣"}, b"").retry_after_seconds is None


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(made)
    return made


def test_a_certificate_of_a_named_authority_is_trusted(
    authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = context(authority, "127.0.0.1")
    with serving(says(answer(body=b"sealed")), tls=tls) as server:
        http = client(ca_file=tmp_path / "ca.pem")
        assert http.get(server.url(scheme="https")).body == b"sealed"


def test_a_certificate_of_somebody_else_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with serving(says(answer()), tls=context(authority, "127.0.0.1")) as server:
        with pytest.raises(NotSent, match="certificate"):
            client().get(server.url(scheme="https"))
        assert not server.requests
    with (
        serving(says(answer()), tls=context(authority, "other.test")) as server,
        pytest.raises(NotSent, match="certificate"),
    ):
        client(ca_file=tmp_path / "ca.pem").get(server.url(scheme="https"))
    assert not server.requests


def test_a_slow_server_over_tls_is_cut_off(authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    handle = dripping(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500)
    with (
        serving(handle, tls=context(authority, "127.0.0.1")) as server,
        pytest.raises(Unreachable, match="within 1 s"),
    ):
        client(ca_file=tmp_path / "ca.pem", limits=QUICK).get(server.url(scheme="https"), repeats=0)


def test_a_file_without_certificates_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"ca\.pem"):
        client(ca_file=tmp_path / "ca.pem")
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(Misconfigured, match=r"ca\.pem"):
        client(ca_file=tmp_path / "ca.pem")


PRIVATE = (
    *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("0.0.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0"),
    *("fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_refused_where_only_public_ones_may_be_reached(address: str) -> None:
    with pytest.raises(NotPermitted, match="private network"):
        refuse_private(address, "hook.test")


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_a_public_address_may_be_reached(address: str) -> None:
    refuse_private(address, "hook.test")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1"])
def test_nothing_is_sent_to_a_private_address(host: str) -> None:
    with serving(says(answer())) as server, pytest.raises(NotPermitted):
        client(addresses="public").post(server.url(host=host), b"x")
    assert not server.requests


def test_a_proxy_can_t_be_held_to_public_addresses() -> None:
    with pytest.raises(Misconfigured, match="proxy"):
        client(addresses="public", proxy="http://127.0.0.1:1")

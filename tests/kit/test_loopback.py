"""Requests to this machine: whole answers, or an error that says whether anything was sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploytrail.clock import SystemClock
from deploytrail.errors import Malformed, Unreachable
from deploytrail.kit.answer import Limits, NotSent, Request
from deploytrail.kit.loopback import Loopback

LIMITS = Limits(connect_seconds=5, read_seconds=0.3, total_seconds=1, bytes_max=1_000)


@contextmanager
def answering(octets: bytes, *, is_closed: bool = True) -> Iterator[tuple[str, list[bytes]]]:
    """A server that says this once, whatever it is asked; its address, and what it heard."""
    heard: list[bytes] = []
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            link, _ = listening.accept()
            with link:
                heard.append(link.recv(65_536))
                link.sendall(octets)
                if not is_closed:
                    done.wait(10)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", heard
        finally:
            done.set()
            thread.join(10)


def test_a_request_goes_out_and_its_answer_comes_back() -> None:
    with answering(b"HTTP/1.1 201 Created\r\nX-A:  b \r\nContent-Length: 2\r\n\r\nok") as (
        url,
        heard,
    ):
        asked = Request("POST", f"{url}/v1/events?a=b", b"{}", {"Authorization": "Bearer x"})
        found = Loopback(SystemClock()).request(asked)
    assert (found.status, found.headers["x-a"], found.body) == (201, "b", b"ok")
    head, _, body = heard[0].partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    assert (line, body) == (b"POST /v1/events?a=b HTTP/1.1", b"{}")
    assert {b"authorization: Bearer x", b"content-length: 2", b"connection: close"} <= set(headers)


PARTS = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Len",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
    "more than a body": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok",
    "no length": b"HTTP/1.1 200 OK\r\n\r\nok",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "another protocol": b"SSH-2.0-OpenSSH\r\n\r\n",
    "pieces": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("reason", PARTS)
def test_what_is_no_whole_answer_is_none(reason: str) -> None:
    with answering(PARTS[reason]) as (url, _), pytest.raises(Unreachable) as caught:
        Loopback(SystemClock()).request(Request("GET", url, limits=LIMITS))
    # It may have arrived.
    assert not isinstance(caught.value, NotSent)


def test_who_does_not_answer_is_not_waited_for() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n", is_closed=False) as (url, _), pytest.raises(Unreachable):
        Loopback(SystemClock()).request(Request("GET", url, limits=LIMITS))


def test_an_answer_has_a_limit() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000
    with answering(whole) as (url, _), pytest.raises(Malformed, match="at most 1000 bytes"):
        Loopback(SystemClock()).request(Request("GET", url, limits=LIMITS))


def test_nobody_there_means_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(NotSent):
        Loopback(SystemClock()).request(Request("GET", f"http://127.0.0.1:{port}/", limits=LIMITS))


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "http://", "127.0.0.1"])
def test_another_address_is_not_for_it(url: str) -> None:
    with pytest.raises(Malformed):
        Loopback(SystemClock()).request(Request("GET", url))

"""Where something listens: bound at once, or told why not."""

from __future__ import annotations

import socket

import pytest

from deploytrail.address import Host
from deploytrail.errors import Misconfigured
from deploytrail.kit.listening import listening, url_of


@pytest.mark.parametrize("name", ["127.0.0.1", "::1"])
def test_whoever_asks_at_the_url_is_heard(name: str) -> None:
    with listening(Host(name, 0), option="--listen") as bound:
        port = bound.getsockname()[1]
        shown = f"[{name}]" if ":" in name else name
        assert url_of(bound, is_tls=False) == f"http://{shown}:{port}"
        assert url_of(bound, is_tls=True) == f"https://{shown}:{port}"
        socket.create_connection((name, port), timeout=5).close()


def test_a_port_is_one_listener_s_alone() -> None:
    with listening(Host("127.0.0.1", 0), option="--listen") as bound:
        there = Host("127.0.0.1", bound.getsockname()[1])
        with pytest.raises(Misconfigured, match=f"^--listen: expected to listen on {there}, but"):
            listening(there, option="--listen")


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(Misconfigured, match="Cannot assign"):
        listening(Host("192.0.2.1", 0), option="--listen")

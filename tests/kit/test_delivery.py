"""Deliveries: bytes and headers as they came."""

from __future__ import annotations

import pytest

from deploytrail.errors import Malformed
from deploytrail.kit.delivery import fetched, heard
from tests.fakes import NOON

PAIRS = [(b"X-GitHub-Event", b"push"), (b"Accept", b"a"), (b"accept", b"b"), (b"X-Padded", b" x\t")]


def test_a_header_is_found_in_whatever_case_it_is_written() -> None:
    delivery = heard(b"{}", PAIRS, NOON, path="/in/acme", query="a=b")
    assert delivery.header("x-github-event") == delivery.header("X-GITHUB-EVENT") == "push"
    assert (delivery.path, delivery.query, delivery.received) == ("/in/acme", "a=b", NOON)


def test_a_header_that_did_not_come_is_none() -> None:
    assert heard(b"{}", PAIRS, NOON).header("x-gitlab-token") is None


def test_a_header_that_came_twice_says_nothing() -> None:
    with pytest.raises(Malformed, match=r"^Accept: expected once, found it 2 times"):
        heard(b"{}", PAIRS, NOON).header("Accept")


def test_space_around_a_header_is_none_of_it() -> None:
    assert heard(b"{}", PAIRS, NOON).header("x-padded") == "x"


def test_every_byte_of_a_header_is_kept() -> None:
    octets = bytes(range(0x21, 0x100))
    value = heard(b"{}", [(b"X-Odd", octets)], NOON).header("x-odd")
    assert value is not None
    assert value.encode("latin-1") == octets


def test_what_we_fetched_has_no_headers() -> None:
    delivery = fetched(b"{}", NOON)
    assert (delivery.body, delivery.headers, delivery.header("date")) == (b"{}", (), None)


def test_a_delivery_in_a_trace_shows_neither_values_nor_body() -> None:
    delivery = heard(
        b"body-secret", [(b"Authorization", b"Bearer its-secret")], NOON, query="secret"
    )
    assert repr(delivery) == "Delivery(11 bytes, headers: 'authorization')"
    assert "secret" not in f"{delivery}"

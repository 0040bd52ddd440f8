"""Credentials against whatever can be sent: nothing but a refusal, and that soon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.kit.credential import Unproven, prove
from deploytrail.kit.delivery import Delivery, heard
from deploytrail.kit.schemes import SCHEMES
from tests.fakes import NOON
from tests.kit.senders import PROVABLE, SIGNED, TIMED, headers_of, secret_of, sent
from tests.quickly import quickly

NAMES = sorted({header for name in PROVABLE for header, _ in headers_of(name)})
PIECES = [
    b"sha256=", b"sha1=", b"v0=", b"v1=", b"v1,", b"timestamp=", b"signature=", b"Bearer ",
    b"Basic ", b",", b" ", b"=", b"0" * 64, b"a" * 128, b"1614265330", b"A" * 43 + b"=", b"\xff",
]  # fmt: skip
values = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES)).map(b"".join))
wires = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=8)


def is_refused(name: str, delivery: Delivery) -> bool:
    try:
        prove(SCHEMES[name], delivery, [secret_of(name), secret_of(name, 1)], now=NOON)
    except Unproven:
        return True
    return False


@given(st.sampled_from(PROVABLE), st.binary(max_size=80), wires)
def test_random_headers_are_refused_and_nothing_else(
    name: str, body: bytes, wire: list[tuple[bytes, bytes]]
) -> None:
    assert is_refused(name, heard(body, wire, NOON))


@given(st.sampled_from(PROVABLE), st.text(max_size=40), st.text(max_size=40))
def test_text_that_no_wire_carries_is_refused_too(name: str, first: str, second: str) -> None:
    names = [header.decode().lower() for header, _ in headers_of(name)]
    pairs = tuple(zip(names, (first, second, first), strict=False))
    assert is_refused(name, Delivery(b"{}", pairs, NOON))


@given(st.sampled_from(SIGNED), st.data())
def test_one_changed_byte_anywhere_is_refused(name: str, data: st.DataObject) -> None:
    body = data.draw(st.binary(min_size=1, max_size=64), label="body")
    at = data.draw(st.integers(0, len(body) - 1), label="at")
    flip = data.draw(st.integers(1, 255), label="flip")
    honest = sent(name, body=body)
    assert not is_refused(name, honest)
    forged = body[:at] + bytes([body[at] ^ flip]) + body[at + 1 :]
    assert is_refused(name, honest._replace(body=forged))


@given(
    st.sampled_from(PROVABLE),
    st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (hypothesis adds the zone)
    | st.integers(-400, 400).map(lambda seconds: NOON + timedelta(seconds=seconds)),
)
def test_a_signed_time_is_refused_where_it_is_not_ours(name: str, moment: datetime) -> None:
    apart = abs(moment.replace(microsecond=0) - NOON)
    is_untimely = name in TIMED and apart > timedelta(minutes=5)
    assert is_refused(name, sent(name, at=moment)) == is_untimely


@pytest.mark.parametrize("name", PROVABLE)
def test_a_long_header_holds_nobody_up(name: str) -> None:
    for piece in (b"v1," + b"A" * 43 + b"= ", b",", b" ", b"v1=0,", b"\xff", b"timestamp=1,"):
        long = piece * (2_000_000 // len(piece))
        delivery = heard(b"{}", [(header, long) for header, _ in headers_of(name)], NOON)
        assert quickly(partial(is_refused, name, delivery))

"""Time, ids and randomness: exact, ordered, and of one shape."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.clock import SystemClock, at_microseconds, microseconds, rfc3339, uuid7
from tests.fakes import FakeClock

LAST = (datetime.max.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
    microseconds=1
)


@given(st.integers(-62_135_596_800_000_000, LAST))
def test_microseconds_and_times_are_a_pair(moment: int) -> None:
    assert microseconds(at_microseconds(moment)) == moment


@given(st.integers(-62_135_596_800_000_000, LAST))
def test_a_time_always_has_27_characters(moment: int) -> None:
    text = rfc3339(at_microseconds(moment))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text, re.ASCII)
    assert datetime.fromisoformat(text) == at_microseconds(moment)


@given(st.integers(0, LAST), st.integers(0, LAST))
def test_times_as_text_sort_as_times(one: int, other: int) -> None:
    texts = rfc3339(at_microseconds(one)), rfc3339(at_microseconds(other))
    assert (texts[0] < texts[1]) == (one < other)


def test_a_time_is_written_in_utc() -> None:
    berlin = datetime(2026, 11, 22, 13, 0, tzinfo=timezone(timedelta(hours=1)))
    assert rfc3339(berlin) == "2026-11-22T12:00:00.000000Z"


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_an_id_is_a_uuid_of_version_7_and_keeps_its_time(milliseconds: int, random: bytes) -> None:
    found = UUID(uuid7(milliseconds, random))
    assert (found.version, found.variant) == (7, "specified in RFC 4122")
    assert found.int >> 80 == milliseconds
    drawn = int.from_bytes(random, "big")
    assert found.int & (1 << 62) - 1 == drawn & (1 << 62) - 1


def test_the_example_of_rfc_9562_comes_out() -> None:
    # RFC 9562 §A.6: 0x017F22E279B0, rand_a CC3, rand_b 18C4DC0C0C07398F.
    random = (0xCC3 << 64 | 0x18C4DC0C0C07398F).to_bytes(10, "big")
    assert uuid7(0x017F22E279B0, random) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_the_machine_s_clock_keeps_its_promises() -> None:
    clock = SystemClock()
    before, after = clock.uptime(), clock.uptime()
    assert before.boot == after.boot
    assert before.microseconds <= after.microseconds
    assert clock.now().tzinfo is UTC
    assert len(clock.random(32)) == 32
    assert clock.random(32) != clock.random(32)
    made = UUID(clock.event_id()).int >> 80
    assert abs(made - microseconds(clock.now()) // 1000) < 60_000


def test_seconds_never_run_backwards_and_who_waits_is_woken() -> None:
    clock, wake = SystemClock(), threading.Event()
    before = clock.monotonic()
    assert not clock.wait(wake, 0.001)
    assert clock.monotonic() > before
    wake.set()
    assert clock.wait(wake, 3600)


def test_who_waits_by_the_fake_clock_has_waited_at_once() -> None:
    clock, wake = FakeClock(), threading.Event()
    assert not clock.wait(wake, 2.5)
    assert clock.monotonic() == 2.5
    wake.set()
    assert clock.wait(wake, 3600)
    assert clock.monotonic() == 2.5


@pytest.mark.parametrize("seconds", [0.000001, 1, 86_400])
def test_the_fake_clock_moves_only_when_told(seconds: float) -> None:
    clock = FakeClock()
    start = clock.now()
    assert clock.now() == start
    clock.advance(seconds=seconds)
    assert clock.now() - start == timedelta(seconds=seconds)
    assert clock.uptime().microseconds == round(seconds * 1_000_000)

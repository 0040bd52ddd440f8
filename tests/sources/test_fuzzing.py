"""Whatever a proven sender says: events of the catalogue, at once, and no memory that grows.

Each input is a sample with something changed: a field gone, another type in its place, a text of
another length, a byte flipped, an end cut off, one sample's headers with another's body.
"""

from __future__ import annotations

import copy
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail.actions import CATALOGUE
from deploytrail.event import EVENT_BYTES_MAX
from deploytrail.intake.known import known
from deploytrail.intake.translating import SOURCE_FAULT, translated
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.source import Source
from deploytrail.testing import Sample, samples, surroundings
from tests.quickly import SECONDS_MAX, quickly

SOURCES = list(known().sources.values())
INPUTS = 100_000 if os.environ.get("DEPLOYTRAIL_FUZZ") == "long" else 2_000
GROWTH_BYTES_MAX = 48 * 1024 * 1024
PAGE_BYTES = 4096
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 1.5e300, "", "x" * 20_000, "\ud7ff\U0001f600\u202e", "\x00", [], {},
    [[[[]]]], "2026-11-22T10:11:12Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "a/b#1",
    ["x"] * 300, {"id": {"id": {}}}, "https://[", "arn:aws:", "%00", "-" * 64, "sha256:", "0" * 40,
)  # fmt: skip


def harmed(octets: bytes, dice: random.Random) -> bytes:
    """The bytes of a body with one thing wrong."""
    try:
        body = msgspec.json.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = None
    if body is None or dice.random() < 0.15:
        return _bytes_harmed(octets, dice)
    for _ in range(dice.randint(1, 3)):
        body = _value_harmed(body, dice)
    return msgspec.json.encode(body)


def _bytes_harmed(octets: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(octets) + 1)
    how = dice.randrange(3)
    if how == 0:
        return octets[:at]
    if how == 1:
        return octets[:at] + dice.randbytes(dice.randint(1, 4)) + octets[at:]
    return octets[:at] + octets[at + dice.randint(1, 9) :]


def _value_harmed(body: Any, dice: random.Random) -> Any:
    """Somewhere in it: a field gone, or something odd in its place."""
    found = copy.deepcopy(body)
    inner, steps = found, []
    while isinstance(inner, dict | list) and inner:
        key = dice.choice(list(inner)) if isinstance(inner, dict) else dice.randrange(len(inner))
        steps.append((inner, key))
        inner = inner[key]
        if dice.random() < 0.3:
            break
    if not steps:
        return dice.choice(ODD)
    holder, key = steps[-1]
    if dice.random() < 0.4:
        del holder[key]
    else:
        holder[key] = copy.deepcopy(dice.choice(ODD))
    return found


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def _read(source: Source, delivery: Delivery) -> Callable[[], None]:
    around = surroundings(source)

    def read() -> None:
        for each in translated(delivery, around):
            assert each.event.action in CATALOGUE
            error = each.event.error
            assert error is None or error.code != SOURCE_FAULT, error
            assert len(msgspec.json.encode(each.event)) <= EVENT_BYTES_MAX

    return read


def _delivery(some: list[Sample], dice: random.Random) -> Delivery:
    one = dice.choice(some)
    under = dice.choice(some) if dice.random() < 0.1 else one
    return under.delivery(harmed(one.body, dice))


@pytest.mark.hypothesis
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_whatever_is_delivered_is_read_or_told(source: Source) -> None:
    some = samples(Path(__file__).parent / source.name.replace("-", "_"))
    dice = random.Random(20261122)
    grown_from = 0
    for number in range(INPUTS):
        if number == INPUTS // 10:
            grown_from = _resident_bytes()
        read = _read(source, _delivery(some, dice))
        begun = time.perf_counter()
        read()
        if time.perf_counter() - begun > SECONDS_MAX:
            quickly(read)
    assert _resident_bytes() - grown_from < GROWTH_BYTES_MAX

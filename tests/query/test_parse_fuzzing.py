"""Whatever somebody types is a query, or is told where it is none; and either at once."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed
from deploytrail.query.algebra import simplified
from deploytrail.query.fields import BY_NAME
from deploytrail.query.parse import parse
from deploytrail.query.predicate import predicate
from deploytrail.query.written import canonical
from tests.events import event
from tests.fakes import NOON
from tests.quickly import quickly
from tests.searching import examples

_FIELDS = (*BY_NAME, "enviroment", "ACTOR", "a.b", "-env")
_WORDS = (
    "prod", "and", "or", "not", "AND", "OR", "NOT", "7d", "yesterday", "2026-02-30",
     "2026-01-01..2026-01-02", "*", "a*", "*a", "1e9", "-1", "9" * 400, "ﬀ", "İ", "\u202e", "\x00",
     "\ud800", "'", "null", "a:b:c", "github:alice", "..", "<5", ">=", "true", "%", "_", "\\", "$1",
)  # fmt: skip
_MARKS = (
    ":", "(", ")", '"', "-", ",", " ", "  ", "\t", "\n", "..", "<", ">", "=", "!", "|", "&", "~",
     "/", "[", "]", "{", "}", "*", "?", "\\", "+", "^", "#",
)  # fmt: skip
INPUTS = 50
"""For each example of hypothesis: making one of them takes longer than reading a query."""


def _piece(rng: random.Random) -> str:
    if rng.random() < 0.1:
        return "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randrange(6)))
    return rng.choice(rng.choice((_FIELDS, _WORDS, _MARKS, _MARKS)))


def _query(rng: random.Random) -> str:
    kind = rng.randrange(5)
    if kind == 0:
        return rng.choice(("", " ")).join(_piece(rng) for _ in range(rng.randrange(25)))
    if kind == 1:
        # The same over and over: what is slow shows where there is much of it.
        again = "".join(_piece(rng) for _ in range(rng.randint(1, 3)))
        return again[:40] * rng.randrange(1, 60)
    terms = [f"{rng.choice(_FIELDS)}:{rng.choice(_WORDS)}" for _ in range(rng.randrange(8))]
    sound = rng.choice((" ", " or ", " and not ")).join(terms)
    if kind == 2:
        return sound
    at = rng.randrange(len(sound) + 1)
    return sound[:at] + _piece(rng) + sound[at + rng.randrange(4) :]


def _refused(text: str) -> Malformed | None:
    try:
        found = quickly(lambda: parse(text, now=NOON))
    except Malformed as error:
        return error
    quickly(lambda: predicate(found)(_EVENT))
    assert parse(canonical(found), now=NOON) == simplified(found)
    return None


_EVENT = {"index": 7, "action": event().action, "outcome": "success"}


# In its long form, a hundred thousand inputs.
@examples(50)
@given(seed=st.integers(0, 2**64))
def test_whatever_is_typed_is_read_or_refused_at_once(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(INPUTS):
        text = _query(rng)
        error = _refused(text)
        if error is not None:
            assert 1 <= getattr(error, "column", 1) <= len(text) + 1
            assert len(str(error)) < 2_000

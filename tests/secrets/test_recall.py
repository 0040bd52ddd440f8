"""Of thousands of planted secrets none is left in an event, wherever it stood."""

from __future__ import annotations

from collections import Counter
from functools import partial

import msgspec
import pytest

from deploytrail.event import Event
from deploytrail.redact import fingerprint
from deploytrail.redacted_event import masked
from tests.secrets.placed import placed
from tests.secrets.planted import Plant, plants

SEED = 20_261_124
RECALL_MIN = 0.99
mask_event = partial(masked, fingerprint=partial(fingerprint, b"k" * 32))


def bytes_of(event: Event) -> bytes:
    return msgspec.json.encode(event)


def is_left(plant: Plant, event: Event) -> bool:
    return plant.secret in msgspec.json.encode(event).decode().replace('\\"', '"')


@pytest.fixture(scope="module")
def corpus() -> list[tuple[Plant, str, Event]]:
    return list(placed(plants(SEED, rounds=2)))


def test_the_corpus_is_large_and_holds_what_it_says(corpus: list[tuple[Plant, str, Event]]) -> None:
    assert len({plant.kind for plant, _, _ in corpus}) >= 60
    assert len({plant.secret for plant, _, _ in corpus}) >= 2_000
    assert [plant for plant, _, event in corpus if not is_left(plant, event)] == []


def test_nearly_every_planted_secret_is_masked(corpus: list[tuple[Plant, str, Event]]) -> None:
    missed = [(plant, place) for plant, place, event in corpus if is_left(plant, mask_event(event))]
    recall = 1 - len(missed) / len(corpus)
    told = Counter(f"{plant.kind}, {plant.carrier}, {place}" for plant, place in missed)
    print(f"recall {recall:.4f} of {len(corpus)}; missed: {dict(told)}")

    assert recall >= RECALL_MIN, told.most_common(40)

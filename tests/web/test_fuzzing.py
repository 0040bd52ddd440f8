"""Whatever is sent: an answer of the sender's kind, at once, and a log that verifies."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.zstd import zstd
from tests.app.places import Place, place
from tests.events import body, events
from tests.quickly import quickly
from tests.searching import examples
from tests.web.served import Served, served

MEDIA = (
    "application/json",
    "application/x-ndjson",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
_whole = events().map(msgspec.json.encode)


@st.composite
def _harmed(draw: st.DrawFn) -> bytes:
    """A body that was sound, with some bytes cut out, put in or changed."""
    octets = draw(_whole | st.just(body()))
    first = draw(st.integers(0, len(octets)))
    until = draw(st.integers(first, min(len(octets), first + 9)))
    return octets[:first] + draw(st.binary(max_size=4)) + octets[until:]


_bodies = st.one_of(
    st.binary(max_size=200),
    _json.map(lambda value: json.dumps(value).encode()),
    _whole,
    _harmed(),
    st.lists(_whole | _harmed(), max_size=3).map(lambda some: b"[" + b",".join(some) + b"]"),
    st.lists(_whole | _harmed(), max_size=3).map(b"\n".join),
)
_headers = st.fixed_dictionaries(
    {"content_type": st.sampled_from(MEDIA) | st.text(st.characters(max_codepoint=255))},
    optional={
        "content_encoding": st.sampled_from(["gzip", "zstd", "identity", "br", "gzip, zstd"]),
        "ce_specversion": st.sampled_from(["1.0", "0.3", ""]),
        "ce_id": st.text("ab \xe9", max_size=3),
        "ce_source": st.just("/ci"),
        "ce_type": st.sampled_from(["deployment.failed", "ping"]),
    },
)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place(tmp_path_factory.mktemp("fuzzed"))


@pytest.fixture(scope="module")
def server(there: Place) -> Iterator[Served]:
    """One for all that is sent; then the log is verified."""
    with served(there) as found:
        yield found
    with there.opened() as trail:
        trail.publish()
    report = there.verified()
    assert (report.exit_code, report.found) == (0, ())


def _packed(octets: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.compress(octets)
    return zstd.compress(octets) if coding == "zstd" else octets


@examples(300)
@given(sent=_bodies, headers=_headers, is_packed=st.booleans(), pieces=st.integers(1, 3))
def test_whatever_is_sent_is_answered(
    server: Served, sent: bytes, headers: dict[str, str], is_packed: bool, pieces: int
) -> None:
    if is_packed:
        sent = _packed(sent, headers.get("content_encoding", ""))
    size = -(-len(sent) // pieces) or 1
    parts = [sent[at : at + size] for at in range(0, len(sent), size)] or [b""]
    assert_answered(server, parts, headers)


def assert_answered(server: Served, parts: list[bytes], headers: Mapping[str, str]) -> None:
    answer = quickly(lambda: server.record(parts, **headers))
    assert answer.status in {200, 201, 400, 409, 413, 415}, answer.body
    found: Any = answer.json()
    for one in found.get("items", [found]):
        assert ("receipt" in one) != ("detail" in one or "problem" in one)
    assert server.assembled.server.budget.taken == 0


INPUTS = 50
"""For each example of hypothesis: making one of them takes longer than answering it."""
_INVOLVED = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\x00", b"\xff", b"\\ud800", b"1e999",
    b"-0", b"null", b"true", b'"id":', b'"source":{', b"\xef\xbb\xbf", b"9" * 300, b"[" * 40,
    b'"a":' * 5, b'"audit.token.created"', b'"part":-1', b'"time":"2026-02-30T00:00:00Z"',
)  # fmt: skip


def _cloud_event(rng: random.Random, event: bytes) -> bytes:
    kind = rng.choice(("deployment.failed", "ping", "", "a" * 70))
    return json.dumps(
        {
            "specversion": rng.choice(("1.0", "0.3", 1)),
            "id": str(rng.getrandbits(40)),
            "source": "/ci",
            "type": kind,
            "data": rng.choice((json.loads(event), None, "text", [1])),
        }
    ).encode()


def _mutated(rng: random.Random, octets: bytes) -> bytes:
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(octets) + 1)
        until = at + rng.choice((0, 0, 1, 2, 8, 100))
        octets = octets[:at] + rng.choice((*_INVOLVED, rng.randbytes(3), b"")) + octets[until:]
    return octets


def _sent(rng: random.Random) -> tuple[bytes, dict[str, str]]:
    """A body in a form that is read, harmed a little, and packed as it says, or not."""
    media = rng.choice(MEDIA)
    some = [
        _mutated(rng, body()) if rng.random() < 0.8 else body()
        for _ in range(rng.choice((1, 1, 3)))
    ]
    if "cloudevents" in media:
        some = [_cloud_event(rng, body()) for _ in some]
    joined = some[0]
    if media.endswith("x-ndjson"):
        joined = b"\n".join(some)
    elif "batch" in media or (media.endswith("/json") and len(some) > 1):
        joined = b"[" + b",".join(some) + b"]"
    headers = {"content_type": media}
    coding = rng.choice(("", "", "gzip", "zstd"))
    if coding:
        headers["content_encoding"] = coding
        joined = _packed(joined, coding)
    return _mutated(rng, joined) if rng.random() < 0.5 else joined, headers


# In its long form, a hundred thousand inputs.
@examples(50)
@given(seed=st.integers(0, 2**64))
def test_what_is_harmed_on_its_way_is_answered(server: Served, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(INPUTS):
        sent, headers = _sent(rng)
        at = rng.randrange(len(sent) + 1)
        assert_answered(server, [sent[:at], sent[at:]], headers)

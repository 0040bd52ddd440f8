"""Who comes with a token is known from the store, read often enough and no oftener."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier
from typing import cast

import pytest

from deploytrail.app.access.known_tokens import KnownTokens
from deploytrail.app.access.tokens import Tokens
from deploytrail.app.trails.directory import DirectoryTrail, open_directory
from deploytrail.clock import Uptime
from deploytrail.errors import Busy, Unknown
from deploytrail.log.store import Reader, StateRow
from tests.app.made_tokens import ALICE, came_with, create, over
from tests.fakes import NOON, FakeClock


@pytest.fixture
def tokens(trail: DirectoryTrail, clock: FakeClock) -> Tokens:
    return over(trail, clock)


class Watched:
    """A store's `reading`, counted, that may fail."""

    def __init__(self, trail: DirectoryTrail) -> None:
        self.trail = trail
        self.count = 0
        self.failure: Exception | None = None

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        self.count += 1
        if self.failure is not None:
            raise self.failure
        with self.trail.store.reading() as reader:
            yield reader


@pytest.fixture
def watched(trail: DirectoryTrail) -> Watched:
    return Watched(trail)


@pytest.fixture
def known(watched: Watched, clock: FakeClock) -> KnownTokens:
    return KnownTokens(watched.reading, clock)


def test_what_others_revoke_opens_nothing_two_seconds_later(
    tokens: Tokens, known: KnownTokens, clock: FakeClock, environment: Mapping[str, str]
) -> None:
    """By a handle of its own, as another process has."""
    made = create(tokens)
    assert came_with(known, made.secret).id == "token:ci"
    with open_directory(clock=clock, environment=environment) as other:
        over(other, clock).revoke("ci", by=ALICE)
    clock.advance(seconds=2)
    with pytest.raises(Unknown):
        came_with(known, made.secret)


def test_the_store_is_read_every_two_seconds_however_many_ask(
    tokens: Tokens, known: KnownTokens, watched: Watched, clock: FakeClock
) -> None:
    made = create(tokens)
    for _ in range(60):
        came_with(known, made.secret)
        clock.advance(seconds=0.1)
    # And once more for the event of the one that is new.
    assert watched.count == 3 + 1


def test_who_refreshes_beside_it_has_answers_that_read_nothing(
    tokens: Tokens, known: KnownTokens, watched: Watched, clock: FakeClock
) -> None:
    made = create(tokens)
    for second in range(5):
        known.refresh()
        # And once more for the event of the one that is new.
        assert watched.count == second + 2
        for _ in range(5):
            came_with(known, made.secret)
            clock.advance(seconds=0.3)
    tokens.revoke("ci", by=ALICE)
    known.refresh()
    with pytest.raises(Unknown):
        came_with(known, made.secret)


def test_many_who_ask_at_once_have_the_store_read_once(
    tokens: Tokens, clock: FakeClock, environment: Mapping[str, str]
) -> None:
    made = create(tokens)
    barrier = Barrier(8)
    reads: list[int] = []

    class Counted:
        """A reader that counts who asks for tokens."""

        def __init__(self, reader: Reader) -> None:
            self._reader = reader

        def state(self, kind: str) -> dict[str, bytes]:
            reads.append(1)
            return self._reader.state(kind)

        def __getattr__(self, name: str) -> object:
            return getattr(self._reader, name)

    @contextmanager
    def reading() -> Iterator[Reader]:
        with (
            open_directory(clock=clock, environment=environment) as other,
            other.store.reading() as reader,
        ):
            yield cast(Reader, Counted(reader))

    known = KnownTokens(reading, clock)

    def ask(_: int) -> str:
        barrier.wait(timeout=30)
        return came_with(known, made.secret).id

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"token:ci"}
    assert len(reads) == 1


def test_false_secrets_don_t_make_the_store_be_read_more_often(
    known: KnownTokens, watched: Watched
) -> None:
    for _ in range(10):
        with pytest.raises(Unknown):
            known.authenticate("Bearer hunter2")
        with pytest.raises(Unknown):
            known.authenticate(None)
    assert watched.count == 1


def test_what_has_not_changed_is_not_read_anew(
    tokens: Tokens, known: KnownTokens, clock: FakeClock
) -> None:
    """The very filter that was made of a scope stays."""
    one, two = create(tokens, "one", scope_text="env:a"), create(tokens, "two", scope_text="env:b")
    scope = came_with(known, one.secret).scope
    tokens.revoke("two", by=ALICE)
    three = create(tokens, "three", scope_text="env:c")
    clock.advance(seconds=5)
    came_with(known, three.secret)
    with pytest.raises(Unknown):
        came_with(known, two.secret)
    assert came_with(known, one.secret).scope is scope


def test_who_came_before_is_refused_once_the_secret_has_expired(
    tokens: Tokens, known: KnownTokens, clock: FakeClock
) -> None:
    """Also where the store says of tokens what it said before."""
    made = create(tokens, expires=NOON + timedelta(seconds=3))
    for _ in range(3):
        came_with(known, made.secret)
        clock.advance(seconds=0.9)
    clock.advance(seconds=0.3)
    known.refresh()
    assert known.recognise(f"Bearer {made.secret}") is None
    with pytest.raises(Unknown, match="expired"):
        came_with(known, made.secret)


def test_who_was_let_in_proves_nothing_for_another_secret(
    tokens: Tokens, known: KnownTokens
) -> None:
    made = create(tokens)
    came_with(known, made.secret)
    changed = made.secret[:-1] + ("0" if made.secret[-1] != "0" else "1")
    for false in (
        f"Bearer {changed}",
        f"Basic {made.secret}",
        made.secret,
        f"Bearer {made.secret}x",
    ):
        assert known.recognise(false) is None
        with pytest.raises(Unknown):
            known.authenticate(false)


def test_a_secret_opens_however_many_blanks_are_before_it(
    tokens: Tokens, known: KnownTokens
) -> None:
    """More spellings than are kept at hand."""
    made = create(tokens)
    known.refresh()
    for blanks in range(1, 1_100):
        found = known.recognise(f"Bearer{' ' * blanks}{made.secret}")
        assert found is not None
        assert found.id == "token:ci"


def test_nobody_is_let_in_on_what_is_too_old(
    tokens: Tokens, known: KnownTokens, watched: Watched, clock: FakeClock
) -> None:
    made = create(tokens)
    came_with(known, made.secret)
    watched.failure = Busy("the store does not answer")
    came_with(known, made.secret)
    clock.advance(seconds=2)
    with pytest.raises(Busy):
        came_with(known, made.secret)
    watched.failure = None
    came_with(known, made.secret)


class _Timeless(FakeClock):
    """Of a system that does not tell how long it has been up."""

    def uptime(self) -> Uptime:
        return Uptime("", 0)


def test_where_no_age_can_be_told_the_store_is_asked_each_time(
    tokens: Tokens, watched: Watched
) -> None:
    made = create(tokens)
    known = KnownTokens(watched.reading, _Timeless())
    came_with(known, made.secret)
    tokens.revoke("ci", by=ALICE)
    with pytest.raises(Unknown):
        came_with(known, made.secret)


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "what is no token": lambda _: b"{}",
    "another's name": lambda kept: kept.replace(b'"id":"bad"', b'"id":"good"'),
    "a newer one's": lambda kept: kept.replace(b'"version":1', b'"version":2'),
    "a scope that no scope may be": lambda kept: kept.replace(b"env:prod", b"actor:al"),
}


@pytest.mark.parametrize("reason", SPOILT)
def test_a_token_that_can_t_be_read_opens_nothing_and_stops_no_other(
    reason: str, trail: DirectoryTrail, tokens: Tokens, known: KnownTokens
) -> None:
    good, bad = create(tokens, "good"), create(tokens, "bad", scope_text="env:prod")
    with trail.store.writing() as writer:
        kept = writer.state("token")["bad"]
        assert SPOILT[reason](kept) != kept
        writer.put_state([StateRow("token", "bad", SPOILT[reason](kept))])
    assert came_with(known, good.secret).id == "token:good"
    with pytest.raises(Unknown):
        came_with(known, bad.secret)

"""Tokens are set with the events that tell of them, and open nothing once they are revoked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier

import pytest

from deploytrail.access.principal import ALL, Permission, Principal
from deploytrail.access.token import ROLES, Token
from deploytrail.app.directory import DirectoryTrail, open_directory
from deploytrail.app.known_tokens import KnownTokens
from deploytrail.app.tokens import Created, Tokens
from deploytrail.clock import Clock, SystemClock, Uptime
from deploytrail.errors import Busy, Conflict, Malformed, NotFound, Unknown
from deploytrail.event import Actor, Auth
from deploytrail.log.store import Reader, StateRow
from deploytrail.query.fields import BY_NAME
from deploytrail.query.tree import EVERYTHING, Filter, Is
from tests.fakes import NOON, FakeClock

ALICE = Actor(
    type="user",
    id="os:alice@host",
    auth=Auth(method="os_user", assurance=1, verified_by="kernel"),
)
LATER = NOON + timedelta(days=90)


def parse(text: str) -> Filter:
    if not text:
        return EVERYTHING
    name, _, value = text.partition(":")
    return Is(BY_NAME[name], value.lower())


def canonical(filter: Filter) -> str:
    assert isinstance(filter, Is)
    return f"{filter.field.name}:{filter.value}"


def over(trail: DirectoryTrail, clock: Clock) -> Tokens:
    return Tokens(trail.store, trail.recorder, clock, parse=parse, canonical=canonical)


@pytest.fixture
def tokens(trail: DirectoryTrail, clock: FakeClock) -> Tokens:
    return over(trail, clock)


def create(tokens: Tokens, name: str = "ci", **differing: object) -> Created:
    plain = {
        "owner": "github:bob",
        "permissions": ROLES["recorder"],
        "expires": LATER,
        "by": ALICE,
    }
    return tokens.create(name, **(plain | differing))  # type: ignore[arg-type]


def came_with(tokens: Tokens | KnownTokens, secret: str) -> Principal:
    return tokens.authenticate(f"Bearer {secret}")


def test_who_has_the_secret_may_do_what_was_given(tokens: Tokens) -> None:
    made = create(tokens, scope_text="env:PROD")
    assert came_with(tokens, made.secret) == Principal(
        "token:ci", "github:bob", frozenset({Permission.RECORD}), Is(BY_NAME["env"], "prod")
    )
    assert made.token.scope == "env:prod"
    assert tokens.list() == [made.token]


def test_the_secret_is_shown_by_no_accident(tokens: Tokens) -> None:
    made = create(tokens)
    assert made.secret not in f"{made} {made!r} {[made]}"


def test_the_event_tells_all_of_it_but_the_secret(trail: DirectoryTrail, tokens: Tokens) -> None:
    made = create(tokens, permissions=frozenset({Permission.READ, Permission.RECORD}),
                  scope_text="env:prod")  # fmt: skip
    shown = trail.show(0)
    assert shown.event["action"] == "audit.token.created"
    assert shown.event["actor"] == {
        "type": "user",
        "id": "os:alice@host",
        "auth": {"method": "os_user", "assurance": 1, "verified_by": "kernel"},
    }
    assert shown.event["on_behalf_of"] == {
        "type": "unknown",
        "id": "github:bob",
        "auth": {"method": "claimed", "assurance": 0},
    }
    assert shown.event["targets"] == [{"type": "token", "id": "ci"}]
    assert shown.event["access"] == {
        "permission": "events.read,events.record",
        "resource": "env:prod",
        "expires": "2027-02-20T12:00:00.000000Z",
    }
    assert shown.event["changes"] == [
        {"path": "permissions.events.read", "op": "add"},
        {"path": "permissions.events.record", "op": "add"},
    ]
    assert made.secret.encode() not in shown.entry
    assert b"github:bob" not in shown.entry


def test_an_owner_who_makes_it_acts_for_nobody_else(trail: DirectoryTrail, tokens: Tokens) -> None:
    create(tokens, owner="os:alice@host", expires=None, permissions=ROLES["auditor"])
    event = trail.show(0).event
    assert "on_behalf_of" not in event
    assert event["access"] == {"permission": "auditor"}


def test_a_name_is_never_used_again(trail: DirectoryTrail, tokens: Tokens) -> None:
    create(tokens)
    with pytest.raises(Conflict, match="such as ci-2"):
        create(tokens)
    tokens.revoke("ci", by=ALICE)
    with pytest.raises(Conflict, match="expected one that no token ever had, found ci"):
        create(tokens)
    assert trail.size() == 2


UNSOUND: dict[str, dict[str, object]] = {
    "a name with a blank": {"name": "a b"},
    "no owner": {"owner": ""},
    "a scope of persons": {"scope_text": "actor:alice"},
    "a scope beside whole entries": {"permissions": ALL, "scope_text": "env:prod"},
    "an end that is past": {"expires": NOON},
}


@pytest.mark.parametrize("reason", UNSOUND)
def test_of_an_unsound_token_nothing_is_kept(
    reason: str, trail: DirectoryTrail, tokens: Tokens
) -> None:
    with pytest.raises(Malformed):
        create(tokens, **UNSOUND[reason])  # type: ignore[arg-type]
    assert (tokens.list(), trail.size()) == ([], 0)


def test_a_revoked_token_opens_nothing_from_then_on(
    trail: DirectoryTrail, tokens: Tokens, clock: FakeClock
) -> None:
    made = create(tokens)
    came_with(tokens, made.secret)
    clock.advance(seconds=0.001)
    revoked = tokens.revoke("ci", by=ALICE, reason="it leaked")
    with pytest.raises(Unknown):
        came_with(tokens, made.secret)
    assert revoked is not None
    assert revoked.state(clock.now()) == "revoked"
    assert tokens.list() == [revoked]
    event = trail.show(1).event
    assert event["action"] == "audit.token.revoked"
    assert event["targets"] == [{"type": "token", "id": "ci"}]
    assert event["reason"] == {"from": "stated", "text": "it leaked"}


def test_revoking_twice_is_told_and_changes_nothing(trail: DirectoryTrail, tokens: Tokens) -> None:
    create(tokens)
    assert tokens.revoke("ci", by=ALICE) is not None
    assert tokens.revoke("ci", by=ALICE) is None
    assert trail.size() == 2


def test_what_is_no_token_is_not_revoked(tokens: Tokens) -> None:
    with pytest.raises(NotFound, match="token list"):
        tokens.revoke("ci", by=ALICE)


def test_a_token_ends_when_it_was_to_end(tokens: Tokens, clock: FakeClock) -> None:
    made = create(tokens, expires=NOON + timedelta(hours=1))
    clock.advance(seconds=3599.9)
    came_with(tokens, made.secret)
    clock.advance(seconds=0.1)
    with pytest.raises(Unknown, match="expired at"):
        came_with(tokens, made.secret)


def test_the_first_token_may_do_everything_and_is_made_once(tokens: Tokens) -> None:
    made = tokens.first(owner="os:alice@host", expires=LATER, by=ALICE)
    assert made is not None
    assert came_with(tokens, made.secret).permissions == ALL
    assert tokens.first(owner="os:alice@host", expires=LATER, by=ALICE) is None
    tokens.revoke("first", by=ALICE)
    assert tokens.first(owner="os:alice@host", expires=LATER, by=ALICE) is None


def test_where_there_is_a_token_none_is_made_unasked(tokens: Tokens) -> None:
    create(tokens)
    assert tokens.first(owner="os:alice@host", expires=None, by=ALICE) is None


def test_of_many_that_start_at_once_one_makes_the_first(
    trail: DirectoryTrail, environment: Mapping[str, str]
) -> None:
    """Each with a handle of its own, as another process has."""
    count = 4
    barrier = Barrier(count)

    def start(_: int) -> Created | None:
        # Whose randomness differs, as that of two processes does.
        clock = SystemClock()
        with open_directory(clock=clock, environment=environment) as own:
            tokens = over(own, clock)
            barrier.wait(timeout=30)
            return tokens.first(owner="os:alice@host", expires=None, by=ALICE)

    with ThreadPoolExecutor(count) as pool:
        made = [one for one in pool.map(start, range(count)) if one is not None]
    assert len(made) == 1
    assert came_with(over(trail, FakeClock()), made[0].secret).permissions == ALL
    assert trail.size() == 1


class Watched:
    """A store's `reading`, counted; `change` happens between a look and the write after it."""

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
    return KnownTokens(watched.reading, clock, parse=parse)


def test_what_others_revoke_opens_nothing_two_seconds_later(
    tokens: Tokens, known: KnownTokens, clock: FakeClock
) -> None:
    made = create(tokens)
    assert came_with(known, made.secret).id == "token:ci"
    tokens.revoke("ci", by=ALICE)
    clock.advance(seconds=2)
    with pytest.raises(Unknown):
        came_with(known, made.secret)


def test_the_store_is_read_once_a_second_however_many_ask(
    tokens: Tokens, known: KnownTokens, watched: Watched, clock: FakeClock
) -> None:
    made = create(tokens)
    for _ in range(40):
        came_with(known, made.secret)
        clock.advance(seconds=0.1)
    assert watched.count == 4


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
    tokens: Tokens, watched: Watched, clock: FakeClock
) -> None:
    parsed: list[str] = []

    def counting(text: str) -> Filter:
        parsed.append(text)
        return parse(text)

    known = KnownTokens(watched.reading, clock, parse=counting)
    one, two = create(tokens, "one", scope_text="env:a"), create(tokens, "two", scope_text="env:b")
    for made in (one, two, one):
        came_with(known, made.secret)
        clock.advance(seconds=5)
    three = create(tokens, "three", scope_text="env:c")
    came_with(known, three.secret)
    assert sorted(parsed) == ["env:a", "env:b", "env:c"]


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
    known = KnownTokens(watched.reading, _Timeless(), parse=parse)
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


class _Raced(Tokens):
    """Somebody else is faster: what `meanwhile` does comes between each look and the write."""

    meanwhile: Callable[[], object] | None = None

    def _rows(self) -> dict[str, bytes]:
        rows = super()._rows()
        if self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act()
        return rows


@pytest.fixture
def raced(trail: DirectoryTrail, clock: FakeClock) -> _Raced:
    return _Raced(trail.store, trail.recorder, clock, parse=parse, canonical=canonical)


def test_a_name_that_is_taken_meanwhile_is_not_taken_twice(
    trail: DirectoryTrail, tokens: Tokens, raced: _Raced
) -> None:
    others: list[Created] = []
    raced.meanwhile = lambda: others.append(create(tokens))
    with pytest.raises(Conflict):
        create(raced)
    assert came_with(raced, others[0].secret).id == "token:ci"
    assert trail.size() == 1


def test_a_first_token_that_is_made_meanwhile_is_enough(
    trail: DirectoryTrail, tokens: Tokens, raced: _Raced
) -> None:
    raced.meanwhile = lambda: tokens.first(owner="os:bob@host", expires=None, by=ALICE)
    assert raced.first(owner="os:alice@host", expires=None, by=ALICE) is None
    assert [token.owner for token in tokens.list()] == ["os:bob@host"]
    assert trail.size() == 1


def test_a_token_that_is_revoked_meanwhile_is_revoked_once(
    trail: DirectoryTrail, tokens: Tokens, raced: _Raced
) -> None:
    create(tokens)
    raced.meanwhile = lambda: tokens.revoke("ci", by=ALICE, reason="it leaked")
    assert raced.revoke("ci", by=ALICE) is None
    assert trail.size() == 2


def test_what_is_kept_of_tokens_holds_no_secret(trail: DirectoryTrail, tokens: Tokens) -> None:
    secrets = [create(tokens, f"ci-{at}").secret for at in range(3)]
    with trail.store.reading() as reader:
        kept = b"".join(reader.state("token").values())
    files = b"".join(path.read_bytes() for path in trail.home.directory.glob("*.db*"))
    assert kept.count(b'"hash"') == 3
    assert kept[:20] in files
    for secret in secrets:
        assert secret.encode() not in kept + files


def test_a_token_is_listed_as_it_was_made(tokens: Tokens) -> None:
    create(tokens, "b")
    create(tokens, "a", expires=None)
    listed: list[Token] = tokens.list()
    assert [(one.id, one.created_by, one.created) for one in listed] == [
        ("a", "os:alice@host", NOON),
        ("b", "os:alice@host", NOON),
    ]

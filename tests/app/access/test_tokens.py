"""Tokens are set with the events that tell of them, and open nothing once they are revoked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest

from deploytrail.access.principal import ALL, Permission, Principal
from deploytrail.access.token import ROLES, Token, encode
from deploytrail.app.access.tokens import Created, Tokens
from deploytrail.app.trails.directory import DirectoryTrail, open_directory
from deploytrail.clock import SystemClock
from deploytrail.errors import Conflict, Malformed, NotFound, Unknown
from deploytrail.query.fields import BY_NAME
from deploytrail.query.tree import Is
from tests.app.made_tokens import ALICE, LATER, came_with, create, over
from tests.fakes import NOON, FakeClock


@pytest.fixture
def tokens(trail: DirectoryTrail, clock: FakeClock) -> Tokens:
    return over(trail, clock)


def named(token: Token) -> dict[str, str]:
    """What the event of a token names: the very bytes that are kept."""
    digest = hashlib.sha256(encode(token)).hexdigest()
    return {"type": "token", "id": token.id, "digest": f"sha256:{digest}"}


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
    assert shown.event["targets"] == [named(made.token)]
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


UNSOUND: dict[str, dict[str, Any]] = {
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
        create(tokens, **UNSOUND[reason])
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
    assert event["targets"] == [named(revoked)]
    assert event["reason"] == {"from": "stated", "text": "it leaked"}


def test_revoking_twice_is_told_and_changes_nothing(trail: DirectoryTrail, tokens: Tokens) -> None:
    create(tokens)
    assert tokens.revoke("ci", by=ALICE) is not None
    assert tokens.revoke("ci", by=ALICE) is None
    assert trail.size() == 2


def test_what_is_no_token_is_neither_revoked_nor_rotated(tokens: Tokens) -> None:
    with pytest.raises(NotFound, match="token list"):
        tokens.revoke("ci", by=ALICE)
    with pytest.raises(NotFound, match="token list"):
        tokens.rotate("ci", expires=None, overlap=timedelta(0), by=ALICE)


def test_a_rotated_token_stays_the_same_one_with_another_secret(
    trail: DirectoryTrail, tokens: Tokens, clock: FakeClock
) -> None:
    old = create(tokens, scope_text="env:prod")
    before = came_with(tokens, old.secret)
    end = NOON + timedelta(days=180)
    new = tokens.rotate("ci", expires=end, overlap=timedelta(hours=1), by=ALICE)
    assert came_with(tokens, new.secret) == came_with(tokens, old.secret) == before
    clock.advance(seconds=3600)
    came_with(tokens, new.secret)
    with pytest.raises(Unknown):
        came_with(tokens, old.secret)
    event = trail.show(1).event
    assert event["action"] == "audit.token.rotated"
    assert event["targets"] == [named(new.token)]
    assert event["access"] == {
        "permission": "recorder",
        "resource": "env:prod",
        "expires": "2027-05-21T12:00:00.000000Z",
    }
    assert new.secret.encode() not in trail.show(1).entry


def test_a_token_that_has_expired_can_be_rotated_and_a_revoked_one_can_t(
    tokens: Tokens, clock: FakeClock
) -> None:
    old = create(tokens, expires=NOON + timedelta(hours=1))
    clock.advance(seconds=7200)
    new = tokens.rotate("ci", expires=LATER, overlap=timedelta(hours=1), by=ALICE)
    came_with(tokens, new.secret)
    with pytest.raises(Unknown, match="this secret expired"):
        came_with(tokens, old.secret)
    tokens.revoke("ci", by=ALICE)
    with pytest.raises(Conflict, match="for ever; make another, such as ci-2"):
        tokens.rotate("ci", expires=LATER, overlap=timedelta(0), by=ALICE)
    for made in (old, new):
        with pytest.raises(Unknown, match="none of these"):
            came_with(tokens, made.secret)


def test_of_two_who_rotate_at_once_one_has_to_look_again(tokens: Tokens, raced: _Raced) -> None:
    create(tokens)
    others: list[Created] = []
    hour = timedelta(hours=1)
    raced.meanwhile = lambda: others.append(
        tokens.rotate("ci", expires=LATER, overlap=hour, by=ALICE)
    )
    with pytest.raises(Conflict, match="look at it again"):
        raced.rotate("ci", expires=LATER, overlap=hour, by=ALICE)
    came_with(raced, others[0].secret)


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
    return _Raced(trail.store, trail.recorder, clock)


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

"""A token is known by its secret alone, and nothing that is kept or said gives that away."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from deploytrail.access import token as tokens
from deploytrail.access.principal import ALL, Permission
from deploytrail.access.token import ROLES, Asked, Known, Token, issued, recognised
from deploytrail.errors import Malformed, Misconfigured, Unknown
from deploytrail.query.tree import EVERYTHING
from tests.fakes import NOON

RANDOM = bytes(range(32))
ASKED = Asked(
    "ci-payments", "github:alice", ROLES["recorder"], "env:prod", NOON + timedelta(days=1)
)


def made(**differing: Any) -> tuple[Token, str]:
    asked = ASKED._replace(**differing)
    return issued(asked, by="os:alice@host", now=NOON, random=RANDOM)


def known(*found: Token) -> dict[str, Known]:
    return {one.id: Known(one, EVERYTHING) for one in found}


def refused(secret: str, *found: Token, now: datetime = NOON) -> str:
    with pytest.raises(Unknown) as caught:
        recognised(secret, known(*found), now)
    assert not secret or secret[-44:] not in str(caught.value)
    return str(caught.value)


def with_checksum(stem: str) -> str:
    return f"{stem}_{zlib.crc32(stem.encode()):08x}"


def test_a_secret_has_a_prefix_a_name_all_the_randomness_and_a_checksum() -> None:
    _, secret = made()
    assert secret == "dt_ci-payments_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8_bdb3571c"
    assert re.fullmatch(r"dt_[a-z0-9-]+_[A-Za-z0-9_-]{43}_[0-9a-f]{8}", secret)


def test_who_has_the_secret_is_recognised_with_what_was_given() -> None:
    token, secret = made()
    principal = recognised(secret, known(token), NOON)
    assert principal.id == "token:ci-payments"
    assert principal.owner == "github:alice"
    assert principal.permissions == {Permission.RECORD}
    assert principal.scope is EVERYTHING


def test_what_is_kept_tells_nothing_of_the_secret() -> None:
    token, secret = made()
    kept = tokens.encode(token) + repr(token).encode()
    assert secret.encode() not in kept
    assert secret.split("_")[2].encode() not in kept
    assert RANDOM not in kept


@given(
    st.binary(min_size=32, max_size=32), st.from_regex(r"[a-z0-9][a-z0-9-]{0,39}", fullmatch=True)
)
def test_every_secret_is_recognised_and_none_for_another(random: bytes, name: str) -> None:
    token, secret = issued(ASKED._replace(name=name), by="x", now=NOON, random=random)
    assert recognised(secret, known(token), NOON).id == f"token:{name}"
    other, _ = issued(ASKED._replace(name=name), by="x", now=NOON, random=random[::-1])
    if random != random[::-1]:
        refused(secret, other)


def test_unknown_and_revoked_are_told_apart_by_nobody() -> None:
    token, secret = made()
    _, other = issued(ASKED, by="x", now=NOON, random=bytes(32))
    revoked = structs.replace(token, revoked=NOON)
    told = {refused(secret), refused(other, token), refused(secret, revoked)}
    assert len(told) == 1


def test_a_revoked_token_that_has_expired_too_is_told_as_unknown() -> None:
    token, secret = made()
    revoked = structs.replace(token, revoked=NOON)
    later = NOON + timedelta(days=2)
    assert refused(secret, revoked, now=later) == refused(secret, now=later)


def test_a_rotated_token_has_a_new_secret_and_for_a_while_the_old_one() -> None:
    token, old = made()
    until, end = NOON + timedelta(hours=1), NOON + timedelta(days=90)
    new, secret = tokens.rotated(token, expires=end, until=until, now=NOON, random=bytes(32))
    assert secret != old
    for each in (old, secret):
        assert (
            recognised(each, known(new), until - timedelta(microseconds=1)).id
            == "token:ci-payments"
        )
    assert "this secret expired at" in refused(old, new, now=until)
    assert recognised(secret, known(new), end - timedelta(microseconds=1))
    assert "this secret expired at" in refused(secret, new, now=end)
    assert tokens.decode(tokens.encode(new)) == new
    assert structs.replace(new, hash=token.hash, expires=token.expires, former=None) == token


def test_an_old_secret_ends_when_it_was_to_end() -> None:
    token, old = made()
    later = NOON + timedelta(days=9)
    new, _ = tokens.rotated(token, expires=None, until=later, now=NOON, random=bytes(32))
    assert new.former is not None
    assert new.former.until == token.expires
    refused(old, new, now=NOON + timedelta(days=1))


def test_of_two_rotations_only_the_last_secret_before_counts() -> None:
    token, first = made()
    until = NOON + timedelta(hours=1)
    for random in (bytes(32), bytes([1] * 32)):
        token, _ = tokens.rotated(token, expires=None, until=until, now=NOON, random=random)
    assert "none of these" in refused(first, token)


def test_a_rotated_token_that_is_revoked_has_no_secret_at_all() -> None:
    token, old = made()
    until = NOON + timedelta(hours=1)
    new, secret = tokens.rotated(token, expires=None, until=until, now=NOON, random=bytes(32))
    revoked = structs.replace(new, revoked=NOON)
    assert refused(old, revoked) == refused(secret, revoked) == refused(secret)


def test_a_token_is_not_rotated_to_an_end_that_is_past() -> None:
    with pytest.raises(Malformed, match="expires: expected a time to come"):
        tokens.rotated(made()[0], expires=NOON, until=NOON, now=NOON, random=RANDOM)


def test_only_who_has_the_secret_is_told_that_it_expired() -> None:
    token, secret = made()
    _, other = issued(ASKED, by="x", now=NOON, random=bytes(32))
    end = NOON + timedelta(days=1)
    assert recognised(secret, known(token), end - timedelta(microseconds=1))
    assert "expired at 2026-11-23T12:00:00.000000Z" in refused(secret, token, now=end)
    assert "expired" not in refused(other, token, now=end)


_, SECRET = made()
BAD_SECRETS = {
    "nothing": "",
    "a password": "hunter2",
    "another's prefix": SECRET.replace("dt_", "gh_"),
    "no name": with_checksum("dt__" + "A" * 43),
    "a name in capitals": with_checksum("dt_CI_" + "A" * 43),
    "a name that is too long": with_checksum(f"dt_{'a' * 41}_" + "A" * 43),
    "cut": SECRET[:-1],
    "longer": SECRET + "0",
    "a blank behind it": SECRET + " ",
    "a newline behind it": SECRET + "\n",
    "one letter changed": SECRET.replace("AAEC", "AAED"),
    "a checksum in capitals": SECRET[:-8] + SECRET[-8:].upper(),
    "digits of another script": SECRET[:-1] + "٣",
    "a letter of another script": SECRET.replace("ci", "сi"),
    "what is no Unicode": SECRET[:-1] + "\ud800",
}


@pytest.mark.parametrize("reason", BAD_SECRETS)
def test_a_mistyped_secret_is_told_without_being_repeated(reason: str) -> None:
    token, _ = made()
    told = refused(BAD_SECRETS[reason], token)
    assert told.startswith("token: expected ")
    assert "AAEC" not in told
    assert "hunter2" not in told


BAD_HEADERS = {
    "none": None,
    "an empty one": "",
    "a scheme alone": "Bearer",
    "a scheme and blanks": "Bearer   ",
    "another scheme": f"Basic {SECRET}",
    "no scheme": SECRET,
    "two secrets": f"Bearer {SECRET} {SECRET}",
    "a newline": f"Bearer {SECRET}\n",
    "a list": f"Bearer {SECRET}, Basic x",
}


@pytest.mark.parametrize("reason", BAD_HEADERS)
def test_another_header_is_told_without_being_repeated(reason: str) -> None:
    with pytest.raises(Unknown, match=r"expected 'Bearer dt_…'") as caught:
        tokens.bearer(BAD_HEADERS[reason])
    assert "AAEC" not in str(caught.value)


@pytest.mark.parametrize("header", [f"Bearer {SECRET}", f"bearer {SECRET}", f"BEARER  {SECRET} "])
def test_the_scheme_of_a_header_is_read_in_any_case(header: str) -> None:
    assert tokens.bearer(header) == SECRET


UNSOUND: dict[str, tuple[dict[str, object], str]] = {
    "an empty name": ({"name": ""}, "name: "),
    "a name with a blank": ({"name": "ci payments"}, "name: "),
    "a name with an underscore": ({"name": "ci_payments"}, "name: "),
    "a name with a newline": ({"name": "ci\n"}, "name: "),
    "a name that begins with a dash": ({"name": "-ci"}, "name: "),
    "a name that is too long": ({"name": "a" * 41}, "name: "),
    "no owner": ({"owner": ""}, "owner: "),
    "an owner of blanks": ({"owner": " "}, "owner: "),
    "an owner of two lines": ({"owner": "alice\nbob"}, "owner: "),
    "an owner who turns the reading order": ({"owner": "al\u202eice"}, "owner: "),
    "an owner that is too long": ({"owner": "a" * 201}, "owner: "),
    "no permission": ({"permissions": frozenset()}, "permissions: "),
    "a scope that is too long": ({"scope": "env:" + "a" * 509}, "scope: "),
    "an end that is past": ({"expires": NOON}, "expires: "),
    "a scope beside whole entries": ({"permissions": ROLES["auditor"]}, "scope: "),
    "a scope beside the making of tokens": ({"permissions": ALL}, "scope: "),
}


@pytest.mark.parametrize("reason", UNSOUND)
def test_an_unsound_token_is_not_made(reason: str) -> None:
    differing, named = UNSOUND[reason]
    with pytest.raises(Malformed) as caught:
        made(**differing)
    assert str(caught.value).startswith(named)


def test_what_is_kept_reads_back_as_it_was() -> None:
    token, _ = made(expires=None, scope="", permissions=ALL)
    assert tokens.decode(tokens.encode(token)) == token


def test_what_is_kept_stays_readable() -> None:
    """As version 1 was shipped: it may never change."""
    octets = (
        b'{"created":"2026-11-22T12:00:00Z","created_by":"os:alice@host","expires":'
        b'"2026-11-23T12:00:00Z","former":null,"hash":"HKXuhe9IJV55bLr6+PGhY8/811570bhQWxxe4xksLzE=",'
        b'"id":"ci-payments","owner":"github:alice","permissions":["events.record"],'
        b'"revoked":null,"scope":"env:prod","version":1}'
    )
    assert tokens.encode(made()[0]) == octets
    assert tokens.decode(octets) == made()[0]


KEPT = tokens.encode(made(permissions=frozenset({Permission.READ, Permission.RECORD}))[0])
SPOILT = {
    "nothing": b"",
    "no JSON": KEPT[:-1],
    "a list": b"[]",
    "no UTF-8": KEPT.replace(b"alice", b"\xff"),
    "blanks": KEPT.replace(b":", b": "),
    "a field too many": KEPT.replace(b'"id"', b'"admin":true,"id"'),
    "a field twice": KEPT.replace(b'"id"', b'"id":"ci","id"'),
    "a field too few": KEPT.replace(b'"owner":"github:alice",', b""),
    "a permission that nobody knows": KEPT.replace(b"events.read", b"events.eat"),
    "permissions in another order": KEPT.replace(
        b'"events.read","events.record"', b'"events.record","events.read"'
    ),
    "a permission twice": KEPT.replace(b'"events.read"', b'"events.read","events.read"'),
    "a time without zone": KEPT.replace(b"00Z", b"00"),
    "a hash that is too short": re.sub(rb'"hash":"[^"]*"', b'"hash":"AAAA"', KEPT),
    "no version": KEPT.replace(b',"version":1', b""),
    "an older version than any": KEPT.replace(b'"version":1', b'"version":0'),
}


@pytest.mark.parametrize("reason", SPOILT)
def test_what_was_never_written_so_is_refused(reason: str) -> None:
    assert SPOILT[reason] != KEPT
    with pytest.raises(Malformed, match="token: expected"):
        tokens.decode(SPOILT[reason])


def test_what_a_newer_one_keeps_is_told_as_such() -> None:
    newer = KEPT.replace(b'"version":1', b'"scopes":[],"version":2')
    with pytest.raises(Misconfigured, match="a newer Deploytrail made it"):
        tokens.decode(newer)


def test_a_token_is_live_until_it_expires_or_is_revoked() -> None:
    token, _ = made()
    assert token.state(NOON) == "live"
    assert token.state(NOON + timedelta(days=1)) == "expired"
    assert structs.replace(token, revoked=NOON).state(NOON) == "revoked"
    assert made(expires=None)[0].state(datetime(9999, 1, 1, tzinfo=UTC)) == "live"

"""The entry's own bytes: its stamp, its names, its base64."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail import canonical, entry
from deploytrail.entry import base64url, unbase64url
from deploytrail.errors import Malformed
from deploytrail.event import EventId
from tests.events import new_id

LOGGED = b"2026-11-22T12:00:00.000001Z"
PLAIN = {
    "v": 1,
    "id": new_id(),
    "logged": entry.UNSTAMPED,
    "source": {"tool": "t", "instance": "i"},
}


@given(st.dictionaries(st.sampled_from("abcxyz"), st.text('",:\\logged{}', max_size=40)))
def test_the_stamp_is_found_whatever_texts_say(texts: dict[str, str]) -> None:
    octets = canonical.encode({**PLAIN, **texts})
    stamped = entry.stamped(octets, entry.stamp_offset(octets), LOGGED)
    assert entry.fields(stamped) == {**PLAIN, **texts, "logged": LOGGED.decode()}
    assert entry.logged_of(stamped) == LOGGED.decode()
    assert len(stamped) == len(octets)


def test_a_text_that_looks_like_a_stamp_is_none() -> None:
    octets = canonical.encode({**PLAIN, "a": '","logged":"2000-01-01T00:00:00.000000Z"'})
    assert entry.logged_of(octets) == entry.UNSTAMPED


NO_ENTRY = {
    "nothing": b"",
    "no JSON": b"{",
    "an array": b"[1]",
    "not UTF-8": b'{"v":1,"a":"\xff"}',
    "no format": b'{"a":1}',
    "a newer format": b'{"v":2}',
    "too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("reason", NO_ENTRY)
def test_bytes_that_are_no_entry_are_refused(reason: str) -> None:
    with pytest.raises(Malformed, match="entry"):
        entry.fields(NO_ENTRY[reason])


def key(**differing: object) -> bytes:
    id = EventId("019ab2f0-7c3e-7a51-8d0e-3f1b2c4d5e6f")
    named: dict[str, Any] = {
        "tool": "github", "instance": "acme", "delivery": "d-1", "part": 0, "id": id,
    }  # fmt: skip
    return entry.delivery_key(**named | differing)


def test_a_delivery_is_known_by_who_sent_it_and_what_it_was_called() -> None:
    others = [
        key(tool="githu", instance="bacme"),
        key(instance="globex"),
        key(delivery="d-2"),
        key(part=1),
        key(delivery=None),
    ]
    assert len({key(), *others}) == 6
    assert key(id=new_id()) == key()
    assert len(key()) == 16


def test_a_delivery_s_key_is_the_one_that_logs_hold() -> None:
    """What stands here stands in logs: another key would take every repeat for a new delivery."""
    whose = b"\0\0\0\x06github" + b"\0\0\0\x05\xc3\xa4cme"
    named = whose + b"\0\0\0\x03d-1" + b"\0\0\0\0\0\0\0\x07"
    assert key(instance="äcme", part=7) == hashlib.sha256(named).digest()[:16]
    assert key(instance="äcme", delivery=None) == (
        bytes.fromhex("019ab2f07c3e7a518d0e3f1b2c4d5e6f") + hashlib.sha256(whose).digest()[:4]
    )


def test_a_delivery_without_an_id_is_known_by_its_event_in_order_of_time() -> None:
    first, second = new_id(), new_id()
    keys = [key(delivery=None, id=first), key(delivery=None, id=second)]
    assert [len(each) for each in keys] == [20, 20]
    assert keys == sorted(keys)
    # Nobody can claim an id in another instance's name.
    assert key(delivery=None, id=first, instance="globex") != keys[0]
    assert key(delivery=None, id=first, part=7) == keys[0]


def test_an_entry_names_the_key_it_was_appended_under() -> None:
    source = {"tool": "github", "instance": "acme", "delivery": "d-1", "part": 3}
    assert entry.key_of({"id": new_id(), "source": source}) == key(part=3)
    del source["part"]
    assert entry.key_of({"id": new_id(), "source": source}) == key()


def test_a_body_is_hashed_under_a_key() -> None:
    expected = hmac.new(b"k" * 32, b"body", hashlib.sha256).digest()[:8]
    assert entry.body_hash(b"k" * 32, b"body") == expected


@given(st.binary(max_size=100), st.binary(max_size=300))
def test_a_keyed_hash_is_an_hmac(key: bytes, octets: bytes) -> None:
    assert entry.keyed_hash(key, octets) == hmac.digest(key, octets, "sha256")


@given(st.binary())
def test_base64url_is_a_pair(octets: bytes) -> None:
    text = base64url(octets)
    assert unbase64url(text) == octets
    assert not set(text) & set("+/=")


NO_BASE64URL = {
    "padding": "QUI=",
    "set bits behind the end": "QUL",
    "standard alphabet": "+/+/",
    "one character": "Q",
    "blank": "QU I",
    "newline": "QUI\n",
    "not ASCII": "QUé",
    "a digit of another script": "QU٣B",
}


@pytest.mark.parametrize("reason", NO_BASE64URL)
def test_lax_base64_is_refused(reason: str) -> None:
    with pytest.raises(Malformed, match="base64url"):
        unbase64url(NO_BASE64URL[reason])

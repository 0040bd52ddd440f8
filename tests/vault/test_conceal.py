"""Concealing and revealing: a pair, and nothing marked concealed stays in the entry."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from msgspec import structs

from deploytrail import canonical, entry
from deploytrail.entry import ENTRY_BYTES_MAX, base64url, unbase64url
from deploytrail.errors import Malformed, Tampered, TooLarge
from deploytrail.event import Actor, Change, Client, Event, Reason, Source, Target
from deploytrail.vault import disclosure
from deploytrail.vault.conceal import Concealed, Concealer, identities, reveal, unconcealed
from tests.events import ALICE, BOB, MARK, event, events
from tests.searching import examples
from tests.vault.subjects import made, subjects

ORIGIN = "deploytrail.test/vault/1"
OBSERVED = "2026-11-22T12:00:01.000000Z"


def concealer() -> Concealer:
    return Concealer(origin=ORIGIN, body_key=b"b" * 32)


def conceal(event: Event, body: bytes = b"body") -> Concealed:
    return concealer().conceal(
        event, body=body, observed=OBSERVED, nonce=b"n" * 16, subjects=subjects(identities(event))
    )


def kept(concealed: Concealed) -> dict[bytes, bytes]:
    return {found.digest: found.json for _, found in concealed.disclosures}


def revealed(concealed: Concealed) -> dict[str, Any]:
    return reveal(entry.fields(concealed.entry), kept(concealed).get).event


@examples(60)
@given(events())
def test_revealing_what_was_concealed_gives_the_event_again(event: Event) -> None:
    found = revealed(conceal(event))
    assert found.pop("logged") == entry.UNSTAMPED
    again = msgspec.convert(found, Event)
    heard = event.observed or msgspec.convert(OBSERVED, type(event.time))
    source = structs.replace(event.source, body=again.source.body)
    assert again == structs.replace(event, observed=heard, source=source)


@examples(60)
@given(events())
def test_what_was_concealed_is_known_without_revealing_it(event: Event) -> None:
    concealed = conceal(event)
    found = unconcealed(event, body=concealed.body, observed=OBSERVED, logged=entry.UNSTAMPED)
    assert msgspec.json.decode(found) == revealed(concealed)


@examples(60)
@given(events())
def test_nothing_marked_concealed_stands_in_the_entry(event: Event) -> None:
    concealed = conceal(event)
    assert MARK.encode() not in concealed.entry
    marked = msgspec.json.encode(event).count(MARK.encode())
    assert b"".join(kept(concealed).values()).count(MARK.encode()) == marked


@examples(50)
@given(events())
def test_an_entry_is_canonical_and_bound_to_its_log(event: Event) -> None:
    concealed = conceal(event)
    fields = entry.fields(concealed.entry)
    assert canonical.encode(fields) == concealed.entry
    assert (fields["v"], fields["origin"], fields["logged"]) == (1, ORIGIN, entry.UNSTAMPED)
    assert unbase64url(fields["nonce"]) == b"n" * 16
    assert concealed.entry[concealed.stamp_offset :].startswith(entry.UNSTAMPED.encode())
    assert fields.get("_sd", []) == sorted(fields.get("_sd", []))
    assert len(fields.get("_sd", [])) == len(fields.get("subjects", {}))
    assert entry.key_of(fields) == concealed.key


def test_one_disclosure_stands_for_each_block_under_its_author() -> None:
    found = entry.fields(
        conceal(
            event(
                on_behalf_of=BOB,
                client=Client(address="192.0.2.7", user_agent="terraform"),
                changes=(Change(path="a", op="update", old="1", new="2"),),
            )
        ).entry
    )
    alice, bob = made("github:alice").name, made("github:bob").name
    assert found["subjects"] == {
        "/actor": alice,
        "/on_behalf_of": bob,
        "/client": alice,
        "/changes": alice,
        "/reason": alice,
    }
    assert found["reason"] == {"from": "stated"}
    assert found["changes"] == [{"path": "a", "op": "update"}]
    assert "client" not in found


def test_what_names_nobody_needs_no_subject() -> None:
    nameless = event(actor=Actor(type="system"), reason=None)
    fields = entry.fields(
        concealer()
        .conceal(nameless, body=b"", observed=OBSERVED, nonce=b"n" * 16, subjects={})
        .entry
    )
    assert not fields.keys() & {"subjects", "_sd"}


def test_free_text_of_nobody_known_stands_under_the_type_of_its_actor() -> None:
    anonymous = event(actor=Actor(type="anonymous"))
    assert list(identities(anonymous)) == ["anonymous:"]
    found = entry.fields(conceal(anonymous).entry)
    assert found["subjects"] == {"/reason": made("anonymous:").name}


def test_equal_values_of_one_subject_share_a_disclosure_and_those_of_two_do_not() -> None:
    first, second = conceal(event()), conceal(event())
    assert kept(first) == kept(second)
    assert first.entry != second.entry
    others = conceal(event(actor=structs.replace(ALICE, id="github:carol")))
    assert not kept(others).keys() & kept(first).keys()


def test_a_concealer_that_forgot_makes_the_same_disclosure_anew() -> None:
    one, told = concealer(), event()
    given: dict[str, Any] = {"body": b"", "observed": OBSERVED, "nonce": b"n" * 16}
    before = one.conceal(told, subjects=subjects(identities(told)), **given)
    one.forget()
    after = one.conceal(told, subjects=subjects(identities(told)), **given)
    assert kept(before) == kept(after)
    replaced = {"github:alice": made("another subject")}
    renewed = one.conceal(told, subjects=replaced, **given)
    assert not kept(renewed).keys() & kept(before).keys()


def test_the_body_is_hashed_and_stands_nowhere() -> None:
    concealed = conceal(event(), body=b"what the sender wrote")
    expected = entry.body_hash(b"b" * 32, b"what the sender wrote")
    assert concealed.body == expected
    assert entry.fields(concealed.entry)["source"]["body"] == base64url(expected)
    assert b"what the sender" not in concealed.entry


def test_a_body_hash_that_the_sender_claims_is_not_believed() -> None:
    claimed = event(source=Source(tool="t", instance="i", body="claimed"))
    assert revealed(conceal(claimed))["source"]["body"] != "claimed"


def test_times_have_six_decimals_whatever_was_sent() -> None:
    found = entry.fields(conceal(event()).entry)
    assert (found["time"], found["observed"]) == ("2026-11-22T12:00:00.000000Z", OBSERVED)


def of_size(length: int) -> Event:
    """An event whose entry, with everything around it, is padded by clear text of `length`."""
    whole, rest = divmod(length, 1000)
    ids = ["x" * 1000] * whole + ["x" * rest] * bool(rest)
    return event(reason=None, targets=tuple(Target(type="file", id=each) for each in ids))


def test_an_entry_has_at_most_60000_bytes() -> None:
    over = ENTRY_BYTES_MAX - len(conceal(of_size(50_001)).entry)
    whole = of_size(50_001 + over - over // 1000 * 100)
    room = ENTRY_BYTES_MAX - len(conceal(whole).entry)
    last = structs.replace(whole.targets[-1], id="x" * (len(whole.targets[-1].id or "") + room))
    full = structs.replace(whole, targets=(*whole.targets[:-1], last))
    assert len(conceal(full).entry) == ENTRY_BYTES_MAX
    longer = structs.replace(last, id=f"{last.id}x")
    with pytest.raises(TooLarge, match="an entry of at most 60000 bytes, found 60001; split it"):
        conceal(structs.replace(full, targets=(*whole.targets[:-1], longer)))


def test_lone_surrogates_are_refused_before_anything_is_made() -> None:
    with pytest.raises(Malformed, match="lone surrogate"):
        conceal(event(reason=Reason(from_="stated", text="\ud800")))
    with pytest.raises(Malformed, match="lone surrogate"):
        conceal(event(source=Source(tool="t\udfff", instance="i", delivery="d")))


def test_what_is_not_at_hand_is_told_by_its_pointer() -> None:
    concealed = conceal(event())
    found = reveal(entry.fields(concealed.entry), lambda _: None)
    assert list(found.withheld) == ["/actor", "/reason"]
    assert found.event["reason"] == {"from": "stated"}
    assert found.event["actor"] == {"type": "user"}
    only_reason = {
        digest: octets for digest, octets in kept(concealed).items() if b'"/reason"' in octets
    }
    half = reveal(entry.fields(concealed.entry), only_reason.get)
    assert list(half.withheld) == ["/actor"]
    assert half.event["reason"] == {"from": "stated", "text": "the read replica lags"}


def forged(pointer: str, value: bytes) -> tuple[dict[str, Any], dict[bytes, bytes]]:
    """An entry whose `_sd` names a disclosure that Mallory made."""
    concealed = conceal(event())
    fields = entry.fields(concealed.entry)
    found = disclosure.disclosure(made("mallory"), pointer, value)
    fields["_sd"] = [*fields["_sd"], base64url(found.digest)]
    return fields, {**kept(concealed), found.digest: found.json}


FORGED: dict[str, tuple[str, bytes]] = {
    "a block that the entry does not list": ("/client", b'{"address":"192.0.2.7"}'),
    "a block that no event has": ("/nobody", b"{}"),
    "a field that is clear": ("/reason", b'{"from":"none"}'),
    "a field that no block has": ("/reason", b'{"colour":"red"}'),
    "a block twice": ("/reason", b'{"text":"another reason"}'),
    "a field of the envelope": ("/", b'{"outcome":"failure"}'),
}


@pytest.mark.parametrize("reason", FORGED)
def test_a_disclosure_that_does_not_belong_is_refused(reason: str) -> None:
    fields, known = forged(*FORGED[reason])
    with pytest.raises(Tampered, match="disclosure"):
        reveal(fields, known.get)


ITEMS: dict[str, bytes] = {
    "an item behind the last": b'{"1":{"new":"2"}}',
    "an item below the first": b'{"-1":{"new":"2"}}',
    "a leading zero": b'{"00":{"new":"2"}}',
    "a number of another script": '{"٠":{"new":"2"}}'.encode(),
    "an item that is no object": b'{"0":"2"}',
    "a clear field of an item": b'{"0":{"path":"b"}}',
}


@pytest.mark.parametrize("reason", ITEMS)
def test_a_disclosure_for_no_item_is_refused(reason: str) -> None:
    changed = event(reason=None, changes=(Change(path="a", op="update", new="1"),))
    fields = entry.fields(conceal(changed).entry)
    found = disclosure.disclosure(made("github:alice"), "/changes", ITEMS[reason])
    fields["_sd"] = [base64url(found.digest)]
    with pytest.raises(Tampered, match="disclosure"):
        reveal(fields, {found.digest: found.json}.get)


def test_bytes_with_another_digest_are_refused() -> None:
    concealed = conceal(event())
    wrong = conceal(event(reason=Reason(from_="stated", text="something else")))
    octets = next(iter(kept(wrong).values()))
    with pytest.raises(Tampered, match="another digest"):
        reveal(entry.fields(concealed.entry), lambda _: octets)

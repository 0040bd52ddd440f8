"""From events to receipts: each event answers for itself, and nothing is lost on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from msgspec import structs

from deploytrail import entry
from deploytrail.app.events.claimed import Heard
from deploytrail.app.events.recording import Recorded, receipt, submission
from deploytrail.app.trails.directory import DirectoryTrail, open_directory
from deploytrail.errors import Conflict, Malformed, NotFound, SenderError, TooLarge
from deploytrail.event import Actor, Event, Reason, Source, Target
from deploytrail.log import commit, plan
from deploytrail.log.commit import StateChange
from deploytrail.log.plan import Moment
from deploytrail.log.reading import entry_at, tail_entries, tile_reader
from deploytrail.log.store import StateRow
from deploytrail.trail import Attachment, Receipt, Withheld
from deploytrail.vault.conceal import Concealer, identities, prepared
from deploytrail.vault.listed import listed
from tests.events import ALICE, BOB, body, event
from tests.fakes import FakeClock
from tests.log.entries import Told
from tests.log.trees import leaf
from tests.verified import verified

SECONDS = 20


def receipts(answers: list[object]) -> list[Receipt]:
    assert all(isinstance(answer, Receipt) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Receipt)]


def record(trail: DirectoryTrail, *events: Event) -> list[Receipt]:
    return receipts(list(trail.record(events)))


def withheld(trail: DirectoryTrail, index: int) -> tuple[Withheld, ...]:
    (shown,) = trail.entries(first=index, until=index + 1)
    return shown.withheld


def evidence(trail: DirectoryTrail, told: Event) -> list[dict[str, Any]]:
    found = trail.show(told.id).event["evidence"]
    assert isinstance(found, list)
    return found


def delivered(name: str, **fields: object) -> Event:
    return event(source=Source(tool="github", instance="local", delivery=name), **fields)


def test_a_receipt_is_a_function_of_entry_and_index(trail: DirectoryTrail) -> None:
    told = [event(), event()]
    found = record(trail, *told)
    for at, octets in enumerate(verified(trail.store, found)):
        assert found[at] == receipt(trail.origin, at, octets, leaf(octets))
        assert found[at] == Receipt(
            origin=trail.origin,
            id=told[at].id,
            index=at,
            leaf=leaf(octets).hex(),
            size=at + 1,
            logged=entry.logged_of(octets),
        )


def test_every_entry_has_a_nonce_of_its_own(trail: DirectoryTrail, clock: FakeClock) -> None:
    """Else whoever keeps a leaf could guess at the entry once its bundle is gone."""
    told = delivered("d-1")
    record(trail, told, event(), event())
    clock.advance(seconds=-5)
    trail.record([event(), structs.replace(told, outcome="denied")])
    trail.record([structs.replace(told, outcome="failure")])
    entries = verified(trail.store)
    actions = [entry.fields(octets)["action"] for octets in entries]
    assert {"audit.clock.behind", "audit.delivery.conflicted"} < set(actions)
    nonces = {entry.unbase64url(entry.fields(octets)["nonce"]) for octets in entries}
    assert (len(nonces), {len(each) for each in nonces}) == (7, {16})
    assert all(any(each) for each in nonces)


def test_what_was_recorded_is_shown_as_it_was_sent(trail: DirectoryTrail) -> None:
    told = event(on_behalf_of=BOB)
    record(trail, told)
    (shown,) = trail.entries()
    found = dict(shown.event)
    assert found.pop("logged") == "2026-11-22T12:00:00.000000Z"
    again = msgspec.convert(found, Event)
    source = structs.replace(told.source, body=again.source.body)
    assert again == structs.replace(told, observed=told.time, source=source)
    assert shown.withheld == ()


def test_a_refused_event_stops_none_of_the_others(trail: DirectoryTrail) -> None:
    bad = event(action="deployment.startd")
    large = event(reason=Reason(from_="stated", text="\ud800"))
    answers = trail.record([event(), bad, event(), large, event()])
    assert [type(answer) for answer in answers] == [Receipt, Malformed, Receipt, Malformed, Receipt]
    assert len(verified(trail.store)) == 3


def test_a_batch_of_nothing_but_bad_events_stores_nothing(trail: DirectoryTrail) -> None:
    answers = trail.record_json([b"{", body(action="no.such"), b" " * 60_001])
    assert [type(answer) for answer in answers] == [Malformed, Malformed, TooLarge]
    assert trail.record([]) == []
    assert verified(trail.store) == []


def test_the_same_delivery_gives_the_first_receipt(
    trail: DirectoryTrail, clock: FakeClock, environment: Mapping[str, str]
) -> None:
    told = delivered("d-1")
    (first,) = record(trail, told)
    clock.advance(seconds=3600)
    assert record(trail, told, told) == [first, first]
    with open_directory(clock=clock, environment=environment) as other:
        assert record(other, told) == [first]
    assert len(verified(trail.store, [first])) == 1


def test_the_bytes_themselves_tell_repeats_from_conflicts(trail: DirectoryTrail) -> None:
    raw = msgspec.json.encode(delivered("d-1"))
    (first,) = receipts(list(trail.record_json([raw])))
    again, other = trail.record_json([raw, raw + b" "])
    assert again == first
    assert isinstance(other, Conflict)
    assert other.args[0].startswith("source.delivery: expected the same event as entry 0")


def test_a_conflict_is_refused_and_recorded_once_per_body(trail: DirectoryTrail) -> None:
    told = delivered("d-1")
    record(trail, told)
    forged = structs.replace(told, outcome="failure")
    for _ in range(3):
        (answer,) = trail.record([forged])
        assert isinstance(answer, Conflict)
    trail.record([structs.replace(told, outcome="denied")])
    actions = [shown.event["action"] for shown in trail.entries()]
    assert actions == ["deployment.started"] + ["audit.delivery.conflicted"] * 2
    verified(trail.store)


def test_a_disclosure_of_a_refused_event_is_kept_when_it_comes_again(trail: DirectoryTrail) -> None:
    """What a conflict carried was not stored, so nobody may believe that it was."""
    record(trail, delivered("d-1"))
    why = Reason(from_="stated", text="only in the conflict")
    trail.record([delivered("d-1", reason=why)])
    (found,) = record(trail, delivered("d-2", reason=why))
    assert withheld(trail, found.index) == ()
    assert trail.show(found.id).event["reason"] == {"from": "stated", "text": why.text}
    verified(trail.store)


def test_equal_disclosures_are_stored_once(trail: DirectoryTrail) -> None:
    record(trail, *(event() for _ in range(10)))
    with trail.store.reading() as reader:
        assert reader.inventory().disclosures == 2
    assert [shown.withheld for shown in trail.entries()] == [()] * 10


def test_evidence_is_sealed_beside_its_event(trail: DirectoryTrail) -> None:
    told, data = event(), b"Apply complete! " * 1000
    kept = Attachment(type="output", data=data)
    trail.record([told], attachments={told.id: [kept, Attachment(type="plan", data=b"{}")]})
    first, second = evidence(trail, told)
    assert (first["type"], first["size"], second["type"]) == ("output", len(data), "plan")
    assert trail.attachment(told.id, first["id"]) == data
    assert trail.attachment(told.id, second["id"]) == b"{}"
    other = event()
    trail.record([other])
    for whose, which in ((told.id, "A" * 22), (told.id, "no id"), (other.id, first["id"])):
        with pytest.raises(NotFound, match="expected one of entry"):
            trail.attachment(whose, which)
    verified(trail.store)


def erase(trail: DirectoryTrail, who: str) -> str:
    """As a verb for it would: the key, then the rows and the entry that tells it, in one commit."""
    subject = trail.keyring.subjects([who])[who]
    trail.keyring.erase(subject.id)
    clock = FakeClock()
    erased = event(
        id=clock.event_id(),
        action="audit.subject.erased",
        actor=Actor(type="system"),
        source=Source(tool="deploytrail", instance="local"),
        reason=None,
        targets=(Target(type="subject", id=subject.name),),
    )
    concealer = Concealer(origin=trail.origin, body_key=trail.keyring.secrets.body)
    concealed = concealer.conceal(
        erased, body=b"", observed="2026-11-22T12:00:00.000000Z", nonce=b"n" * 16, subjects={}
    )
    with trail.store.writing() as writer:
        writer.erase(subject.id)
        tree = writer.tree()
        placed = plan.place(
            tree,
            [prepared(concealed)],
            Moment(writer.clock(), writer.uptime()),
            tail=tail_entries(writer),
            read_tile=tile_reader(writer, tree.size),
        )
        writer.add(placed.addition)
    trail.store.scrub()
    return subject.name


def test_an_erased_person_is_redacted_and_every_entry_stands(trail: DirectoryTrail) -> None:
    bobs = event(actor=BOB, reason=Reason(from_="stated", text="bob's reason"))
    before = record(trail, event(), event(on_behalf_of=BOB), bobs)
    name = erase(trail, "github:alice")
    entries = verified(trail.store, before)
    assert name.encode() in entries[-1]
    # As long as nobody has signed that, it excuses nothing.
    assert {one.state for one in withheld(trail, 0)} == {"missing"}
    trail.publish()
    shown = list(trail.entries())
    assert [one.pointer for one in shown[0].withheld] == ["/actor", "/reason"]
    assert {one.state for each in shown for one in each.withheld} == {"redacted"}
    assert shown[0].event["actor"] == {"type": "user"}
    principal = shown[1].event["on_behalf_of"]
    assert isinstance(principal, dict)
    assert principal["id"] == "github:bob"
    assert shown[2].withheld == ()


def test_after_erasing_the_bytes_are_in_no_file(trail: DirectoryTrail) -> None:
    told = event(reason=Reason(from_="stated", text="to be forgotten"))
    kept = Attachment(type="output", data=b"what Alice saw")
    trail.record([told], attachments={told.id: [kept]})
    with trail.store.reading() as reader:
        rows = reader.disclosures(listed(entry.fields(entry_at(reader, 0))).keys)
    (attached,) = evidence(trail, told)
    erase(trail, "github:alice")
    files = {path: path.read_bytes() for path in trail.home.directory.iterdir()}
    assert len(rows) == 2
    for row in rows.values():
        assert [path for path, octets in files.items() if row.sealed in octets] == []
    with pytest.raises(NotFound, match="erased"):
        trail.attachment(told.id, attached["id"])
    verified(trail.store)


def test_a_disclosure_that_is_gone_without_an_erasure_is_missing(trail: DirectoryTrail) -> None:
    record(trail, event())
    alice = trail.keyring.subjects(["github:alice"])["github:alice"]
    with trail.store.writing() as writer:
        writer.erase(alice.id)
    assert {one.state for one in withheld(trail, 0)} == {"missing"}
    trail.keyring.erase(alice.id)
    assert {one.state for one in withheld(trail, 0)} == {"missing"}
    verified(trail.store)


def test_the_next_event_of_an_erased_person_has_a_new_subject(
    trail: DirectoryTrail, clock: FakeClock, environment: Mapping[str, str]
) -> None:
    """Also in a process that concealed before the erasure: its epoch is stale, it does it again."""
    told = delivered("d-1")
    record(trail, told)
    with open_directory(clock=clock, environment=environment) as other:
        record(other, event())
        name = erase(other, "github:alice")
        (again,) = record(trail, event())
        # The repeat of an erased delivery stores nothing, and what follows it is kept all the same.
        record(trail, told)
        (after,) = record(trail, event())
        (there,) = record(other, event())
    for found in (again, after, there):
        assert withheld(trail, found.index) == ()
        shown = trail.show(found.id)
        actor = shown.event["actor"]
        assert isinstance(actor, dict)
        assert actor["id"] == ALICE.id
        assert name not in entry.fields(shown.entry)["subjects"].values()
    trail.publish()
    assert {one.state for one in withheld(trail, 0)} == {"redacted"}
    verified(trail.store)


def test_batches_made_ready_before_an_erasure_name_nobody_who_was_erased(
    trail: DirectoryTrail, clock: FakeClock, environment: Mapping[str, str]
) -> None:
    """Two are on their way when the erasure comes; which one it overtakes does not matter."""
    record(trail, event())
    erased: list[str] = []

    def batches() -> Iterator[list[Heard]]:
        yield [Heard(body())]
        with open_directory(clock=clock, environment=environment) as other:
            erased.append(erase(other, "github:alice"))
        for _ in range(3):
            yield [Heard(body())]

    heard: list[list[Recorded | SenderError]] = []
    trail.record_heard_all(batches(), told=heard.append)
    assert [len(batch) for batch in heard] == [1, 1, 1, 1]
    answers = [one.receipt for batch in heard for one in batch if isinstance(one, Recorded)]
    entries = verified(trail.store, answers)
    (told,) = [at for at, octets in enumerate(entries) if b"audit.subject.erased" in octets]
    for octets in entries[told + 1 :]:
        assert erased[0] not in entry.fields(octets)["subjects"].values()
    trail.publish()
    assert {one.state for at in range(len(entries)) for one in withheld(trail, at)} == {"redacted"}


def test_a_batch_is_told_once_it_is_logged_and_not_when_the_next_is_ready(
    trail: DirectoryTrail,
) -> None:
    heard: list[list[Recorded | SenderError]] = []
    is_told = threading.Event()

    def tell(answers: list[Recorded | SenderError]) -> None:
        heard.append(answers)
        is_told.set()

    def batches() -> Iterator[list[Heard]]:
        for _ in range(3):
            is_told.clear()
            yield [Heard(body())]
            assert is_told.wait(SECONDS)

    trail.record_heard_all(batches(), told=tell)
    found = [one.receipt.index for batch in heard for one in batch if isinstance(one, Recorded)]
    assert found == [0, 1, 2]


def test_what_is_remembered_of_stored_disclosures_ends_with_the_epoch(
    trail: DirectoryTrail, clock: FakeClock, environment: Mapping[str, str]
) -> None:
    """An erasure that stopped between its two files: the rows are gone, the subject is not."""
    record(trail, event())
    subject = trail.keyring.subjects(["github:alice"])["github:alice"]
    with (
        open_directory(clock=clock, environment=environment) as other,
        other.store.writing() as writer,
    ):
        writer.erase(subject.id)
    (found,) = record(trail, event())
    assert withheld(trail, found.index) == ()
    verified(trail.store)


def test_a_clock_behind_is_recorded_once(trail: DirectoryTrail, clock: FakeClock) -> None:
    record(trail, event())
    clock.advance(seconds=-5)
    record(trail, event(), event())
    record(trail, event())
    found = [shown.event["action"] for shown in trail.entries()]
    assert found.count("audit.clock.behind") == 1
    assert len(verified(trail.store)) == 5


def test_notices_of_the_log_need_no_key(trail: DirectoryTrail) -> None:
    made = Told()
    concealer = Concealer(origin=trail.origin, body_key=b"b" * 32)
    system = event(actor=Actor(type="system"), reason=None)
    assert list(identities(system)) == ["system:"]
    concealed = concealer.conceal(
        system, body=b"", observed="2026-11-22T12:00:00.000000Z", nonce=b"n" * 16, subjects={}
    )
    commit.append(trail.store, [prepared(concealed)], epoch=0, notices=made)
    assert concealed.disclosures == []
    assert len(verified(trail.store)) == 1


def test_events_with_state_are_stored_as_a_whole_or_not_at_all(trail: DirectoryTrail) -> None:
    unset, wanted = StateRow("token", "ci", None), StateRow("token", "ci", b"1")
    change = StateChange(unset, wanted)
    refused = submission(event(action="no.such.action"))
    with pytest.raises(Malformed):
        trail.recorder.record_with([submission(event()), refused], [change])
    assert trail.size() == 0
    (done,) = trail.recorder.record_with([submission(event())], [change])
    with trail.store.reading() as reader:
        assert (done.index, reader.state("token")) == (0, {"ci": b"1"})
    with pytest.raises(Conflict):
        trail.recorder.record_with([submission(event())], [change])
    assert len(verified(trail.store)) == 1

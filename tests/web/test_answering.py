"""What is new is sent in the same bytes as what is read from the log later."""

from __future__ import annotations

from hypothesis import given

from deploytrail import entry
from deploytrail.app.events.fresh import fresh
from deploytrail.app.events.recording import Said
from deploytrail.event import Event
from deploytrail.trail import Receipt
from deploytrail.web.answering import encoded, fresh_shown, shown
from tests.events import events
from tests.searching import examples


@examples(60)
@given(events())
def test_an_event_is_sent_from_memory_as_it_is_from_what_is_read(event: Event) -> None:
    said = Said(b"{}", event, b"b" * 32, entry.UNSTAMPED)
    receipt = Receipt(origin="o", id=event.id, index=7, leaf="ab", size=8, logged=entry.UNSTAMPED)
    found = fresh(receipt, said)
    assert encoded(fresh_shown(found)) == encoded(shown(found.shown(), "o"))

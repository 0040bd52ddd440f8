"""What the log enters on its own account: told in the words of the catalogue, about nobody."""

from __future__ import annotations

from deploytrail import actions, entry
from deploytrail.app.events.notices import OwnNotices
from deploytrail.vault.conceal import Concealer
from tests.fakes import FakeClock
from tests.log.entries import prepared

CONCEALER = Concealer(origin="deploytrail.test/notices/1", body_key=b"b" * 32)
NOTICES = OwnNotices(CONCEALER, FakeClock())


def test_a_notice_is_an_entry_of_the_catalogue_that_names_nobody() -> None:
    for notice in (NOTICES.clock_behind(2_000_000), NOTICES.conflict(prepared(1), 0)):
        fields = entry.fields(notice.entry)
        assert actions.find(fields["action"]) is not None
        assert fields["actor"] == {"type": "system"}
        assert not fields.keys() & {"_sd", "subjects"}
        assert notice.vault == ()
        assert notice.key == entry.key_of(fields)
        assert notice.entry[notice.stamp_offset :].startswith(entry.UNSTAMPED.encode())


def test_a_conflict_has_one_key_for_each_refused_body() -> None:
    keys = [
        NOTICES.conflict(prepared(number, body=body), 0).key
        for number in (1, 2)
        for body in (b"one", b"other", b"one")
    ]
    assert len(set(keys)) == 4


def test_a_clock_behind_says_by_how_much() -> None:
    fields = entry.fields(NOTICES.clock_behind(1_500_000).entry)
    assert fields["error"] == {
        "code": "clock-behind",
        "location": "1500000 microseconds behind the log",
    }

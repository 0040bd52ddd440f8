"""An attachment as a line: what was written is read again, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail import attachment_line
from deploytrail.errors import Malformed
from deploytrail.trail import Attachment
from tests.events import new_id
from tests.searching import USUAL


@USUAL
@given(data=st.binary())
def test_what_was_written_is_read_again(data: bytes) -> None:
    id, attachment = new_id(), Attachment(type="plan", data=data)
    line = attachment_line.encode(id, attachment)
    assert attachment_line.is_attachment(line)
    assert b"\n" not in line
    assert attachment_line.decode(line) == (id, attachment)


def test_an_event_is_no_attachment() -> None:
    assert not attachment_line.is_attachment(b'{"id": "1", "attachment_of": "x"}')
    assert attachment_line.is_attachment(b' { "attachment_of" : 1}')


REFUSED = {
    "no base64": b'{"attachment_of": "a", "type": "output", "data": "%%"}',
    "base64 that is not Unicode's first part": '{"attachment_of":"a","type":"plan","data":"é"}'
    .encode(),
    "another type": b'{"attachment_of": "a", "type": "song", "data": ""}',
    "a field that is none": b'{"attachment_of": "a", "type": "plan", "data": "", "x": 1}',
    "half a line": b'{"attachment_of": "a", "type": "pl',
    "no UTF-8": b'{"attachment_of": "\xff", "type": "plan", "data": ""}',
}  # fmt: skip


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_attachment_is_refused(reason: str) -> None:
    assert attachment_line.is_attachment(REFUSED[reason])
    with pytest.raises(Malformed, match="attachment: expected"):
        attachment_line.decode(REFUSED[reason])

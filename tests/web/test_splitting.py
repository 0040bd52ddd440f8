"""A body is cut into events, and never into more of them than are read."""

from __future__ import annotations

import pytest

from deploytrail.errors import TooLarge
from deploytrail.web.splitting import EVENTS_MAX, JSON, NDJSON, array, cut


def test_as_many_events_as_are_read_are_cut() -> None:
    assert len(cut(b"{}\n" * EVENTS_MAX, NDJSON).bodies) == EVENTS_MAX
    assert len(cut(b"{}\n\n" * EVENTS_MAX, NDJSON).bodies) == EVENTS_MAX
    assert len(cut(b"[" + b"{}," * (EVENTS_MAX - 1) + b"{}]", JSON).bodies) == EVENTS_MAX


TOO_MANY: dict[str, tuple[bytes, str]] = {
    "lines": (b"{}\n" * (EVENTS_MAX + 1), NDJSON),
    "lines behind as many empty ones": (b"\n" * 3 * EVENTS_MAX + b"{}", NDJSON),
    "objects": (b"[" + b"{}," * EVENTS_MAX + b"{}]", JSON),
    "ones": (b"[" + b"1," * 2_000_000 + b"1]", JSON),
}


@pytest.mark.parametrize("reason", TOO_MANY)
def test_a_body_is_refused_that_holds_too_many(reason: str) -> None:
    with pytest.raises(TooLarge, match="send fewer at once"):
        cut(*TOO_MANY[reason])


def test_commas_in_a_text_are_no_events() -> None:
    assert len(array(b'["' + b"," * 60_000 + b'"]')) == 1

"""How a delivery is answered where its sender reads words of its own, and not ours.

Values only. A sender that is answered otherwise than its protocol says takes what was logged for
lost, and sends it again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from deploytrail.kit.delivery import Delivery

_OK: Final = 200


class Became(NamedTuple):
    """What became of a delivery: how many events are new, were known, contradict what was known,
    or say that something was not understood. Refused, it has another `status` than 200 and `why`.
    """

    events: int = 0
    known: int = 0
    conflicts: int = 0
    unread: int = 0
    status: int = _OK
    why: str = ""

    @property
    def is_refused(self) -> bool:
        return self.status != _OK


class Answered(NamedTuple):
    """An answer over HTTP."""

    status: int
    media: str
    body: bytes


Answer = Callable[[Delivery, Became, datetime], Answered | None]
"""Of a delivery, when it is answered (UTC); None: in the trail's own words.

One that is refused may have no body: it was too large, or came in another coding. It is proven by
nothing either, so no answer says more of it than its header does.
"""

"""How Amazon Data Firehose is answered by sources that it delivers for.

Pure. It delivers for several what they know in other envelopes, too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from deploytrail.formats import firehose
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.door import Answered, Became

_ID_CHARACTERS_MAX: Final = 256


def answer(delivery: Delivery, became: Became, at: datetime) -> Answered | None:
    """None where somebody else delivered."""
    request = {value for name, value in delivery.headers if name == firehose.ID_HEADER}
    if len(request) != 1:
        return None
    body = firehose.answer(request.pop()[:_ID_CHARACTERS_MAX], at, became.why)
    return Answered(became.status, firehose.MEDIA_TYPE, body)

"""What the client takes, held against what a route gives (RFC 9110 §12.5).

Pure. Parameters of a media range are left aside; a weight of nought refuses.
"""

from __future__ import annotations

import re
from typing import Final

from deploytrail.web.problem import NotAcceptable
from deploytrail.web.route import Route

_NOUGHT: Final = re.compile(r";\s*q=0(?:\.0{0,3})?\s*(?:;|$)", re.IGNORECASE)


def refuse_unacceptable(accept: str | None, route: Route) -> None:
    """Raises NotAcceptable where the client takes nothing of what the route gives."""
    if not accept or accept == "*/*":
        return
    given = {reply.media.partition(";")[0] for reply in route.replies if reply.media}
    if not any(takes(accept, media) for media in given):
        raise NotAcceptable(
            f"accept: expected {' or '.join(sorted(given))} among what you take; add it, or */*"
        )


def takes(accept: str, wanted: str) -> bool:
    """Whether a list of media ranges, or of codings, has one for what is wanted."""
    ranges = {wanted, "*/*", "*", f"{wanted.partition('/')[0]}/*"}
    for each in accept.split(","):
        name = each.partition(";")[0].strip().lower()
        if name in ranges and _NOUGHT.search(each) is None:
            return True
    return False

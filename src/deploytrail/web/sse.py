"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Pure. JSON has no line breaks, so an event is one line of data; its id is the index in the log.
"""

from __future__ import annotations

from typing import Final

MEDIA_TYPE: Final = "text/event-stream"
RETRY_MILLISECONDS: Final = 1000


def event(index: int, data: bytes) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (index, data)


def beginning() -> bytes:
    """What is sent at once, so that a client knows that it is connected."""
    return b"retry: %d\n: connected\n\n" % RETRY_MILLISECONDS


def heartbeat(at: int) -> bytes:
    """Nothing happened. Whoever comes back goes on behind what was looked at, not behind what
    matched; an id without data moves only that (step 9.2.6).
    """
    return b"id: %d\n: still here\n\n" % (at - 1) if at else b": still here\n\n"

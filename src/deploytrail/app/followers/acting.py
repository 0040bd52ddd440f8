"""What actors append: events of the trail's own, each once however often it is tried."""

from __future__ import annotations

from collections.abc import Sequence

from deploytrail.app.events.recording import Recorder, Submission
from deploytrail.errors import SenderError
from deploytrail.event import Event
from deploytrail.follow.actor import Append


def appending(recorder: Recorder) -> Append:
    """Appends through a recorder of the same thread.

    The delivery itself stands for the body: tried again, an event has another id and another time,
    and is the same one all the same.
    """

    def append(events: Sequence[Event]) -> Sequence[SenderError | None]:
        submissions = [
            Submission(event, f"{event.source.delivery}#{event.source.part}".encode())
            for event in events
        ]
        answers = recorder.record(submissions)
        return [answer if isinstance(answer, SenderError) else None for answer in answers]

    return append

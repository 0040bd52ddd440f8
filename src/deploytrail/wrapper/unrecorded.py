"""What older releases could not record: events in `<home>/unrecorded/`, until a trail takes them.

Now there is the spool (`wrapper.spool_file`). One file per run, a line per event, and a line per
attachment after its event. Appending is idempotent: events keep their deliveries, so a file that is
appended twice, or by two openers at once, stands in the log once. What can't be read is set aside
and told, never deleted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct

from deploytrail import attachment_line
from deploytrail.actions import OWN_TOOL
from deploytrail.errors import Malformed, SenderError
from deploytrail.event import Event, EventId
from deploytrail.trail import Attachment, TrailProducer
from deploytrail.wrapper import regular_file

FOLDER: Final = "unrecorded"
FILE_BYTES_MAX: Final = 256 * 1024 * 1024


class Appended(Struct, frozen=True, kw_only=True):
    """What became of the files that were found.

    How many events now stand in the log, and which files were set aside, each with the reason.
    """

    events: int = 0
    set_aside: tuple[tuple[Path, str], ...] = ()


def append_unrecorded(trail: TrailProducer, home: Path) -> Appended:
    """Appends what earlier runs left behind, oldest first, and removes what then stands in it.

    Raises what `trail.record` raises; then the file stays as it was.
    """
    events = 0
    aside: list[tuple[Path, str]] = []
    for path in _files(home):
        try:
            held, attachments = _read(path)
        except FileNotFoundError:
            # Another opener was faster.
            continue
        except (SenderError, OSError) as error:
            aside.append((_set_aside(path), str(error)))
            continue
        answers = trail.record(held, attachments=attachments)
        refusals = [answer for answer in answers if isinstance(answer, SenderError)]
        events += len(answers) - len(refusals)
        if refusals:
            aside.append((_set_aside(path), str(refusals[0])))
        else:
            # Stopped before this, the next opener appends it again and gets the same receipts.
            path.unlink(missing_ok=True)
    return Appended(events=events, set_aside=tuple(aside))


def _files(home: Path) -> list[Path]:
    """Run ids are UUIDv7, so their order is that of time."""
    try:
        return sorted((home / FOLDER).glob("[!.]*.jsonl"))
    except OSError:
        return []


def _read(path: Path) -> tuple[list[Event], dict[EventId, list[Attachment]]]:
    # Almost every run finds no file: what reads one is loaded when there is one.
    from deploytrail.untrusted import parse_event

    if path.stat().st_size > FILE_BYTES_MAX:
        raise Malformed(f"{path.name}: expected at most {FILE_BYTES_MAX} bytes, found more")
    raw = regular_file.octets(path, bytes_max=FILE_BYTES_MAX)
    if raw is None:
        raise Malformed(f"{path.name}: expected a file that can be read, found none")
    if not raw.endswith(b"\n"):
        raise Malformed(f"{path.name}: expected a line end at the end, found none")
    events: list[Event] = []
    attachments: dict[EventId, list[Attachment]] = {}
    for line in raw[:-1].split(b"\n"):
        if attachment_line.is_attachment(line):
            of, attachment = attachment_line.decode(line)
            attachments.setdefault(of, []).append(attachment)
        else:
            events.append(_own(parse_event(line)))
    if attachments.keys() - {event.id for event in events}:
        raise Malformed(f"{path.name}: expected each attachment behind its event, found one alone")
    return events, attachments


def _own(event: Event) -> Event:
    """The event, if it is one that a run leaves; whoever can write here may have put another.

    Raises Malformed for what only the trail enters, and for what no run says of itself: forged, an
    erasure would make a lost disclosure look accounted for.
    """
    actors = (event.actor, event.on_behalf_of)
    is_own = event.source.tool != OWN_TOOL and not event.evidence
    if is_own and all(one is None or one.auth is None or one.auth.assurance <= 1 for one in actors):
        return event
    raise Malformed(
        f"{event.action[:64]}: expected an event of a run, found one that no run leaves: of the "
        "trail itself, with evidence, or of somebody better proven than an account; look into it"
    )


def _set_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.refused")
    try:
        path.replace(aside)
    except OSError:
        # An unwritable folder: it is told again next time, which is better than not at all.
        return path
    return aside

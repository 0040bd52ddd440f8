"""What could not be recorded: redacted events in `<home>/unrecorded/`, until a trail takes them.

One file per run, a line per event, and a line per attachment after its event. Appending is
idempotent: events keep their deliveries, so a file that is appended twice, or by two openers at
once, stands in the log once. What can't be read is set aside and told, never deleted.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from deploytrail.actions import OWN_TOOL
from deploytrail.errors import Malformed, SenderError
from deploytrail.event import Event, EventId
from deploytrail.trail import Attachment, AttachmentType, TrailProducer
from deploytrail.wrapper import regular_file

FOLDER: Final = "unrecorded"
FILE_BYTES_MAX: Final = 256 * 1024 * 1024
_ATTACHMENT_START: Final = b'{"attachment_of"'


class AttachmentLine(Struct, frozen=True, forbid_unknown_fields=True):
    """An attachment as a line; `data` is base64."""

    attachment_of: EventId
    type: AttachmentType
    data: str


class Appended(Struct, frozen=True, kw_only=True):
    """What became of the files that were found.

    How many events now stand in the log, and which files were set aside, each with the reason.
    """

    events: int = 0
    set_aside: tuple[tuple[Path, str], ...] = ()


def write_unrecorded(
    home: Path,
    name: str,
    events: Sequence[Event],
    attachments: Mapping[EventId, Sequence[Attachment]],
) -> Path:
    """The file that now holds the events, durable on return; raises OSError.

    A file of that name is replaced: a run writes all that it has.
    """
    folder = home / FOLDER
    unnamed = [folder, home]
    while not unnamed[-1].parent.exists():
        unnamed.append(unnamed[-1].parent)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{name}.jsonl"
    # Stopped before the rename, only a hidden file remains, which nobody reads as events.
    partial = folder / f".{name}.partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor, not a path)
            file.writelines(_lines(events, attachments))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        # The disk may be full: a torn file would only take the room of a later try.
        partial.unlink(missing_ok=True)
        raise
    # A folder without a durable name takes its files along.
    for each in (path, *unnamed):
        _sync(each.parent)
    return path


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


def _lines(
    events: Sequence[Event], attachments: Mapping[EventId, Sequence[Attachment]]
) -> Iterator[bytes]:
    for event in events:
        yield msgspec.json.encode(event) + b"\n"
        for attachment in attachments.get(event.id, ()):
            data = base64.b64encode(attachment.data).decode("ascii")
            line = AttachmentLine(event.id, attachment.type, data)
            yield msgspec.json.encode(line) + b"\n"


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
        if line.startswith(_ATTACHMENT_START):
            of, attachment = _attachment(line)
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


def _attachment(line: bytes) -> tuple[EventId, Attachment]:
    try:
        read = msgspec.json.decode(line, type=AttachmentLine)
        data = base64.b64decode(read.data, validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error) as error:
        raise Malformed(f"attachment: expected base64 of its bytes; {error}") from None
    return read.attachment_of, Attachment(type=read.type, data=data)


def _set_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.refused")
    try:
        path.replace(aside)
    except OSError:
        # An unwritable folder: it is told again next time, which is better than not at all.
        return path
    return aside


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

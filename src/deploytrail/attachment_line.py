"""An attachment as a line of JSON behind its event's line: in files of a wrapper, and over HTTP.

    {"attachment_of": "<the event's id>", "type": "output", "data": "<base64>"}

Pure.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

import msgspec
from msgspec import Struct

from deploytrail.errors import Malformed
from deploytrail.event import EventId
from deploytrail.trail import Attachment, AttachmentType

_begins: Final = re.compile(rb'[ \t\r\n]*+\{[ \t\r\n]*+"attachment_of"').match


class AttachmentLine(Struct, frozen=True, forbid_unknown_fields=True):
    """An attachment as a line; `data` is base64. `attachment_of` comes first."""

    attachment_of: EventId
    type: AttachmentType
    data: str


def is_attachment(line: bytes) -> bool:
    return _begins(line) is not None


def encode(event: EventId, attachment: Attachment) -> bytes:
    """Without an end of line."""
    data = base64.b64encode(attachment.data).decode("ascii")
    return msgspec.json.encode(AttachmentLine(event, attachment.type, data))


def decode(line: bytes) -> tuple[EventId, Attachment]:
    """Whose it is, and what it is; raises Malformed."""
    try:
        read = msgspec.json.decode(line, type=AttachmentLine)
        data = base64.b64decode(read.data, validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, binascii.Error) as error:
        raise Malformed(f"attachment: expected base64 of its bytes; {error}"[:300]) from None
    return read.attachment_of, Attachment(type=read.type, data=data)

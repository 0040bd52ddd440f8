"""Events in a file or on standard input: one object, an array of them, or one a line.

What can't be read as an event is an answer of its own, with its place, and stops no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from deploytrail.errors import Malformed, SenderError, TooLarge
from deploytrail.event import EVENT_BYTES_MAX
from deploytrail.untrusted import parse_json

DOCUMENT_BYTES_MAX: Final = 64 * 1024 * 1024
LINE_BYTES_MAX: Final = 1024 * 1024
_BLANK: Final = b" \t\r\n"
_EVENT_DEPTH_MAX: Final = 64

Found = tuple[str | None, dict[str, Any] | SenderError]
"""Where an event stood, `line 3` or `event 3`, None for the only one; and what was found there."""


def json_events(file: BinaryIO) -> Iterator[Found]:
    """Every event of a file, in order, as it is read. Raises Malformed where there is none."""
    number, line = _first_line(file)
    first = line.strip(_BLANK)
    if first.startswith(b"[") or not _is_whole(first):
        yield from _document(line + file.read(DOCUMENT_BYTES_MAX))
        return
    rest = _lines(file, number + 1)
    following = next(rest, None)
    if following is None:
        yield None, _event(first)
        return
    yield f"line {number}", _event(first)
    yield following
    yield from rest


def _first_line(file: BinaryIO) -> tuple[int, bytes]:
    """The first line that is not blank, with its number."""
    number = 1
    while line := file.readline(LINE_BYTES_MAX):
        if line.strip(_BLANK):
            return number, line
        number += 1
    raise Malformed("event: expected JSON, found nothing; send an object, or one a line")


def _is_whole(line: bytes) -> bool:
    """Whether a document ends where this line does; a faulty one is left for `_event` to tell."""
    return line.startswith(b"{") and line.endswith(b"}")


def _document(raw: bytes) -> Iterator[Found]:
    value = parse_json(raw, what="event", bytes_max=DOCUMENT_BYTES_MAX, depth_max=_EVENT_DEPTH_MAX)
    if not isinstance(value, list):
        yield None, _object(value)
        return
    if not value:
        raise Malformed("event: expected events, found an array with no events; send an object")
    for number, item in enumerate(value, start=1):
        yield f"event {number}", _object(item)


def _lines(file: BinaryIO, number: int) -> Iterator[Found]:
    while line := file.readline(LINE_BYTES_MAX):
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            _skip_line(file)
        if line.strip(_BLANK):
            yield f"line {number}", _event(line)
        number += 1


def _skip_line(file: BinaryIO) -> None:
    while (more := file.readline(LINE_BYTES_MAX)) and not more.endswith(b"\n"):
        pass


def _event(raw: bytes) -> dict[str, Any] | SenderError:
    if len(raw) > EVENT_BYTES_MAX:
        return TooLarge(
            f"event: expected at most {EVENT_BYTES_MAX} bytes, found more; leave out what is large"
        )
    try:
        value = parse_json(raw, what="event", bytes_max=EVENT_BYTES_MAX, depth_max=_EVENT_DEPTH_MAX)
    except SenderError as error:
        return error
    return _object(value)


def _object(value: Any) -> dict[str, Any] | SenderError:
    if isinstance(value, dict):
        return value
    return Malformed('event: expected an object such as {"action": …}, found another value')

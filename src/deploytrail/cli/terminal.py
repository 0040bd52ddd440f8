"""What the verbs print, and where: text on standard output, news on standard error.

Foreign text passes `printable` here. Colour only where a terminal shows it and NO_COLOR is unset.
"""

from __future__ import annotations

import os
import shutil
import sys
from io import StringIO, TextIOWrapper
from typing import Final, TextIO

from deploytrail.printable import printable, printable_json

_STYLES: Final = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}
WIDTH_MIN: Final = 40
WIDTH_MAX: Final = 160


def prepare_streams() -> None:
    """Output that can be written to, whatever the locale and whoever started us."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Started with the descriptor closed: there is nobody to tell.
            setattr(sys, name, StringIO())
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody looks at it."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def has_colour(stream: TextIO) -> bool:
    """https://no-color.org: any value but the empty one turns colour off."""
    return (
        is_terminal(stream)
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "") not in {"", "dumb"}
    )


def styled(text: str, style: str, *, stream: TextIO | None = None) -> str:
    """The text in a style of `_STYLES`, for a stream that shows it; else as it is."""
    if not text or not style or not has_colour(stream or sys.stdout):
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def width() -> int:
    """Columns of the terminal, within what is still readable."""
    return max(WIDTH_MIN, min(shutil.get_terminal_size((80, 24)).columns, WIDTH_MAX))


def say(text: str = "") -> None:
    """A line on standard output; whoever calls has made foreign text printable."""
    sys.stdout.write(f"{text}\n")


def say_wrapped(text: str, *, indent: int = 2) -> None:
    """A paragraph on standard output, in lines that are easy to read."""
    import textwrap

    for line in textwrap.wrap(text, min(width(), 84) - indent, break_long_words=False):
        say(f"{' ' * indent}{line}")


def say_json(value: object) -> None:
    """A JSON document in one line, in UTF-8, with escapes for what would move a cursor."""
    import msgspec

    write_bytes(printable_json(msgspec.json.encode(value).decode()).encode() + b"\n")


def write_bytes(data: bytes) -> None:
    """Bytes on standard output, exactly; nowhere, where that is closed."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.flush()
        sys.stdout.buffer.write(data)


def tell(text: str) -> None:
    """News on standard error: nothing that a program would read."""
    sys.stderr.write(f"{printable(text)}\n")


def warn(text: str) -> None:
    """Something that did not stop us, and that somebody should know."""
    sys.stderr.write(f"{styled('warning:', 'yellow', stream=sys.stderr)} {printable(text)}\n")


def complain(text: str) -> None:
    """Why this command failed, in one line."""
    sys.stderr.write(f"{styled('error:', 'red', stream=sys.stderr)} {printable(text)}\n")

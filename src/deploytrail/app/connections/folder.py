"""The folder of what is declared: where it is, read with care, and a stanza added to a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from deploytrail.errors import Misconfigured, NotPermitted
from deploytrail.intake.declared import FILES
from deploytrail.intake.tables import FILE_BYTES_MAX
from deploytrail.stores.files import make_directory, replace_file

NAME: Final = "config"


def folder(settings: Path | None, home: Path) -> Path:
    """Beside the settings in force; beside the trail where there are none."""
    return (home if settings is None else settings.parent) / NAME


def load(where: Path) -> dict[str, bytes]:
    """The files that are there, by name. Raises NotPermitted and Misconfigured."""
    found = {}
    for name in FILES:
        octets = _read(where / name)
        if octets is not None:
            found[name] = octets
    return found


def _read(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise NotPermitted(f"{path}: expected to read it, but you may not") from None
    except OSError as error:
        raise Misconfigured(f"{path}: can't be opened ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Misconfigured(f"{path}: expected a file, found something else")
        # One byte more than is allowed tells that there is more.
        return file.read(FILE_BYTES_MAX + 1)


def changed(path: Path, made: Callable[[str], str]) -> None:
    """The file with what `made` makes of its text, durable and all at once; nobody ever reads half
    of it. Raises NotPermitted and Misconfigured.
    """
    octets = _read(path) or b""
    try:
        text = made(octets.decode("utf-8"))
    except UnicodeDecodeError:
        raise Misconfigured(
            f"{path}: expected UTF-8, found other bytes; save it as UTF-8"
        ) from None
    replaced(path, text)


def replaced(path: Path, text: str) -> None:
    """As `changed`, whatever the file said."""
    try:
        make_directory(path.parent)
        replace_file(path, text.encode("utf-8"))
    except PermissionError:
        raise NotPermitted(f"{path}: expected to write it, but you may not") from None


def with_stanza(text: str, stanza: str) -> str:
    """The text with a stanza behind it, whatever else stands there left as it is."""
    return f"{text.rstrip()}\n\n{stanza}" if text.strip() else stanza

"""Secrets by where they are: a variable, a file, or what a command prints.

No message shows what was read, nor a command beyond its first word.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploytrail.errors import Misconfigured

COMMAND_SECONDS_MAX: Final = 10.0
FILE_BYTES_MAX: Final = 65_536


def resolved(reference: str, environment: Mapping[str, str]) -> str:
    """The secret, without the line end behind it. Raises Misconfigured."""
    kind, _, value = reference.partition(":")
    if kind == "env":
        text = environment.get(value, "")
        return _whole(text, f"variable {value}")
    if kind == "file":
        return _whole(_of_file(Path(value)), value)
    if kind == "command":
        return _whole(_printed(value), f"command {value.split(' ')[0]}")
    raise Misconfigured("secret: expected env:NAME, file:/PATH or command:COMMAND, found another")


def _whole(text: str, whence: str) -> str:
    secret = text.strip("\r\n")
    if not secret:
        raise Misconfigured(f"{whence}: expected a secret, found nothing; put it there")
    return secret


def _of_file(path: Path) -> str:
    try:
        # A pipe that nobody writes into is not waited for.
        with open(path, "rb", opener=_unblocked) as file:
            octets = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise Misconfigured(
            f"{path}: expected a secret, found none that can be read ({error.strerror}); put it "
            "there, readable by whoever runs the server"
        ) from None
    return _text(octets, str(path))


def _unblocked(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _printed(command: str) -> str:
    whence = f"command {command.split(' ')[0]}"
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            check=True,
            timeout=COMMAND_SECONDS_MAX,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Misconfigured(
            f"{whence}: expected it to print a secret, but it failed: {type(error).__name__}"
        ) from None
    return _text(done.stdout, whence)


def _text(octets: bytes, whence: str) -> str:
    if len(octets) > FILE_BYTES_MAX:
        raise Misconfigured(f"{whence}: expected a secret, found more than {FILE_BYTES_MAX} bytes")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Misconfigured(f"{whence}: expected a secret in UTF-8, found other bytes") from None

"""Secrets that we make for connections: each in a file of its own, beside what is declared."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deploytrail.clock import Clock
from deploytrail.errors import Misconfigured, NotPermitted
from deploytrail.kit.credential import Scheme
from deploytrail.kit.secret import RANDOM_BYTES
from deploytrail.stores.files import make_directory, whole_file

FOLDER: Final = "secrets"
_TRIES_MAX: Final = 1_000


def issued(scheme: Scheme, folder: Path, name: str, clock: Clock) -> tuple[str, str]:
    """A new secret, and the reference to the file that now holds it, durable and nobody else's.

    Raises Misconfigured where the vendor makes the secret, and NotPermitted.
    """
    secret = scheme.issued(clock.random(RANDOM_BYTES))
    if secret is None:
        raise Misconfigured(
            f"--secret: is missing; of {scheme.name} the vendor makes the secret: say where you "
            "keep it, as env:NAME, file:/PATH or command:COMMAND"
        )
    path = _written(folder / FOLDER, name, secret)
    return secret, f"file:{path.resolve()}"


def _written(folder: Path, name: str, secret: str) -> Path:
    try:
        make_directory(folder)
        for number in range(1, _TRIES_MAX):
            path = folder / (name if number == 1 else f"{name}-{number}")
            try:
                with whole_file(path) as file:
                    file.write(f"{secret}\n".encode())
            except FileExistsError:
                # What was issued before may still prove somebody: it is not overwritten.
                continue
            return path
    except OSError as error:
        raise NotPermitted(
            f"{folder}: expected to put a secret there, but {error.strerror}; say with --secret "
            "where you keep one"
        ) from None
    raise Misconfigured(f"{folder}: expected room for {name}, found {_TRIES_MAX} of it; tidy up")

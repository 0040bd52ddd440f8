"""A trail by its URL: the engine is chosen here, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from deploytrail.app.directory import open_directory
from deploytrail.app.stored import StoredTrail
from deploytrail.clock import Clock
from deploytrail.errors import Malformed, Misconfigured
from deploytrail.trail import PATIENT, Patience

_SQLITE: Final = "sqlite://"
_DATABASE: Final = ("postgresql://", "postgres://")
_EXPECTED: Final = "expected sqlite:///DIRECTORY, postgresql://USER@HOST/DATABASE or a path"


def open_trail(
    url: str,
    *,
    create: bool = True,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
    patience: Patience = PATIENT,
) -> StoredTrail:
    """The trail at a URL, made first where there is none and `create` allows it.

    `sqlite:///DIRECTORY`, or a plain path, is a directory; `postgresql://…` is a database, in the
    words of libpq. Raises Malformed for anything else, and what opening it raises.
    """
    environment = os.environ if environment is None else environment
    place = located(url)
    if isinstance(place, Path):
        return open_directory(
            place, create=create, clock=clock, environment=environment, patience=patience
        )
    from deploytrail.app.database import open_database

    return open_database(
        place, create=create, clock=clock, environment=environment, patience=patience
    )


def located(url: str) -> Path | str:
    """The directory that a URL names, or the URL itself where it names a database.

    Errors never repeat it: it may hold a password.
    """
    if url.startswith(_DATABASE):
        _refuse_without_driver()
        return url
    if url.startswith(_SQLITE):
        path = unquote(url.removeprefix(_SQLITE))
        if not path.startswith("/") or "?" in path:
            raise Malformed(
                "URL: expected sqlite:///DIRECTORY with three slashes and an absolute path, and "
                "nothing behind it"
            )
        return Path(path)
    kind, colon, _ = url.partition("://")
    if colon or not url:
        raise Malformed(f"URL: {_EXPECTED}, found {f'{kind[:20]}://…' if kind else 'nothing'}")
    return Path(url)


def _refuse_without_driver() -> None:
    """Raise Misconfigured where what speaks to PostgreSQL is not installed: it is an extra."""
    if find_spec("psycopg") is None:
        raise Misconfigured(
            "PostgreSQL: expected psycopg, found that it is not installed; "
            "pip install 'deploytrail[postgres]'"
        )

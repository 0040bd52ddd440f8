"""A trail by its address: the engine is chosen here, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec

from deploytrail.address import Database, Directory, Server, address
from deploytrail.app.trails.directory import open_directory
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.clock import Clock
from deploytrail.errors import Malformed, Misconfigured
from deploytrail.trail import PATIENT, Patience

Place = Directory | Database
"""Where a log is kept."""


def open_trail(
    place: Place | str | None,
    *,
    create: bool = True,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
    patience: Patience = PATIENT,
) -> StoredTrail:
    """The trail of a directory or a database, made first where there is none and `create` says so.

    None is the directory of DEPLOYTRAIL_HOME, else the user's own. Raises Malformed for what is no
    address of either, and what opening it raises.
    """
    environment = os.environ if environment is None else environment
    place = stored_at(place) if isinstance(place, str) else place
    if isinstance(place, Database):
        refuse_without_driver()
        from deploytrail.app.trails.database import open_database

        return open_database(
            place.url, create=create, clock=clock, environment=environment, patience=patience
        )
    directory = None if place is None else place.path
    return open_directory(
        directory, create=create, clock=clock, environment=environment, patience=patience
    )


def stored_at(text: str) -> Place:
    """The directory or the database that an address names; raises Malformed for all others."""
    found = address(text)
    if isinstance(found, Server):
        raise Malformed(
            f"URL: expected where the log is kept, as sqlite:///DIRECTORY or "
            f"postgresql://HOST/DATABASE, found the server {found}; name its store"
        )
    return found


def refuse_without_driver() -> None:
    """Raise Misconfigured where what speaks to PostgreSQL is not installed: it is an extra."""
    if find_spec("psycopg") is None:
        raise Misconfigured(
            "PostgreSQL: expected psycopg, found that it is not installed; "
            "pip install 'deploytrail[postgres]'"
        )

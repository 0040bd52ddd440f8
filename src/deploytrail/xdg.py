"""Where a user's files are, by the XDG Base Directory Specification.

Values and one look into the system's accounts: the environment is an argument.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from deploytrail.errors import Misconfigured


def data_directory(environment: Mapping[str, str]) -> Path:
    """Where a user's trail is that nobody names (LOG.md).

    Raises Misconfigured where the user has no home directory: who made one would often be root,
    and nobody would look for a trail there.
    """
    named = _named(environment, "XDG_DATA_HOME")
    if named is not None:
        return named / "deploytrail"
    home = _home(environment)
    if not home or not Path(home).is_dir():
        raise Misconfigured(
            f"HOME: expected your home directory, found {home or 'none'}, which is not there; set "
            "DEPLOYTRAIL_HOME, or say where the trail is with --home"
        )
    return Path(home) / ".local" / "share" / "deploytrail"


def state_directory(environment: Mapping[str, str]) -> Path:
    """Where it is kept what a user has seen of logs; it may be that nobody can write there."""
    named = _named(environment, "XDG_STATE_HOME")
    base = named or Path(_home(environment) or "/") / ".local" / "state"
    return base / "deploytrail"


def config_directory(environment: Mapping[str, str]) -> Path | None:
    """Where a user's settings are; None for who has no home directory."""
    named = _named(environment, "XDG_CONFIG_HOME")
    home = _home(environment)
    base = named or (Path(home) / ".config" if home else None)
    return None if base is None else base / "deploytrail"


def aside_directory(environment: Mapping[str, str], url: str) -> Path | None:
    """Where a user keeps what a trail elsewhere could not take; by where that is, not by how one
    gets in. None for who has no home directory: nothing can be kept then.
    """
    import hashlib
    from urllib.parse import parse_qsl, urlsplit

    named = environment.get("DEPLOYTRAIL_HOME")
    try:
        base = Path(named) if named else data_directory(environment)
    except Misconfigured:
        return None
    parts = urlsplit(url)
    asked = [value for name, value in parse_qsl(parts.query) if name in {"host", "port", "dbname"}]
    place = "\0".join([parts.netloc.rpartition("@")[2], parts.path, *asked])
    return base / "databases" / hashlib.sha256(place.encode()).hexdigest()[:16]


def _named(environment: Mapping[str, str], variable: str) -> Path | None:
    """The specification has relative paths ignored."""
    named = environment.get(variable, "")
    return Path(named) if named.startswith("/") else None


def _home(environment: Mapping[str, str]) -> str:
    """The user's home directory, empty where there is none."""
    home = environment.get("HOME")
    if home:
        return home
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        # Containers often run under an id that no account has.
        return ""

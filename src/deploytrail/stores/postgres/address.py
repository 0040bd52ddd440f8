"""Where a database is: a libpq URL, which may hold a password, and what may be shown of it."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploytrail.errors import Misconfigured

SCHEMES: Final = ("postgresql://", "postgres://")
_SECRET: Final = frozenset({"password", "passfile", "sslpassword", "sslkey"})
_DEFAULTS: Final = {
    "application_name": "deploytrail",
    "connect_timeout": "10",
    # A server that vanishes without a word is noticed within half a minute.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


class Address:
    """What libpq needs to connect. Printed, it never shows a secret."""

    def __init__(self, url: str) -> None:
        """Raises Misconfigured for what libpq can't read, without repeating it."""
        if not url.startswith(SCHEMES):
            raise Misconfigured("URL: expected postgresql://USER@HOST/DATABASE, found another")
        try:
            given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value}
        except psycopg.Error:
            raise _unreadable() from None
        # What stands behind the first @ of a password would be shown as a host.
        if "@" in given.get("host", "") + given.get("port", ""):
            raise _unreadable()
        self._secrets = tuple(given[name] for name in _SECRET if name in given)
        self.conninfo = make_conninfo("", **(_DEFAULTS | given))
        self.host = given.get("host", "")
        self._shown = _shown(given)

    def __str__(self) -> str:
        return self._shown

    __repr__ = __str__

    def without_secrets(self, text: str) -> str:
        """A message of others as one line, in which no secret of this address stands."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return "; ".join(line.strip() for line in text.split("\n") if line.strip())


def _unreadable() -> Misconfigured:
    return Misconfigured(
        "URL: expected postgresql://USER@HOST/DATABASE, which libpq can't read in this one; mind "
        "that marks such as @ / : ? % in a password are written as %40 and so on"
    )


def _shown(given: dict[str, str]) -> str:
    host, port = given.get("host", ""), given.get("port", "")
    user, name = given.get("user", ""), given.get("dbname", "")
    # A directory of sockets is no part of a URL that one can read.
    at = "" if host.startswith("/") else host
    port = f":{port}" if port.strip(",") and at else ""
    return f"postgresql://{user}{'@' if user else ''}{at}{port}/{name}"

"""An address as libpq takes it: its own words pass through, ours stand where it says nothing."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploytrail.address import database
from deploytrail.errors import Misconfigured

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
        """Raises Malformed for no URL of a database, Misconfigured for words that libpq lacks."""
        named = database(url)
        try:
            found = conninfo_to_dict(named.url)
        except psycopg.Error:
            raise Misconfigured(
                f"URL: expected options that libpq knows, found another in {named}; its manual "
                "lists them (Parameter Key Words)"
            ) from None
        given = {name: str(value) for name, value in found.items() if value}
        self._secrets = tuple(given[name] for name in _SECRET if name in given)
        self.conninfo = make_conninfo("", **(_DEFAULTS | given))
        self.host = given.get("host", "")
        self._shown = str(named)

    def __str__(self) -> str:
        return self._shown

    __repr__ = __str__

    def without_secrets(self, text: str) -> str:
        """A message of others as one line, in which no secret of this address stands."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return "; ".join(line.strip() for line in text.split("\n") if line.strip())

"""How connections do: what is declared of each, with what was heard over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from deploytrail.intake.connections import Stanza
from deploytrail.intake.declared import Declared

HEADS: Final = ("name", "source", "credential", "state", "last event", "refused", "proven by")


class Row(NamedTuple):
    """One connection. `last` is when the newest event of it was logged; `heard` is what a server
    that runs has to say, as `web.connecting.Heard`.
    """

    name: str
    stanza: Stanza
    last: str | None
    heard: Mapping[str, Any]

    @property
    def state(self) -> str:
        if not self.stanza.enabled:
            return "paused"
        return "live" if self.last else "nothing came yet"

    def texts(self) -> tuple[str, ...]:
        refused = self.heard.get("refused", "")
        why = self.heard.get("refused_why")
        secret = self.heard.get("secret")
        return (
            self.name,
            self.stanza.source,
            self.stanza.credential,
            self.state,
            (self.last or "never")[:19].replace("T", " "),
            f"{refused} ({why})" if why else str(refused),
            "" if secret is None else f"secret {int(secret) + 1} of {len(self.stanza.secrets)}",
        )

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "source": self.stanza.source,
            "credential": self.stanza.credential,
            "state": self.state,
            "secrets": list(self.stanza.secrets),
            "last_event": self.last,
            **{f"server_{name}": value for name, value in self.heard.items()},
        }


def rows(
    declared: Declared,
    heard: Mapping[str, Mapping[str, Any]],
    last: Callable[[str], str | None],
) -> list[Row]:
    """In the order of their names; `last` is when the newest event of a connection was logged."""
    return [
        Row(name, stanza, last(name), heard.get(name, {}))
        for name, stanza in sorted(declared.connections.items())
    ]

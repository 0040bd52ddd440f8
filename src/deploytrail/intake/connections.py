"""Connections as `connections.toml` declares them: which tool may deliver, and how it is proven.

Pure: which sources there are is an argument. No secret stands in the file, only where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from deploytrail.intake.tables import Faults, Table, advised, is_text, shown

CONNECTIONS_MAX: Final = 200
SECRETS_MAX: Final = 4
NAME: Final = "[a-z0-9][a-z0-9-]{0,62}"
LOCAL_INSTANCE: Final = "local"
"""What the trail calls whoever writes its files: no connection may pass for that."""
_REFERENCES: Final = "env:NAME, file:/PATH or command:COMMAND"
_SETTINGS_MAX: Final = 30
_is_name: Final = re.compile(NAME).fullmatch
_is_reference: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|command:.+").fullmatch
_is_setting: Final = re.compile(r"[a-z][a-z0-9_]{0,62}").fullmatch
_FIELDS: Final = ("source", "credential", "secrets", "enabled", "token", "settings")


class Stanza(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One connection. `secrets` and `token` say where secrets are, never what; `token` is what the
    tool is asked with, where it is asked. A connection that is not `enabled` takes nothing.
    """

    source: str
    credential: str
    secrets: tuple[str, ...] = ()
    enabled: bool = True
    token: str | None = None
    settings: dict[str, str] = {}


def connections(
    tables: Mapping[str, Any], faults: Faults, schemes: Mapping[str, Sequence[str]]
) -> dict[str, Stanza]:
    """What a file declares; what is wrong with it is added to `faults`. `schemes` are the names of
    those of each source, the one that goes without saying first.
    """
    if len(tables) > CONNECTIONS_MAX:
        faults.add((), f"expected at most {CONNECTIONS_MAX} connections, found {len(tables)}")
    return {name: _stanza(table, schemes) for name, table in _named(tables, faults)}


def _named(tables: Mapping[str, Any], faults: Faults) -> Iterator[tuple[str, Table]]:
    for name, value in tables.items():
        if not isinstance(value, dict):
            faults.add((name,), f"expected a table such as [github-acme], found {shown(value)}")
        elif not _is_name(name) or name == LOCAL_INSTANCE:
            faults.add(
                (name,),
                "expected the name of a connection of at most 63 of a-z, 0-9 and '-', such as "
                f"github-acme, not {LOCAL_INSTANCE}, found {shown(name)}",
            )
        else:
            yield name, Table(value, (name,), faults)


def _stanza(table: Table, schemes: Mapping[str, Sequence[str]]) -> Stanza:
    table.refuse_unknown(_FIELDS)
    source = table.text("source", f"one of {', '.join(schemes)}", lambda text: text)
    known = schemes.get(source, ())
    if source and not known:
        table.add("source", f"expected a source that is known, {advised(source, list(schemes))}")
    credential = str(table.values.get("credential", known[0] if known else ""))
    if known and credential not in known:
        table.add(
            "credential", f"expected a scheme of {source}, {advised(credential, list(known))}"
        )
    return Stanza(
        source=source,
        credential=credential,
        secrets=tuple(_secrets(table, credential)),
        enabled=table.flag("enabled", default=True),
        token=_reference(table, "token"),
        settings=dict(_settings(table)),
    )


def _secrets(table: Table, credential: str) -> Iterator[str]:
    expected = f"where a secret is, as {_REFERENCES}, never the secret itself"
    count = 0
    for at, text in table.each("secrets", expected, count_max=SECRETS_MAX):
        count += 1
        if _is_reference(text):
            yield text
        else:
            # What stands there instead may well be the secret.
            table.faults.add((*table.path, "secrets", at), f"expected {expected}")
    if credential == "nothing" and count:
        table.add("secrets", "expected none, since nothing proves this sender; leave them out")
    elif credential != "nothing" and not table.values.get("secrets"):
        table.add("secrets", f"is missing; expected {expected}, in a list")


def _reference(table: Table, name: str) -> str | None:
    value = table.values.get(name)
    if value is None:
        return None
    if is_text(value) and _is_reference(value):
        return str(value)
    table.add(name, f"expected where the token is, as {_REFERENCES}, never the token itself")
    return None


def _settings(table: Table) -> Iterator[tuple[str, str]]:
    value = table.values.get("settings", {})
    if not isinstance(value, dict) or len(value) > _SETTINGS_MAX:
        table.add("settings", f"expected a table of at most {_SETTINGS_MAX} texts")
        return
    for name, one in value.items():
        if not _is_setting(name) or not is_text(one):
            table.faults.add(
                (*table.path, "settings", name), f"expected text on one line, found {shown(one)}"
            )
        else:
            yield name, one


def canonical(found: Mapping[str, Stanza]) -> dict[str, Any]:
    """The tables that say the same, all of it spelled out."""
    return {
        name: {
            "source": one.source,
            "credential": one.credential,
            "secrets": list(one.secrets),
            "enabled": one.enabled,
            **({"token": one.token} if one.token else {}),
            **({"settings": one.settings} if one.settings else {}),
        }
        for name, one in sorted(found.items())
    }


def written(name: str, one: Stanza) -> str:
    """The stanza as text of TOML, as `connection add` puts it at the end of the file."""
    lines = [f"[{name}]", f"source = {_quoted(one.source)}"]
    lines.append(f"credential = {_quoted(one.credential)}")
    if one.secrets:
        lines.append(f"secrets = [{', '.join(map(_quoted, one.secrets))}]")
    if one.token:
        lines.append(f"token = {_quoted(one.token)}")
    if one.settings:
        pairs = ", ".join(f"{key} = {_quoted(text)}" for key, text in one.settings.items())
        lines.append(f"settings = {{ {pairs} }}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

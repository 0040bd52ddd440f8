"""Connections as `connections.toml` declares them: which tool may deliver, and how it is proven.

Pure: which sources there are is an argument. No secret stands in the file, only where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct

from deploytrail.intake.tables import Faults, Table, advised, is_text, shown
from deploytrail.kit.poller import Setting

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


class Offer(NamedTuple):
    """What a connection of a source may choose: the names of its schemes, the one that goes without
    saying first, and what its poller is told.

    `settings` are None where nobody looks at them: neither they nor a token are refused then; empty
    for a source that is never asked.
    """

    schemes: tuple[str, ...]
    settings: Mapping[str, Setting] | None = None


Offers = Mapping[str, Offer]
"""By the names of the sources."""
_NO_OFFER: Final = Offer(())


def connections(tables: Mapping[str, Any], faults: Faults, offers: Offers) -> dict[str, Stanza]:
    """What a file declares; what is wrong with it is added to `faults`."""
    if len(tables) > CONNECTIONS_MAX:
        faults.add((), f"expected at most {CONNECTIONS_MAX} connections, found {len(tables)}")
    return {name: _stanza(table, offers) for name, table in _named(tables, faults)}


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


def _stanza(table: Table, offers: Offers) -> Stanza:
    table.refuse_unknown(_FIELDS)
    source = table.text("source", f"one of {', '.join(offers)}", lambda text: text)
    known, asked = offers.get(source, _NO_OFFER)
    if source and not known:
        table.add("source", f"expected a source that is known, {advised(source, list(offers))}")
    credential = str(table.values.get("credential", known[0] if known else ""))
    if known and credential not in known:
        table.add(
            "credential", f"expected a scheme of {source}, {advised(credential, list(known))}"
        )
    token, settings = _reference(table, "token"), dict(_settings(table))
    if asked is not None:
        _refuse_unasked(table, source, asked)
        _check(table, settings, asked)
    return Stanza(
        source=source,
        credential=credential,
        secrets=tuple(_secrets(table, credential)),
        enabled=table.flag("enabled", default=True),
        token=token,
        settings=settings,
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


def _refuse_unasked(table: Table, source: str, asked: Mapping[str, Setting]) -> None:
    if not asked and "token" in table.values:
        table.add("token", f"expected none, since {source} sends by itself and is never asked")


def _check(table: Table, settings: Mapping[str, str], asked: Mapping[str, Setting]) -> None:
    """That each is one that the poller knows, of its form, and none is missing that it needs."""
    for name, text in settings.items():
        known = asked.get(name)
        if known is None:
            advice = advised(name, list(asked)) if asked else "found one; leave them out"
            what = "a setting that its source has" if asked else "none, since its source has none"
            _fault(table, name, f"expected {what}, {advice}")
        elif known.unless in settings:
            _fault(table, name, f"expected it only without {known.unless}; leave one of both out")
        elif not re.fullmatch(known.form, text):
            _fault(table, name, f"expected {_wanted(known)}, found {shown(text)}")
    if "token" not in table.values:
        return
    for name, needed in asked.items():
        if needed.is_required and name not in settings and needed.unless not in settings:
            instead = f", or {needed.unless}" if needed.unless else ""
            what = f"is missing, which asking with a token needs{instead}"
            _fault(table, name, f"{what}; expected {_wanted(needed)}")


def _wanted(one: Setting) -> str:
    return f"{one.what}, such as {one.example}"


def _fault(table: Table, name: str, what: str) -> None:
    # Settings of a table in one line, or that is missing, have no lines of their own.
    table.faults.add((*table.path, "settings", name), what)


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
    lines = [f"[{name}]", f"source = {quoted(one.source)}"]
    lines.append(f"credential = {quoted(one.credential)}")
    if one.secrets:
        lines.append(f"secrets = [{', '.join(map(quoted, one.secrets))}]")
    if one.token:
        lines.append(f"token = {quoted(one.token)}")
    if one.settings:
        pairs = ", ".join(f"{key} = {quoted(text)}" for key, text in one.settings.items())
        lines.append(f"settings = {{ {pairs} }}")
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """As TOML writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

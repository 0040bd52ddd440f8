"""An event that somebody wrote, without the secrets that stand in it.

Pure: what leaves a fingerprint is an argument. What `run` does to what it gathers itself is done
here to what others say: secrets are dropped, not encrypted (LOG.md, "Vault"). Free text passes all
masks, whatever names things only those that know a token by its own shape: of
`arn:aws:secretsmanager:…:secret:db` nothing but the identity would be masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from deploytrail.event import Event
from deploytrail.masked_command import mask_arguments, mask_environment
from deploytrail.redact import HIDDEN, mask, mask_tokens
from deploytrail.untrusted import parse_event

Fingerprint = Callable[[str, str], str]
"""Of a path and the JSON of the value there; see `deploytrail.redact.fingerprint`."""

FREE_TEXT: Final = frozenset(
    {
        "/client/user_agent",
        "/command/directory",
        "/error/text",
        "/policy/violations/text",
        "/reason/text",
        "/source/url",
        "/vcs/message",
    }
)
"""Fields of any words, by pointer without the positions in arrays."""


def redacted(event: Event, fingerprint: Fingerprint) -> Event:
    """The same event where nothing in it looks like a secret.

    Raises Malformed for a field that the masks made longer than it may be.
    """
    said: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event))
    kept: dict[str, Any] = _masked(said, "")
    if "command" in kept:
        kept["command"] |= _command(said["command"])
    if "changes" in kept:
        kept["changes"] = [_change(change, fingerprint) for change in said["changes"]]
    return event if kept == said else parse_event(msgspec.json.encode(kept))


def _masked(value: Any, pointer: str) -> Any:
    if isinstance(value, dict):
        return {name: _masked(inner, f"{pointer}/{name}") for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, pointer) for inner in value]
    if isinstance(value, str):
        return mask(value) if pointer in FREE_TEXT else mask_tokens(value)
    return value


def _command(said: dict[str, Any]) -> dict[str, Any]:
    """Arguments and variables as `run` shows them; a variable that is not listed keeps its name."""
    kept: dict[str, Any] = {}
    if "arguments" in said:
        kept["arguments"] = list(mask_arguments([said["tool"], *said["arguments"]])[1:])
    if "variables" in said:
        shown = mask_environment(said["variables"])
        kept["variables"] = {name: shown.get(name, HIDDEN) for name in said["variables"]}
    return kept


def _change(said: dict[str, Any], fingerprint: Fingerprint) -> dict[str, Any]:
    """One changed value. Of a secret, marked or given away by its name, the fingerprint remains."""
    path = said["path"]
    kept = {**said, "path": mask_tokens(path)}
    sides = {side: said[side] for side in ("old", "new") if side in said}
    names = [name for name in re.split(r"[./\[\]\"]+", path) if name and not name.isdecimal()]
    key = names[-1] if names else ""
    if said.get("sensitive") or any(_is_given_away(key, _read(one)) for one in sides.values()):
        for side, text in sides.items():
            del kept[side]
            kept.setdefault(f"{side}_fingerprint", fingerprint(path, text))
        return kept | {"sensitive": True}
    return kept | {side: _leaf(text) for side, text in sides.items()}


def _is_given_away(key: str, value: Any) -> bool:
    """Whether the name of a value says that it is a secret; a token in a value is masked there."""
    if isinstance(value, bool | list | dict) or value is None or value == "":
        return False
    value = str(value)
    named = f'{key}="{value}"'
    return mask(named) not in (named, f'{key}="{mask(value)}"')


def _leaf(text: str) -> str:
    """JSON as text with the secrets of its own texts masked, else as it came."""
    value = _read(text)
    if value is None:
        return mask(text)
    clean = _clean(value, "")
    return text if clean == value else msgspec.json.encode(clean).decode()


def _clean(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _clean(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner, key) for inner in value]
    if _is_given_away(key, value):
        return HIDDEN
    return mask(value) if isinstance(value, str) else value


def _read(text: str) -> Any:
    """A changed value, None where it is no JSON (or null)."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None

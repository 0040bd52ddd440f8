"""An event that somebody wrote, without the secrets that stand in it.

Pure: what leaves a fingerprint is an argument. What `run` does to what it gathers itself is done
here to what others say: secrets are dropped, not encrypted (LOG.md, "Vault"). Free text passes all
masks, whatever names things only those that know a token by its own shape: of
`arn:aws:secretsmanager:…:secret:db` nothing but the identity would be masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec import structs

from deploytrail.event import EVENT_BYTES_MAX, Change, Command, Event
from deploytrail.masked_command import mask_arguments, mask_environment
from deploytrail.redact import HIDDEN, mask, mask_tokens, may_hold_secret, may_hold_token
from deploytrail.text_field import TextField, text_fields
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

    Raises Malformed for a field that the masks made longer than it may be, TooLarge for an event.
    """
    encoded = _suspicious(event)
    kept = event if encoded is None else _Masking(fingerprint, encoded).of(event)
    return event if kept is event else parse_event(msgspec.json.encode(kept))


def masked(
    event: Event,
    fingerprint: Fingerprint,
    *,
    allow: frozenset[str] = frozenset(),
    encoded: bytes | None = None,
) -> Event:
    """As `redacted`, for what nobody can be told to shorten: no event fails by it.

    What a mask made longer than its field may be is cut, the mask stays whole. `allow` names
    pointers of free text (`FREE_TEXT`) that a source fills with ids of its vendor: they pass only
    the masks that know a token by its own shape, so that no name before an id hides it. `encoded`
    is the event's JSON, where it is known.
    """
    encoded = _suspicious(event, encoded)
    if encoded is None:
        return event
    kept = _Masking(fingerprint, encoded, allow, is_cutting=True).of(event)
    if kept is event or len(_bytes(kept) or b"") <= EVENT_BYTES_MAX:
        return kept
    # Hundreds of short secrets: each text keeps to the length that it had.
    return _Masking(fingerprint, encoded, allow, is_cutting=True, is_growing=False).of(event)


_UNENCODABLE: Final = b""


@cache
def _fields(block: type[msgspec.Struct], *, has_tokens: bool) -> tuple[TextField, ...]:
    """Of a block, the fields that may need a mask: where there are no tokens, free text alone."""
    leading = tuple(
        field
        for field in text_fields(block)
        if any(f"{free}/".startswith(f"{field.pointer}/") for free in FREE_TEXT)
    )
    return text_fields(block) if has_tokens else leading


def _suspicious(event: Event, encoded: bytes | None = None) -> bytes | None:
    """The event's JSON where anything in it may need a mask; None for most, as a whole.

    Nothing where it has no JSON.
    """
    encoded = _bytes(event) if encoded is None else encoded
    if encoded is None:
        return _UNENCODABLE
    # What a command may show is decided by allow-list, what a change may by the names in its path.
    if event.command is not None or event.changes or may_hold_secret(encoded):
        return encoded
    return None


def _bytes(value: Any) -> bytes | None:
    """Its JSON; None where there is none, for a lone surrogate in what was never parsed."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return None


class _Masking:
    """One way to mask: which free texts are ids, and what becomes of texts that grew."""

    def __init__(
        self,
        fingerprint: Fingerprint,
        encoded: bytes,
        allow: frozenset[str] = frozenset(),
        *,
        is_cutting: bool = False,
        is_growing: bool = True,
    ) -> None:
        self._fingerprint = fingerprint
        self._free = FREE_TEXT - allow
        self._is_cutting = is_cutting
        self._is_growing = is_growing
        # Of most events that are suspicious, only the words of a free text are.
        self._has_tokens = encoded == _UNENCODABLE or may_hold_token(encoded)

    def of(self, event: Event) -> Event:
        kept: Event = self._block(event, but=("command", "changes"))
        command, changes = event.command, event.changes
        if command is not None:
            kept = _with(kept, command=self._command(command))
        if changes:
            kept = _with(kept, changes=_same(tuple(map(self._change, changes)), changes))
        return kept

    def _block(self, block: Any, but: tuple[str, ...] = ()) -> Any:
        changed: dict[str, Any] = {}
        kind: type[msgspec.Struct] = type(block)
        for field in _fields(kind, has_tokens=self._has_tokens):
            value = None if field.name in but else getattr(block, field.name)
            if value and (clean := self._value(field, value)) is not value:
                changed[field.name] = clean
        return structs.replace(block, **changed) if changed else block

    def _value(self, field: TextField, value: Any) -> Any:
        """A field's own value where nothing in it was masked, so that `is` tells."""
        if isinstance(value, str):
            if field.pointer in self._free:
                return self._fitting(value, mask(value), field.length_max)
            if not self._has_tokens:
                return value
            return self._fitting(value, mask_tokens(value), field.length_max)
        if isinstance(value, tuple):
            return _same(tuple(self._value(field, one) for one in value), value)
        return self._block(value)

    def _fitting(self, said: str, clean: str, length_max: int | None) -> str:
        if clean == said:
            return said
        if not self._is_cutting or length_max is None:
            return clean
        if not self._is_growing:
            length_max = min(length_max, max(len(said), _MASK_LENGTH_MAX))
        return cut(clean, length_max)

    def _command(self, command: Command) -> Command:
        """As `run` shows it; a variable that is not listed keeps its name."""
        said = command.arguments
        shown = mask_arguments([command.tool, *said])[1:]
        fitting = zip(said, shown, strict=True)
        arguments = tuple(self._fitting(one, clean, 16_384) for one, clean in fitting)
        variables = _variables(command.variables)
        masked_block: Command = self._block(command, but=("arguments",))
        block = _with(masked_block, arguments=_same(arguments, said))
        return block if variables == command.variables else _with(block, variables=variables)

    def _change(self, change: Change) -> Change:
        """One changed value. Of a secret, marked or given away by its name, a fingerprint stays."""
        path = change.path
        kept: Change = self._block(change, but=("old", "new"))
        sides = {
            side: text for side in ("old", "new") if (text := getattr(change, side)) is not None
        }
        names = [name for name in re.split(r"[./\[\]\"]+", path) if name and not name.isdecimal()]
        key = names[-1] if names else ""
        if change.sensitive or any(_is_given_away(key, _said(one)) for one in sides.values()):
            prints = {
                f"{side}_fingerprint": getattr(kept, f"{side}_fingerprint")
                or self._fingerprint(path, text)
                for side, text in sides.items()
            }
            return _with(kept, **dict.fromkeys(sides), **prints, sensitive=True)
        clean = {
            side: self._fitting(text, _leaf(text, key), 16_384) for side, text in sides.items()
        }
        return _with(kept, **clean)


_Block = TypeVar("_Block", bound=msgspec.Struct)


def _with(block: _Block, **fields: Any) -> _Block:
    """The same block where no field differs."""
    changed = {name: value for name, value in fields.items() if getattr(block, name) is not value}
    return structs.replace(block, **changed) if changed else block


def _same(values: tuple[Any, ...], said: tuple[Any, ...]) -> tuple[Any, ...]:
    return said if all(map(_is, values, said)) else values


def _is(one: Any, other: Any) -> bool:
    return one is other or (isinstance(one, str) and one == other)


def _variables(said: Mapping[str, str]) -> dict[str, str]:
    shown = mask_environment(said)
    return {mask_tokens(name): shown.get(name, HIDDEN) for name in said}


_MASK_LENGTH_MAX: Final = 32
_mask_at: Final = re.compile(r"\[masked:[a-z0-9-]{1,32}\]")


def cut(text: str, length_max: int) -> str:
    """A masked text of at most so many characters, its last mask whole instead of cut in two."""
    if len(text) <= length_max:
        return text
    spans = [found.span() for found in _mask_at.finditer(text)]
    within = next(((start, end) for start, end in spans if start < length_max < end), None)
    if within is None:
        return text[:length_max]
    start, end = within
    room = min(start, max(0, length_max - (end - start)))
    # No other mask is left in two, either.
    room = next((first for first, last in spans if first < room < last), room)
    return f"{text[:room]}{text[start:end]}"


def _is_given_away(key: str, value: Any) -> bool:
    """Whether the name of a value says that it is a secret; a token in a value is masked there."""
    if isinstance(value, bool | list | dict) or value is None or value == "":
        return False
    value = str(value)
    named = f'{key}="{value}"'
    encoded = _bytes(named)
    if encoded is not None and not may_hold_secret(encoded):
        return False
    return mask(named) not in (named, f'{key}="{mask(value)}"')


def _leaf(text: str, key: str = "") -> str:
    """JSON as text with the secrets of its own texts masked, else as it came."""
    value = _read(text)
    if value is None:
        return mask(text)
    clean = _clean(value, key)
    return text if clean == value else msgspec.json.encode(clean).decode()


def _clean(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {mask_tokens(name): _clean(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner, key) for inner in value]
    if _is_given_away(key, value):
        return HIDDEN
    return mask(value) if isinstance(value, str) else value


def _said(text: str) -> Any:
    """A changed value; where it is no JSON, the text itself."""
    value = _read(text)
    return text if value is None and text != "null" else value


def _read(text: str) -> Any:
    """A changed value, None where it is no JSON (or null)."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None

"""What differs between two values of a plan, leaf by leaf, as the changes of an event.

Pure. What is marked as a secret shows as sensitive with fingerprints; what holds a secret without
being marked, or looks like one, is dropped too. Long values are cut and long lists are capped,
and both say so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import msgspec

from deploytrail.event import Change
from deploytrail.formats.terraform_secrets import Secrets
from deploytrail.formats.terraform_value import Number, Sensitive, Unknown, Value, json_text, step
from deploytrail.redact import mask
from deploytrail.sentence import counted

CHANGES_MAX: Final = 250
CHANGES_BYTES_MAX: Final = 32_000
VALUE_CHARACTERS_MAX: Final = 2_000
PATH_CHARACTERS_MAX: Final = 1_000
Op = Literal["add", "update", "remove"]
Hide = Callable[[str], str]


class Difference(msgspec.Struct, frozen=True, gc=False):
    """One leaf that differs. `key` is the last name on the way to it."""

    path: str
    key: str
    op: Op
    old: Value
    new: Value


def differences(before: Value, after: Value, path: str = "") -> Iterator[Difference]:
    """The leaves that differ, in the order of their names; whole lists and objects are walked.

    What is null on one side and absent on the other doesn't differ.
    """
    yield from _differing(before, after, path, "")


def changes(found: Iterator[Difference], secrets: Secrets) -> tuple[Change, ...]:
    """Differences as an event holds them: at most 250 and 32,000 bytes of JSON.

    Where there are more, the last one has the path `(more)` and tells their number.
    """
    everything = list(found)
    is_clean = _is_clean(everything[:CHANGES_MAX])
    kept: list[Change] = []
    size = 0
    for one in everything[:CHANGES_MAX]:
        change = _change(one, secrets, is_clean=is_clean)
        size += len(msgspec.json.encode(change))
        if size > CHANGES_BYTES_MAX:
            break
        kept.append(change)
    if len(kept) < len(everything):
        kept.append(Change(path="(more)", op="update", new=str(len(everything) - len(kept))))
    return tuple(kept)


def clipped(text: str, characters_max: int) -> str:
    """The start of a text, and how much of it is missing."""
    if len(text) <= characters_max:
        return text
    return f"{text[:characters_max]}… ({counted(len(text) - characters_max, 'more character')})"


def _differing(before: Value, after: Value, path: str, key: str) -> Iterator[Difference]:
    if type(before) is type(after) and before == after:
        return
    if _is_walked(before, after, dict):
        yield from _members(_object(before), _object(after), path)
    elif _is_walked(before, after, list):
        yield from _items(_array(before), _array(after), path, key)
    elif isinstance(after, Unknown) and isinstance(before, dict) and before:
        # What becomes of each leaf isn't known yet; the old ones are.
        yield from _members(before, dict.fromkeys(before, after), path)
    elif isinstance(after, Unknown) and isinstance(before, list) and before:
        yield from _items(before, [after] * len(before), path, key)
    elif before is not None and after is not None and (_is_full(before) or _is_full(after)):
        # A value of another kind: the old one's leaves go, the new one's come.
        yield from _differing(before, None, path, key)
        yield from _differing(None, after, path, key)
    else:
        op: Op = "add" if before is None else "remove" if after is None else "update"
        yield Difference(path, key, op, before, after)


def _members(before: dict[str, Value], after: dict[str, Value], path: str) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        yield from _differing(before.get(name), after.get(name), step(path, name), name)


def _items(before: list[Value], after: list[Value], path: str, key: str) -> Iterator[Difference]:
    for at in range(max(len(before), len(after))):
        old = before[at] if at < len(before) else None
        new = after[at] if at < len(after) else None
        yield from _differing(old, new, f"{path}[{at}]", key)


def _object(value: Value) -> dict[str, Value]:
    return value if isinstance(value, dict) else {}


def _array(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def _is_full(value: Value) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _is_walked(before: Value, after: Value, kind: type[Any]) -> bool:
    """Whether both sides are of a kind, or one is and the other is nothing; and not both empty."""
    sides = [side for side in (before, after) if side is not None]
    return all(isinstance(side, kind) for side in sides) and any(sides)


def _is_clean(found: list[Difference]) -> bool:
    """Whether nothing in them looks like a secret: one search for all, and most often enough."""
    text = "\n".join(
        f'{one.path}\n{one.key}="{side}"' if isinstance(side, str) else one.path
        for one in found
        for side in (one.old, one.new)
    )
    return mask(text) == text


def _change(one: Difference, secrets: Secrets, *, is_clean: bool) -> Change:
    # Masked first, cut then: half a token would pass for none.
    hide = str if is_clean else mask
    path = clipped(hide(one.path or "(value)"), PATH_CHARACTERS_MAX)
    old, new = one.old, one.new
    if any(_is_secret(side, one.key, secrets, hide) for side in (old, new)):
        return Change(
            path=path,
            op=one.op,
            sensitive=True,
            old_fingerprint=old.fingerprint if isinstance(old, Sensitive) else None,
            new_fingerprint=new.fingerprint if isinstance(new, Sensitive) else None,
        )
    return Change(path=path, op=one.op, old=_told(old, hide), new=_told(new, hide))


def _is_secret(value: Value, key: str, secrets: Secrets, hide: Hide) -> bool:
    if isinstance(value, Sensitive):
        return True
    text = value.text if isinstance(value, Number) else value
    if not isinstance(text, str) or not text:
        return False
    if secrets.is_in(text):
        return True
    # The name of an attribute may give its value away where no mask does (before format 0.2). A
    # token within the value is none of that: it is masked where it stands.
    named = f'{key}="{text}"'
    masked = hide(named)
    return masked != named and masked != f'{key}="{hide(text)}"'


def _told(value: Value, hide: Hide) -> str | None:
    """A leaf as JSON text. One that is too long is `{"truncated": {start, characters, sha256}}`."""
    if value is None:
        return None
    if isinstance(value, Unknown):
        return '"(known after apply)"'
    value = hide(value) if isinstance(value, str) else value
    text = json_text(value)
    if len(text) <= VALUE_CHARACTERS_MAX:
        return text
    start = value if isinstance(value, str) else text
    cut = {
        "start": start[: VALUE_CHARACTERS_MAX // 2],
        "characters": len(start),
        "sha256": hashlib.sha256(start.encode()).hexdigest(),
    }
    return msgspec.json.encode({"truncated": cut}).decode()

"""Values of Terraform's JSON: numbers as they are written, secrets dropped, unknowns marked.

Pure. `parse_value` reads bytes, `masked` walks a value along the masks that Terraform lays beside
it, `json_text` writes a value as JSON again. A secret never leaves `masked`: what remains is that
one was there, and a keyed fingerprint where the caller gave a way to make one.
"""

from __future__ import annotations

import heapq
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from msgspec import Struct

from deploytrail.errors import Malformed

Fingerprint: TypeAlias = Callable[[str, str], str]
"""From the path of a secret and its JSON text to a word that shows equality and nothing else."""

DEPTH_MAX: Final = 128
COVER: Final = "(sensitive)"
_WHOLE_MIN: Final = 3
_PART_MIN: Final = 8
_WRAPS: Final = re.compile(r"[^\S\n]*\n[\s│|]*")
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
# A word is compared as a whole unless it is one that half of all configurations hold.
_NO_SECRET: Final = frozenset({"true", "false", "null", "none", "default"})


class Number(Struct, frozen=True, gc=False):
    """A JSON number as its text: 1, 1.0 and 1e0 are three texts."""

    text: str


class Sensitive(Struct, frozen=True, gc=False):
    """Where a secret stood. `equality` compares two of one run of ours, and is never written."""

    fingerprint: str | None = None
    equality: int = 0


class Unknown(Struct, frozen=True, gc=False):
    """A value that is known only after the apply."""


UNKNOWN: Final = Unknown()

Value: TypeAlias = (
    "bool | str | Number | Sensitive | Unknown | list[Value] | dict[str, Value] | None"
)


class Secrets:
    """The clear texts that a document marks as sensitive, to find them where it forgot to.

    Terraform marks the attribute that a secret was written to, not always the one that a provider
    copied it to, nor the message of a command that failed with it. They are kept in memory only
    and can't be asked for.
    """

    __slots__ = ("_fingerprint", "_lengths", "_parts", "_wholes")

    def __init__(self, fingerprint: Fingerprint | None = None) -> None:
        self._fingerprint = fingerprint
        self._wholes: set[str] = set()
        self._parts: dict[str, set[str]] = {}
        self._lengths: set[int] = set()

    def drop(self, path: str, value: Any) -> Sensitive:
        """Remember the clear texts of `value`, and give what may stand in its place."""
        self.add(value)
        text = json_text(value)
        print_ = self._fingerprint(path, text) if self._fingerprint and value is not None else None
        # Python's hash of text is keyed anew in each process.
        return Sensitive(print_, hash(text))

    def add(self, value: Any) -> None:
        """Remember the clear texts of a marked value."""
        for text in _texts(value):
            for spelled in _spellings(text):
                self._remember(spelled)

    def learn(self, other: Secrets) -> None:
        """Remember what another document marks as well."""
        self._wholes |= other._wholes
        self._lengths |= other._lengths
        for start, texts in other._parts.items():
            self._parts.setdefault(start, set()).update(texts)

    def is_in(self, text: str) -> bool:
        """Whether `text` is a secret, or holds one of at least eight characters."""
        return text in self._wholes or next(self._found(_Flat(text).text), None) is not None

    def covered(self, text: str) -> str:
        """`text` with each secret in it replaced by `(sensitive)`.

        One of less than eight characters only where it stands as a word, and of less than three
        never: it would be found everywhere.
        """
        if text in self._wholes:
            return COVER
        flat = _Flat(text)
        kept, end = [], 0
        for start, length in heapq.merge(self._found(flat.text), self._words(flat.text)):
            first, behind = flat.origin(start), flat.origin(start + length - 1) + 1
            if first >= end:
                kept += [text[end:first], COVER]
            end = max(end, behind)
        return "".join([*kept, text[end:]])

    def _remember(self, text: str) -> None:
        flat = _Flat(text).text
        if len(text) >= _WHOLE_MIN and text.lower() not in _NO_SECRET:
            self._wholes |= {text, flat}
            if len(flat) < _PART_MIN:
                self._lengths.add(len(flat))
        if len(flat) >= _PART_MIN:
            self._parts.setdefault(flat[:_PART_MIN], set()).add(flat)

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and length of each long secret, the longest at each start; linear in the text."""
        if not self._parts:
            return
        for at in range(len(text) - _PART_MIN + 1):
            secrets = self._parts.get(text[at : at + _PART_MIN])
            if secrets:
                lengths = [len(one) for one in secrets if text.startswith(one, at)]
                if lengths:
                    yield at, max(lengths)

    def _words(self, text: str) -> Iterator[tuple[int, int]]:
        """The same for short secrets that are no part of a longer word."""
        for at in range(len(text) if self._lengths else 0):
            if _is_within_word(text, at):
                continue
            for length in self._lengths:
                end = at + length
                if text[at:end] in self._wholes and not _is_within_word(text, end):
                    yield at, length


class _Flat:
    """Text with each line end and the blanks around it as one blank, and where that stood before.

    People's output is wrapped at blanks, and a diagnostic's lines begin with a bar.
    """

    __slots__ = ("_starts", "_starts_before", "text")

    def __init__(self, text: str) -> None:
        self._starts, self._starts_before = [0], [0]
        pieces, end, size = [], 0, 0
        for run in _WRAPS.finditer(text):
            pieces += [text[end : run.start()], " "]
            size += run.start() - end + 1
            end = run.end()
            self._starts.append(size)
            self._starts_before.append(end)
        self.text = "".join([*pieces, text[end:]])

    def origin(self, at: int) -> int:
        """Where the character at `at` of the flat text stood."""
        piece = bisect_right(self._starts, at) - 1
        return self._starts_before[piece] + at - self._starts[piece]


def parse_value(text: str) -> tuple[Any, str]:
    """The first JSON value of `text`, numbers as `Number`, and what stands behind it.

    Raises Malformed for what isn't RFC 8259, for duplicate keys, lone surrogates, NaN and more
    than 128 levels.
    """
    try:
        value, end = _decoder.raw_decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"plan: expected JSON; {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Malformed(_TOO_DEEP) from None
    _refuse_depth(value)
    if not text.isascii() or _SURROGATE_ESCAPE.search(text):
        _refuse_surrogates(value)
    return value, text[end:]


def masked(
    value: Any, masks: tuple[Any, ...], unknown: Any, *, path: str, secrets: Secrets
) -> Value:
    """`value` with each leaf dropped that any of `masks` marks, and what is unknown marked.

    A mask is true, false, or an object or array that lies over the value. Where its shape doesn't
    fit and it marks anything, the whole value is dropped. Unknown wins over sensitive: an unknown
    value isn't there yet. Raises Malformed for a mask of another kind.
    """
    marking = tuple(mask for mask in masks if marks(mask, path))
    has_unknown = marks(unknown, path)
    if not marking and not has_unknown:
        return value  # type: ignore[no-any-return]  # parsed JSON is a Value already
    if unknown is True:
        return UNKNOWN
    if value is None and has_unknown:
        value = type(unknown)()
    if True in marking or not all(type(mask) is type(value) for mask in marking):
        return None if value is None else secrets.drop(path, value)
    fitting = unknown if type(unknown) is type(value) else None
    if isinstance(value, dict):
        return _masked_object(value, marking, fitting or {}, path, secrets)
    if isinstance(value, list):
        return _masked_array(value, marking, fitting or [], path, secrets)
    return value  # type: ignore[no-any-return]  # a scalar that only a misfit mask calls unknown


def marks(mask: Any, path: str) -> bool:
    """Whether a mask marks anything at all."""
    if mask is None or isinstance(mask, bool):
        return mask is True
    if isinstance(mask, dict):
        return any(marks(below, path) for below in mask.values())
    if isinstance(mask, list):
        return any(marks(below, path) for below in mask)
    raise Malformed(f"{path}: expected a mask of true, false, object or array, found a scalar")


def step(path: str, key: str) -> str:
    """The path of an object's member, as Terraform writes it: `a.b` or `a["b c"]`."""
    if not _IDENTIFIER.fullmatch(key):
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key


def json_text(value: Any) -> str:
    """Compact JSON with sorted keys; numbers as they were written."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        members = (
            f"{json.dumps(key, ensure_ascii=False)}:{json_text(value[key])}"
            for key in sorted(value)
        )
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, Sensitive):
        return f'"{COVER}"'
    if isinstance(value, Unknown):
        return '"(known after apply)"'
    return json.dumps(value, ensure_ascii=False)


def _masked_object(
    value: dict[str, Any], masks: tuple[Any, ...], unknown: Any, path: str, secrets: Secrets
) -> Value:
    keys = [*value, *(key for key in unknown if key not in value and marks(unknown[key], path))]
    return {
        key: masked(
            value.get(key),
            tuple(mask.get(key) for mask in masks),
            unknown.get(key),
            path=step(path, key),
            secrets=secrets,
        )
        for key in keys
    }


def _masked_array(
    value: list[Any], masks: tuple[Any, ...], unknown: Any, path: str, secrets: Secrets
) -> Value:
    return [
        masked(
            value[at] if at < len(value) else None,
            tuple(mask[at] if at < len(mask) else None for mask in masks),
            unknown[at] if at < len(unknown) else None,
            path=f"{path}[{at}]",
            secrets=secrets,
        )
        for at in range(max(len(value), len(unknown)))
    ]


def _texts(value: Any) -> Iterator[str]:
    """The strings and numbers below a value; a string of several lines also line by line."""
    if isinstance(value, str):
        yield value
        if "\n" in value:
            yield from value.split("\n")
    elif isinstance(value, Number):
        yield value.text
    elif isinstance(value, dict):
        for below in value.values():
            yield from _texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)


def _is_within_word(text: str, at: int) -> bool:
    return text[at - 1 : at].isalnum() and text[at : at + 1].isalnum()


def _spellings(text: str) -> Iterator[str]:
    """A text as it is, and as it stands in JSON of Go's, in its quotes, and in a configuration."""
    yield text
    quoted = json.dumps(text, ensure_ascii=False)[1:-1]
    for spelled in (quoted, quoted.replace("${", "$${").replace("%{", "%%{")):
        if spelled != text:
            yield spelled
    in_go = quoted.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
    if in_go != quoted:
        yield in_go


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"plan: expected each key once, found {twice!r} twice; write it anew")
    return found


def _refuse_constant(text: str) -> Any:
    raise Malformed(f"plan: expected a JSON number, found {text}")


_TOO_DEEP: Final = f"plan: expected at most {DEPTH_MAX} levels, found more; flatten its values"
_decoder: Final = json.JSONDecoder(
    parse_int=Number,
    parse_float=Number,
    parse_constant=_refuse_constant,
    object_pairs_hook=_unique,
)


def _refuse_depth(value: Any) -> None:
    """Level by level, so that the check itself needs no depth."""
    level = [value]
    for _ in range(DEPTH_MAX):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return
        level = below
    raise Malformed(_TOO_DEEP)


def _refuse_surrogates(value: Any) -> None:
    try:
        json_text(value).encode()
    except UnicodeEncodeError as error:
        found = f"the lone surrogate U+{ord(error.object[error.start]):04X}"
        raise Malformed(f"plan: expected Unicode, found {found}; write the character") from None

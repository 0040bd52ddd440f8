"""The secrets of a document, to find them where it forgot to mark them.

Pure. They are kept in memory only, and can't be asked for.
"""

from __future__ import annotations

import heapq
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from deploytrail.formats.terraform_value import COVER, Number, Sensitive, json_text

Fingerprint: TypeAlias = Callable[[str, str], str]
"""From the path of a secret and its JSON text to a word that shows equality and nothing else."""

_WHOLE_MIN: Final = 3
_PART_MIN: Final = 8
_WRAPS: Final = re.compile(r"[^\S\n]*\n[\s│|]*|\s{2,}")
# A word is compared as a whole unless it is one that half of all configurations hold.
_NO_SECRET: Final = frozenset({"true", "false", "null", "none", "default"})


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
            # Whoever uses what a file ended with a blank or a line end mostly strips it first.
            for wanted in {text, text.strip()}:
                for spelled in _spellings(wanted):
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
    """Text with each run of blanks and line ends as one blank, and where that stood before.

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

"""The words of a text, as they are searched for: the same for every engine and the predicate.

Pure. A word is a run of letters and digits; everything else stands between words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final

from deploytrail.query.fields import folded, values_at

WORD_CHARACTERS_MAX: Final = 64
"""Of a longer run, its beginning counts: it is no word that anybody types."""


def words(text: str) -> list[str]:
    """In order; may be empty."""
    text = folded(text)
    if not text.isascii():
        # A combining mark belongs to the letter before it.
        text = "".join(one if _is_part(one) else " " for one in text)
        return [word[:WORD_CHARACTERS_MAX] for word in text.split()]
    found = text.encode("ascii").translate(_APART).decode("ascii").split()
    if len(text) <= WORD_CHARACTERS_MAX:
        return found
    return [word[:WORD_CHARACTERS_MAX] for word in found]


def _is_part(one: str) -> bool:
    return one.isalnum() or unicodedata.category(one)[0] == "M"


_APART: Final = bytes(at if at < 128 and chr(at).isalnum() else ord(" ") for at in range(256))
CLEAR: Final = (
    ("action",), ("where", "project"), ("where", "unit"), ("where", "environment"),
    ("where", "raw", "repository"), ("where", "raw", "path"), ("where", "raw", "application"),
    ("links", "repository"), ("links", "change_request"), ("reason", "incident"),
    ("error", "code"), ("targets", "*", "id"), ("reason", "tickets", "*"),
)  # fmt: skip
"""Where clear ids stand that people look for by a word in them, as `fields.Field.paths`."""


def clear_texts(event: Mapping[str, Any]) -> Iterator[str]:
    """The clear texts of an event, or of an entry's fields, that are searched by words."""
    for path in CLEAR:
        yield from values_at(event, path)


def concealed_texts(value: Any) -> Iterator[str]:
    """Every text in the value of a disclosure, in order; keys are no text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from concealed_texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from concealed_texts(item)

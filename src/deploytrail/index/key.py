"""The keys of terms: what an entry has, as bytes in the order in which they are kept.

Pure. The first byte says of what kind a term is, so that what belongs together stands together.
"""

from __future__ import annotations

from typing import Final

CLEAR: Final = b"w"
"""Words of clear texts; they stay."""
OWN: Final = b"a"
"""Words of concealed texts under the subject that has most of an entry's texts, its actor."""
OTHERS: Final = b"b"
"""Words of concealed texts under another subject, as a principal's own name."""
OWN_SUBJECT: Final = b"s"
"""Which entries have texts of a subject in `OWN`."""
OTHERS_SUBJECT: Final = b"t"
PAIRS: Final = b"\x7f"
"""Behind all terms: no term, but where the pairs of a segment stand among its blocks."""
BITS: Final = 63
"""Of a number: all that a signed one of eight bytes has."""
DOTTED: Final = frozenset({"action"})
"""Fields whose values are families: `build.job.started` begins with `build.` and `build.job.`."""
ALWAYS: Final = frozenset({"id", "index"})
"""Fields that every entry has, and that are not kept as present."""
WORDS: Final = (CLEAR, OWN, OTHERS)
ERASABLE: Final = ((OWN, OWN_SUBJECT), (OTHERS, OTHERS_SUBJECT))
"""Layers of words that can be forgotten, and where it stands which entries a subject has there."""


def value(field: str, folded: str) -> bytes:
    """That a field has this value; the beginning of one gives the beginning of the key."""
    return values(field) + folded.encode("utf-8", "surrogatepass")


def values(field: str) -> bytes:
    """What the keys of all values of a field begin with."""
    return b"=%s\0" % field.encode()


def value_in(key: bytes) -> str:
    """The reverse of `value`."""
    return key.partition(b"\0")[2].decode("utf-8", "surrogatepass")


def field_in(key: bytes) -> str:
    """Which field the key of a value is about."""
    return key[1:].partition(b"\0")[0].decode()


def family(field: str, beginning: str) -> bytes:
    """That a dotted value has a beginning that ends in a dot."""
    return b"~%s\0%s" % (field.encode(), beginning.encode("utf-8", "surrogatepass"))


def person(field: str, subject: str, number: int) -> bytes:
    """That an entry names this subject, in the number-th way that it was named."""
    return b"=%s\0%s\0%d" % (field.encode(), subject.encode(), number)


def person_in(key: bytes) -> tuple[str, int]:
    """The reverse of `person`."""
    _, subject, number = key.split(b"\0")
    return subject.decode(), int(number)


def present(field: str) -> bytes:
    """That a field has any value."""
    return b"*%s" % field.encode()


def bit(field: str, number: int) -> bytes:
    """That the field's number has this bit."""
    return b"#%s\0%c" % (field.encode(), number)


def word(layer: bytes, word: str) -> bytes:
    return layer + word.encode("utf-8", "surrogatepass")


def subject(layer: bytes, name: str) -> bytes:
    return layer + name.encode()


def after(beginning: bytes) -> bytes:
    """The first key behind all that begin so; `beginning` has a byte below 255."""
    kept = beginning.rstrip(b"\xff")
    return kept[:-1] + bytes((kept[-1] + 1,))

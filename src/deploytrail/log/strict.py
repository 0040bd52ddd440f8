"""Parsers of foreign text that know one spelling of every value.

Pure: bytes and strings in, values or Malformed out. Whatever is accepted here encodes back to
exactly what was read, so that no two texts mean the same and no hash can be dodged by respelling.
`int()`, lax base64 and `splitlines()` are kept out: they take `1_000`, `AB==` and U+2028.
"""

from __future__ import annotations

import base64
import binascii
import re

from deploytrail.errors import Malformed

NUMBER_LIMIT = 1 << 63
"""Every number of a log (size, index, timestamp in seconds) is below this: it fits a signed u64."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SHOWN_CHARS = 60


class StrayBits(Malformed):
    """Base64 whose last character says more than it may: a second spelling of the same bytes."""


def decimal(text: str, *, what: str, below: int = NUMBER_LIMIT) -> int:
    """An ASCII decimal without sign, spaces or leading zeros; raises Malformed."""
    if _DECIMAL.fullmatch(text) is None or int(text) >= below:
        raise Malformed(
            f"{what}: expected a decimal below {below} without leading zeros, found {shown(text)}"
        )
    return int(text)


def base64_bytes(text: str, *, what: str, size: int | None = None) -> bytes:
    """RFC 4648 §4, padded, of `size` bytes if given; raises Malformed, for stray bits StrayBits."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"{what}: expected standard base64, found {shown(text)}") from None
    # The decoder ignores stray bits of the last character: `AB==` would mean the same as `AA==`.
    if base64_text(data) != text:
        raise StrayBits(f"{what}: expected canonical base64, found {shown(text)}")
    if size is not None and len(data) != size:
        raise Malformed(f"{what}: expected {size} bytes in base64, found {len(data)}")
    return data


def base64_text(data: bytes) -> str:
    """The one spelling that `base64_bytes` reads."""
    return base64.b64encode(data).decode("ascii")


def text(data: bytes, *, what: str) -> str:
    """UTF-8 that ends with a newline and has no other control character; raises Malformed.

    Control characters are those below U+0020 (c2sp.org/signed-note).
    """
    try:
        decoded = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"{what}: expected UTF-8, found other bytes at {error.start}") from None
    control = _CONTROL.search(decoded)
    if control is not None:
        raise Malformed(
            f"{what}: expected no control character but newline, found {shown(control.group())}"
            f" at character {control.start()}"
        )
    if not decoded.endswith("\n"):
        raise Malformed(f"{what}: expected a newline at the end, found {shown(decoded[-20:])}")
    return decoded


def utf8(value: str, *, what: str) -> bytes:
    """The bytes of a string that an operator gave; raises Malformed at half a surrogate pair."""
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed(f"{what}: expected text that is UTF-8, found {shown(value)}") from None


def lines(whole: str, *, what: str) -> list[str]:
    """The lines of a text that ends with a newline, without their newlines; raises Malformed.

    Only U+000A separates lines.
    """
    if not whole.endswith("\n"):
        raise Malformed(f"{what}: expected a newline at the end, found {shown(whole[-20:])}")
    return whole[:-1].split("\n")


def shown(value: str) -> str:
    """Foreign text as it may stand in a message: quoted, escaped and short."""
    cut = value if len(value) <= _SHOWN_CHARS else value[:_SHOWN_CHARS] + "…"
    return ascii(cut)

"""Secrets that we share with senders: how each form of them is written, and what key that is.

Pure: random bytes are an argument. No message repeats a secret.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from typing import Final, Literal, NamedTuple

from deploytrail.entry import base64url
from deploytrail.errors import Malformed

RANDOM_BYTES: Final = 32
CHARACTERS_MIN: Final = 16
CHARACTERS_MAX: Final = 4096

Form = Literal["text", "whsec", "header", "pair", "none"]
"""`text` is any; `whsec` the `whsec_` and base64 of Standard Webhooks; `header` what can stand in
a header as it is; `pair` is `user:password`; `none` is none."""

_WHSEC: Final = "whsec_"
# Standard Webhooks specification, "Signature scheme": 192 to 512 bits.
_KEY_BYTES: Final = range(24, 65)


class _Written(NamedTuple):
    """The characters of a form, and how people say it."""

    pattern: re.Pattern[str]
    words: str


_SIZE: Final = f"{CHARACTERS_MIN} to {CHARACTERS_MAX} characters"
_FORMS: Final[dict[Form, _Written]] = {
    "text": _Written(
        re.compile(r"\S(?:.*\S)?", re.DOTALL), f"{_SIZE} without space or line end around them"
    ),
    "whsec": _Written(
        re.compile(_WHSEC + "([A-Za-z0-9+/]+)={0,2}"),
        f"{_WHSEC} and {_KEY_BYTES[0]} to {_KEY_BYTES[-1]} bytes in base64",
    ),
    "header": _Written(re.compile("[!-~]+"), f"{_SIZE} of visible ASCII"),
    # A name has no colon, a password may (RFC 7617 §2).
    "pair": _Written(
        re.compile("[!-9;-~]+:[!-~]+"), f"user:password, the password {_SIZE} of visible ASCII"
    ),
    "none": _Written(re.compile("(?!)"), "none"),
}


def words(form: Form) -> str:
    """How such a secret is written, as people say it."""
    return _FORMS[form].words


def key(form: Form, text: str) -> bytes | None:
    """The bytes that it stands for, of whatever length the form allows; None for another form."""
    found = _FORMS[form].pattern.fullmatch(text)
    if found is None:
        return None
    try:
        if form != "whsec":
            return text.encode("utf-8")
        # Some leave the padding out, which the specification's own libraries bear.
        octets = b64decode(found[1] + "=" * (-len(found[1]) % 4))
    except (NotBase64, UnicodeEncodeError):
        return None
    return octets if len(octets) in _KEY_BYTES else None


def checked(form: Form, text: str) -> str:
    """The text, where it is such a secret and too long to be guessed; raises Malformed."""
    # What has to be guessed is the password, not the name before it.
    guessed = text.partition(":")[2] if form == "pair" else text
    is_sized = len(guessed) >= CHARACTERS_MIN and len(text) <= CHARACTERS_MAX
    if not is_sized or key(form, text) is None:
        found = "something else" if text else "nothing"
        raise Malformed(
            f"secret: expected {words(form)}, found {found}; make a new one, or copy it whole"
        )
    return text


def issued(form: Form, random: bytes) -> str | None:
    """A new one of RANDOM_BYTES fit for keys; None where the form is none."""
    if form == "none":
        return None
    if form == "whsec":
        return _WHSEC + b64encode(random).decode("ascii")
    return f"deploytrail:{base64url(random)}" if form == "pair" else base64url(random)

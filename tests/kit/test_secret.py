"""Secrets: their forms, and that none is weak or repeated in a message."""

from __future__ import annotations

import base64

import pytest

from deploytrail.errors import Malformed
from deploytrail.kit import secret
from tests.kit.senders import RAW

LONG = "k" * 32
GOOD: dict[str, tuple[secret.Form, str, bytes]] = {
    "text": ("text", LONG, LONG.encode()),
    "text with space in it": ("text", "It's a Secret to Everybody", b"It's a Secret to Everybody"),
    "text beyond ASCII": ("text", "ein größerer Schlüssel", "ein größerer Schlüssel".encode()),
    "text of two lines": ("text", f"{LONG}\n{LONG}", f"{LONG}\n{LONG}".encode()),
    "base64": ("whsec", "whsec_" + base64.b64encode(RAW).decode(), RAW),
    "base64 without padding": ("whsec", "whsec_" + base64.b64encode(RAW).decode()[:-1], RAW),
    "shortest key": ("whsec", "whsec_" + base64.b64encode(RAW[:24]).decode(), RAW[:24]),
    "longest key": ("whsec", "whsec_" + base64.b64encode(RAW * 2).decode(), RAW * 2),
    "visible ASCII": ("header", LONG, LONG.encode()),
    "pair": ("pair", f"alice:{LONG}", f"alice:{LONG}".encode()),
    "pair with a colon": ("pair", f"alice:{LONG}:x", f"alice:{LONG}:x".encode()),
    "as long as may be": ("text", "k" * secret.CHARACTERS_MAX, b"k" * secret.CHARACTERS_MAX),
}
BAD: dict[str, tuple[secret.Form, str]] = {
    "empty text": ("text", ""),
    "only space": ("text", " " * 32),
    "short text": ("text", "k" * 15),
    "a line end": ("text", LONG + "\n"),
    "space before": ("text", " " + LONG),
    "half a character": ("text", LONG + "\ud800"),
    "too long": ("text", "k" * (secret.CHARACTERS_MAX + 1)),
    "no prefix": ("whsec", base64.b64encode(RAW).decode()),
    "no base64": ("whsec", "whsec_" + "!" * 44),
    "base64 of URLs": ("whsec", "whsec_" + base64.urlsafe_b64encode(b"\xff" * 32).decode()),
    "an odd length": ("whsec", "whsec_" + "k" * 41),
    "short key": ("whsec", "whsec_" + base64.b64encode(RAW[:23]).decode()),
    "long key": ("whsec", "whsec_" + base64.b64encode(RAW * 2 + b"x").decode()),
    "empty key": ("whsec", "whsec_"),
    "space in a header": ("header", LONG + " " + LONG),
    "a header beyond ASCII": ("header", "ü" * 32),
    "empty header": ("header", ""),
    "no colon": ("pair", LONG),
    "no user": ("pair", ":" + LONG),
    "no password": ("pair", f"{LONG}:"),
    "short password": ("pair", f"{LONG}:" + "k" * 15),
    "any where there is none": ("none", LONG),
    "nothing where there is none": ("none", ""),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_secret_of_its_form_is_taken(case: str) -> None:
    form, text, key = GOOD[case]
    assert secret.checked(form, text) == text
    assert secret.key(form, text) == key


@pytest.mark.parametrize("case", BAD)
def test_another_is_refused_and_not_repeated(case: str) -> None:
    form, text = BAD[case]
    with pytest.raises(Malformed, match=r"^secret: expected .+, found .+; ") as caught:
        secret.checked(form, text)
    assert len(text.strip()) < 8 or text not in str(caught.value)


@pytest.mark.parametrize("form", ["text", "whsec", "header", "pair"])
def test_an_issued_secret_is_one_of_its_form(form: secret.Form) -> None:
    first, second = secret.issued(form, RAW), secret.issued(form, RAW[::-1])
    assert first
    assert second
    assert first != second
    assert secret.checked(form, first) == first
    # It fits into a header and a form field of whatever vendor, whole.
    assert first.isascii()
    assert first.isprintable()
    assert " " not in first


def test_where_there_is_no_secret_none_is_issued() -> None:
    assert secret.issued("none", RAW) is None

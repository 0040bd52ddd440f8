"""Parameters are read strictly: what is not understood is refused by name."""

from __future__ import annotations

import contextlib
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from deploytrail.errors import SenderError
from deploytrail.web.parameters import parse


class Asked(Struct, frozen=True, kw_only=True):
    """What these tests ask for."""

    needed: str
    q: Annotated[str, Meta(max_length=8)] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    after: Annotated[int | None, Meta(ge=0)] = None
    order: Literal["newest", "oldest"] = "newest"
    fields: Annotated[tuple[str, ...], Meta(min_length=1, max_length=3)] = ("env",)
    cursor: Annotated[str | None, Meta(max_length=4)] = None


def test_what_is_given_is_read_and_the_rest_is_as_usual() -> None:
    found = parse(b"needed=a+b%20%C3%A9&limit=7&order=oldest&fields=env,actor&after=0", Asked)
    assert found == Asked(needed="a b é", limit=7, order="oldest", fields=("env", "actor"), after=0)


REFUSED = {
    "one is missing": (b"q=x", "needed: is missing"),
    "one is unknown": (b"needed=1&offset=2", "'offset': expected needed, q, limit, after, order"),
    "one comes twice": (b"needed=1&needed=1", "needed: expected once, found twice"),
    "a number is a word": (b"needed=1&limit=ten", "limit: expected a whole number from 1 to 100"),
    "a number has a sign": (b"needed=1&limit=%2B7", "limit: expected a whole number"),
    "a number has zeros": (b"needed=1&limit=007", "limit: expected a whole number"),
    "a number has an underscore": (b"needed=1&limit=1_0", "limit: expected a whole number"),
    "a number is of another script": ("needed=1&limit=٣".encode(), "limit: expected a whole"),
    "a number is empty": (b"needed=1&limit=", "limit: expected a whole number"),
    "a number is too small": (b"needed=1&limit=0", "found '0'"),
    "a number is too large": (b"needed=1&limit=101", "found '101'"),
    "a number is enormous": (b"needed=1&after=" + b"9" * 400, "after: expected a whole number"),
    "a word is none of those": (b"needed=1&order=up", "order: expected one of newest, oldest"),
    "a text is too long": (b"needed=1&q=123456789", "q: expected at most 8 characters, found 9"),
    "an optional text is too long": (b"needed=1&cursor=12345", "cursor: expected at most 4"),
    "a list is empty": (b"needed=1&fields=", "fields: expected 1 to 3 words"),
    "a list has a gap": (b"needed=1&fields=a,,b", "fields: expected 1 to 3 words"),
    "a list is too long": (b"needed=1&fields=a,b,c,d", "fields: expected 1 to 3 words"),
    "bytes are no UTF-8": (b"needed=%ff", "query: expected UTF-8"),
    "there is a zero byte": (b"needed=a%00b", "found a zero byte"),
    "there are too many": (b"&".join([b"needed=1"] * 65), "at most 64 parameters"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_query_is_refused_where(reason: str) -> None:
    given, said = REFUSED[reason]
    with pytest.raises(SenderError) as raised:
        parse(given, Asked)
    assert said in str(raised.value)
    assert str(raised.value).isascii()


@given(st.binary(max_size=60))
def test_whatever_is_given_is_read_or_refused(octets: bytes) -> None:
    with contextlib.suppress(SenderError):
        parse(b"needed=1&" + octets, Asked)

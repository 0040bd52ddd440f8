"""A file is taken apart into the deliveries that it holds, whole, in order, and within bounds."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed, SenderError, TooLarge
from deploytrail.intake.pieces import LINE_BYTES_MAX, PIECE_BYTES, Piece, pieces

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda octets: octets,
    "gzip": gzip.compress,
    "gzip in two members": lambda octets: (
        gzip.compress(octets[: len(octets) // 2]) + gzip.compress(octets[len(octets) // 2 :])
    ),
}


def found(octets: bytes, *, is_lines: bool = True, since: int = 0) -> list[Piece]:
    return list(pieces(io.BytesIO(octets), is_lines=is_lines, since=since))


def bodies(some: list[Piece]) -> list[bytes]:
    return [body for piece in some for body in piece.bodies]


@pytest.mark.parametrize("how", PACKED)
def test_each_line_is_a_delivery(how: str) -> None:
    lines = [b'{"n":%d}' % number for number in range(200_000)]
    some = found(PACKED[how](b"\n".join(lines)))
    assert bodies(some) == lines
    assert len(some) > 3
    assert all(sum(map(len, piece.bodies)) < 3 * PIECE_BYTES for piece in some)


@pytest.mark.parametrize("how", PACKED)
def test_a_document_is_one_delivery(how: str) -> None:
    document = b'{"Records":[' + b"1," * 500_000 + b"1]}"
    assert found(PACKED[how](document), is_lines=False) == [Piece([document], len(document))]


@pytest.mark.parametrize("how", PACKED)
def test_what_was_taken_before_is_passed_over(how: str) -> None:
    octets = b"".join(b'{"n":%d}\n' % number for number in range(200_000))
    packed = PACKED[how](octets)
    some = found(packed)
    for piece in some:
        rest = found(packed, since=piece.end)
        assert bodies(rest) == octets[piece.end :].split()
    assert some[-1].end == len(octets)


def test_a_document_that_was_taken_is_passed_over() -> None:
    assert found(b"{}", is_lines=False, since=2) == []


@pytest.mark.parametrize("is_lines", [True, False])
def test_what_is_empty_holds_nothing(is_lines: bool) -> None:
    for octets in (b"", b" \n\n", gzip.compress(b"")):
        assert bodies(found(octets, is_lines=is_lines)) == []


BAD: dict[str, tuple[bytes, type[SenderError], str]] = {
    "cut gzip": (gzip.compress(b"x" * 100)[:-4], Malformed, "expected all of a gzip stream"),
    "torn gzip": (b"\x1f\x8b" + b"no gzip", Malformed, "expected gzip"),
    "zstd": (b"\x28\xb5\x2f\xfd", Malformed, "zstd -dc FILE"),
    "an endless line": (
        b"x" * (LINE_BYTES_MAX + 300_000),
        TooLarge,
        "found a longer one at byte 0",
    ),
}


@pytest.mark.parametrize("why", BAD)
def test_what_can_not_be_taken_apart_is_refused(why: str) -> None:
    octets, kind, expected = BAD[why]
    with pytest.raises(kind, match=expected):
        found(octets)


TORN: dict[str, bytes] = {
    "in a name": b'{"n',
    "in a text": b'{"n":"a',
    "in an escape": b'{"n":"\\u12',
    "in a character": '{"n":"é'.encode()[:-1],
    "in a word": b'{"n":tr',
    "in a number": b'{"n":-',
    "in a fraction": b'{"n":1.',
    "before its end": b'{"n":[1]',
    "in depth": b"[" * 900,
}


@pytest.mark.parametrize("where", TORN)
@pytest.mark.parametrize("how", PACKED)
def test_a_line_that_is_cut_waits_until_it_is_whole(where: str, how: str) -> None:
    whole = b'{"n":1}\n{"n":2}\n'
    some = pieces(io.BytesIO(PACKED[how](whole + TORN[where])), is_lines=True)
    assert next(some) == Piece([b'{"n":1}', b'{"n":2}'], len(whole))
    with pytest.raises(Malformed, match=f"found it cut, at byte {len(whole)}"):
        next(some)


WHOLE: dict[str, bytes] = {
    "without the end of its line": b'{"n":1}',
    "what more of it would not mend": b"garbage",
    "a number": b"12",
    "blanks": b"  ",
    "what is cut before others": b'{"n":\n{}',
}


@pytest.mark.parametrize("what", WHOLE)
def test_a_last_line_that_is_whole_is_taken(what: str) -> None:
    octets = WHOLE[what]
    some = found(octets)
    assert bodies(some) == [line for line in octets.split(b"\n") if line.strip()]
    assert some[-1].end == len(octets)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b"\n" + b"x" * (200 * 1024 * 1024), compresslevel=9)
    with pytest.raises(TooLarge):
        found(bomb, is_lines=False)
    with pytest.raises(TooLarge):
        found(bomb)


@given(st.binary(max_size=200), st.booleans())
def test_whatever_it_holds_is_read_or_refused(octets: bytes, is_lines: bool) -> None:
    try:
        some = found(octets, is_lines=is_lines)
    except SenderError:
        return
    if is_lines:
        assert bodies(some) == [line for line in octets.split(b"\n") if line.strip()]

"""Lines come out whole, however the chunks fall."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deploytrail.formats.terraform_lines import LINE_BYTES_MAX, Lines, plain


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_chunks_of_any_size_give_the_same_lines(raw: bytes, cuts: list[int]) -> None:
    lines = Lines()
    ends = [*sorted(cuts), len(raw)]
    starts = [0, *ends[:-1]]
    found = [line for at, end in zip(starts, ends, strict=True) for line in lines.feed(raw[at:end])]
    whole = Lines()
    assert found + lines.rest() == whole.feed(raw) + whole.rest()


def test_a_terminals_line_ends_are_taken_off() -> None:
    assert Lines().feed(b"a\r\nb\n\nc") == [b"a", b"b", b""]


def test_a_line_without_end_is_cut_and_the_next_one_is_whole() -> None:
    lines = Lines()
    for _ in range(40):
        assert lines.feed(b"x" * 65_536) == []
    first, second = lines.feed(b"rest\nnext\n")
    assert (len(first), second) == (LINE_BYTES_MAX, b"next")


def test_colours_titles_and_broken_bytes_leave_text() -> None:
    assert plain(b"\x1b[1m\x1b[31ma\x1b[0m \x1b]0;title\x07b\xff  ") == "a b\ufffd"


def test_a_line_end_in_two_chunks_is_taken_off() -> None:
    lines = Lines()
    assert lines.feed(b"a\r") == []
    assert lines.feed(b"\nb") == [b"a"]


def test_long_lines_in_one_chunk_are_cut() -> None:
    chunk = b"x" * (LINE_BYTES_MAX + 9) + b"\n" + b"y" * (LINE_BYTES_MAX + 9) + b"\nz\n"
    assert [len(line) for line in Lines().feed(chunk)] == [LINE_BYTES_MAX, LINE_BYTES_MAX, 1]

"""On which line of a TOML text something stands."""

from __future__ import annotations

import pytest

from deploytrail.toml_line import Path, line_at

TEXT = '''# remark
[a]
x = """
y = 1
"""

y = 2
z = [
 "p",
 "q",
]
[[where]]
m = 1
[[where]]
# remark
m = 2
n = { b = 1 }
'''
PLACES: dict[Path, int | None] = {
    ("a",): 2,
    ("a", "x"): 3,
    ("a", "y"): 7,
    ("a", "z", 1): 8,
    ("where", 0, "m"): 13,
    ("where", 1): 14,
    ("where", 1, "m"): 16,
    ("where", 1, "n", "b"): 17,
    ("q",): None,
}


@pytest.mark.parametrize("path", PLACES)
def test_the_line_is_that_of_the_statement_that_says_it(path: Path) -> None:
    assert line_at(TEXT, path) == PLACES[path]


def test_what_is_no_toml_has_no_lines() -> None:
    assert line_at('a = "\n', ("a",)) is None

"""A table that a spreadsheet opens shows texts, and computes nothing."""

from __future__ import annotations

import csv as standard
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.trail import Shown
from deploytrail.web import csv

EVENT = {"id": "x", "action": "deployment.started", "outcome": "success", "logged": "t"}


def cells(**event: Any) -> dict[str, str]:
    shown = Shown(index=7, leaf="ab", entry=b"", event={**EVENT, **event})
    text = (csv.head() + csv.row(shown)).decode()
    names, values = standard.reader(io.StringIO(text, newline=""))
    return dict(zip(names, values, strict=True))


def test_what_is_known_stands_in_its_column() -> None:
    found = cells(actor={"id": "github:alice"}, where={"environment": "prod"})
    assert (found["index"], found["actor"], found["environment"]) == ("7", "github:alice", "prod")
    assert found["reason"] == ""


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_is_a_formula(begin: str) -> None:
    formula = f'{begin}HYPERLINK("http://evil.example","x")'
    assert cells(reason={"text": formula})["reason"] == f"'{formula}"


@given(st.text())
def test_any_text_comes_out_as_it_went_in(text: str) -> None:
    text = text.replace("\x00", "")
    found = cells(reason={"text": text})["reason"]
    expected = text.encode("utf-8", "replace").decode()
    assert found.removeprefix("'") == expected or found == expected
    assert not found.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))

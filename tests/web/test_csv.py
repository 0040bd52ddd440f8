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
from tests.quickly import quickly

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


FORMULAS = {
    "an equals sign": "=1",
    "a plus": "+1",
    "a minus": "-1",
    "an at": "@SUM(A1)",
    "a tab": "\tx",
    "a carriage return": "\rx",
    "a line feed": "\nx",
    "a wide equals sign": "\uff1d1",
    "a wide plus": "\uff0b1",
    "a wide minus": "\uff0d1",
    "a wide at": "\uff20SUM(A1)",
    "a small equals sign": "\ufe661",
    "a minus of mathematics": "\u22121",
    "a blank before it": " =1",
    "a blank that does not break": "\u00a0=1",
    "a mark of byte order": "\ufeff=1",
    "a blank without width": "\u200b=1",
    "a vertical tab": "\x0b=1",
    "a zero byte": "\x00=1",
    "several of them": " \u3000\u2060\x1f=1",
}


@pytest.mark.parametrize("reason", FORMULAS)
def test_no_cell_is_a_formula_that_begins_with(reason: str) -> None:
    text = FORMULAS[reason]
    assert cells(reason={"text": text})["reason"] == f"'{text}"
    assert cells(targets=[{"type": "x", "id": text}])["targets"] == f"'{text}"


@pytest.mark.parametrize("separator", [";", "\uff1b", "\u037e", "\t", "\n", "\r"])
def test_no_part_of_a_cell_is_a_formula_where_a_spreadsheet_splits_at(separator: str) -> None:
    for text in ("ok{}=1{}x", "ok{} =1{}x", 'ok{}"=1{}x', '"ok{}\uff1d1{}x'):
        line = row(text.format(separator, separator))
        pieces = line.replace(separator, ";").replace("\n", ";").replace("\r", ";")
        for found in next(standard.reader([pieces], delimiter=";")):
            assert not found.lstrip().startswith(("=", "\uff1d")), line


def test_what_holds_a_separator_of_some_spreadsheet_is_quoted() -> None:
    assert ',"ok;1",' in row("ok;1")
    assert ',"ok\uff1b1",' in row("ok\uff1b1")
    assert ",ok.1," in row("ok.1")


def row(reason: str) -> str:
    event: dict[str, Any] = {**EVENT, "reason": {"text": reason}}
    return csv.row(Shown(index=7, leaf="ab", entry=b"", event=event)).decode()


LONG = {
    "tabs": "\t" * 60_000,
    "semicolons": ";" * 60_000,
    "blanks": " " * 60_000,
    "wide blanks": "\u3000" * 20_000,
    "formulas": "=;" * 30_000,
}


@pytest.mark.parametrize("reason", LONG)
def test_a_cell_is_written_at_once_however_many_it_has_of(reason: str) -> None:
    quickly(lambda: row(LONG[reason]))


@given(st.text() | st.text("=+-@;\t\n\r \"',\uff1d\uff1b\u200bx"))
def test_any_text_comes_out_as_it_went_in_but_for_apostrophes(text: str) -> None:
    text = text.replace("\x00", "")
    found = cells(reason={"text": text})["reason"]
    expected = text.encode("utf-8", "replace").decode()
    assert found.replace("'", "") == expected.replace("'", "")
    assert not found.lstrip().startswith(("=", "+", "-", "@"))
    if not any(one in found for one in "=+-@\t\r\n") and found.isascii():
        assert found == expected

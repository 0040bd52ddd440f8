"""The checker of links: what it calls dead, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.links import ROOT, anchors, dead_links, links

HERE = ROOT / "page.md"

DEAD = {
    "no such file": "[a](no-such-file.md)",
    "no such heading": "[a](#no-such-heading)",
    "is absolute": "[a](/Makefile)",
    "leads out of the project": "[a](..)",
}
ALIVE = {
    "a file": "[a](Makefile)",
    "a folder": "[a](src)",
    "a heading of the same page": "# Two Words\n\n[a](#two-words)",
    "a heading that stands twice": "# A\n# A\n[a](#a-1)",
    "a line of a source file": "[a](Makefile#L3)",
    "an address of the web": "[a](https://example.org/no-such-page)",
    "an address of mail": "<mailto:alice@example.org>",
    "code": "`[a](no-such-file.md)`",
    "a fenced block": "```\n[a](no-such-file.md)\n```",
}


def reasons(text: str, page: Path = HERE) -> list[str]:
    return list(dead_links({page: text}))


@pytest.mark.parametrize("reason", DEAD)
def test_a_dead_link_is_told_with_its_reason(reason: str) -> None:
    (told,) = reasons(DEAD[reason])
    assert reason in told


@pytest.mark.parametrize("what", ALIVE)
def test_a_living_link_is_left_alone(what: str) -> None:
    assert reasons(ALIVE[what]) == []


def test_a_link_counts_from_the_folder_of_its_page() -> None:
    assert reasons("[a](../Makefile)", ROOT / "docs" / "page.md") == []


def test_references_images_and_tables_are_links_too() -> None:
    text = "[a]\n\n![b](b.png)\n\n| h |\n|---|\n| [c](c.md) |\n\n[a]: a.md\n"
    assert list(links(text)) == [(1, "a.md"), (3, "b.png"), (7, "c.md")]


def test_an_anchor_drops_punctuation_and_keeps_words() -> None:
    assert anchors("## What `make test` does, and why\n") == {"what-make-test-does-and-why"}

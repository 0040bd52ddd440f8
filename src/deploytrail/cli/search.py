"""`deploytrail search`: which events match a query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploytrail.cli.asking import (
    QueryArgument,
    asking,
    newest,
    query_of,
    refuse_export,
    say_pages,
)
from deploytrail.cli.opening import HomeOption, JsonOption, UrlOption
from deploytrail.errors import EXIT_OK

if TYPE_CHECKING:
    from deploytrail.query.tree import Order
    from deploytrail.trail import OpenTrail, Page

_COUNT: Final = 20
_PAGE: Final = 500
_ALL: Final = 1 << 62


def search(
    query: QueryArgument = None,
    count: Annotated[
        int | None,
        typer.Option("-n", "--count", min=1, help=f"How many, at most; default: {_COUNT}."),
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    oldest: Annotated[bool, typer.Option("--oldest", help="The oldest first.")] = False,
    json: JsonOption = False,
    home: HomeOption = None,
    url: UrlOption = None,
) -> int:
    """Search what happened, newest first, by when it happened.

    The language is told in docs/query.md: fields, prefixes, -negation, OR, parentheses, ranges,
    words and "phrases". Prints as 'deploytrail log' does.
    """
    refuse_export(home)
    text = query_of(query)
    order: Order = "oldest" if oldest else "newest"
    limit = _ALL if all else count or _COUNT
    with asking(home, url) as trail:
        first = trail.search(text, limit=min(limit, _PAGE), order=order, after=newest(trail))
        following = pages(trail, text, first, order=order)
        say_pages(trail, first, following, limit=limit, is_json=json)
    return EXIT_OK


def pages(trail: OpenTrail, query: str, page: Page, *, order: Order) -> Iterator[Page]:
    """Those behind a page, to the end."""
    while page.next is not None:
        page = trail.search(query, limit=_PAGE, cursor=page.next, order=order)
        yield page

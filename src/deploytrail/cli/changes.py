"""`deploytrail changes`: what changed, for whoever is woken at night."""

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
    from deploytrail.trail import OpenTrail, Page

_COUNT: Final = 50
_PAGE: Final = 500


def changes(
    query: QueryArgument = None,
    environment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only there, e.g. prod.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="2h, 7d, 2026-11-22; default: 24h.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("-n", "--count", min=1, help=f"How many, at most; default: {_COUNT}."),
    ] = None,
    json: JsonOption = False,
    home: HomeOption = None,
    url: UrlOption = None,
) -> int:
    """List what changed, newest first: deployments, configuration, access, overrides.

    What only looked (plans, checks, reads) is left out.
    """
    refuse_export(home)
    terms = [f"since:{since or '24h'}", *([f'env:"{environment}"'] if environment else ())]
    asked = query_of(query)
    # In parentheses: what stands beside an OR would else belong to one of its sides alone.
    text = " ".join([f"({asked})", *terms] if asked else terms)
    limit = count or _COUNT
    with asking(home, url) as trail:
        first = trail.changes(text, limit=min(limit, _PAGE), after=newest(trail))
        say_pages(trail, first, _following(trail, text, first), limit=limit, is_json=json)
    return EXIT_OK


def _following(trail: OpenTrail, query: str, page: Page) -> Iterator[Page]:
    while page.next is not None:
        page = trail.changes(query, limit=_PAGE, cursor=page.next)
        yield page

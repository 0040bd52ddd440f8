"""`deploytrail doctor`: what is wrong with a trail, and what only its operator may decide."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploytrail.cli.opening import HomeOption, JsonOption, UrlOption, located, remote, stored
from deploytrail.cli.terminal import say, say_json, say_wrapped, styled, tell
from deploytrail.errors import EXIT_INCOMPLETE, EXIT_OK, Malformed
from deploytrail.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploytrail.address import Address
    from deploytrail.app.doctor import Check
    from deploytrail.app.trails.opening import Place
    from deploytrail.trail import Receipt

_MARKS: Final = {"ok": ("✓", "green"), "note": ("!", "yellow"), "bad": ("✗", "red")}


def doctor(
    clear_fence: Annotated[
        bool,
        typer.Option("--clear-fence", help="Verifies the log, then lets writers in again."),
    ] = False,
    accept_clock: Annotated[
        bool,
        typer.Option("--accept-clock", help="The clock is right although it jumped ahead."),
    ] = False,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", envvar="DEPLOYTRAIL_REASON", help="Why.")
    ] = None,
    json: JsonOption = False,
    home: HomeOption = None,
    url: UrlOption = None,
) -> int:
    """Examine a trail, and decide what only its operator may.

    Exit codes: 0 where nothing is bad, that of verify where the log is, else 3. A decision is
    recorded, with its reason.
    """
    if clear_fence and accept_clock:
        raise Malformed("doctor: expected one decision at a time, found two; clear the fence first")
    if not (clear_fence or accept_clock):
        return _say_checks(_examined(located(home, url)), is_json=json)
    place = stored(home, url, why="what only its operator may decide is decided at its store")
    if clear_fence and not _is_fenced(place):
        _say_nothing_done("there is no fence: writers are let in already", is_json=json)
        return EXIT_OK
    _decide(place, is_clock=accept_clock, reason=reason, is_json=json)
    return EXIT_OK


def _say_checks(checks: Sequence[Check], *, is_json: bool) -> int:
    for check in checks:
        if is_json:
            say_json(check)
        else:
            _say_check(check)
    bad = [check.exit_code or EXIT_INCOMPLETE for check in checks if check.state == "bad"]
    # The gravest: tampering has the lowest number.
    return min(bad, default=EXIT_OK)


def _examined(place: Address | None) -> list[Check]:
    from deploytrail.address import Database, Server

    if isinstance(place, Server):
        from deploytrail.cli.server_doctor import examine_server
        from deploytrail.clock import SystemClock

        with remote(place) as server:
            return examine_server(server, clock=SystemClock(), environment=os.environ)
    if isinstance(place, Database):
        from deploytrail.app.database_doctor import examine_database

        return examine_database(place.url)
    from deploytrail.app.doctor import examine

    return examine(None if place is None else place.path)


def _is_fenced(place: Place | None) -> bool:
    from deploytrail.address import Database

    if isinstance(place, Database):
        from deploytrail.app.database_doctor import is_fenced

        return is_fenced(place.url)
    from deploytrail.app.home import find

    home = find(None if place is None else place.path, os.environ)
    return home.fence.exists() or not home.exists


def _decide(place: Place | None, *, is_clock: bool, reason: str | None, is_json: bool) -> None:
    from deploytrail.address import Database
    from deploytrail.redact import mask
    from deploytrail.wrapper.account import account
    from deploytrail.wrapper.ci import ci_context

    actor = account(is_ci=ci_context(os.environ) is not None)
    stated = mask(reason) if reason else None
    receipt: Receipt | None
    if isinstance(place, Database):
        from deploytrail.app import database_doctor

        decide = database_doctor.accept_clock if is_clock else database_doctor.clear_fence
        receipt = decide(place.url, actor=actor, reason=stated)
    else:
        from deploytrail.app import doctor as decisions

        decide_here = decisions.accept_clock if is_clock else decisions.clear_fence
        directory = None if place is None else place.path
        receipt = decide_here(directory, actor=actor, reason=stated)
    if receipt is None:
        what = "the clock follows the time since boot: entries are taken"
        _say_nothing_done(what, is_json=is_json)
    elif is_json:
        say_json(receipt)
    else:
        done = "the clock is accepted" if is_clock else "the fence is cleared"
        say(f"{styled(done, 'green')}; recorded as entry {receipt.index}, {receipt.id}")


def _say_nothing_done(why: str, *, is_json: bool) -> None:
    """Programs get null where they would get the receipt of what was decided."""
    tell(f"{why}, and nothing was done")
    if is_json:
        say_json(None)


def _say_check(check: Check) -> None:
    mark, colour = _MARKS[check.state]
    say(f"{styled(mark, colour)} {styled(check.what.ljust(10), 'bold')} {printable(check.found)}")
    if check.advice:
        say_wrapped(printable(check.advice), indent=13)

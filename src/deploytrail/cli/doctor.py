"""`deploytrail doctor`: what is wrong with a trail, and what only its operator may decide."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploytrail.cli.opening import HomeOption, JsonOption, UrlOption, located
from deploytrail.cli.terminal import say, say_json, say_wrapped, styled, tell
from deploytrail.errors import EXIT_INCOMPLETE, EXIT_OK, Malformed
from deploytrail.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

    from deploytrail.app.doctor import Check
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
    place = located(home, url)
    if clear_fence and not _is_fenced(place):
        _say_nothing_done("there is no fence: writers are let in already", is_json=json)
        return EXIT_OK
    if clear_fence or accept_clock:
        _decide(place, is_clock=accept_clock, reason=reason, is_json=json)
        return EXIT_OK
    checks = _examined(place)
    for check in checks:
        if json:
            say_json(check)
        else:
            _say_check(check)
    bad = [check.exit_code or EXIT_INCOMPLETE for check in checks if check.state == "bad"]
    # The gravest: tampering has the lowest number.
    return min(bad, default=EXIT_OK)


def _examined(place: Path | str | None) -> list[Check]:
    if isinstance(place, str):
        from deploytrail.app.database_doctor import examine_database

        return examine_database(place)
    from deploytrail.app.doctor import examine

    return examine(place)


def _is_fenced(place: Path | str | None) -> bool:
    if isinstance(place, str):
        from deploytrail.app.database_doctor import is_fenced

        return is_fenced(place)
    from deploytrail.app.home import find

    home = find(place, os.environ)
    return home.fence.exists() or not home.exists


def _decide(place: Path | str | None, *, is_clock: bool, reason: str | None, is_json: bool) -> None:
    from deploytrail.redact import mask
    from deploytrail.wrapper.account import account
    from deploytrail.wrapper.ci import ci_context

    actor = account(is_ci=ci_context(os.environ) is not None)
    stated = mask(reason) if reason else None
    receipt: Receipt | None
    if isinstance(place, str):
        from deploytrail.app import database_doctor

        decide = database_doctor.accept_clock if is_clock else database_doctor.clear_fence
        receipt = decide(place, actor=actor, reason=stated)
    else:
        from deploytrail.app import doctor as decisions

        decide_here = decisions.accept_clock if is_clock else decisions.clear_fence
        receipt = decide_here(place, actor=actor, reason=stated)
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

"""`deploytrail doctor`: what is wrong with a trail, and what only its operator may decide."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploytrail.cli.opening import HomeOption, JsonOption
from deploytrail.cli.terminal import say, say_json, say_wrapped, styled, tell
from deploytrail.errors import EXIT_INCOMPLETE, EXIT_OK, Malformed
from deploytrail.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

    from deploytrail.app.doctor import Check

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
) -> int:
    """Examine a trail, and decide what only its operator may.

    Exit codes: 0 where nothing is bad, that of verify where the log is, else 3. A decision is
    recorded, with its reason.
    """
    if clear_fence and accept_clock:
        raise Malformed("doctor: expected one decision at a time, found two; clear the fence first")
    if clear_fence and not _is_fenced(home):
        _say_nothing_done("there is no fence: writers are let in already", is_json=json)
        return EXIT_OK
    if clear_fence or accept_clock:
        _decide(home, is_clock=accept_clock, reason=reason, is_json=json)
        return EXIT_OK
    from deploytrail.app.doctor import examine

    checks = examine(home)
    for check in checks:
        if json:
            say_json(check)
        else:
            _say_check(check)
    bad = [check.exit_code or EXIT_INCOMPLETE for check in checks if check.state == "bad"]
    # The gravest: tampering has the lowest number.
    return min(bad, default=EXIT_OK)


def _is_fenced(home: Path | None) -> bool:
    from deploytrail.app.home import find

    place = find(home, os.environ)
    return place.fence.exists() or not place.exists


def _decide(home: Path | None, *, is_clock: bool, reason: str | None, is_json: bool) -> None:
    from deploytrail.app import doctor as decisions
    from deploytrail.redact import mask
    from deploytrail.wrapper.account import account
    from deploytrail.wrapper.ci import ci_context

    decide = decisions.accept_clock if is_clock else decisions.clear_fence
    actor = account(is_ci=ci_context(os.environ) is not None)
    receipt = decide(home, actor=actor, reason=mask(reason) if reason else None)
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

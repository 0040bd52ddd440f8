"""`deploytrail record`: one event by hand, or many as JSON; prints their receipts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from deploytrail.cli.opening import HomeOption, UrlOption, appending
from deploytrail.cli.terminal import complain, is_terminal, say, say_json, styled
from deploytrail.errors import EXIT_OK, Malformed, SenderError
from deploytrail.printable import printable

if TYPE_CHECKING:
    from deploytrail.cli.draft import KeyOf, Sender
    from deploytrail.cli.json_events import Found
    from deploytrail.clock import Clock
    from deploytrail.event import Event
    from deploytrail.trail import Receipt, TrailProducer

_AT_ONCE: Final = 1000
Where = tuple[Path | None, str | None]
"""A directory, or a URL, as they were given."""


_Action = Annotated[
    str | None,
    typer.Argument(
        metavar="ACTION",
        help="What happened, e.g. deployment.verified; 'deploytrail actions' lists them.",
    ),
]
_Outcome = Annotated[
    str | None,
    typer.Option(
        metavar="OUTCOME",
        help="success, failure, denied, pending, partial or unknown; default: what the action's "
        "name says (deployment.failed: failure, deployment.started: pending), else success.",
    ),
]
_Environment = Annotated[
    str | None,
    typer.Option(metavar="NAME", envvar="DEPLOYTRAIL_ENVIRONMENT", help="Where, e.g. prod."),
]
_Project = Annotated[
    str | None, typer.Option(metavar="NAME", envvar="DEPLOYTRAIL_PROJECT", help="Whose it is.")
]
_Unit = Annotated[
    str | None,
    typer.Option(metavar="NAME", envvar="DEPLOYTRAIL_UNIT", help="What deploys on its own."),
]
_Reason = Annotated[
    str | None, typer.Option(metavar="TEXT", envvar="DEPLOYTRAIL_REASON", help="Why.")
]
_Ticket = Annotated[
    list[str] | None, typer.Option(metavar="ID", help="Who asked for it; repeatable.")
]
_Target = Annotated[
    list[str] | None,
    typer.Option(metavar="TYPE:ID", help="What was acted upon; repeatable."),
]
_Link = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="What it belongs to, e.g. commit; repeatable."),
]
_Time = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="When, e.g. 2026-11-22T10:11:12Z; default: now."),
]
_Json = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Events as JSON instead: an object, an array, or one a line; - for stdin. "
        "What they don't say (id, time, actor, source) is filled in.",
    ),
]
_Deployment = Annotated[
    str | None,
    typer.Option(envvar="DEPLOYTRAIL_DEPLOYMENT", hidden=True),
]


def record(
    action: _Action = None,
    outcome: _Outcome = None,
    environment: _Environment = None,
    project: _Project = None,
    unit: _Unit = None,
    reason: _Reason = None,
    ticket: _Ticket = None,
    target: _Target = None,
    link: _Link = None,
    time: _Time = None,
    json: _Json = None,
    deployment: _Deployment = None,
    home: HomeOption = None,
    url: UrlOption = None,
) -> int:
    """Record what happened, by hand or from JSON.

    What looks like a secret is masked, and a sensitive value leaves nothing but its fingerprint.
    Prints a receipt for every event: as JSON lines, unless on a terminal. The exit code is 2 if
    an event was refused; it stops none of the others.
    """
    if (action is None) == (json is None):
        raise Malformed(
            "record: expected ACTION or --json FILE, found "
            f"{'neither' if action is None else 'both'}; see 'deploytrail record --help'"
        )
    from deploytrail.cli.draft import Stated, stated_event
    from deploytrail.wrapper.run_context import readable

    said = stated_event(
        Stated(
            action=_readable(action),
            outcome=_readable(outcome),
            environment=_readable(environment),
            project=_readable(project),
            unit=_readable(unit),
            reason=_readable(reason),
            tickets=[readable(text) for text in ticket or ()],
            targets=[readable(text) for text in target or ()],
            links=[readable(text) for text in link or ()],
            time=_readable(time),
            deployment=_readable(deployment),
        )
    )
    if json is None:
        return _record([(None, said)], {}, (home, url))
    return _record_file(json, said, (home, url))


def _readable(text: str | None) -> str | None:
    """A word of the command line as Unicode."""
    from deploytrail.wrapper.run_context import readable

    return None if text is None else readable(text)


def _record_file(name: str, said: dict[str, Any], trail_at: Where) -> int:
    from deploytrail.cli.json_events import json_events

    if name == "-":
        return _record(json_events(sys.stdin.buffer), said, trail_at)
    with Path(name).open("rb") as file:
        return _record(json_events(file), said, trail_at)


def _record(found: Iterable[Found], defaults: dict[str, Any], trail_at: Where) -> int:
    """Records in batches, as they come; every event has its answer, in order.

    An event that is refused stops none of the others, and is the exit code of them all.
    """
    from deploytrail.clock import SystemClock

    clock = SystemClock()
    sender = _sender(clock)
    code = EXIT_OK
    rest = iter(found)
    recorded = 0
    # What can't be read at all is said before a trail is made for it.
    batch = list(islice(rest, _AT_ONCE))
    with appending(*trail_at) as trail:
        while batch:
            events = [
                _event(said, defaults, sender, clock, part, trail.fingerprint_key)
                for part, (_, said) in enumerate(batch, recorded)
            ]
            recorded += len(batch)
            for (where, _), answer in zip(batch, _answers(trail, events), strict=True):
                if isinstance(answer, SenderError):
                    code = answer.exit_code
                _say_answer(where, answer)
            batch = list(islice(rest, _AT_ONCE))
    return code


def _sender(clock: Clock) -> Sender:
    """Who records, told by the same account as that of a wrapped command."""
    from deploytrail.cli.draft import Sender
    from deploytrail.wrapper.account import account, sudo_principal
    from deploytrail.wrapper.ci import ci_context

    ci = ci_context(os.environ)
    return Sender(
        account=account(is_ci=ci is not None),
        on_behalf_of=ci.on_behalf_of if ci else sudo_principal(os.environ),
        run=clock.event_id(),
    )


def _event(
    said: dict[str, Any] | SenderError,
    defaults: dict[str, Any],
    sender: Sender,
    clock: Clock,
    part: int,
    key_of: KeyOf,
) -> Event | SenderError:
    from deploytrail.cli.draft import completed, with_defaults

    if isinstance(said, SenderError):
        return said
    try:
        return completed(with_defaults(said, defaults), sender, clock, part=part, key_of=key_of)
    except SenderError as error:
        return error


def _answers(
    trail: TrailProducer, events: list[Event | SenderError]
) -> Iterator[Receipt | SenderError]:
    """One answer each, in order; what was refused before keeps its own."""
    answers = iter(trail.record([one for one in events if not isinstance(one, SenderError)]))
    return (one if isinstance(one, SenderError) else next(answers) for one in events)


def _say_answer(where: str | None, answer: Receipt | SenderError) -> None:
    """A receipt, or why there is none: in programs' output every event has its line."""
    if isinstance(answer, SenderError):
        complain(f"{where}: {answer}" if where else str(answer))
        if where and not is_terminal(sys.stdout):
            say_json({"event": where, "error": str(answer), "exit_code": answer.exit_code})
    elif is_terminal(sys.stdout):
        say(f"{styled('recorded', 'green')} {answer.id}")
        say(f"  entry {answer.index} of {printable(answer.origin)}, logged {answer.logged}")
        say(f"  leaf {answer.leaf}")
    else:
        say_json(answer)

"""`deploytrail token`: who else may record into a trail, or read it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from deploytrail.cli.columns import GAP, clipped, padded, widths
from deploytrail.cli.opening import HomeOption, JsonOption, StoredUrlOption, publish, stored
from deploytrail.cli.terminal import is_terminal, say, say_json, styled, tell, width
from deploytrail.errors import EXIT_OK, Malformed
from deploytrail.printable import printable

if TYPE_CHECKING:
    from deploytrail.access.token import Token
    from deploytrail.app.access.tokens import Created, Tokens
    from deploytrail.app.trails.opening import Place
    from deploytrail.clock import Clock
    from deploytrail.event import Actor

HELP: Final = "Say who else may record into a trail, or read it."
_DAYS: Final = "90d"
_OVERLAP_MAX: Final = timedelta(days=90)
_HEADS: Final = ("name", "role", "scope", "owner", "until", "state")
_LIMITS: Final = (40, 24, 80, 40, 16, 7)
_SCOPE: Final = 2
"""The column that takes what the others leave."""
_STATES: Final = {"live": "green", "expired": "yellow", "revoked": "dim"}

_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Of the token, e.g. ci-payments; never used again.")
]
_Role = Annotated[
    str,
    typer.Option(metavar="ROLE", help="viewer, recorder, auditor, operator or admin."),
]
_Scope = Annotated[
    str,
    typer.Option(metavar="QUERY", help="Only what it matches, e.g. 'env:prod project:payments'."),
]
_Expires = Annotated[
    str, typer.Option(metavar="WHEN", help="90d, a day, a time, or never.", show_default=True)
]
_Owner = Annotated[
    str | None, typer.Option(metavar="WHO", help="Whose it is, e.g. github:alice; default: yours.")
]
_Overlap = Annotated[
    str, typer.Option(metavar="SPAN", help="How long the old secret opens yet; 0s: not at all.")
]
_Reason = Annotated[
    str | None, typer.Option(metavar="TEXT", envvar="DEPLOYTRAIL_REASON", help="Why.")
]
_All = Annotated[bool, typer.Option("--all", help="Those that are revoked, too.")]


def token_create(
    name: _Name,
    role: _Role,
    scope: _Scope = "",
    expires: _Expires = _DAYS,
    owner: _Owner = None,
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> None:
    """Make a token, and print its secret once.

    The secret alone goes to standard output; nobody can look it up again. A viewer searches and
    reads events, a recorder appends them, an auditor reads whole entries, too, an operator reads,
    appends and looks after the server, and an admin may do all that, and make tokens.
    """
    from deploytrail.access.token import ROLES

    if role not in ROLES:
        raise Malformed(f"--role: expected one of {', '.join(ROLES)}, found {role[:40]!a}")
    from deploytrail.cli.expiry import expiry
    from deploytrail.clock import SystemClock

    clock = SystemClock()
    until = expiry(expires, clock.now())
    by = _account()
    with _tokens(_place(home, url), clock) as tokens:
        made = tokens.create(
            name,
            owner=owner if owner is not None else by.id or "",
            permissions=ROLES[role],
            scope_text=scope,
            expires=until,
            by=by,
        )
        reach = f"within {made.token.scope}" if made.token.scope else "the whole trail"
        done = f"made the token {name} of {made.token.owner}: {role}, {reach}, {_until(made.token)}"
        _say_secret(made, done, clock, is_json=json)


def token_rotate(
    name: _Name,
    expires: _Expires = _DAYS,
    overlap: _Overlap = "1h",
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> None:
    """Give a token a new secret, and print that once.

    The name stays, and so does what it may. The old secret opens for a while yet, so that there is
    time to hand the new one out; if it leaked, revoke the token.
    """
    from deploytrail.cli.expiry import expiry
    from deploytrail.cli.span import span
    from deploytrail.clock import SystemClock

    ahead = span(overlap)
    if ahead is None or ahead > _OVERLAP_MAX:
        raise Malformed(
            f"--overlap: expected a span of at most {_OVERLAP_MAX.days}d such as 30m, 2h or 7d, "
            f"found {overlap[:40]!a}; write it so"
        )
    clock = SystemClock()
    until = expiry(expires, clock.now())
    with _tokens(_place(home, url), clock) as tokens:
        made = tokens.rotate(name, expires=until, overlap=ahead, by=_account())
        former = made.token.former
        old = f"; the old secret opens until {_day(former.until)} UTC" if former and ahead else ""
        done = f"rotated the token {name}, {_until(made.token)}{old}"
        _say_secret(made, done, clock, is_json=json)


def _say_secret(made: Created, done: str, clock: Clock, *, is_json: bool) -> None:
    """The secret, alone on standard output; what was done beside it.

    Said before anything else can fail: the token is durable, and nobody could look its secret up.
    """
    if is_json:
        say_json({"secret": made.secret, **_document(made.token, clock.now())})
        return
    ends = f"'deploytrail token revoke {made.token.id}' ends it"
    tell(f"{done}. Its secret is shown this once; {ends}")
    say(made.secret)


def token_list(
    all_: _All = False,
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> None:
    """List the tokens of a trail, never their secrets.

    Columns: name, role, scope, owner, end and state, with tabs between them unless on a terminal.
    With --json, a JSON document per line.
    """
    from deploytrail.clock import SystemClock

    clock = SystemClock()
    with _tokens(_place(home, url), clock, is_writing=False) as tokens:
        found = tokens.list()
    now = clock.now()
    shown = [one for one in found if all_ or one.revoked is None]
    if json:
        for one in shown:
            say_json(_document(one, now))
        return
    rows = [_row(one, now) for one in shown]
    if is_terminal(sys.stdout):
        for line in _table(rows):
            say(line)
    else:
        for row in rows:
            say("\t".join(row))
    left_out = len(found) - len(shown)
    if left_out == 1:
        tell("1 that is revoked is left out; --all lists it")
    elif left_out:
        tell(f"{left_out} that are revoked are left out; --all lists them")
    elif not found:
        tell("there is no token yet; 'deploytrail token create' makes one")


def token_revoke(
    name: _Name,
    reason: _Reason = None,
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> int:
    """Revoke a token, for ever.

    A server that runs lets nobody in with it after two seconds at most. What was recorded with it
    stays.
    """
    from deploytrail.clock import SystemClock
    from deploytrail.redact import mask

    clock = SystemClock()
    stated = mask(reason) if reason else None
    with _tokens(_place(home, url), clock) as tokens:
        revoked = tokens.revoke(name, by=_account(), reason=stated)
    if revoked is None:
        tell(f"the token {name} was revoked before, and nothing was done")
    if json:
        say_json(None if revoked is None else _document(revoked, clock.now()))
    elif revoked is not None:
        say(f"{styled('revoked', 'green')} {name}")
    return EXIT_OK


def _place(home: Path | None, url: str | None) -> Place | None:
    return stored(home, url, why="tokens are given out where its log is kept")


@contextmanager
def _tokens(place: Place | None, clock: Clock, *, is_writing: bool = True) -> Iterator[Tokens]:
    """Those of a trail that is there; what was set is published when the block has ended."""
    from deploytrail.app.trails.opening import open_trail

    with open_trail(place, create=False, clock=clock) as trail:
        yield trail.tokens()
        if is_writing:
            publish(trail)


def _account() -> Actor:
    from deploytrail.wrapper.account import account
    from deploytrail.wrapper.ci import ci_context

    return account(is_ci=ci_context(os.environ) is not None)


def _until(token: Token) -> str:
    return f"until {_day(token.expires)} UTC" if token.expires else "without an end"


def _day(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="minutes")[:16]


def _row(token: Token, now: datetime) -> tuple[str, ...]:
    from deploytrail.access.token import role_of

    return (
        token.id,
        role_of(token),
        printable(token.scope),
        printable(token.owner),
        _day(token.expires) if token.expires else "never",
        token.state(now),
    )


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """A line of heads and one for each row, for a terminal as wide as ours."""
    if not rows:
        return
    taken = widths([_HEADS, *rows], limits=_LIMITS, flexible=_SCOPE, total=width())
    for row in (_HEADS, *rows):
        texts = [
            padded(clipped(text, limit), limit)
            for text, limit in zip(row, taken, strict=True)
            if limit
        ]
        colour = "bold" if row is _HEADS else _STATES[row[-1]]
        *rest, state = texts
        head = styled((" " * GAP).join(rest), "bold" if row is _HEADS else "")
        yield f"{head}{' ' * GAP}{styled(state.rstrip(), colour)}"


def _document(token: Token, now: datetime) -> dict[str, Any]:
    from deploytrail.access.token import role_of
    from deploytrail.clock import rfc3339

    times = {"created": token.created, "expires": token.expires, "revoked": token.revoked}
    times["old_secret_expires"] = None if token.former is None else token.former.until
    return {
        "name": token.id,
        "role": role_of(token),
        "permissions": [one.value for one in token.permissions],
        "scope": token.scope,
        "owner": token.owner,
        "created_by": token.created_by,
        **{name: None if at is None else rfc3339(at) for name, at in times.items()},
        "state": token.state(now),
    }

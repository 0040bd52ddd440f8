"""`deploytrail witness add | remove | quorum | list | ask | log | policy`: a trail's witnesses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploytrail.cli.opening import HomeOption, JsonOption, StoredUrlOption, opened, publish, stored
from deploytrail.cli.terminal import say, say_json, styled, tell, warn, write_bytes
from deploytrail.errors import EXIT_OK, EXIT_POLICY_UNMET
from deploytrail.printable import printable
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.app.cosigning.witnesses import Listed
    from deploytrail.app.trails.opening import Place
    from deploytrail.app.trails.stored import StoredTrail
    from deploytrail.event import Actor
    from deploytrail.follow.told import Standing
    from deploytrail.log.policy import Policy

_ASKED_SECONDS_MAX: Final = 20.0

_Quorum = Annotated[
    str | None,
    typer.Option(metavar="N", help="How many must cosign: a number, all, any or none."),
]
_Reason = Annotated[
    str | None, typer.Option(metavar="TEXT", envvar="DEPLOYTRAIL_REASON", help="Why.")
]


def witness_add(
    vkey: Annotated[
        str, typer.Argument(metavar="VKEY", help="Its key, from 'deploytrail witness key' there.")
    ],
    place: Annotated[str, typer.Argument(metavar="URL", help="Where it is asked.")],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call it; default: its own name.")
    ] = None,
    quorum: _Quorum = None,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> None:
    """Name a witness, who is to cosign this trail.

    The first one makes the quorum; each further one leaves it as it is, unless --quorum is given.
    'deploytrail up' asks all of them; 'witness ask' does so once.
    """
    with opened(_place(home, url)) as trail:
        policy = trail.witnesses().add(vkey, place, name=name, quorum=quorum, by=_account())
        _hand_out(trail)
    say(f"{styled('added', 'green')}: {_said(policy)}")
    say(f"The witness has to know this log: deploytrail witness up --log {_vkey(policy)}")


def witness_remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As 'witness list' shows it.")],
    quorum: _Quorum = None,
    reason: _Reason = None,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> None:
    """Take a witness off; what it has cosigned stays."""
    from deploytrail.redact import mask

    stated = mask(reason) if reason else None
    with opened(_place(home, url)) as trail:
        policy = trail.witnesses().remove(name, quorum=quorum, by=_account(), reason=stated)
        _hand_out(trail)
    say(f"{styled('removed', 'green')}: {_said(policy)}")


def witness_quorum(
    number: Annotated[
        str, typer.Argument(metavar="N", help="How many must cosign: a number, all, any or none.")
    ],
    reason: _Reason = None,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> None:
    """Say how many witnesses must cosign this trail."""
    from deploytrail.redact import mask

    stated = mask(reason) if reason else None
    with opened(_place(home, url)) as trail:
        policy = trail.witnesses().set_quorum(number, by=_account(), reason=stated)
        _hand_out(trail)
    say(_said(policy))


def witness_list(
    home: HomeOption = None, url: StoredUrlOption = None, json: JsonOption = False
) -> None:
    """The witnesses of this trail, and what each has cosigned last."""
    with opened(_place(home, url)) as trail:
        witnesses = trail.witnesses()
        found, policy = witnesses.listed(), witnesses.policy()
    for one in found:
        if json:
            say_json(one)
        else:
            _say_listed(one)
    if not json:
        tell(_said(policy))


def witness_ask(
    home: HomeOption = None, url: StoredUrlOption = None, json: JsonOption = False
) -> int:
    """Ask every witness to cosign the newest checkpoint, and wait for them, 20 seconds at most.

    Exit codes: 0 where as many cosigned as the policy asks for, else 4.
    """
    from deploytrail.app.cosigning.witnessing import ask_once
    from deploytrail.clock import SystemClock

    with opened(_place(home, url)) as trail:
        publish(trail)
        asked = ask_once(
            trail,
            clock=SystemClock(),
            seconds_max=_ASKED_SECONDS_MAX,
        )
        is_enough = asked.is_quorum_met
        _hand_out(trail)
    for one in asked.standings():
        if json:
            say_json(one)
        else:
            _say_standing(one)
    if not asked.standings():
        tell("this trail has no witness yet; 'deploytrail witness add' names one")
    return EXIT_OK if is_enough else EXIT_POLICY_UNMET


def witness_log(home: HomeOption = None, url: StoredUrlOption = None) -> None:
    """Print the key of this trail's log, which its witnesses have to know."""
    with opened(_place(home, url)) as trail:
        say(_vkey(trail.policy()))


def witness_policy(home: HomeOption = None, url: StoredUrlOption = None) -> None:
    """Print whose signatures prove this trail, as 'deploytrail verify --policy' reads it."""
    from deploytrail.log.policy import encode

    with opened(_place(home, url)) as trail:
        write_bytes(encode(trail.policy()))


def _place(home: Path | None, url: str | None) -> Place | None:
    return stored(home, url, why="who cosigns is said where its log is")


def _hand_out(trail: StoredTrail) -> None:
    """What was decided is durable: where the rest fails, it is only told."""
    publish(trail)
    try:
        trail.hand_out_policy()
    except OSError as error:
        warn(f"expected to write the policy beside the log, but {error.strerror}")


def _account() -> Actor:
    from deploytrail.wrapper.account import account
    from deploytrail.wrapper.ci import ci_context

    return account(is_ci=ci_context(os.environ) is not None)


def _said(policy: Policy) -> str:
    from deploytrail.app.cosigning.policies import outside, threshold

    there, number = len(outside(policy)), threshold(policy)
    names = "1 witness" if there == 1 else f"{there} witnesses"
    if not number:
        return f"of {names} none has to cosign this trail"
    return f"{number} of {names} must cosign this trail"


def _vkey(policy: Policy) -> str:
    from deploytrail.log.note import encode_vkey

    return encode_vkey(policy.logs[0].key)


def _say_listed(one: Listed) -> None:
    seen = "has cosigned nothing of late"
    if one.size is not None:
        seen = f"{counted(one.size, 'entry')}, cosigned {one.time or 'without a time'}"
    say(f"{printable(one.name)}  {printable(one.url or 'is never asked')}  {seen}")


def _say_standing(one: Standing) -> None:
    name = printable(one.name.removeprefix("witness "))
    if one.reason:
        say(f"{styled('✗', 'red')} {name}: {printable(one.reason)}")
    else:
        say(f"{styled('✓', 'green')} {name}: {counted(one.cursor or 0, 'entry')}")

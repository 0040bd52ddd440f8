"""`deploytrail stats`: how far the log goes, and what follows it."""

from __future__ import annotations

from collections.abc import Iterator

from deploytrail.cli.asking import asking, refuse_export
from deploytrail.cli.opening import HomeOption, JsonOption, UrlOption
from deploytrail.cli.terminal import say, say_json
from deploytrail.errors import EXIT_OK
from deploytrail.sentence import counted
from deploytrail.trail import PUBLISHER, Quorum, Stats


def stats(json: JsonOption = False, home: HomeOption = None, url: UrlOption = None) -> int:
    """Tell how far the log goes, how far it is signed, and how far its index is."""
    refuse_export(home)
    with asking(home, url) as trail:
        found = trail.stats()
    if json:
        say_json(found)
        return EXIT_OK
    for line in lines(found):
        say(line)
    return EXIT_OK


def lines(found: Stats) -> Iterator[str]:
    """What a person reads."""
    yield found.origin
    yield f"  {counted(found.size, 'entry')}, of which {found.size_signed:,} are signed"
    if found.logged is not None:
        yield f"  the last was logged at {found.logged}"
    for name, cursor in sorted({PUBLISHER: found.size_signed, **found.followers}.items()):
        behind = found.size - cursor
        lag = f"{behind:,} behind{_for(found, name)}"
        yield f"  {name}: {'up to date' if behind <= 0 else lag}"
    if found.quorum is not None:
        yield f"  quorum of witnesses: cosigned {_cosigned(found.quorum)}"


def _for(found: Stats, name: str) -> str:
    """For how long, where that is known."""
    seconds = found.lag_seconds.get(name)
    return "" if seconds is None else f", for {seconds:,.1f} s"


def _cosigned(quorum: Quorum) -> str:
    if quorum.size is None:
        return "none of the newest checkpoints"
    when = "" if quorum.seconds is None else f", {quorum.seconds:,.1f} s ago"
    return f"{counted(quorum.size, 'entry')}{when}"

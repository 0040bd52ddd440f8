"""`deploytrail stats`: how far the log goes, and what follows it."""

from __future__ import annotations

from deploytrail.cli.asking import asking, refuse_export
from deploytrail.cli.opening import HomeOption, JsonOption, UrlOption
from deploytrail.cli.terminal import say, say_json
from deploytrail.errors import EXIT_OK
from deploytrail.sentence import counted


def stats(json: JsonOption = False, home: HomeOption = None, url: UrlOption = None) -> int:
    """Tell how far the log goes, how far it is signed, and how far its index is."""
    refuse_export(home)
    with asking(home, url) as trail:
        found = trail.stats()
    if json:
        say_json(found)
        return EXIT_OK
    say(f"{found.origin}")
    say(f"  {counted(found.size, 'entry')}, of which {found.size_signed:,} are signed")
    if found.logged is not None:
        say(f"  the last was logged at {found.logged}")
    for name, cursor in sorted(found.followers.items()):
        behind = found.size - cursor
        say(f"  {name}: {'up to date' if behind <= 0 else f'{behind:,} behind'}")
    return EXIT_OK

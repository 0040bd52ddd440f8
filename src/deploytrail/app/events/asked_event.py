"""An event as a query sees it: the same wherever one is searched for, listened for or exported.

Pure.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from deploytrail.trail import Shown


class _Entry(msgspec.Struct, gc=False):
    """What of an entry its event does not say; the rest is not even decoded."""

    subjects: dict[str, str] = {}


_entry: Final = msgspec.json.Decoder(_Entry).decode


def asked_event(shown: Shown) -> dict[str, Any]:
    """The event with where it stands, and with the pseudonyms of whom it names: they stay, and
    find it, once what was said of somebody is erased.
    """
    return {**shown.event, "index": shown.index, "subjects": _entry(shown.entry).subjects}

"""A new entry as its readers see it, from what its writer still knows: no store is asked.

Pure. So it is while nobody of whom it speaks is erased.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from deploytrail.app.events.recording import Said
from deploytrail.event import Event
from deploytrail.trail import Receipt, Shown
from deploytrail.vault.conceal import unconcealed

_plain: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Fresh(msgspec.Struct, frozen=True, gc=False):
    """`event` as it was sent, `json` as the trail shows it: most who listen need no more."""

    receipt: Receipt
    entry: bytes
    event: Event
    json: bytes

    @property
    def index(self) -> int:
        return self.receipt.index

    def shown(self) -> Shown:
        return Shown(
            index=self.index, leaf=self.receipt.leaf, entry=self.entry, event=_plain(self.json)
        )


def fresh(receipt: Receipt, said: Said) -> Fresh:
    json = unconcealed(said.event, body=said.body, observed=said.observed, logged=receipt.logged)
    return Fresh(receipt, said.entry, said.event, json)

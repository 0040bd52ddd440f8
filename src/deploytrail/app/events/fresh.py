"""A new entry as its readers see it, from what its writer still knows: no store is asked.

Pure.
"""

from __future__ import annotations

from deploytrail.app.events.recording import Said
from deploytrail.trail import Receipt, Shown
from deploytrail.vault.conceal import unconcealed


def fresh(receipt: Receipt, said: Said) -> Shown:
    """As the trail shows it while nobody of whom it speaks is erased."""
    event = unconcealed(said.event, body=said.body, observed=said.observed, logged=receipt.logged)
    return Shown(index=receipt.index, leaf=receipt.leaf, entry=said.entry, event=event)

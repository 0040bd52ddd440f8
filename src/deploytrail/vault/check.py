"""The deeper check of entries: every field read, every disclosure opened.

Pure: rows and keys come as values. What the log core proves about bytes, this proves about what
they say: the origin, the order in time, the names of deliveries, and that each digest still has
its disclosure, or that the log says why not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from deploytrail import entry
from deploytrail.entry import unbase64url
from deploytrail.errors import DeploytrailError
from deploytrail.log.replay import Finding, State
from deploytrail.log.store import Delivery
from deploytrail.vault.conceal import reveal
from deploytrail.vault.listed import Listed, listed

_FOREIGN: Final = (LookupError, TypeError, AttributeError, ValueError, RecursionError)
"""What reading an entry raises that has another shape than any of ours."""

Opened = Callable[[bytes], bytes | None]
"""From a digest to the disclosure's JSON; None where it is gone. Raises Tampered."""


class Looked(NamedTuple):
    """What an entry's fields name: for one query of all rows of a bundle."""

    fields: dict[str, Any]
    key: bytes
    listed: Listed


class DeepCheck:
    """Checks entries in order. Findings of lost disclosures wait for what the log says later."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._logged = ""
        self.disclosures = 0
        self.findings: list[Finding] = []
        self.withheld: list[tuple[int, str, str]] = []
        """(index, pointer, subject) of each disclosure that is gone."""

    def look(self, first: int, entries: list[bytes]) -> list[Looked | None]:
        """Each entry's fields; None, after a finding, where it has none."""
        return [self._looked(first + at, octets) for at, octets in enumerate(entries)]

    def check(
        self,
        index: int,
        looked: Looked,
        deliveries: Mapping[bytes, Delivery] | None,
        opened: Opened,
    ) -> None:
        """One entry. `deliveries` is None where the evidence keeps none, as in an export."""
        if deliveries is not None:
            # The entry may be a changed one: whatever it lacks is a finding, too.
            try:
                self._check_delivery(index, looked, deliveries.get(looked.key))
            except (DeploytrailError, KeyError, TypeError) as error:
                self._find("CORRUPT", index, f"entry: {type(error).__name__}: {error}")
        try:
            revealed = reveal(looked.fields, opened)
        except (DeploytrailError, *_FOREIGN) as error:
            self._find("CORRUPT", index, f"disclosure: {error}")
            return
        self.disclosures += len(looked.listed.digests) - len(revealed.withheld)
        self.withheld += [(index, *each) for each in revealed.withheld.items()]

    def judge(self, erased: set[str], *, absent: State) -> None:
        """Say of each lost disclosure whether the log accounts for it; else it is `absent`."""
        for index, pointer, subject in self.withheld:
            if subject in erased:
                self._find("REDACTED", index, f"{pointer}: its person was erased, as the log says")
            else:
                self._find(absent, index, f"{pointer}: its disclosure is not there")

    def _looked(self, index: int, octets: bytes) -> Looked | None:
        try:
            fields = entry.fields(octets)
            looked = Looked(fields, entry.key_of(fields), listed(fields))
            self._check_fields(index, fields)
        except (DeploytrailError, *_FOREIGN) as error:
            self._find("CORRUPT", index, f"entry: {type(error).__name__}: {error}")
            return None
        return looked

    def _check_fields(self, index: int, fields: dict[str, Any]) -> None:
        if fields["origin"] != self._origin:
            self._find("CORRUPT", index, f"entry: made for another log, {fields['origin']!r:.80}")
        logged = fields["logged"]
        if logged <= self._logged:
            self._find("CORRUPT", index, "entry: its time is not after that of the one before")
        self._logged = logged

    def _check_delivery(self, index: int, looked: Looked, known: Delivery | None) -> None:
        if known is None:
            self._find("MISSING", index, "delivery: its row is not there")
        elif known.entry_index != index or known.body != _body(looked.fields):
            self._find("CORRUPT", index, "delivery: its row names another entry or body")

    def _find(self, state: State, index: int, what: str) -> None:
        self.findings.append(Finding(state, index, index + 1, what))


def _body(fields: dict[str, Any]) -> bytes:
    return unbase64url(fields["source"]["body"])

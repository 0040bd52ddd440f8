"""Disclosures as whoever follows is handed them."""

from __future__ import annotations

from collections.abc import Mapping


def sealed(disclosures: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Disclosures, `["salt","name",value]`, as they were sealed: name ‖ 0 ‖ value."""
    found = {}
    for digest, octets in disclosures.items():
        _, name, value = octets[1:-1].split(b",", 2)
        found[digest] = name.strip(b'"') + b"\0" + value
    return found

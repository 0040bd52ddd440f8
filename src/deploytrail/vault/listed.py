"""What an entry lists of the vault: whose its concealed blocks are, and their digests.

Pure. An entry may come from anywhere, so its shapes are checked before they are used.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from deploytrail.entry import unbase64url
from deploytrail.errors import DeploytrailError, Tampered
from deploytrail.vault.disclosure import key_of


class Listed(NamedTuple):
    """`owners` are the subjects' names by pointer; a digest does not say to which it belongs."""

    owners: dict[str, str]
    digests: list[bytes]
    keys: dict[bytes, bytes]
    """The digest by each name under which the vault may keep its disclosure."""


def listed(fields: dict[str, Any]) -> Listed:
    """Of an entry's fields. Raises Tampered where `subjects` or `_sd` are not what we write."""
    try:
        owners = msgspec.convert(fields.get("subjects", {}), dict[str, str])
        digests = [unbase64url(text) for text in msgspec.convert(fields.get("_sd", []), list[str])]
        subjects = [unbase64url(name) for name in set(owners.values())]
    except (msgspec.ValidationError, DeploytrailError) as error:
        raise Tampered(f"entry: expected subjects and digests as we write them; {error}") from None
    keys = {key_of(subject, digest): digest for subject in subjects for digest in digests}
    return Listed(owners, digests, keys)

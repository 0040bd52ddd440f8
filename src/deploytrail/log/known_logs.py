"""Which logs a witness knows: lists in the form that witnesses share, `logs/v0`.

Pure. The form is told by github.com/transparency-dev/witness-network (log-list-format.md): behind
its head, each log is a line `vkey`, maybe `origin`, then `qpd` and `contact`. Lines of other names
are passed over, as by other readers; two keys of one origin both count, while a log changes its
key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from deploytrail.errors import Malformed
from deploytrail.log import note as notes
from deploytrail.log import strict
from deploytrail.log.note import ED25519, ML_DSA_44, VerifierKey

_HEAD: Final = "logs/v0"
_LIST_BYTES_MAX: Final = 16_000_000
_ALGORITHMS: Final = frozenset({ED25519, ML_DSA_44})

Logs = Mapping[str, tuple[VerifierKey, ...]]
"""Origin to the keys that may sign it."""


class KnownLog(NamedTuple):
    """A log by its origin, which is mostly its key's name."""

    origin: str
    key: VerifierKey


def of_vkey(vkey: str) -> KnownLog:
    """The log whose origin is its key's name; raises Malformed."""
    key = notes.decode_vkey(vkey)
    if key.algorithm not in _ALGORITHMS:
        raise Malformed(
            f"log: expected the key of a log (01 or 06), found one of type {key.algorithm:02x}; a "
            "cosigner's key is not the log's own"
        )
    return KnownLog(key.name, key)


def decode(data: bytes) -> list[KnownLog]:
    """Raises Malformed, naming the line, unless `data` is a list of logs."""
    if len(data) > _LIST_BYTES_MAX:
        raise Malformed(f"logs: expected at most {_LIST_BYTES_MAX} bytes, found {len(data)}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("logs: expected a list in UTF-8, found other bytes") from None
    found: list[KnownLog] = []
    has_head = False
    for number, line in enumerate(text.split("\n"), 1):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        if not has_head:
            if content != _HEAD:
                raise Malformed(
                    f"logs line {number}: expected {_HEAD}, found {strict.shown(content)}"
                )
            has_head = True
        else:
            _take(found, content, f"logs line {number}")
    if not has_head:
        raise Malformed(f"logs: expected {_HEAD} in the first line, found nothing")
    return found


def _take(found: list[KnownLog], line: str, what: str) -> None:
    word, _, value = line.partition(" ")
    if word == "vkey":
        try:
            found.append(of_vkey(value))
        except Malformed as error:
            raise Malformed(f"{what}: {error}") from None
    elif word == "origin":
        if not found or not value:
            raise Malformed(f"{what}: expected an origin behind a vkey, found another place")
        found[-1] = found[-1]._replace(origin=value)


def by_origin(logs: Iterable[KnownLog]) -> Logs:
    """The keys of each origin, each once."""
    found: dict[str, dict[VerifierKey, None]] = {}
    for log in logs:
        found.setdefault(log.origin, {})[log.key] = None
    return {origin: tuple(keys) for origin, keys in found.items()}

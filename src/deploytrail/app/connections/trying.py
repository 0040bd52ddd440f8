"""A connection tried as its tool would use it: a signed delivery through the server's own door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from deploytrail.app.connections.references import resolved
from deploytrail.clock import Clock
from deploytrail.errors import DeploytrailError
from deploytrail.intake.connections import Stanza
from deploytrail.intake.translating import test_body
from deploytrail.kit.answer import Asks, Request
from deploytrail.kit.delivery import fetched
from deploytrail.kit.schemes import scheme
from deploytrail.kit.signing import signed

NONCE_BYTES = 16
_OUR_WORDS = "application/json, application/problem+json"
"""Whoever reads problems is answered so, whatever the tool itself would read."""


class Tried(NamedTuple):
    """What became of a delivery with one secret; `reference` says where that is, not what."""

    reference: str
    is_taken: bool
    why: str


def tried(
    stanza: Stanza,
    url: str,
    http: Asks,
    clock: Clock,
    environment: Mapping[str, str],
) -> list[Tried]:
    """One delivery for each secret; one without, where nothing proves the sender."""
    return [
        _tried(reference, stanza, url, http, clock, environment)
        for reference in stanza.secrets or ("no secret",)
    ]


def _tried(
    reference: str,
    stanza: Stanza,
    url: str,
    http: Asks,
    clock: Clock,
    environment: Mapping[str, str],
) -> Tried:
    by = scheme(stanza.credential)
    body = test_body(clock.random(NONCE_BYTES).hex())
    try:
        secret = resolved(reference, environment) if stanza.secrets else ""
        delivery = signed(by, fetched(body, clock.now()), secret, at=clock.now())
        headers = {"content-type": "application/json", "accept": _OUR_WORDS}
        headers |= dict(delivery.headers)
        answer = http.request(Request("POST", url, body, headers))
    except DeploytrailError as error:
        return Tried(reference, False, str(error))
    return Tried(reference, answer.status == 200, _said(answer.status, answer.body))


def _said(status: int, body: bytes) -> str:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"status {status}"
    if status == 200 and isinstance(found, dict):
        return f"{found.get('events', 0)} event is in the log"
    detail = found.get("detail") if isinstance(found, dict) else None
    return f"status {status}: {detail}" if isinstance(detail, str) else f"status {status}"

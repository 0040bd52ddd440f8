"""CloudTrail's public keys, by which its digest files are proven: asked for once in a poll.

Each region has its own. Source: AWS CloudTrail API Reference, "ListPublicKeys".
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from deploytrail.errors import Malformed, NotPermitted
from deploytrail.formats import sigv4
from deploytrail.kit.answer import Asks, Limits, NotSent, Request
from deploytrail.kit.poller import accepted

PAGES_MAX: Final = 16
_LIMITS: Final = Limits(
    connect_seconds=5.0, read_seconds=15.0, total_seconds=30.0, bytes_max=1_048_576
)
_WHOM: Final = "CloudTrail"
_TARGET: Final = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.ListPublicKeys"


class _Key(Struct, frozen=True, rename="pascal"):
    fingerprint: str
    value: str


class _Page(Struct, frozen=True, rename="pascal"):
    public_key_list: list[_Key] = []
    next_token: str | None = None


_read: Final = msgspec.json.Decoder(_Page).decode


class NoKeys(Exception):
    """Those of a region can't be had, now or ever; the text says why."""


class PublicKeys:
    """Those of all regions; each region is asked once, when its first digest comes."""

    def __init__(self, http: Asks, keys: sigv4.Keys) -> None:
        self._http = http
        self._keys = keys
        self._known: dict[str, dict[str, str] | str] = {}

    def of(self, region: str, fingerprint: str, since: datetime, now: datetime) -> str | None:
        """Base64 of PKCS #1 in DER; None where CloudTrail had no such key since then. The first
        that asks for a region is the one with the earliest time.

        Raises NoKeys, and Unreachable where the same may be asked later.
        """
        known = self._known.get(region)
        if known is None:
            try:
                known = self._asked(region, since, now)
            except (NotPermitted, Malformed, NotSent) as error:
                # A folder's name alone made it a region: what isn't there must hold up nothing.
                known = str(error)
            self._known[region] = known
        if isinstance(known, str):
            raise NoKeys(known)
        return known.get(fingerprint)

    def _asked(self, region: str, since: datetime, now: datetime) -> dict[str, str]:
        asked: dict[str, int | str] = {
            "StartTime": int(since.timestamp()), "EndTime": int(now.timestamp()),
        }  # fmt: skip
        found: dict[str, str] = {}
        for _ in range(PAGES_MAX):
            page = self._page(region, msgspec.json.encode(asked), now)
            found |= {one.fingerprint: one.value for one in page.public_key_list}
            if not page.next_token:
                return found
            asked["NextToken"] = page.next_token
        raise Malformed(f"{_WHOM}: expected at most {PAGES_MAX} pages of keys, found more")

    def _page(self, region: str, body: bytes, now: datetime) -> _Page:
        host = f"cloudtrail.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
        headers = sigv4.signed(
            "POST", "/", "",
            {"host": host, "content-type": "application/x-amz-json-1.1", "x-amz-target": _TARGET},
            self._keys, sigv4.Scope(region, "cloudtrail"),
            at=now, body=hashlib.sha256(body).hexdigest(),
        )  # fmt: skip
        answer = self._http.request(Request("POST", f"https://{host}/", body, headers, _LIMITS))
        try:
            return _read(accepted(answer, _WHOM))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Malformed(f"{_WHOM}: expected a list of keys, found something else") from None

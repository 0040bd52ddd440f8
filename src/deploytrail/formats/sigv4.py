"""AWS Signature Version 4: the headers that prove a request, for AWS and what speaks as it does.

Pure: the time is an argument. Eighty lines of our own, since boto3 and what comes with it are
15 MB, have a way to the network of their own, and change each day.
Source: AWS IAM User Guide, "Create a signed AWS API request"; Amazon S3 API Reference,
"Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote

EMPTY: Final = hashlib.sha256(b"").hexdigest()
"""The digest of no body."""
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNRESERVED: Final = "-._~"


class Keys(NamedTuple):
    """An access key; `session` is the token of one that lasts a few hours."""

    id: str
    secret: str
    session: str | None = None

    def __repr__(self) -> str:
        return f"Keys({self.id!r})"


class Scope(NamedTuple):
    """For what a signature holds."""

    region: str
    service: str


def query(pairs: Sequence[tuple[str, str]]) -> str:
    """A query as it is signed, and as it has to be sent: in order, all but RFC 3986's unreserved
    characters escaped.
    """
    return "&".join(sorted(f"{escaped(name)}={escaped(value)}" for name, value in pairs))


def escaped(text: str, *, keeps: str = "") -> str:
    return quote(text, safe=_UNRESERVED + keeps)


def signed(
    method: str,
    path: str,
    asked: str,
    headers: Mapping[str, str],
    keys: Keys,
    scope: Scope,
    *,
    at: datetime,
    body: str = EMPTY,
) -> dict[str, str]:
    """These headers (names in lower case, `host` among them), with those that prove them.

    `path` is escaped once, as it is sent; `asked` is a `query`, and `body` the SHA-256 of what is
    sent, in hexadecimal digits.
    """
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    sent = {**headers, "x-amz-date": stamp}
    if keys.session is not None:
        sent["x-amz-security-token"] = keys.session
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{' '.join(sent[name].split())}\n" for name in sorted(sent))
    canonical = "\n".join((method, path, asked, lines, names, body))
    reach = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signature = hmac.digest(
        _key(keys.secret, stamp[:8], scope),
        "\n".join((_ALGORITHM, stamp, reach, digest)).encode(),
        "sha256",
    ).hex()
    credential = f"Credential={keys.id}/{reach}"
    proof = f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}"
    return {**sent, "authorization": proof}


def _key(secret: str, day: str, scope: Scope) -> bytes:
    key = f"AWS4{secret}".encode()
    for each in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, each.encode(), "sha256")
    return key

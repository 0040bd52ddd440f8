"""What senders put into their headers, each made as its vendor's page has it, without our code."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime

from deploytrail.kit.delivery import Delivery, heard
from deploytrail.kit.schemes import SCHEMES
from tests.fakes import NOON

BODY = b'{"repository":"acme/infra","sender":"alice"}'
RAW = bytes(range(200, 232))
Headers = list[tuple[bytes, bytes]]


def secret_of(name: str, number: int = 0) -> str:
    """The one of that number that a connection with this scheme has; each is another."""
    random = bytes((byte + number) % 256 for byte in RAW)
    return SCHEMES[name].issued(random) or random.hex()


def _hex(key: str, octets: bytes, digest: str = "sha256") -> bytes:
    return hmac.new(key.encode(), octets, digest).hexdigest().encode()


def _standard(key: str, body: bytes, seconds: bytes) -> Headers:
    raw = base64.b64decode(key.removeprefix("whsec_"))
    signed = hmac.new(raw, b"msg_1." + seconds + b"." + body, hashlib.sha256).digest()
    return [
        (b"Webhook-Id", b"msg_1"),
        (b"Webhook-Timestamp", seconds),
        (b"Webhook-Signature", b"v1," + base64.b64encode(signed)),
    ]


def _slack(key: str, body: bytes, seconds: bytes) -> Headers:
    return [
        (b"X-Slack-Request-Timestamp", seconds),
        (b"X-Slack-Signature", b"v0=" + _hex(key, b"v0:" + seconds + b":" + body)),
    ]


def _buildkite(key: str, body: bytes, seconds: bytes) -> Headers:
    signature = _hex(key, seconds + b"." + body)
    return [(b"X-Buildkite-Signature", b"timestamp=" + seconds + b",signature=" + signature)]


_TIMED: dict[str, Callable[[str, bytes, bytes], Headers]] = {
    "gitlab-signing": _standard,
    "standard-webhooks": _standard,
    "slack": _slack,
    "buildkite-signature": _buildkite,
}
_BODIES: dict[str, Callable[[str, bytes], tuple[bytes, bytes]]] = {
    "github": lambda key, body: (b"X-Hub-Signature-256", b"sha256=" + _hex(key, body)),
    "bitbucket": lambda key, body: (b"X-Hub-Signature", b"sha256=" + _hex(key, body)),
    "hcp-terraform": lambda key, body: (
        b"X-TFE-Notification-Signature",
        _hex(key, body, "sha512"),
    ),
    "circleci": lambda key, body: (b"circleci-signature", b"v1=" + _hex(key, body)),
}
_SECRETS: dict[str, Callable[[bytes], tuple[bytes, bytes]]] = {
    "gitlab-token": lambda key: (b"X-Gitlab-Token", key),
    "gitlab-audit": lambda key: (b"X-Gitlab-Event-Streaming-Token", key),
    "buildkite-token": lambda key: (b"X-Buildkite-Token", key),
    "bearer": lambda key: (b"Authorization", b"Bearer " + key),
    "basic": lambda key: (b"Authorization", b"Basic " + base64.b64encode(key)),
    "firehose-key": lambda key: (b"X-Amz-Firehose-Access-Key", key),
}
TIMED = sorted(_TIMED)
SIGNED = sorted([*_TIMED, *_BODIES])
SHARED_SECRET = sorted(_SECRETS)
PROVABLE = [*SIGNED, *SHARED_SECRET]


def headers_of(
    name: str, secret: str | None = None, *, body: bytes = BODY, at: datetime = NOON
) -> Headers:
    key = secret or secret_of(name)
    if name in _TIMED:
        return _TIMED[name](key, body, str(int(at.timestamp())).encode())
    return [_BODIES[name](key, body) if name in _BODIES else _SECRETS[name](key.encode())]


def sent(
    name: str, secret: str | None = None, *, body: bytes = BODY, at: datetime = NOON
) -> Delivery:
    """A delivery of an honest sender: over that body, at that time, with its first secret."""
    return heard(body, headers_of(name, secret, body=body, at=at), NOON)


def changed(delivery: Delivery, name: str, *values: str) -> Delivery:
    """The same with these values of one header instead of its own; without any, it is left out."""
    kept = tuple((key, value) for key, value in delivery.headers if key != name)
    return delivery._replace(headers=(*kept, *((name, value) for value in values)))

"""A delivery as its sender would prove it: what `credential` proves, made.

Pure. Tests of sources sign their samples so, and `connection test` the delivery that it sends.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from datetime import datetime
from hashlib import sha256
from typing import Final

from deploytrail.errors import Misconfigured
from deploytrail.kit import secret as secrets
from deploytrail.kit.credential import Scheme, Shared, Signature
from deploytrail.kit.delivery import Delivery

_ID: Final = "msg_sample"


def signed(scheme: Scheme, delivery: Delivery, secret: str, *, at: datetime) -> Delivery:
    """The delivery with the headers that prove it by that secret; its time is `at`."""
    evidence = scheme.evidence
    if isinstance(evidence, Signature):
        key = secrets.key(scheme.form, secret)
        if key is None:
            raise Misconfigured(f"secret: expected {secrets.words(scheme.form)}, found another")
        return _with(delivery, _signed(evidence, delivery.body, key, at))
    if isinstance(evidence, Shared):
        text = secret if evidence.prefix != "Basic" else b64encode(secret.encode()).decode()
        return _with(delivery, {evidence.header: f"{evidence.prefix} {text}".strip()})
    return delivery


def sample_secret(scheme: Scheme, random: bytes) -> str:
    """A secret of the scheme's form, also where the vendor makes it."""
    return scheme.issued(random) or sha256(random).hexdigest()


def _signed(form: Signature, body: bytes, key: bytes, at: datetime) -> dict[str, str]:
    seconds = str(int(at.timestamp()))
    said = {"time": seconds, "id": _ID}
    before = form.joint.join([*(said.get(part, part) for part in form.signs[:-1]), ""])
    made = hmac.new(key, before.encode() + body, form.digest)
    text = b64encode(made.digest()).decode() if form.coding == "base64" else made.hexdigest()
    entry = f"{form.prefix}{text}"
    if form.time_prefix:
        entry = f"{form.time_prefix}{seconds}{form.separator}{entry}"
    headers = {form.header: entry}
    if form.time_header:
        headers[form.time_header] = seconds
    if form.id_header:
        headers[form.id_header] = _ID
    return headers


def _with(delivery: Delivery, headers: dict[str, str]) -> Delivery:
    named = tuple((name.lower(), value) for name, value in headers.items())
    rest = tuple(pair for pair in delivery.headers if pair[0] not in dict(named))
    return delivery._replace(headers=rest + named)

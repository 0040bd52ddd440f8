"""Credentials: what proves who sent a delivery, and the proof itself.

Pure: the time and random bytes are arguments. A scheme is data (`schemes` has those that there
are); which one counts, the connection says, never the headers that came. Proven are the raw bytes,
before anything reads them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from deploytrail.errors import Malformed, Misconfigured, Unknown
from deploytrail.kit import secret
from deploytrail.kit.delivery import Delivery

SECRETS_MAX: Final = 4
"""So many are live at once: two while one replaces another, and room to do that in haste again."""
SIGNATURES_MAX: Final = 16
HEADER_CHARACTERS_MAX: Final = 8192
AGE_SECONDS_MAX: Final = 300
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Reason = Literal["missing", "twice", "malformed", "mismatch", "too-old", "ahead", "no-secret"]
Method = Literal["signature", "token", "basic", "none"]


class Unproven(Unknown):
    """The sender of a delivery is not proven; `reason` says in a word why."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class Proof(NamedTuple):
    """What was proven. `secret` counts from 0 which of them did it, None where there is none;
    `signed` is the sender's time where that is signed, too.
    """

    scheme: str
    method: Method
    assurance: int
    secret: int | None
    signed: datetime | None


class Signature(Struct, frozen=True, kw_only=True):
    """An HMAC in a header, hexadecimal in lower case unless it is `base64`.

    `signs` names what is signed, put together with `joint`: the raw `body`, and before it the
    `id` and the `time` (seconds since 1970) of the sender, or a word as it stands there. The id
    has a header of its own; the time has one, or stands beside the signature after `time_prefix`.
    `separator` stands between several in one header, which senders use to change their secrets,
    and to offer other signatures than that of `prefix`; these are passed over.
    """

    header: str
    prefix: str = ""
    digest: Literal["sha256", "sha512"] = "sha256"
    coding: Literal["hex", "base64"] = "hex"
    separator: str = ""
    signs: tuple[str, ...] = ("body",)
    joint: str = ""
    id_header: str = ""
    time_header: str = ""
    time_prefix: str = ""

    @property
    def words(self) -> str:
        """What the header says, in words."""
        length = hashlib.new(self.digest).digest_size
        text = f"{length * 2} hexadecimal digits in lower case"
        if self.coding == "base64":
            text = f"{length} bytes in base64"
        start = f"'{self.prefix}' and " if self.prefix else ""
        beside = f"'{self.time_prefix}', seconds since 1970, " if self.time_prefix else ""
        return f"{beside}{start}{text}"


class Shared(Struct, frozen=True, kw_only=True):
    """A secret that is sent along as it is, after the name of a scheme where `prefix` says one."""

    header: str
    prefix: Literal["", "Bearer", "Basic"] = ""

    @property
    def words(self) -> str:
        return f"'{self.prefix}' and the secret" if self.prefix else "the secret as it is"


class Scheme(Struct, frozen=True, kw_only=True):
    """One way of proving a sender. `page` is where its vendor describes it; `evidence` is what
    comes with a delivery, None for nothing; `form` is that of its secrets, and `is_given` says that
    the vendor makes them.
    """

    name: str
    page: str
    evidence: Signature | Shared | None
    form: secret.Form
    is_given: bool = False

    @property
    def method(self) -> Method:
        if isinstance(self.evidence, Signature):
            return "signature"
        if self.evidence is None:
            return "none"
        return "basic" if self.evidence.prefix == "Basic" else "token"

    @property
    def assurance(self) -> int:
        return {"signature": 2, "none": 0}.get(self.method, 1)

    @property
    def age_seconds_max(self) -> int | None:
        """How far the sender's signed time may be from ours, both ways; None where it has none."""
        has_time = isinstance(self.evidence, Signature) and "time" in self.evidence.signs
        return AGE_SECONDS_MAX if has_time else None

    def checked(self, text: str) -> str:
        """The text, where a sender can prove itself by it; raises Malformed, not repeating it."""
        return secret.checked(self.form, text)

    def issued(self, random: bytes) -> str | None:
        """A new secret as it is pasted at the vendor, made of `secret.RANDOM_BYTES` fit for keys;
        None where the vendor makes it, and where there is none.
        """
        return None if self.is_given else secret.issued(self.form, random)


def prove(scheme: Scheme, delivery: Delivery, secrets: Sequence[str], *, now: datetime) -> Proof:
    """That one of the live secrets is the sender's; the first of them that is.

    Raises Unproven, and nothing else for what a sender can send; Misconfigured for secrets that
    this scheme can't have. Nothing of a secret, of a signature or of a header is in a message, and
    comparing takes as long whichever bytes are wrong.
    """
    keys = _keys(scheme, secrets)
    evidence = scheme.evidence
    signed = None
    at = None
    if isinstance(evidence, Signature):
        at, signed = _signing(scheme, evidence, delivery, keys)
    elif isinstance(evidence, Shared):
        at = _sharing(scheme, evidence, delivery, keys)
    if signed is not None:
        # After the signature: only who has the secret is told about the time.
        _refuse_untimely(scheme, signed, now)
    return Proof(scheme.name, scheme.method, scheme.assurance, at, signed)


def _keys(scheme: Scheme, secrets: Sequence[str]) -> list[bytes]:
    if len(secrets) > SECRETS_MAX:
        raise Misconfigured(
            f"secrets: expected at most {SECRETS_MAX} that are live, found {len(secrets)}; "
            "take out what no sender uses"
        )
    read = [secret.key(scheme.form, one) for one in secrets]
    keys = [key for key in read if key is not None]
    if len(keys) != len(secrets):
        raise Misconfigured(
            f"secrets: expected {secret.words(scheme.form)} for {scheme.name}, found something "
            "else; name the scheme that the sender uses, or mend the secret"
        )
    if scheme.evidence is not None and not keys:
        raise Unproven(
            "no-secret",
            f"secrets: expected one for {scheme.name}, found none at this connection, which "
            "therefore takes nothing; give it one",
        )
    return keys


def _header(scheme: Scheme, delivery: Delivery, name: str, form: str) -> str:
    """What a header says, which is not too long to be looked at."""
    try:
        sent = delivery.header(name)
    except Malformed as error:
        raise Unproven("twice", str(error)) from None
    if not sent:
        raise Unproven(
            "missing",
            f"{name}: expected {form}, found nothing; set the secret at the sender, see "
            f"{scheme.page}",
        )
    if len(sent) > HEADER_CHARACTERS_MAX:
        raise _malformed(scheme, name, f"at most {HEADER_CHARACTERS_MAX} characters", "more")
    return sent


def _malformed(scheme: Scheme, name: str, expected: str, found: str = "another form") -> Unproven:
    return Unproven("malformed", f"{name}: expected {expected}, found {found}; see {scheme.page}")


class _Sent(NamedTuple):
    """What a header of signatures says: signatures as text, and the time where it is in there."""

    signatures: list[bytes]
    time: str


def _signing(
    scheme: Scheme, signature: Signature, delivery: Delivery, keys: Sequence[bytes]
) -> tuple[int, datetime | None]:
    """Which key signed it, and when that says it was."""
    sent = _sent(scheme, signature, _header(scheme, delivery, signature.header, signature.words))
    said = {"time": sent.time}
    if signature.time_header:
        said["time"] = _header(scheme, delivery, signature.time_header, _SECONDS)
    if signature.id_header:
        said["id"] = _header(scheme, delivery, signature.id_header, _ID)
        if _id(said["id"]) is None:
            raise _malformed(scheme, signature.id_header, _ID)
    signed = _time(scheme, signature, said["time"]) if "time" in signature.signs else None
    # Only the body comes after the last joint, and it is not copied.
    before = signature.joint.join([*(said.get(part, part) for part in signature.signs[:-1]), ""])
    made = [_made(signature, key, before.encode("ascii"), delivery.body) for key in keys]
    # All are compared with all, so that the time it takes does not say which is right.
    places = [
        place
        for place, expected in enumerate(made)
        for one in sent.signatures
        if hmac.compare_digest(expected, one)
    ]
    if not places:
        raise Unproven(
            "mismatch",
            f"{signature.header}: expected a signature by a secret of this connection over the "
            "body as it was sent, found another; compare the secret at the sender, and look for "
            "a proxy that changes bodies",
        )
    return places[0], signed


def _made(signature: Signature, key: bytes, before: bytes, body: bytes) -> bytes:
    digest = hmac.new(key, before, signature.digest)
    digest.update(body)
    if signature.coding == "base64":
        return b64encode(digest.digest())
    return digest.hexdigest().encode("ascii")


def _sent(scheme: Scheme, signature: Signature, header: str) -> _Sent:
    entries = [header]
    if signature.separator:
        entries = [entry.strip() for entry in header.split(signature.separator, SIGNATURES_MAX)]
    if len(entries) > SIGNATURES_MAX:
        raise _malformed(scheme, signature.header, f"at most {SIGNATURES_MAX} signatures", "more")
    is_form = _written[signature.digest, signature.coding].fullmatch
    texts = _after(signature.prefix, entries)
    signatures = [text.encode("ascii") for text in texts if is_form(text)]
    times = _after(signature.time_prefix, entries) if signature.time_prefix else []
    if not signatures or len(times) != bool(signature.time_prefix):
        raise _malformed(scheme, signature.header, signature.words)
    return _Sent(signatures, times[0] if times else "")


def _after(prefix: str, entries: Sequence[str]) -> list[str]:
    return [entry.removeprefix(prefix) for entry in entries if entry.startswith(prefix)]


_written: Final = {
    ("sha256", "hex"): re.compile("[0-9a-f]{64}"),
    ("sha512", "hex"): re.compile("[0-9a-f]{128}"),
    ("sha256", "base64"): re.compile("[A-Za-z0-9+/]{43}="),
    ("sha512", "base64"): re.compile("[A-Za-z0-9+/]{86}=="),
}
_SECONDS: Final = "whole seconds since 1970"
_seconds = re.compile("[0-9]{1,11}").fullmatch
_ID: Final = "an id of visible ASCII without a full stop"
# Were there a full stop in it, a signed body that starts with a time could pass as a shorter body
# with another id (Standard Webhooks, "Signature scheme").
_id = re.compile("[!-\\-/-~]{1,256}").fullmatch


def _time(scheme: Scheme, signature: Signature, text: str) -> datetime:
    if _seconds(text) is None:
        raise _malformed(scheme, signature.time_header or signature.header, _SECONDS)
    return _EPOCH + timedelta(seconds=int(text))


def _refuse_untimely(scheme: Scheme, signed: datetime, now: datetime) -> None:
    apart = abs(signed - now)
    if apart <= timedelta(seconds=AGE_SECONDS_MAX):
        return
    is_ahead = signed > now
    raise Unproven(
        "ahead" if is_ahead else "too-old",
        f"{scheme.name}: expected a signed time within {AGE_SECONDS_MAX} seconds of ours, found "
        f"it {apart.total_seconds():.0f} seconds {'ahead' if is_ahead else 'old'}; set the clocks "
        "right, or let the sender send it anew",
    )


def _sharing(scheme: Scheme, shared: Shared, delivery: Delivery, keys: Sequence[bytes]) -> int:
    """Which secret was sent. Hashes are compared, so that not even lengths show."""
    sent = _shared(scheme, shared, _header(scheme, delivery, shared.header, shared.words))
    found = hashlib.sha256(sent).digest()
    places = [
        place
        for place, key in enumerate(keys)
        if hmac.compare_digest(found, hashlib.sha256(key).digest())
    ]
    if not places:
        raise Unproven(
            "mismatch",
            f"{shared.header}: expected a secret of this connection, found another; compare it "
            "at the sender",
        )
    return places[0]


def _shared(scheme: Scheme, shared: Shared, header: str) -> bytes:
    text = header
    if shared.prefix:
        name, _, text = header.partition(" ")
        # The name of a scheme is in any case (RFC 9110 §11.1).
        if name.lower() != shared.prefix.lower():
            raise _malformed(scheme, shared.header, shared.words)
    try:
        octets = text.strip(" ").encode("latin-1")
        found = _unbase64(octets) if shared.prefix == "Basic" else octets
    except UnicodeEncodeError:
        found = b""
    if not found:
        raise _malformed(scheme, shared.header, shared.words)
    return found


def _unbase64(octets: bytes) -> bytes:
    """What it stands for; empty for base64 that nobody would have written."""
    try:
        found = b64decode(octets, validate=True)
    except NotBase64:
        return b""
    return found if b64encode(found) == octets else b""

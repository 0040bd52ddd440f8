"""Tokens: the form of their secrets, what is kept of them, and who is recognised by one.

Pure: the time and random bytes are arguments. A secret is `dt_<name>_<43 of base64url>_<crc32>`:
a prefix and a checksum by which scanners find one that leaked, and by which we tell a mistyped one
from a false one. What is kept is its hash, never the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from deploytrail import canonical
from deploytrail.access.principal import ALL, Permission, Principal
from deploytrail.clock import rfc3339
from deploytrail.entry import base64url
from deploytrail.errors import Malformed, Misconfigured, Unknown
from deploytrail.event import Time
from deploytrail.printable import printable
from deploytrail.query.tree import Filter

VERSION: Final = 1
"""Of what is kept; every version ever shipped stays readable."""
RANDOM_BYTES: Final = 32
NAME_CHARACTERS_MAX: Final = 40
OWNER_CHARACTERS_MAX: Final = 200
SCOPE_CHARACTERS_MAX: Final = 512

ROLES: Final[Mapping[str, frozenset[Permission]]] = MappingProxyType(
    {
        "viewer": frozenset({Permission.READ}),
        "recorder": frozenset({Permission.RECORD}),
        "auditor": frozenset({Permission.READ, Permission.READ_LOG}),
        "operator": frozenset({Permission.READ, Permission.RECORD, Permission.OPERATE}),
        "admin": ALL,
    }
)
"""Sets of permissions that have a name; a token keeps the permissions, not the name."""
_BOUNDLESS: Final = (Permission.READ_LOG, Permission.MANAGE_TOKENS)
"""What reaches past every scope: whole entries, and tokens that one makes for oneself."""

_name = re.compile(r"[a-z0-9][a-z0-9-]{0,39}").fullmatch
_secret = re.compile(r"dt_([a-z0-9][a-z0-9-]{0,39})_[A-Za-z0-9_-]{43}_([0-9a-f]{8})").fullmatch
_bearer = re.compile(r"(?i:bearer) +([!-~]+) *").fullmatch


Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]


class Former(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The secret that a token had before it was rotated; it still opens until then."""

    hash: Hash
    until: Time


class Token(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of one token. `permissions` are in the order of their names, each once;
    `scope` is the canonical text of a query, empty for everything; times are UTC.

    `edition` counts from 1 how often it was set; tokens of before that was counted lack it.

    `hash` is the plain SHA-256 of the secret: a slow or salted one protects what people choose,
    by making each guess dear. Nobody guesses one of 2^256, no two are equal, and every request
    pays for the hash.
    """

    id: str
    owner: str
    permissions: tuple[Permission, ...]
    scope: str
    created: Time
    created_by: str
    expires: Time | None
    hash: Hash
    former: Former | None = None
    revoked: Time | None = None
    edition: Annotated[int, Meta(ge=1, lt=2**53)] | UnsetType = UNSET
    version: Literal[1] = 1

    @property
    def set_before(self) -> int | None:
        """How often it was set; None where that was not counted."""
        return None if self.edition is UNSET else self.edition

    def state(self, now: datetime) -> Literal["live", "expired", "revoked"]:
        if self.revoked is not None:
            return "revoked"
        return "live" if self.expires is None or now < self.expires else "expired"


class Asked(NamedTuple):
    """A token that somebody wants. `scope` is canonical, and empty for everything."""

    name: str
    owner: str
    permissions: frozenset[Permission]
    scope: str
    expires: datetime | None


class Known(NamedTuple):
    """A token with its scope as a filter, so that it is parsed once and not per request."""

    token: Token
    scope: Filter


def issued(asked: Asked, *, by: str, now: datetime, random: bytes) -> tuple[Token, str]:
    """The token, and the secret that only its owner will have.

    `random` are RANDOM_BYTES fit for keys. Raises Malformed, naming what can't be so.
    """
    _refuse_unsound(asked, now)
    secret = _new_secret(asked.name, random)
    token = Token(
        id=asked.name,
        owner=asked.owner,
        permissions=_in_order(asked.permissions),
        scope=asked.scope,
        created=now,
        created_by=by,
        expires=asked.expires,
        hash=_hash(secret),
    )
    return token, secret


def rotated(
    token: Token, *, expires: datetime | None, until: datetime, now: datetime, random: bytes
) -> tuple[Token, str]:
    """The token with a new secret and a new end; its old secret opens until then, and no longer
    than it was to. Raises Malformed where the new end is past.
    """
    _refuse_past(expires, now)
    secret = _new_secret(token.id, random)
    former = Former(hash=token.hash, until=min(until, token.expires or until))
    new = structs.replace(token, hash=_hash(secret), expires=expires, former=former)
    return new, secret


def _new_secret(name: str, random: bytes) -> str:
    stem = f"dt_{name}_{base64url(random)}"
    return f"{stem}_{_checksum(stem)}"


def _refuse_past(expires: datetime | None, now: datetime) -> None:
    if expires is not None and expires <= now:
        raise Malformed(
            f"expires: expected a time to come, found {rfc3339(expires)}; say when it ends"
        )


def _refuse_unsound(asked: Asked, now: datetime) -> None:
    if _name(asked.name) is None:
        raise Malformed(
            f"name: expected at most {NAME_CHARACTERS_MAX} of a-z, 0-9 and -, such as "
            f"ci-payments, found {asked.name[:60]!a}; name it so"
        )
    is_plain = printable(asked.owner) == asked.owner and asked.owner.strip() == asked.owner
    if not (0 < len(asked.owner) <= OWNER_CHARACTERS_MAX and is_plain):
        raise Malformed(
            f"owner: expected 1 to {OWNER_CHARACTERS_MAX} characters on one line such as "
            f"github:alice, found {asked.owner[:60]!a}; say whose the token is"
        )
    if not asked.permissions:
        raise Malformed(f"permissions: expected at least one, or a role of {', '.join(ROLES)}")
    if len(asked.scope) > SCOPE_CHARACTERS_MAX:
        raise Malformed(
            f"scope: expected at most {SCOPE_CHARACTERS_MAX} characters, found "
            f"{len(asked.scope)}; make several tokens"
        )
    _refuse_past(asked.expires, now)
    beyond = [one.value for one in _BOUNDLESS if one in asked.permissions]
    if asked.scope and beyond:
        raise Malformed(
            f"scope: expected none beside {' and '.join(beyond)}, which can't be held to a part "
            f"of the trail, found {asked.scope!a}; leave the scope out, or give viewer or recorder"
        )


def role_of(token: Token) -> str:
    """The role with just these permissions; else their names."""
    held = frozenset(token.permissions)
    named = next((role for role, permissions in ROLES.items() if permissions == held), None)
    return named or ",".join(one.value for one in token.permissions)


def encode(token: Token) -> bytes:
    """Canonical JSON, as it is kept."""
    return canonical.encode_checked(token)


def decode(octets: bytes) -> Token:
    """The reverse of `encode`.

    Raises Malformed for anything that it would not have written, and Misconfigured for what a
    newer Deploytrail has.
    """
    try:
        version = _versions.decode(octets).version
        if version > VERSION:
            raise Misconfigured(
                f"token: expected version {VERSION} or older, found {version}; a newer "
                "Deploytrail made it, use that one"
            )
        token = _tokens.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"token: expected one as it is kept; {error}") from None
    if encode(token) != octets or token.permissions != _in_order(token.permissions):
        raise Malformed("token: expected canonical JSON, found another spelling of it")
    return token


class _Version(Struct):
    version: int


_versions: Final = msgspec.json.Decoder(_Version)
_tokens: Final = msgspec.json.Decoder(Token)


def bearer(header: str | None) -> str:
    """The secret of an `Authorization` header (RFC 6750 §2.1); raises Unknown."""
    found = _bearer(header) if header else None
    if found is None:
        what = "another way to say who asks" if header else "nothing"
        raise Unknown(
            f"Authorization: expected 'Bearer dt_…', found {what}; send a token of this trail, "
            "which 'deploytrail token create' makes"
        )
    return found[1]


def checked_secret(text: str) -> str:
    """The text, if it has the form of a secret; raises Malformed, which does not repeat it."""
    found = _secret(text)
    if found is None:
        raise Malformed(
            "token: expected dt_NAME_ and the rest as 'deploytrail token create' printed it, "
            "found another form; copy it whole"
        )
    if _checksum(text[: -len(found[2]) - 1]) != found[2]:
        raise Malformed("token: expected its checksum at the end, found another; copy it whole")
    return text


class Held(NamedTuple):
    """Whose a secret is, and until when it opens; None is without an end."""

    principal: Principal
    name: str
    end: datetime | None

    def opened(self, now: datetime) -> Principal:
        """Raises Unknown for one that has expired."""
        if self.end is not None and self.end <= now:
            raise Unknown(
                f"token {self.name}: this secret expired at {rfc3339(self.end)}; "
                f"'deploytrail token rotate {self.name}' makes another"
            )
        return self.principal


def recognised(secret: str, known: Mapping[str, Known], now: datetime) -> Principal:
    """Whose secret this is. Raises Unknown.

    It takes as long whichever bytes of a secret are wrong, and whether its name is known or not.
    Only who has the secret is told that it has expired.
    """
    return held(secret, known).opened(now)


def held(secret: str, known: Mapping[str, Known]) -> Held:
    """As `recognised`, whenever that is: the same until what is known changes."""
    try:
        found = known.get(_name_in(checked_secret(secret)))
    except Malformed as error:
        raise Unknown(str(error)) from None
    secret_hash = _hash(secret)
    token = found.token if found is not None else None
    former = token.former if token is not None else None
    is_new = hmac.compare_digest(secret_hash, token.hash if token is not None else _NO_HASH)
    is_former = hmac.compare_digest(secret_hash, former.hash if former is not None else _NO_HASH)
    if found is None or token is None or token.revoked is not None or not (is_new or is_former):
        raise Unknown(
            "token: expected one that this trail knows, found none of these: it was never made "
            "here, or it is revoked; 'deploytrail token create' makes one"
        )
    end = token.expires if is_new or former is None else former.until
    permissions = frozenset(token.permissions)
    principal = Principal(f"token:{token.id}", token.owner, permissions, found.scope)
    return Held(principal, token.id, end)


def _in_order(permissions: Iterable[Permission]) -> tuple[Permission, ...]:
    return tuple(sorted(set(permissions), key=lambda one: one.value))


_NO_HASH: Final = bytes(32)


def _name_in(secret: str) -> str:
    return secret.split("_", 2)[1]


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("ascii")).digest()


def _checksum(stem: str) -> str:
    return f"{zlib.crc32(stem.encode('ascii')):08x}"

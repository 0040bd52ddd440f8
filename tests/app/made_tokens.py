"""Tokens for tests: made by Alice, for Bob's jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from deploytrail.access.principal import Principal
from deploytrail.access.token import ROLES
from deploytrail.app.access.known_tokens import KnownTokens
from deploytrail.app.access.tokens import Created, Tokens
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.clock import Clock
from deploytrail.event import Actor, Auth
from tests.fakes import NOON

ALICE = Actor(
    type="user",
    id="os:alice@host",
    auth=Auth(method="os_user", assurance=1, verified_by="kernel"),
)
LATER = NOON + timedelta(days=90)


def over(trail: DirectoryTrail, clock: Clock) -> Tokens:
    return Tokens(trail.store, trail.recorder, clock)


def create(tokens: Tokens, name: str = "ci", **differing: Any) -> Created:
    plain: dict[str, Any] = {
        "owner": "github:bob",
        "permissions": ROLES["recorder"],
        "expires": LATER,
        "by": ALICE,
    }
    return tokens.create(name, **(plain | differing))


def came_with(tokens: Tokens | KnownTokens, secret: str) -> Principal:
    return tokens.authenticate(f"Bearer {secret}")

"""Who asks, and what they may: values only."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from deploytrail.errors import NotPermitted
from deploytrail.query.tree import EVERYTHING, Filter


class Permission(Enum):
    """What a route, a verb or a method asks for; each says what it allows."""

    RECORD = "events.record"
    """Append events."""
    READ = "events.read"
    """Search, list and show events within one's scope, with proofs, and export them."""
    READ_LOG = "log.read_all"
    """Read entry bundles as they stand in the log: everything, whatever its scope."""
    MANAGE_TOKENS = "tokens.manage"
    """Make, list and revoke tokens."""
    OPERATE = "trail.operate"
    """Read figures of operation; with READ and without a scope, take backups."""


ALL = frozenset(Permission)


class Principal(NamedTuple):
    """Somebody who was recognised.

    `id` names the credential (`token:ci`), and is the `source.instance` of what is recorded with
    it; `owner` is whose it is. `scope` is a filter over the fields of `fields.SCOPING` alone: what
    it leaves out looks absent.
    """

    id: str
    owner: str
    permissions: frozenset[Permission]
    scope: Filter = EVERYTHING

    def may(self, permission: Permission) -> None:
        """Raises NotPermitted where it may not."""
        if permission not in self.permissions:
            raise NotPermitted(
                f"{self.id}: expected the permission {permission.value}, which this credential "
                "lacks; ask for one that has it ('deploytrail token create')"
            )

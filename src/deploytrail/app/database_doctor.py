"""As `doctor`, of a trail in a database: what is wrong, and what only an operator may decide."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from deploytrail.app import home as homes
from deploytrail.app.doctor import (
    Check,
    accept_clock_of,
    enter,
    refuse_unsound,
    unrecorded,
    verification,
)
from deploytrail.app.trails.database import key_home, open_database
from deploytrail.clock import Clock, SystemClock
from deploytrail.errors import DeploytrailError, NotFound
from deploytrail.event import Actor
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.creating import has_trail
from deploytrail.stores.postgres.examined import ExaminedKeys
from deploytrail.stores.postgres.fence import Fence
from deploytrail.stores.postgres.link import Waits
from deploytrail.stores.postgres.standing import Standing, standing
from deploytrail.trail import Receipt
from deploytrail.xdg import aside_directory


def examine_database(url: str, *, environment: Mapping[str, str] | None = None) -> list[Check]:
    """Everything that can be looked at without changing anything."""
    environment = os.environ if environment is None else environment
    address = Address(url)
    try:
        found = standing(address, Waits())
    except DeploytrailError as error:
        return [Check(what="server", state="bad", found=str(error), advice="see the message")]
    checks = [_server(address, found), *_replication(found), *_link(address, found)]
    if not has_trail(address, Waits()):
        said = f"{address}: expected a trail, found none"
        advice = "'deploytrail init' makes one; --url or DEPLOYTRAIL_URL says where one is"
        return [*checks, Check(what="trail", state="bad", found=said, advice=advice)]
    checks += [_key(address, environment), _fence(address)]
    checks += verification(url, environment)
    aside = aside_directory(environment, url)
    if aside is not None:
        checks += unrecorded(aside)
    return checks


def is_fenced(url: str) -> bool:
    """Whether writers are kept out; also where there is no trail, which opening it says."""
    address = Address(url)
    return not has_trail(address, Waits()) or bool(Fence(address, Waits()).reasons())


def clear_fence(
    url: str,
    *,
    actor: Actor,
    reason: str | None,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
) -> Receipt:
    """As `doctor.clear_fence`. What is visible in PostgreSQL is durable: there is nothing to sync.

    Other nodes that found the reason themselves refuse until they are started again.
    """
    clock = SystemClock() if clock is None else clock
    environment = os.environ if environment is None else environment
    refuse_unsound(url, clock, environment)
    fence = Fence(Address(url), Waits())
    fence.clear()
    try:
        with open_database(url, create=False, clock=clock, environment=environment) as trail:
            return enter(trail, clock, "audit.fence.cleared", actor, reason)
    except BaseException as error:
        # Nobody may find the fence gone and no entry that says who cleared it.
        fence.raise_fence(f"cleared, but that could not be entered: {error}")
        raise


def accept_clock(
    url: str,
    *,
    actor: Actor,
    reason: str | None,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
) -> Receipt | None:
    """As `doctor.accept_clock`."""
    clock = SystemClock() if clock is None else clock
    opened = open_database(url, create=False, clock=clock, environment=environment)
    return accept_clock_of(opened, clock, actor=actor, reason=reason)


def _server(address: Address, found: Standing) -> Check:
    what = f"{address}: PostgreSQL {found.version}"
    if found.is_standby:
        advice = "name the primary: nothing can be recorded here"
        return Check(what="server", state="bad", found=f"{what}, a standby", advice=advice)
    if not found.has_checksums:
        return Check(
            what="server",
            state="note",
            found=f"{what}, without checksums of its pages",
            advice="pg_checksums --enable, while it is stopped: a disk that rots is found sooner",
        )
    return Check(what="server", state="ok", found=f"{what}; commits are synced")


def _replication(found: Standing) -> Iterator[Check]:
    if not found.standbys:
        yield Check(
            what="standby",
            state="note",
            found="no synchronous standby: what is acknowledged is on one machine",
            advice="a failover to an asynchronous one is a restore (docs/postgres.md)",
        )


def _link(address: Address, found: Standing) -> Iterator[Check]:
    if not found.is_encrypted and not found.is_local:
        yield Check(
            what="link",
            state="bad",
            found=f"{address}: neither encrypted nor within this machine",
            advice="add sslmode=verify-full and sslrootcert to the URL",
        )


def _key(address: Address, environment: Mapping[str, str]) -> Check:
    try:
        wrapping = homes.wrapping_key(key_home(environment), environment)
    except DeploytrailError as error:
        return Check(what="key", state="bad", found=str(error), advice="restore the key")
    try:
        ExaminedKeys(address, wrapping).close()
    except NotFound as error:
        return Check(what="keys", state="bad", found=str(error), advice="restore it from a backup")
    except DeploytrailError as error:
        found = f"it does not open deploytrail_keys ({error})"
        return Check(what="key", state="bad", found=found, advice="restore the key of this trail")
    return Check(what="key", state="ok", found="kept outside the database")


def _fence(address: Address) -> Check:
    reasons = Fence(address, Waits()).reasons()
    if not reasons:
        return Check(what="fence", state="ok", found="writers are let in")
    advice = "deploytrail doctor --clear-fence"
    return Check(what="fence", state="bad", found="; ".join(reasons), advice=advice)

"""A backup made into a trail of a database: whole, or for nobody to open.

Its tables stand there under their names; as long as one more stands beside them, everybody else
refuses the log. Stopped at any point, the same call can be repeated.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from deploytrail.app import home as homes
from deploytrail.app.backups.refilling import Opened, Refilled, refill
from deploytrail.app.backups.restoring import (
    Given,
    Restored,
    Told,
    own_key,
    put_key,
    sound,
    why_older,
)
from deploytrail.app.trails.database import open_database, shown
from deploytrail.app.verifying import verify
from deploytrail.clock import Clock, SystemClock
from deploytrail.stores.files import make_directory
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.creating import NewTrail, create_unready, make_ready
from deploytrail.stores.postgres.fence import Fence
from deploytrail.stores.postgres.keys import PostgresKeyring
from deploytrail.stores.postgres.lease import Lease
from deploytrail.stores.postgres.link import Waits
from deploytrail.stores.postgres.log import PostgresLog
from deploytrail.stores.postgres.log_sql import SHAPE_RESTORING
from deploytrail.trail import PATIENT, Patience

_RESTORE: Final = "restore"


def restore_database(
    file: Path,
    url: str,
    *,
    keys_file: Path | None = None,
    key: Path | None = None,
    environment: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    patience: Patience = PATIENT,
    told: Told | None = None,
    verifying: Told | None = None,
) -> Restored:
    """Make a trail of a backup, as `restoring.restore` does, in a database that has none.

    `key` is put where the key of a database's trail is looked for. Raises Conflict where there is a
    trail, Busy while another restores there, and what `restoring.restore` raises.
    """
    environment = os.environ if environment is None else environment
    clock = SystemClock() if clock is None else clock
    address, waits = Address(url), Waits(lock=patience.writer)
    home = homes.find(None, environment)
    given = Given(file, keys_file, key)
    lease = Lease(address, _RESTORE)
    with ExitStack() as stack:
        backup, wrapping = stack.enter_context(sound(given, home, environment, patience))
        stack.callback(lease.close)
        stack.enter_context(lease.held(seconds_max=patience.writer))
        new = NewTrail(backup.origin, backup.policy, backup.secrets)
        create_unready(address, waits, new, clock, wrapping)
        refilled = _refilled(backup, address, waits, clock, wrapping, told)
        own = own_key(given, environment, wrapping)
        if own is not None:
            make_directory(home.directory)
            put_key(home, own)
        make_ready(address, waits)
    report = verify(url, disclosures=True, environment=environment, clock=clock, told=verifying)
    older = why_older(
        lambda: open_database(url, create=False, clock=clock, environment=environment).close()
    )
    return Restored(home=shown(url), refilled=refilled, report=report, older=older)


def _refilled(
    backup: Opened, address: Address, waits: Waits, clock: Clock, wrapping: bytes, told: Told | None
) -> Refilled:
    fence = Fence(address, waits)
    with ExitStack() as stack:
        store = PostgresLog(address, fence, clock, waits, shape=SHAPE_RESTORING)
        stack.callback(store.close)
        keyring = PostgresKeyring(address, fence, clock, waits, wrapping_key=wrapping)
        stack.callback(keyring.close)
        return refill(backup, store, keyring, told=told)

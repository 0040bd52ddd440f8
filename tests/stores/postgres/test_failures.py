"""What an error of the server means, by SQLSTATE."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.errors import lookup

from deploytrail.errors import (
    Busy,
    DeploytrailError,
    DiskFull,
    Misconfigured,
    NotPermitted,
    Unreachable,
)
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.failures import own_error, shakes_trust

ADDRESS = Address("postgresql://alice:s3cret@db.example.org/trail")
MEANING: dict[str, tuple[str, type[DeploytrailError]]] = {
    "the disk is full": ("53100", DiskFull),
    "another writer holds the lock": ("55P03", Busy),
    "two waited for each other": ("40P01", Busy),
    "it took too long": ("57014", Busy),
    "a client stood still": ("25P03", Busy),
    "no memory": ("53200", Busy),
    "no connection left": ("53300", Busy),
    "the server is stopped": ("57P01", Unreachable),
    "the server starts": ("57P03", Unreachable),
    "the connection broke": ("08006", Unreachable),
    "a role without the right": ("42501", NotPermitted),
    "a wrong password": ("28P01", NotPermitted),
    "a standby": ("25006", Misconfigured),
}
NOT_OURS: dict[str, str] = {
    "a broken page": "XX001",
    "a broken index": "XX002",
    "an I/O error": "58030",
    "a file that is gone": "58P01",
    "a key that is there already": "23505",
    "a table that is gone": "42P01",
    "a column that is gone": "42703",
    "a schema that is gone": "3F000",
}


def error(state: str) -> psycopg.Error:
    return lookup(state)("of the server")


@pytest.mark.parametrize("reason", MEANING)
def test_an_error_means_what_its_state_says(reason: str) -> None:
    state, kind = MEANING[reason]
    assert type(own_error(error(state), ADDRESS)) is kind
    assert not shakes_trust(error(state))


@pytest.mark.parametrize("reason", NOT_OURS)
def test_what_is_not_as_we_wrote_it_shakes_the_trust(reason: str) -> None:
    assert shakes_trust(error(NOT_OURS[reason]))


def test_a_connection_that_breaks_without_a_state_is_unreachable() -> None:
    said = own_error(psycopg.OperationalError("server closed the connection"), ADDRESS)
    assert isinstance(said, Unreachable)


def test_a_fault_of_ours_is_none_of_the_server_s() -> None:
    assert own_error(error("42601"), ADDRESS) is None
    assert own_error(psycopg.DataError("a NUL in a text"), ADDRESS) is None


def test_no_message_repeats_a_password() -> None:
    said = own_error(psycopg.OperationalError("no entry for\nalice, s3cret"), ADDRESS)
    assert "postgresql://alice:***@db.example.org/trail" in str(said)
    assert "no entry for; alice, …" in str(said)

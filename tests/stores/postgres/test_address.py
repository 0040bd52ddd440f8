"""A database's URL: what of it may be shown, and what it must not be."""

from __future__ import annotations

import traceback

import pytest

from deploytrail.errors import Malformed, Misconfigured, Unreachable
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.link import Waits, connect

SHOWN: dict[str, str] = {
    "postgresql://alice:s3cret@db.example.org:6432/trail": (
        "postgresql://alice:***@db.example.org:6432/trail"
    ),
    "postgres://db.example.org/trail?user=alice&password=s3cret": (
        "postgresql://db.example.org/trail?user=alice&password=***"
    ),
    "postgresql:///trail?host=/run/postgresql": "postgresql:///trail?host=/run/postgresql",
    "postgresql://%2Frun%2Fpostgresql/trail": "postgresql://%2Frun%2Fpostgresql/trail",
    "postgresql://a,b/trail?sslpassword=s3cret": "postgresql://a,b/trail?sslpassword=***",
}
REFUSED: dict[str, str] = {
    "another database": "mysql://alice:s3cret@db/trail",
    "a directory": "/srv/trail",
    "a password with an @": "postgresql://alice:s3@cret@db/trail",
    "a parameter that libpq lacks": "postgresql://alice:s3cret@db/trail?schema=x",
    "a broken escape": "postgresql://alice:s3cret%zz@db/trail",
}


@pytest.mark.parametrize("url", SHOWN)
def test_an_address_is_shown_without_what_is_secret(url: str) -> None:
    address = Address(url)
    assert (str(address), repr(address)) == (SHOWN[url], SHOWN[url])
    assert "s3cret" not in address.without_secrets(f"no such host; {url}")


@pytest.mark.parametrize("reason", REFUSED)
def test_what_libpq_can_t_read_is_refused_and_not_repeated(reason: str) -> None:
    with pytest.raises((Malformed, Misconfigured)) as caught:
        Address(REFUSED[reason])
    assert "s3" not in "".join(traceback.format_exception(caught.value, chain=True))


def test_nobody_at_that_address_is_unreachable_and_the_password_stays_ours() -> None:
    address = Address("postgresql://alice:s3cret@127.0.0.1:1/trail")
    with pytest.raises(Unreachable) as caught:
        connect(address, Waits())
    assert "postgresql://alice:***@127.0.0.1:1/trail: expected an answer" in str(caught.value)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value, chain=True))

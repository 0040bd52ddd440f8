"""The keyring on PostgreSQL: one subject per identity, whoever asks, until it is erased."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from deploytrail.errors import Busy, Fenced, Tampered
from deploytrail.stores.postgres.creating import creating
from deploytrail.stores.postgres.fence import Fence
from deploytrail.stores.postgres.keys import PostgresKeyring
from deploytrail.vault import keys
from tests.contract.engines import PostgresEngine
from tests.fakes import FakeClock
from tests.postgresql import Server

KEY = b"w" * 32
SECRETS = keys.new_secrets(bytes(range(192)))
ALICE, BOB = "github:alice", "github:bob"
Opening = Callable[[], PostgresKeyring]


@pytest.fixture
def opening(engine: PostgresEngine) -> Iterator[Opening]:
    with creating(engine.address, engine.waits) as link:
        PostgresKeyring.create(link, SECRETS, FakeClock(), wrapping_key=KEY)
    made: list[PostgresKeyring] = []

    def opened() -> PostgresKeyring:
        clock, waits = FakeClock(), engine.waits
        # Each draws other keys, as each process would.
        for _ in range(1_000 * len(made)):
            clock.random(1)
        fence = Fence(engine.address, waits)
        made.append(PostgresKeyring(engine.address, fence, clock, waits, wrapping_key=KEY))
        return made[-1]

    yield opened
    for each in made:
        each.close()


@pytest.fixture
def ring(opening: Opening) -> PostgresKeyring:
    return opening()


def test_the_secrets_come_back_and_stand_in_no_file(
    postgres_server: Server, engine: PostgresEngine, ring: PostgresKeyring
) -> None:
    assert ring.secrets == SECRETS
    octets = postgres_server.bytes(engine.name)
    assert not any(secret in octets for secret in SECRETS)
    assert KEY not in octets


def test_an_identity_has_one_subject_and_stands_in_no_file(
    postgres_server: Server, engine: PostgresEngine, opening: Opening
) -> None:
    ring, other = opening(), opening()
    found = ring.subjects([ALICE, BOB, ALICE])
    assert found.keys() == {ALICE, BOB}
    assert found[ALICE].id != found[BOB].id
    ring.forget()
    for each in (ring, other):
        again = each.subjects([BOB, ALICE])
        assert {who: one.id for who, one in again.items()} == {
            who: one.id for who, one in found.items()
        }
        assert again[ALICE].salt_key == found[ALICE].salt_key
    assert b"alice" not in postgres_server.bytes(engine.name)


def test_a_subject_is_found_by_its_id(ring: PostgresKeyring) -> None:
    alice = ring.subjects([ALICE])[ALICE]
    found = ring.subject(alice.id)
    assert found is not None
    assert found.salt_key == alice.salt_key
    assert ring.subject(b"?" * 16) is None
    assert ring.identities_checked() == 1


def test_two_that_ask_at_once_for_one_identity_get_the_same_subject(opening: Opening) -> None:
    rings = [opening() for _ in range(4)]
    for round in range(5):
        wanted = [f"github:{round}-{number}" for number in range(20)]
        with ThreadPoolExecutor(len(rings)) as threads:
            found = list(threads.map(lambda ring, asked=wanted: ring.subjects(asked), rings))
        told = [{who: one.id for who, one in each.items()} for each in found]
        assert told == [told[0]] * len(rings)
        assert len(set(told[0].values())) == len(wanted)


def test_an_erased_identity_is_nobody_and_comes_back_as_another(
    postgres_server: Server, engine: PostgresEngine, ring: PostgresKeyring
) -> None:
    alice, bob = ring.subjects([ALICE, BOB]).values()
    ((wrapped,),) = postgres_server.run(
        "SELECT wrapped FROM deploytrail_keys.subject WHERE subject = %s",
        [alice.id],
        database=engine.name,
    )
    assert wrapped in postgres_server.bytes(engine.name)
    ring.erase(alice.id)
    assert ring.subject(alice.id) is None
    assert ring.subject(bob.id) is not None
    assert wrapped not in postgres_server.bytes(engine.name)
    assert ring.subjects([ALICE])[ALICE].id != alice.id


def test_erasing_ends_only_once_nobody_sees_the_key_any_more(
    engine: PostgresEngine, opening: Opening
) -> None:
    ring, other = opening(), opening()
    alice = ring.subjects([ALICE])[ALICE]
    store = engine.open()
    with store.reading() as reader:
        # A moment of the log is one of the whole database: nothing before it may be forgotten.
        reader.tree()
        with pytest.raises(Busy, match="backend_xmin"):
            ring.erase(alice.id)
    assert other.subject(alice.id) is None
    ring.erase(alice.id)


def test_another_key_and_a_changed_one_are_told(
    postgres_server: Server, engine: PostgresEngine, ring: PostgresKeyring
) -> None:
    ring.subjects([ALICE])
    fence = Fence(engine.address, engine.waits)
    with pytest.raises(Tampered, match="another trail's"):
        PostgresKeyring(engine.address, fence, FakeClock(), engine.waits, wrapping_key=b"x" * 32)
    statement = "UPDATE deploytrail_keys.subject SET wrapped = set_byte(wrapped, 20, 0)"
    postgres_server.run(statement, database=engine.name)
    with pytest.raises(Tampered):
        ring.identities_checked()
    postgres_server.run("DELETE FROM deploytrail_keys.secret", database=engine.name)
    with pytest.raises(Tampered, match="expected checkpoint, cosignature"):
        PostgresKeyring(engine.address, fence, FakeClock(), engine.waits, wrapping_key=KEY)


def test_behind_a_fence_no_key_is_made(engine: PostgresEngine, ring: PostgresKeyring) -> None:
    ring.subjects([ALICE])
    with closing(engine.open()) as store:
        store.fence("Mallory was here")
    ring.forget()
    assert ring.subjects([ALICE]).keys() == {ALICE}
    with pytest.raises(Fenced, match="Mallory was here"):
        ring.subjects([BOB])

"""The keyring on SQLite: one subject per identity, whoever asks, until it is erased."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from deploytrail.errors import Tampered
from deploytrail.stores.sqlite.database import Guard
from deploytrail.stores.sqlite.keys import SqliteKeyring
from deploytrail.vault import keys
from deploytrail.vault.keys import SubjectRow
from tests.fakes import FakeClock

KEY = b"w" * 32
SECRETS = keys.new_secrets(bytes(range(192)))
ALICE, BOB = "github:alice", "github:bob"
ASK = """
import json, sys
from pathlib import Path
from deploytrail.clock import SystemClock
from deploytrail.stores.sqlite.database import Guard
from deploytrail.stores.sqlite.keys import SqliteKeyring
path = Path(sys.argv[1])
guard = Guard(path.parent)
if guard.is_alone:
    guard.settle()
ring = SqliteKeyring(path, guard, SystemClock(), wrapping_key=b"w" * 32)
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps({who: one.name for who, one in ring.subjects(sys.argv[2:]).items()}))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    SqliteKeyring.create(tmp_path / "keys.db", SECRETS, FakeClock(), wrapping_key=KEY)
    return tmp_path / "keys.db"


@pytest.fixture
def guard(path: Path) -> Iterator[Guard]:
    made = Guard(path.parent)
    made.settle()
    yield made
    made.close()


@pytest.fixture
def ring(path: Path, guard: Guard) -> Iterator[SqliteKeyring]:
    made = SqliteKeyring(path, guard, FakeClock(), wrapping_key=KEY)
    yield made
    made.close()


def test_the_secrets_come_back_and_stand_in_no_file(ring: SqliteKeyring, path: Path) -> None:
    assert ring.secrets == SECRETS
    octets = b"".join(each.read_bytes() for each in path.parent.glob("keys.db*"))
    assert not any(secret in octets for secret in SECRETS)
    assert KEY not in octets


def test_an_identity_has_one_subject_and_stands_in_no_file(
    ring: SqliteKeyring, path: Path, guard: Guard
) -> None:
    found = ring.subjects([ALICE, BOB, ALICE])
    assert found.keys() == {ALICE, BOB}
    assert found[ALICE].id != found[BOB].id
    ring.forget()
    assert {who: one.id for who, one in ring.subjects([BOB, ALICE]).items()} == {
        who: one.id for who, one in found.items()
    }
    other = SqliteKeyring(path, guard, FakeClock(), wrapping_key=KEY)
    assert other.subjects([ALICE])[ALICE].salt_key == found[ALICE].salt_key
    other.close()
    octets = b"".join(each.read_bytes() for each in path.parent.glob("keys.db*"))
    assert b"alice" not in octets


def test_a_subject_is_found_by_its_id(ring: SqliteKeyring) -> None:
    alice = ring.subjects([ALICE])[ALICE]
    found = ring.subject(alice.id)
    assert found is not None
    assert (found.name, found.salt_key) == (alice.name, alice.salt_key)
    assert ring.subject(b"?" * 16) is None
    assert ring.identities_checked() == 1


def test_asking_for_nobody_or_for_the_known_writes_nothing(ring: SqliteKeyring, path: Path) -> None:
    ring.subjects([ALICE])
    before = [each.read_bytes() for each in sorted(path.parent.glob("keys.db*"))]
    assert ring.subjects([]) == {}
    ring.subjects([ALICE])
    ring.forget()
    ring.subjects([ALICE])
    after = [each.read_bytes() for each in sorted(path.parent.glob("keys.db*"))]
    assert before[:1] + before[2:] == after[:1] + after[2:]


def test_processes_that_ask_at_once_for_one_identity_get_one_subject(path: Path) -> None:
    asked = [f"github:user-{number}" for number in range(20)]
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ASK, str(path), *order],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for order in (asked, asked[::-1], asked[10:] + asked[:10])
    ]
    for process in asking:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in asking:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in asking]
    assert answers[0] == answers[1] == answers[2]
    assert len(set(answers[0].values())) == 20


def test_what_somebody_else_made_is_synced_before_it_is_used(
    ring: SqliteKeyring, path: Path
) -> None:
    """Its writer may have been killed between write and sync; then it is visible all the same."""
    ring.subjects([ALICE])
    wal = path.with_name("keys.db-wal")
    id, key = b"b" * 16, b"k" * 32
    wrapped = keys.wrap(KEY, key, purpose=b"subject" + id, nonce=b"n" * 12)
    with closing(apsw.Connection(str(path))) as killed:
        killed.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        killed.execute("PRAGMA synchronous = OFF")
        row = (keys.lookup(SECRETS, BOB), id, wrapped)
        killed.execute("INSERT INTO subject VALUES (?, ?, ?)", row)
    # Whoever is remembered was synced, and nobody was found.
    ring.subjects([ALICE])
    assert wal.stat().st_size > 0
    assert ring.subjects([BOB])[BOB].id == id
    assert wal.stat().st_size == 0


def test_an_erased_subject_is_gone_and_its_identity_gets_another(
    ring: SqliteKeyring, path: Path
) -> None:
    found = ring.subjects([ALICE, BOB])
    alice, bob = found[ALICE], found[BOB]
    with closing(apsw.Connection(str(path))) as connection:
        (wrapped,) = next(
            connection.execute("SELECT wrapped FROM subject WHERE subject = ?", (alice.id,))
        )
    ring.erase(alice.id)
    octets = b"".join(each.read_bytes() for each in path.parent.glob("keys.db*"))
    assert (alice.id in octets, wrapped in octets, bob.id in octets) == (False, False, True)
    assert ring.subject(alice.id) is None
    renewed = ring.subjects([ALICE])[ALICE]
    assert renewed.id != alice.id
    assert renewed.salt_key != alice.salt_key
    assert ring.identities_checked() == 2


BROKEN = {
    "a changed secret": "UPDATE secret SET wrapped = zeroblob(60) WHERE name = 'body'",
    "a secret gone": "DELETE FROM secret WHERE name = 'lookup'",
    "one secret for all": "UPDATE secret SET wrapped = "
    "(SELECT wrapped FROM secret WHERE name = 'body')",
    "a secret too many": "INSERT INTO secret VALUES ('another', zeroblob(60))",
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_keyring_whose_secrets_are_broken_is_not_opened(
    path: Path, guard: Guard, reason: str
) -> None:
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(BROKEN[reason])
    with pytest.raises(Tampered):
        SqliteKeyring(path, guard, FakeClock(), wrapping_key=KEY)


def test_another_wrapping_key_opens_nothing(path: Path, guard: Guard) -> None:
    with pytest.raises(Tampered, match="either the key is another trail's"):
        SqliteKeyring(path, guard, FakeClock(), wrapping_key=b"x" * 32)


def test_a_subject_s_key_that_was_changed_or_moved_is_refused(
    ring: SqliteKeyring, path: Path
) -> None:
    found = ring.subjects([ALICE, BOB])
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(
            "UPDATE subject SET wrapped = (SELECT wrapped FROM subject WHERE subject = ?)",
            (found[BOB].id,),
        )
    with pytest.raises(Tampered):
        ring.subject(found[ALICE].id)
    with pytest.raises(Tampered):
        ring.identities_checked()


def test_what_is_kept_goes_into_another_keyring_as_it_is(
    ring: SqliteKeyring, tmp_path: Path
) -> None:
    asked = [f"github:user-{number}" for number in range(20)]
    found = ring.subjects(asked)
    rows: list[SubjectRow] = []
    while some := ring.subject_rows(after=rows[-1].lookup if rows else b"", count=7):
        assert len(some) <= 7
        rows += some
    assert rows == sorted(rows)
    assert {row.id for row in rows} == {one.id for one in found.values()}
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "keys.db"
    SqliteKeyring.create(other, SECRETS, FakeClock(), wrapping_key=KEY)
    guard = Guard(other.parent)
    guard.settle()
    refilled = SqliteKeyring(other, guard, FakeClock(), wrapping_key=KEY)
    for _ in range(2):
        refilled.put_subject_rows(rows)
    assert refilled.subject_rows(count=100) == rows
    assert {who: one.salt_key for who, one in refilled.subjects(asked).items()} == {
        who: one.salt_key for who, one in found.items()
    }
    refilled.close()
    guard.close()


def test_secrets_are_handed_out_wrapped(ring: SqliteKeyring) -> None:
    wrapped = ring.wrapped_secrets()
    assert not any(secret in octets for secret in SECRETS for octets in wrapped.values())
    assert keys.unwrap_secrets(KEY, wrapped, whence="here") == SECRETS
    with pytest.raises(Tampered, match=r"here: expected checkpoint, .* found"):
        keys.unwrap_secrets(KEY, {"body": wrapped["body"]}, whence="here")

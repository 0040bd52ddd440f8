"""Publishing: what is stored is read back and hashed again, and only then signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

from deploytrail.errors import Fenced
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import merkle, note
from deploytrail.log.note import COSIGNATURE_V1, Signer
from deploytrail.log.publish import Publisher, Signers
from deploytrail.log.reading import hashes_of
from deploytrail.log.store import Addition, Checkpoint, Store, Writer
from deploytrail.stores.sqlite.log import SqliteLog
from tests.contract.engines import ORIGIN, SqliteEngine
from tests.log.entries import append, batch
from tests.verified import verified

NOON = 1_795_262_400
SIGNERS = Signers(Signer(ORIGIN, b"L" * 32), Signer(ORIGIN, b"O" * 32, COSIGNATURE_V1))


def publisher(store: Store) -> Publisher:
    return Publisher(store, SIGNERS)


def cosigned(found: Checkpoint) -> list[int | None]:
    _, signatures = checkpoints.verified(
        note.decode(found.note), [SIGNERS.log.key, SIGNERS.cosigner.key]
    )
    return [one.timestamp for one in signatures]


def change(path: Path, statement: str, *values: object) -> None:
    """What Mallory does with a connection of her own."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(statement, values)


def test_a_checkpoint_says_size_and_root_and_since_when(store: Store) -> None:
    append(store, batch(0, 300))
    found = publisher(store).publish(seconds=NOON)
    parsed, _ = checkpoints.verify(note.decode(found.note), [SIGNERS.log.key])
    assert (parsed.origin, parsed.size) == (ORIGIN, 300)
    assert parsed.root == found.frontier.root()
    assert cosigned(found) == [None, NOON]
    verified(store)


def test_an_empty_log_is_published_too(store: Store) -> None:
    found = publisher(store).publish(seconds=NOON)
    assert (found.size, found.frontier.root()) == (0, merkle.EMPTY_ROOT)
    append(store, batch(0, 1))
    assert publisher(store).publish(seconds=NOON).size == 1
    verified(store)


def test_publishing_again_gives_the_same_and_writes_nothing(
    engine: SqliteEngine, store: Store
) -> None:
    append(store, batch(0, 3))
    one = publisher(store)
    first = one.publish(seconds=NOON)
    before = engine.bytes()
    assert one.publish(seconds=NOON) == first
    assert one.publish(seconds=NOON + 59) == first
    assert publisher(store).publish(seconds=NOON + 1) == first
    assert engine.bytes() == before


@pytest.mark.parametrize("seconds", [60, 3600, -1])
def test_an_idle_log_s_cosignature_is_renewed_after_a_minute(store: Store, seconds: int) -> None:
    append(store, batch(0, 3))
    one = publisher(store)
    first = one.publish(seconds=NOON)
    renewed = one.publish(seconds=NOON + seconds)
    assert cosigned(renewed) == [None, NOON + seconds]
    assert note.decode(renewed.note).text == note.decode(first.note).text
    verified(store)


def test_each_checkpoint_is_consistent_with_the_one_before(store: Store) -> None:
    one, done = publisher(store), 0
    before = one.publish(seconds=NOON)
    for count in (1, 254, 1, 1, 255, 700):
        append(store, batch(done, count))
        done += count
        found = one.publish(seconds=NOON + done)
        with store.reading() as reader:
            hash_at = hashes_of(reader, found.size)
            proof = merkle.consistency_proof(before.size, found.size, hash_at)
        if before.size:
            merkle.verify_consistency(
                before.size, found.size, proof, before.frontier.root(), found.frontier.root()
            )
        before = found
    with store.reading() as reader:
        assert [size for size, _ in reader.notes(count=9)] == [0, 1, 255, 256, 257, 512, 1212]
    verified(store)


def test_of_two_publishers_the_second_yields_to_the_first(engine: SqliteEngine) -> None:
    one, other = engine.open(), engine.open()
    append(one, batch(0, 3))
    first, second = publisher(one), publisher(other)
    assert second.publish(seconds=NOON).size == 3
    append(one, batch(3, 3))
    assert first.publish(seconds=NOON).size == 6
    assert second.publish(seconds=NOON) == first.publish(seconds=NOON)
    verified(one)


class Overtaken(SqliteLog):
    """A store in which somebody else publishes just before we do."""

    overtake: Callable[[], object] | None = None

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        overtake, self.overtake = self.overtake, None
        if overtake is not None:
            overtake()
        with super().writing() as writer:
            yield writer


@pytest.mark.parametrize("ahead", [0, 300])
def test_a_lost_swap_is_benign_if_the_other_is_consistent(engine: SqliteEngine, ahead: int) -> None:
    store, late = engine.open(), engine.open_as(Overtaken)
    append(store, batch(0, 3))

    def publish() -> None:
        if ahead:
            append(store, batch(3, ahead))
        publisher(store).publish(seconds=NOON)

    late.overtake = publish
    found = publisher(late).publish(seconds=NOON)
    assert found.size == 3 + ahead
    assert found == publisher(store).publish(seconds=NOON)
    with store.reading() as reader:
        assert len(reader.notes(count=9)) == 1
    verified(store)


FLIPPED: dict[str, str] = {
    "a byte of the tail's framing": "UPDATE segment SET data = "
    "CAST(substr(data, 1, 1) || x'00' || substr(data, 3) AS BLOB) WHERE first = 300",
    "a byte of an entry of the tail": "UPDATE segment SET data = "
    "CAST(substr(data, 1, 30) || x'00' || substr(data, 32) AS BLOB) WHERE first = 300",
    "a row of the tail": "DELETE FROM segment WHERE first = 300",
    "the first row of the tail": "DELETE FROM segment WHERE first = 256",
    "a bundle": "UPDATE bundle SET data = CAST(data || x'00' AS BLOB)",
    "a bundle's bytes": "UPDATE bundle SET data = "
    "CAST(substr(data, 1, 50) || x'00' || substr(data, 52) AS BLOB)",
    "a bundle gone": "DELETE FROM bundle",
    "a hash of a tile": "UPDATE tile SET data = zeroblob(8192)",
    "half a tile": "UPDATE tile SET data = substr(data, 1, 4096)",
    "the tree's root": "UPDATE tree SET root = zeroblob(32)",
    "the tree's size": "UPDATE tree SET size = 200",
    "the tree's time": "UPDATE tree SET last_logged = last_logged + 1",
    "the tree's row": "DELETE FROM tree",
}


@pytest.mark.parametrize("what", FLIPPED)
def test_what_is_not_what_was_written_fences_the_log(
    engine: SqliteEngine, store: Store, what: str
) -> None:
    append(store, batch(0, 300))
    append(store, batch(300, 5))
    if what in {"a row of the tail", "the first row of the tail"}:
        append(store, batch(305, 5))
    change(engine.path, FLIPPED[what])
    with pytest.raises(Fenced):
        publisher(store).publish(seconds=NOON)
    with store.reading() as reader:
        assert reader.notes(count=9) == []
    with pytest.raises(Fenced):
        append(engine.open(), batch(400, 1))


def test_a_log_that_went_back_in_time_fences(engine: SqliteEngine, store: Store) -> None:
    append(store, batch(0, 2))
    with closing(apsw.Connection(str(engine.path))) as connection:
        older = next(connection.execute("SELECT * FROM tree"))
    one = publisher(store)
    append(store, batch(2, 2))
    one.publish(seconds=NOON)
    change(engine.path, "DELETE FROM segment WHERE first = 2")
    change(engine.path, "DELETE FROM tree")
    values = ",".join("?" * len(older))
    change(engine.path, f"INSERT INTO tree VALUES ({values})", *older)  # noqa: S608 (question marks)
    with pytest.raises(Fenced, match="went back in time"):
        one.publish(seconds=NOON + 1)


def test_a_log_that_lost_its_checkpoint_as_well_fences(engine: SqliteEngine) -> None:
    """What this process has seen of it is all that tells."""
    store, other = engine.open(), engine.open()
    one = publisher(store)
    append(other, batch(0, 2))
    with closing(apsw.Connection(str(engine.path))) as connection:
        older = next(connection.execute("SELECT * FROM tree"))
    append(other, batch(2, 2))
    one.publish(seconds=NOON)
    for table in ("checkpoint", "published", "cosignature"):
        change(engine.path, f"DELETE FROM {table}")  # noqa: S608 (names of ours)
    change(engine.path, "DELETE FROM segment WHERE first = 2")
    change(engine.path, "DELETE FROM tree")
    values = ",".join("?" * len(older))
    change(engine.path, f"INSERT INTO tree VALUES ({values})", *older)  # noqa: S608 (question marks)
    with pytest.raises(Fenced, match="expected at least 4 entries, found 2; the log went back"):
        one.publish(seconds=NOON + 1)


def test_a_frontier_that_is_not_the_signed_one_fences(engine: SqliteEngine, store: Store) -> None:
    append(store, batch(0, 3))
    publisher(store).publish(seconds=NOON)
    append(store, batch(3, 3))
    change(
        engine.path,
        "UPDATE published SET frontier = CAST(substr(frontier, 1, 8) || zeroblob(64) AS BLOB)",
    )
    with pytest.raises(Fenced, match="not that of the signed checkpoint"):
        publisher(store).publish(seconds=NOON)


def test_the_same_size_with_another_root_fences(store: Store) -> None:
    append(store, batch(0, 3))
    publisher(store).publish(seconds=NOON)
    with store.writing() as writer:
        tree = writer.tree()
        forged = tree._replace(frontier=merkle.Frontier(3, (b"f" * 32, b"g" * 32)))
        writer.add(Addition(forged, 3, (), (), (), (), b"", 3, 0, ()))
    with pytest.raises(Fenced, match="size 3 has another root than its signed checkpoint"):
        publisher(store).publish(seconds=NOON)


def test_a_checkpoint_by_another_key_fences(store: Store) -> None:
    append(store, batch(0, 3))
    mallory = Signers(Signer(ORIGIN, b"M" * 32), SIGNERS.cosigner)
    Publisher(store, mallory).publish(seconds=NOON)
    append(store, batch(3, 1))
    with pytest.raises(Fenced):
        publisher(store).publish(seconds=NOON)


def test_what_was_handed_out_stands_at_the_beginning_of_what_is_signed(store: Store) -> None:
    one = publisher(store)
    seen = [checkpoints.Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT)]
    for first, count in ((0, 3), (3, 300), (303, 1)):
        append(store, batch(first, count))
        found = one.publish(seconds=NOON, seen=seen[-1])
        seen.append(checkpoints.Checkpoint(ORIGIN, found.size, found.frontier.root()))
    for each in seen:
        assert one.publish(seconds=NOON, seen=each).size == 304
    verified(store)


FORKED: dict[str, tuple[checkpoints.Checkpoint, str]] = {
    "another beginning": (
        checkpoints.Checkpoint(ORIGIN, 3, b"r" * 32),
        "its first 3 entries had another root when they were last seen",
    ),
    "another root": (
        checkpoints.Checkpoint(ORIGIN, 6, b"r" * 32),
        "size 6 had another root when it was last seen",
    ),
    "more, under no checkpoint": (
        checkpoints.Checkpoint(ORIGIN, 7, b"r" * 32),
        "of size 7 or more, which was handed out before, found 6; the log was set back",
    ),
}


@pytest.mark.parametrize("what", FORKED)
def test_what_contradicts_what_was_handed_out_is_not_signed(store: Store, what: str) -> None:
    append(store, batch(0, 6))
    publisher(store).publish(seconds=NOON)
    append(store, batch(6, 3))
    seen, message = FORKED[what]
    with pytest.raises(Fenced, match=message):
        publisher(store).publish(seconds=NOON, seen=seen)
    with store.reading() as reader:
        assert [size for size, _ in reader.notes(count=9)] == [6]

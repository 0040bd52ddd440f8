"""An append: one transaction, then the answer; and the same delivery is never entered twice."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from deploytrail.clock import Uptime
from deploytrail.errors import ClockSuspect, Conflict, Fenced, StaleEpoch
from deploytrail.log import commit
from deploytrail.log.commit import Answer, StateChange
from deploytrail.log.reading import entry_at
from deploytrail.log.store import StateRow, Store
from tests.contract.engines import SqliteEngine
from tests.fakes import FakeClock
from tests.log.entries import Told, append, batch, disclosure, key_of, prepared
from tests.log.trees import leaf
from tests.verified import verified


def indices(answers: list[Answer]) -> list[int]:
    return [answer.entry_index for answer in answers]


def size(store: Store) -> int:
    with store.reading() as reader:
        return reader.tree().size


def test_answers_come_in_order_with_the_bytes_that_were_hashed(store: Store) -> None:
    answers = append(store, batch(0, 3))
    entries = verified(store)
    assert answers == [Answer(at, entries[at], leaf(entries[at]), True) for at in range(3)]


def test_nothing_to_append_appends_nothing(store: Store) -> None:
    assert append(store, []) == []
    assert verified(store) == []


def test_the_same_delivery_twice_gives_the_first_answer(store: Store, clock: FakeClock) -> None:
    (first,) = append(store, [prepared(0)])
    clock.advance(seconds=5)
    (again,) = append(store, [prepared(0)])
    assert again == first._replace(is_first=False)
    assert len(verified(store)) == 1


def test_the_same_delivery_twice_in_one_batch_is_entered_once(store: Store) -> None:
    answers = append(store, [prepared(0), prepared(1), prepared(0), prepared(1)])
    assert indices(answers) == [0, 1, 0, 1]
    assert [answer.is_first for answer in answers] == [True, True, False, False]
    assert answers[2].entry == answers[0].entry
    assert len(verified(store)) == 2


def test_repeats_and_new_ones_may_be_mixed(store: Store) -> None:
    append(store, batch(0, 300))
    answers = append(store, [prepared(299), prepared(300), prepared(0), prepared(301)])
    assert indices(answers) == [299, 300, 0, 301]
    entries = verified(store)
    assert [answer.entry for answer in answers] == [entries[at] for at in indices(answers)]


def test_another_body_is_a_conflict_and_is_entered_once_per_body(store: Store) -> None:
    told = Told()
    append(store, [prepared(0)])
    for _ in range(2):
        for body in (b"another", b"a third"):
            answers = commit.append(store, [prepared(0, body=body)], epoch=0, notices=told)
            assert answers == [Answer(0, None, b"", False)]
    assert told.conflicts == [0, 0, 0, 0]
    # Two distinct bodies, each told once; the first entry stands as it was.
    entries = verified(store)
    assert len(entries) == 3
    assert b'"n":0' in entries[0]


def test_a_conflict_within_one_batch_is_told_too(store: Store) -> None:
    entries = [prepared(0), prepared(0, body=b"b"), prepared(0, body=b"b"), prepared(1)]
    answers = append(store, entries)
    assert indices(answers) == [0, 0, 0, 1]
    assert [answer.entry is None for answer in answers] == [False, True, True, False]
    assert len(verified(store)) == 3


def test_a_batch_with_a_conflict_takes_all_the_others(store: Store) -> None:
    append(store, batch(0, 1))
    answers = append(store, [prepared(1), prepared(0, body=b"other"), prepared(2)])
    assert indices(answers) == [1, 0, 2]
    assert [answer.is_first for answer in answers] == [True, False, True]
    assert len(verified(store)) == 4


def test_a_conflicting_event_leaves_no_rows_in_the_vault(store: Store) -> None:
    row = disclosure(b"forged", b"mallory's sub...")
    append(store, [prepared(0)])
    append(store, [prepared(0, body=b"forged", vault=(row,))])
    with store.reading() as reader:
        assert reader.disclosures([row.key]) == {}
    verified(store)


def test_nothing_but_repeats_still_commits(engine: SqliteEngine, store: Store) -> None:
    """So that what another process wrote, and was killed before it synced, is synced by us."""
    append(store, batch(0, 2))
    wal = engine.path.with_name("log.db-wal")
    before = wal.read_bytes()
    append(store, batch(0, 2))
    assert wal.read_bytes() != before
    assert len(verified(store)) == 2


def test_an_older_epoch_is_refused_and_nothing_is_stored(store: Store) -> None:
    append(store, batch(0, 1))
    with store.writing() as writer:
        writer.erase(b"alice's subject.")
    with pytest.raises(StaleEpoch):
        append(store, batch(1, 1), epoch=0)
    assert len(verified(store)) == 1
    assert indices(append(store, batch(1, 1), epoch=1)) == [1]
    assert len(verified(store)) == 2


def test_a_clock_behind_is_told_once_and_again_after_it_was_right(
    store: Store, clock: FakeClock
) -> None:
    told = Told()

    def record(number: int) -> None:
        commit.append(store, [prepared(number)], epoch=0, notices=told)

    record(0)
    clock.advance(seconds=-2)
    record(1)
    record(2)
    assert told.behind == [2_000_000]
    clock.advance(seconds=3)
    record(3)
    clock.advance(seconds=-5)
    record(4)
    assert len(told.behind) == 2
    # Each notice stands behind the entries in whose commit it was seen.
    entries = verified(store)
    assert [b'"n":1000001' in each for each in entries] == [False, False, True] + [False] * 4


def test_a_repeat_under_a_clock_behind_tells_nothing(store: Store, clock: FakeClock) -> None:
    told = Told()
    append(store, batch(0, 1))
    clock.advance(seconds=-10)
    commit.append(store, batch(0, 1), epoch=0, notices=told)
    assert told.behind == []
    assert len(verified(store)) == 1


class SetAhead(FakeClock):
    """A clock that somebody set ahead: no time passed since boot."""

    def uptime(self) -> Uptime:
        return Uptime("fake-boot", 0)


def test_a_jump_of_the_clock_is_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    clock = SetAhead()
    engine = SqliteEngine(tmp_path, clock)
    store = engine.open()
    append(store, batch(0, 1))
    clock.advance(seconds=61)
    with pytest.raises(ClockSuspect, match="61 s ahead; nothing was stored"):
        append(store, batch(1, 1))
    assert len(verified(store)) == 1
    clock.advance(seconds=-1)
    append(store, batch(1, 1))
    assert len(verified(store)) == 2
    engine.close()


@pytest.mark.parametrize("counts", [(255, 1, 1), (256, 1), (257,), (1, 255, 256), (254, 3, 510)])
def test_bundles_roll_over_wherever_a_commit_ends(store: Store, counts: tuple[int, ...]) -> None:
    done = 0
    for count in counts:
        assert indices(append(store, batch(done, count))) == list(range(done, done + count))
        done += count
        assert len(verified(store)) == done


def test_a_log_grows_over_65536_entries_and_their_tiles(store: Store) -> None:
    """65,535, 65,536 and 65,537: where the first tile of level 1 becomes full."""
    append(store, batch(0, 65_535))
    with store.reading() as reader:
        assert reader.inventory()[:3] == (255, 255, 255)
        assert reader.tile(1, 0) is None
    append(store, batch(65_535, 1))
    with store.reading() as reader:
        assert reader.inventory()[:3] == (256, 0, 257)
        assert reader.tile(1, 0) is not None
    append(store, batch(65_536, 1))
    with store.reading() as reader:
        assert reader.inventory()[:3] == (256, 1, 257)
        assert b'"n":65536' in entry_at(reader, 65_536)
        assert reader.deliveries([key_of(65_536)])[key_of(65_536)].entry_index == 65_536
    assert len(verified(store)) == 65_537


def test_two_processes_append_in_turn_without_a_gap(engine: SqliteEngine) -> None:
    one, other = engine.open(), engine.open()
    for number in range(0, 600, 6):
        append(one, batch(number, 5))
        append(other, batch(number + 4, 2))
    entries = verified(one)
    assert [b'"n":%d}' % number in entries[number] for number in range(600)] == [True] * 600


def test_a_log_that_was_set_back_takes_no_entry(engine: SqliteEngine) -> None:
    """Whoever saw more of it would give out an index for the second time."""
    store, other = engine.open(), engine.open()
    append(other, batch(0, 2))
    with closing(apsw.Connection(str(engine.path))) as connection:
        older = next(connection.execute("SELECT * FROM tree"))
        append(other, batch(2, 2))
        assert size(store) == 4
        connection.execute("DELETE FROM segment WHERE first = 2")
        connection.execute("DELETE FROM delivery WHERE idx >= 2")
        connection.execute("DELETE FROM tree")
        values = ",".join("?" * len(older))
        connection.execute(f"INSERT INTO tree VALUES ({values})", older)  # noqa: S608 (question marks)
    for each in (store, other):
        with pytest.raises(Fenced, match=r"at least 4 entries|the log is fenced"):
            append(each, batch(4, 1))
    assert size(store) == 2


UNSET = StateRow("token", "ci", None)
SET = StateRow("token", "ci", b"1")
REPLACED = StateRow("token", "ci", b"2")


def _set(store: Store, number: int, *changes: StateChange) -> list[Answer]:
    return commit.append(store, [prepared(number)], epoch=0, notices=Told(), state=changes)


def _state(store: Store) -> dict[str, bytes]:
    with store.reading() as reader:
        return reader.state("token")


def test_state_is_set_in_the_commit_of_its_event(store: Store) -> None:
    _set(store, 0, StateChange(UNSET, SET))
    assert _state(store) == {"ci": b"1"}
    _set(store, 1, StateChange(SET, REPLACED))
    assert _state(store) == {"ci": b"2"}
    _set(store, 2, StateChange(REPLACED, UNSET))
    assert _state(store) == {}
    assert len(verified(store)) == 3


def test_state_that_somebody_else_changed_is_not_set_and_nothing_is_appended(store: Store) -> None:
    _set(store, 0, StateChange(UNSET, SET))
    for number, before in enumerate([UNSET, REPLACED], start=1):
        with pytest.raises(Conflict, match="token ci: expected it as it was read"):
            _set(store, number, StateChange(before, REPLACED))
    assert _state(store) == {"ci": b"1"}
    assert len(verified(store)) == 1


def test_an_event_that_comes_again_sets_nothing_back(store: Store) -> None:
    _set(store, 0, StateChange(UNSET, SET))
    _set(store, 1, StateChange(SET, UNSET))
    (again,) = _set(store, 0, StateChange(UNSET, SET))
    assert (again.entry_index, again.is_first) == (0, False)
    assert _state(store) == {}

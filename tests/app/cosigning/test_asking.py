"""A trail asks its witnesses: all at once, behind each publish, and tells what comes of it once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from deploytrail.app import published
from deploytrail.cli.verify import say_report
from deploytrail.errors import EXIT_OK, EXIT_POLICY_UNMET, Fenced
from deploytrail.log import note as notes
from tests.app.places import Place, place
from tests.app.witnessed import (
    ALICE,
    Asker,
    Asks,
    Neighbour,
    Slow,
    add,
    checked,
    events,
    named,
    told,
)


@pytest.fixture
def carol(there: Place, tmp_path: Path) -> Neighbour:
    return Neighbour(tmp_path, "carol", there.clock)


@pytest.fixture
def mallory(there: Place, tmp_path: Path) -> Neighbour:
    return Neighbour(tmp_path, "mallory", there.clock)


def test_what_is_published_is_cosigned_served_and_witnessed(
    there: Place, bob: Neighbour, asking: Asks
) -> None:
    pinned = named(there, bob)
    asker = asking(bob)
    asker.tick(2)
    with there.opened() as trail:
        whole = notes.decode(published.checkpoint(trail.store))
    assert [one.name for one in whole.signatures].count("witness.test/bob") == 1
    report = checked(there, pinned)
    assert (report.exit_code, report.anchoring, report.witnesses) == (
        EXIT_OK,
        "WITNESSED",
        ("bob",),
    )
    assert told(there) == []


def test_a_409_is_answered_with_the_proof_from_the_size_that_it_says(
    there: Place, bob: Neighbour, asking: Asks
) -> None:
    named(there, bob)
    asking(bob).tick(2)
    there.record(300)
    asker = asking(bob)
    asker.tick(4)
    assert bob.statuses == [200, 409, 200]
    there.record(1)
    asker.tick(8)
    assert bob.statuses == [200, 409, 200, 200]
    assert bob.refusals == []


def test_all_are_asked_at_once_and_nobody_is_waited_for(
    there: Place, bob: Neighbour, carol: Neighbour, mallory: Neighbour, asking: Asks
) -> None:
    named(there, bob, carol, mallory, quorum="2")
    slow = Slow()
    asker = asking(bob, carol, mallory, spawn=slow)
    asker.tick()
    assert len(slow.waiting) == 3
    there.record(1)
    asker.tick(10)
    assert len(slow.waiting) == 3
    slow.run(2)
    asker.tick(4)
    # The quorum is there: the next round does without the third, who is still busy.
    assert asker.asking.is_quorum_met is False
    assert len(slow.waiting) == 3
    slow.run()
    asker.tick()
    assert asker.asking.is_quorum_met


def test_what_grows_while_it_is_asked_for_is_witnessed_a_moment_later(
    there: Place, bob: Neighbour, asking: Asks, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned = named(there, bob)
    asker = asking(bob)
    asker.tick(2)
    there.record(2)
    report = checked(there, pinned)
    assert (report.exit_code, report.anchoring) == (EXIT_OK, "WITNESSED")
    assert any(text.startswith("2 entries behind") for text in report.not_checked)
    assert (report.size, report.size_witnessed) == (6, 4)
    say_report(report)
    said = capsys.readouterr().out
    assert "\nWITNESSED, but the newest 2 entries are not witnessed yet\n" in said
    there.clock.advance(seconds=121)
    report = checked(there, pinned)
    assert (report.exit_code, report.anchoring) == (EXIT_POLICY_UNMET, "UNANCHORED")
    assert "Its witnesses vouch for its first 4 entries, since 2026" in report.why
    assert "for none of the 2 entries behind" in report.why
    assert "deploytrail verify --checkpoint FILE" in report.why
    assert report.size_witnessed == 0
    asker.tick(4)
    report = checked(there, pinned)
    assert (report.anchoring, report.size_witnessed) == ("WITNESSED", report.size)
    say_report(report)
    assert "\nWITNESSED\n" in capsys.readouterr().out


def test_a_quorum_that_lags_is_told_once_and_so_is_its_recovery(
    there: Place, bob: Neighbour, carol: Neighbour, asking: Asks
) -> None:
    named(there, bob, carol, quorum="all")
    asking(bob, carol).tick(4)
    for episode in (1, 2):
        carol.is_up = False
        there.record(1)
        for _ in range(3):
            # Each time a process anew, as after a crash.
            asking(bob, carol).tick(80, seconds=1)
        assert told(there) == ["delayed", "recovered"] * (episode - 1) + ["delayed"]
        carol.is_up = True
        for _ in range(2):
            asking(bob, carol).tick(80, seconds=1)
        assert told(there) == ["delayed", "recovered"] * episode
    lagging = events(there, "audit.witness.delayed")[0]
    assert lagging["outcome"] == "failure"
    assert lagging["actor"] == {"type": "system"}
    assert lagging["error"]["code"] == "quorum-lagging"


def test_a_quorum_that_lags_is_a_line_of_the_journal_too(
    there: Place, bob: Neighbour, carol: Neighbour, asking: Asks
) -> None:
    named(there, bob, carol, quorum="all")
    asker = asking(bob, carol)
    asker.tick(4)
    for _ in range(2):
        carol.is_up = False
        there.record(1)
        asker.tick(80, seconds=1)
        carol.is_up = True
        asker.tick(80, seconds=1)
    lines = [(said, about) for said, about in asker.lines.said if said.startswith("quorum ")]
    assert [said for said, _ in lines] == ["quorum lags", "quorum cosigns again"] * 2
    lags, again = lines[0][1], lines[1][1]
    assert 60 <= float(lags["seconds"]) < 65
    # What it was before, and what it is now: with the alarm itself.
    assert int(again["cosigned"]) > int(lags["cosigned"]) > 0
    # A line tells of each event, and an event of each line.
    assert told(there) == ["delayed", "recovered"] * 2


def test_a_quorum_that_lags_is_told_also_where_nothing_can_be_appended(
    there: Place, bob: Neighbour, asking: Asks
) -> None:
    named(there, bob)
    bob.is_up = False
    asker = asking(bob)
    there.record(1)
    asker.tick(50, seconds=1)
    there.home.joinpath("fence").write_text("for a test", encoding="utf-8")
    with pytest.raises(Fenced):
        asker.tick(30, seconds=1)
    assert asker.lines.kinds.count("quorum lags") == 1


def test_who_is_not_needed_for_the_quorum_alarms_nobody(
    there: Place, bob: Neighbour, carol: Neighbour, mallory: Neighbour, asking: Asks
) -> None:
    pinned = named(there, bob, carol, mallory, quorum="2")
    mallory.is_up = False
    asker = asking(bob, carol, mallory)
    for _ in range(5):
        there.record(1)
        asker.tick(30, seconds=1)
    assert told(there) == []
    assert checked(there, pinned).witnesses == ("bob", "carol")
    states = {one.name: one.state for one in asker.asking.standings()}
    assert states == {
        "witness bob": "following", "witness carol": "following", "witness mallory": "waiting"
    }  # fmt: skip
    assert asker.lines.kinds == ["witness failed"]


def test_silence_is_cosigned_anew_each_minute_and_missed_when_it_is_not(
    there: Place, bob: Neighbour, asking: Asks
) -> None:
    pinned = named(there, bob)
    asker = asking(bob)
    asker.tick(60 * 10, seconds=1)
    assert 9 <= bob.asked <= 11
    assert set(bob.statuses) == {200}
    assert checked(there, pinned, max_age_seconds=70).exit_code == EXIT_OK
    bob.is_up = False
    asker.tick(200, seconds=1)
    assert told(there) == ["delayed"]


def test_an_idle_tick_writes_nothing(there: Place, bob: Neighbour, asking: Asks) -> None:
    named(there, bob)
    asker = asking(bob)
    asker.tick(3)
    files = [there.home / name for name in ("log.db", "log.db-wal", "keys.db-wal")]
    before = [path.stat().st_mtime_ns for path in files if path.exists()]
    asker.tick(100, seconds=0.25)
    assert [path.stat().st_mtime_ns for path in files if path.exists()] == before
    assert bob.asked == 1


def test_whoever_fails_is_asked_ever_less_often(there: Place, bob: Neighbour, asking: Asks) -> None:
    named(there, bob)
    bob.is_up = False
    asker = asking(bob)
    asker.tick(3600, seconds=1)
    assert 60 <= bob.asked <= 80
    assert asker.lines.kinds.count("witness failed") == 1


def test_who_is_added_is_asked_at_once_and_who_is_removed_no_longer(
    there: Place, bob: Neighbour, carol: Neighbour, asking: Asks
) -> None:
    named(there, bob)
    asker = asking(bob, carol)
    asker.tick(3)
    with there.opened() as trail:
        add(trail, carol)
        trail.witnesses().remove("bob", quorum=None, by=ALICE, reason="he moved")
        trail.publish()
    asker.tick(8)
    assert (bob.asked, carol.asked) == (1, 2)
    assert [one.name for one in asker.asking.standings()] == ["witness carol"]
    assert asker.asking.is_quorum_met


def test_a_trail_without_witnesses_asks_nobody(there: Place, asking: Asks) -> None:
    asker = asking()
    asker.tick(100, seconds=1)
    assert asker.asking.standings() == []
    assert told(there) == []
    assert there.verified().anchoring == "UNANCHORED"


def test_an_empty_log_is_not_asked_for(tmp_path: Path, bob: Neighbour) -> None:
    empty = place(tmp_path / "empty")
    with empty.opened() as trail:
        trail.publish()
        bob.knows(trail.policy())
    with closing(Asker(empty.open(), empty.clock, bob)) as asker:
        asker.tick(5)
    assert bob.asked == 0


def test_cosignatures_stand_in_proofs_of_what_they_cover(
    there: Place, bob: Neighbour, asking: Asks
) -> None:
    named(there, bob)
    asker = asking(bob)
    asker.tick(2)
    there.record(1)
    with there.opened() as trail:
        covered, ahead = trail.proof(1), trail.proof(4)
        octets = trail.found(1)[1]
        served = published.proof_of(trail.store, 1, octets)
    assert served == covered
    assert b"\xe2\x80\x94 witness.test/bob " in covered
    assert b"\xe2\x80\x94 witness.test/bob " not in ahead

"""A trail asks its witnesses: all at once, behind each publish, and tells what comes of it once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deploytrail.app import published
from deploytrail.app.verifying import verify
from deploytrail.errors import EXIT_OK, EXIT_POLICY_UNMET, EXIT_STALE, EXIT_TAMPERED, Unreachable
from deploytrail.kit.answer import Response
from deploytrail.log import note as notes
from deploytrail.log import policy as policies
from deploytrail.log import witnessing
from tests.app.trails import Place, place
from tests.app.witnessed import ALICE, Asker, Neighbour, Slow, add, inline
from tests.witness.requests import is_cosigned

SIZE = witnessing.SIZE_TYPE
Asking = Callable[..., Asker]


@pytest.fixture
def there(tmp_path: Path) -> Place:
    made = place(tmp_path)
    made.record(3)
    return made


@pytest.fixture
def bob(there: Place, tmp_path: Path) -> Neighbour:
    return Neighbour(tmp_path, "bob", there.clock)


@pytest.fixture
def carol(there: Place, tmp_path: Path) -> Neighbour:
    return Neighbour(tmp_path, "carol", there.clock)


@pytest.fixture
def mallory(there: Place, tmp_path: Path) -> Neighbour:
    return Neighbour(tmp_path, "mallory", there.clock)


@pytest.fixture
def asking(there: Place) -> Iterator[Asking]:
    opened: list[Asker] = []

    def start(*neighbours: Neighbour, spawn: Any = inline) -> Asker:
        opened.append(Asker(there.open(), there.clock, *neighbours, spawn=spawn))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def named(there: Place, *neighbours: Neighbour, quorum: str | None = None) -> Path:
    """Name witnesses, publish that; the policy as Carol has it, in a file of hers."""
    with there.opened() as trail:
        add(trail, *neighbours, quorum=quorum)
        trail.publish()
        pinned = there.home.parent / "pinned"
        pinned.write_bytes(policies.encode(trail.policy()))
    return pinned


def events(there: Place, prefix: str = "audit.witness.") -> list[dict[str, Any]]:
    with there.opened() as trail:
        found = [dict(shown.event) for shown in trail.entries()]
    return [one for one in found if str(one["action"]).startswith(prefix)]


def told(there: Place) -> list[str]:
    """What of the witnesses the trail says, but for who was named."""
    actions = [str(one["action"]).removeprefix("audit.witness.") for one in events(there)]
    return [one for one in actions if one != "added"]


def checked(there: Place, pinned: Path, *, fresh: bool = True, **given: Any) -> Any:
    """What Carol finds, who has seen nothing of this log before."""
    states = there.home.parent / "carol" if fresh else None
    return verify(
        there.home, policy=pinned, state=states, environment=there.environment,
        clock=there.clock, **given,
    )  # fmt: skip


def test_what_is_published_is_cosigned_served_and_witnessed(
    there: Place, bob: Neighbour, asking: Asking
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
    there: Place, bob: Neighbour, asking: Asking
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
    there: Place, bob: Neighbour, carol: Neighbour, mallory: Neighbour, asking: Asking
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
    there: Place, bob: Neighbour, asking: Asking
) -> None:
    pinned = named(there, bob)
    asker = asking(bob)
    asker.tick(2)
    there.record(2)
    report = checked(there, pinned)
    assert (report.exit_code, report.anchoring) == (EXIT_OK, "WITNESSED")
    assert any(text.startswith("2 entries behind") for text in report.not_checked)
    there.clock.advance(seconds=121)
    report = checked(there, pinned)
    assert (report.exit_code, report.anchoring) == (EXIT_POLICY_UNMET, "UNANCHORED")
    assert "Its witnesses vouch for its first 4 entries, since 2026" in report.why
    assert "for none of the 2 entries behind" in report.why
    assert "deploytrail verify --checkpoint FILE" in report.why
    asker.tick(4)
    assert checked(there, pinned).anchoring == "WITNESSED"


def test_a_quorum_that_lags_is_told_once_and_so_is_its_recovery(
    there: Place, bob: Neighbour, carol: Neighbour, asking: Asking
) -> None:
    named(there, bob, carol, quorum="all")
    asking(bob, carol).tick(4)
    for episode in (1, 2):
        carol.is_up = False
        there.record(1)
        for _ in range(3):
            # Each time a process anew, as after a crash.
            asking(bob, carol).tick(80, seconds=1)
        assert told(there) == ["lagging", "recovered"] * (episode - 1) + ["lagging"]
        carol.is_up = True
        for _ in range(2):
            asking(bob, carol).tick(80, seconds=1)
        assert told(there) == ["lagging", "recovered"] * episode
    lagging = events(there, "audit.witness.lagging")[0]
    assert lagging["outcome"] == "failure"
    assert lagging["actor"] == {"type": "system"}
    assert lagging["error"]["code"] == "quorum-lagging"


def test_who_is_not_needed_for_the_quorum_alarms_nobody(
    there: Place, bob: Neighbour, carol: Neighbour, mallory: Neighbour, asking: Asking
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
    there: Place, bob: Neighbour, asking: Asking
) -> None:
    pinned = named(there, bob)
    asker = asking(bob)
    asker.tick(60 * 10, seconds=1)
    assert 9 <= bob.asked <= 11
    assert set(bob.statuses) == {200}
    assert checked(there, pinned, max_age_seconds=70).exit_code == EXIT_OK
    bob.is_up = False
    asker.tick(200, seconds=1)
    assert told(there) == ["lagging"]


def test_an_idle_tick_writes_nothing(there: Place, bob: Neighbour, asking: Asking) -> None:
    named(there, bob)
    asker = asking(bob)
    asker.tick(3)
    files = [there.home / name for name in ("log.db", "log.db-wal", "keys.db-wal")]
    before = [path.stat().st_mtime_ns for path in files if path.exists()]
    asker.tick(100, seconds=0.25)
    assert [path.stat().st_mtime_ns for path in files if path.exists()] == before
    assert bob.asked == 1


class Copy:
    """A copy of a trail's directory and of what its user has seen, and its way back."""

    def __init__(self, there: Place) -> None:
        self._there = there
        self._kept = there.home.parent / "copy"
        self._states = Path(there.environment["XDG_STATE_HOME"])
        shutil.copytree(there.home, self._kept / "home")
        shutil.copytree(self._states, self._kept / "state")

    def restore(self) -> None:
        for name, path in (("home", self._there.home), ("state", self._states)):
            shutil.rmtree(path)
            shutil.copytree(self._kept / name, path)


def test_a_trail_that_was_set_back_is_refused_told_and_found(there: Place, bob: Neighbour) -> None:
    pinned = named(there, bob)
    with closing(Asker(there.open(), there.clock, bob)) as asker:
        asker.tick(2)
    older = Copy(there)
    there.record(5)
    with closing(Asker(there.open(), there.clock, bob)) as asker:
        asker.tick(4)
    seen = there.home.parent / "bobs-checkpoint"
    with there.opened() as trail:
        seen.write_bytes(bob.cosigned(trail.origin))
    older.restore()
    for _ in range(2):
        with closing(Asker(there.open(), there.clock, bob)) as asker:
            asker.tick(4)
            assert asker.lines.kinds == ["witness refused"]
            assert [one.state for one in asker.asking.standings()] == ["broken"]
        with there.opened() as trail:
            trail.publish()
    assert told(there) == ["refused"]
    (refused,) = events(there, "audit.witness.refused")
    assert refused["targets"] == [{"type": "witness", "id": "bob"}]
    assert refused["error"]["text"] == "it has seen size 9, and our newest is 4"
    there.clock.advance(seconds=121)
    assert checked(there, pinned).exit_code == EXIT_POLICY_UNMET
    report = checked(there, pinned, checkpoints_seen=[seen])
    assert [one.state for one in report.found] == ["MISSING"]
    assert f"the checkpoint in {seen} goes to 9" in report.found[0].what


def test_a_trail_that_forked_is_refused_told_and_found_for_good(
    there: Place, bob: Neighbour, asking: Asking
) -> None:
    pinned = named(there, bob)
    with closing(Asker(there.open(), there.clock, bob)) as asker:
        asker.tick(2)
    older = Copy(there)
    there.record(5)
    with closing(Asker(there.open(), there.clock, bob)) as asker:
        asker.tick(4)
    older.restore()
    there.record(20)
    asker = asking(bob)
    asker.tick(300, seconds=1)
    assert 422 in bob.statuses
    assert told(there)[:1] == ["refused"]
    assert told(there).count("refused") == 1
    assert told(there).count("recovered") == 0
    seen = there.home.parent / "bobs-checkpoint"
    with there.opened() as trail:
        seen.write_bytes(bob.cosigned(trail.origin))
    assert checked(there, pinned).exit_code == EXIT_POLICY_UNMET
    report = checked(there, pinned, checkpoints_seen=[seen])
    assert report.exit_code == EXIT_TAMPERED
    assert any(str(seen) in one.what for one in report.found)


def test_after_a_restore_of_the_newest_copy_it_is_cosigned_again(
    there: Place, bob: Neighbour, asking: Asking
) -> None:
    named(there, bob)
    with closing(Asker(there.open(), there.clock, bob)) as asker:
        asker.tick(2)
    older = Copy(there)
    there.record(5)
    with closing(Asker(there.open(), there.clock, bob)) as asker:
        asker.tick(4)
    shutil.copytree(there.home, there.home.parent / "newest")
    states = Path(there.environment["XDG_STATE_HOME"])
    shutil.copytree(states, there.home.parent / "newest-state")
    older.restore()
    with closing(Asker(there.open(), there.clock, bob)) as asker:
        asker.tick(4)
    assert told(there) == ["refused"]
    shutil.rmtree(there.home)
    shutil.copytree(there.home.parent / "newest", there.home)
    shutil.rmtree(states)
    shutil.copytree(there.home.parent / "newest-state", states)
    there.record(1)
    asker = asking(bob)
    asker.tick(4)
    assert asker.asking.is_quorum_met
    # The entry that told of the refusal is gone with the copy that was set aside.
    assert told(there) == []


BAD_ANSWERS: dict[str, tuple[Response, str]] = {
    "a server's own fault": (Response(500, {}, b"oops\x1b[2J"), "answered 500"),
    "a log that it doesn't know": (Response(404, {}, b""), "answered 404: nothing"),
    "no cosignature": (Response(200, {}, b""), "its answer is wrong"),
    "what is no text": (Response(200, {}, b"\xff\xfe\n"), "its answer is wrong"),
    "another's cosignature": (
        Response(200, {}, "— mallory AAAAAAAAAAAAAAAAAAAA\n".encode()),
        "its answer is wrong",
    ),
    "a size that is none": (Response(409, {"content-type": SIZE}, b"x\n"), "its answer is wrong"),
    "a 409 without a size": (Response(409, {}, b""), "its answer is wrong"),
    "a size that never fits": (Response(409, {"content-type": SIZE}, b"1\n"), "said 1 before"),
    "a page of a proxy": (Response(302, {"location": "https://x"}, b"<html>"), "answered 302"),
}


@pytest.mark.parametrize("reason", BAD_ANSWERS)
def test_an_answer_that_means_nothing_accuses_nobody(
    reason: str, there: Place, bob: Neighbour, asking: Asking
) -> None:
    answer, said = BAD_ANSWERS[reason]
    named(there, bob)
    bob.says = lambda _: answer
    if reason == "a size that never fits":
        sizes = iter([1, 2] * 100)
        bob.says = lambda _: Response(409, {"content-type": SIZE}, b"%d\n" % next(sizes))
    asker = asking(bob)
    asker.tick(8)
    (standing,) = asker.asking.standings()
    assert standing.state == "waiting"
    assert said in standing.reason
    assert standing.reason.isprintable()
    assert told(there) == []
    asked = bob.asked
    bob.says = None
    asker.tick(80, seconds=1)
    assert [one.state for one in asker.asking.standings()] == ["following"]
    assert asked < bob.asked < asked + 10


def test_whoever_fails_is_asked_ever_less_often(
    there: Place, bob: Neighbour, asking: Asking
) -> None:
    named(there, bob)
    bob.is_up = False
    asker = asking(bob)
    asker.tick(3600, seconds=1)
    assert 60 <= bob.asked <= 80
    assert asker.lines.kinds.count("witness failed") == 1


def test_who_is_added_is_asked_at_once_and_who_is_removed_no_longer(
    there: Place, bob: Neighbour, carol: Neighbour, asking: Asking
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


def test_a_trail_without_witnesses_asks_nobody(there: Place, asking: Asking) -> None:
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
    there: Place, bob: Neighbour, asking: Asking
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


def test_a_request_that_broke_is_a_failure_and_nothing_more(
    there: Place, bob: Neighbour, asking: Asking
) -> None:
    named(there, bob)

    def broken(_: bytes) -> Response:
        raise RuntimeError("a fault of ours")

    bob.says = broken
    asker = asking(bob)
    asker.tick(3)
    assert [one.reason for one in asker.asking.standings()] == ["RuntimeError: a fault of ours"]
    bob.says = lambda _: (_ for _ in ()).throw(Unreachable("none"))
    asker.tick(10, seconds=1)
    bob.says = None
    asker.tick(10, seconds=10)
    assert asker.asking.is_quorum_met


def test_an_old_answer_that_is_given_again_is_not_taken(
    there: Place, bob: Neighbour, asking: Asking
) -> None:
    pinned = named(there, bob)
    asker = asking(bob)
    said: list[Response] = []

    def kept(body: bytes) -> Response:
        bob.says = None
        said.append(bob.answer(body))
        return said[-1]

    bob.says = kept
    asker.tick(3)
    assert asker.asking.is_quorum_met
    # Somebody on the way answers in its place, for ever the same.
    bob.says = lambda _: said[0]
    asker.tick(500, seconds=1)
    assert "behind; set the clock" in asker.asking.standings()[0].reason
    assert told(there) == ["lagging"]
    assert checked(there, pinned, max_age_seconds=120).exit_code == EXIT_STALE


def test_a_cosignature_of_the_future_is_not_taken(
    there: Place, bob: Neighbour, asking: Asking
) -> None:
    pinned = named(there, bob)
    there.clock.advance(seconds=3600)
    ahead = bob.answer  # its clock is the place's; it answers an hour from now
    kept: list[Response] = []

    def once(body: bytes) -> Response:
        bob.says = None
        kept.append(ahead(body))
        bob.says = once
        there.clock.advance(seconds=-3600)
        return kept[-1]

    bob.says = once
    asker = asking(bob)
    asker.tick(1)
    asker.asking.tick()
    (standing,) = asker.asking.standings()
    assert "ahead" in standing.reason
    assert is_cosigned(kept[0].body, signed_text(there), bob.signer.key)
    assert checked(there, pinned).exit_code == EXIT_POLICY_UNMET


def signed_text(there: Place) -> str:
    with there.opened() as trail:
        return notes.decode(published.checkpoint(trail.store)).text

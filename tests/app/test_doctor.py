"""The doctor looks without touching, and decides only what an operator may."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from deploytrail.app.backups.continuing import continue_after, successor
from deploytrail.app.doctor import accept_clock, clear_fence, examine
from deploytrail.errors import EXIT_POLICY_UNMET, ClockSuspect, Conflict, Fenced, Malformed
from deploytrail.event import Actor
from deploytrail.log import policy
from deploytrail.log.note import Signer
from tests.app.places import Place, place
from tests.app.witnessed import Asker, Neighbour, add, named

BOB = Actor(type="user", id="os:bob@host")


@pytest.fixture
def trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    there = place(tmp_path)
    for name, value in there.environment.items():
        monkeypatch.setenv(name, value)
    there.record(3)
    return there


def _states(there: Place) -> dict[str, str]:
    return {check.what: check.state for check in examine(there.home)}


def test_a_sound_trail_has_nothing_bad(trail: Place) -> None:
    assert "bad" not in _states(trail).values()


def test_a_key_beside_its_data_is_told(trail: Place) -> None:
    found = {check.what: check.found for check in examine(trail.home)}
    assert "not protected at rest" in found["key"]


def test_who_vouches_for_it_is_told_as_far_as_that_is_known(
    trail: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def anchoring() -> list[tuple[str, str]]:
        return [(one.found, one.advice) for one in examine(trail.home) if one.what == "anchoring"]

    ((found, advice),) = anchoring()
    assert ("could rewrite" in found, "witness add" in advice) == (True, True)
    bob = Neighbour(tmp_path, "bob", trail.clock)
    named(trail, bob)
    with closing(Asker(trail.open(), trail.clock, bob)) as asker:
        asker.tick(2)
    assert anchoring() == []
    # Somebody who was here never before has that policy from nobody but the log.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    ((found, advice),) = anchoring()
    assert ("cosigned by bob" in found, "--policy" in advice) == (True, True)


def test_files_that_others_may_read_are_told(trail: Place) -> None:
    (trail.home / "key").chmod(0o644)
    assert _states(trail)["modes"] == "bad"


def test_a_fence_is_cleared_only_after_the_log_was_verified(trail: Place) -> None:
    with trail.opened() as opened:
        opened.store.fence("a test wants it")
    assert _states(trail)["fence"] == "bad"
    with trail.opened() as opened, pytest.raises(Fenced):
        opened.record([trail.event(0)])
    receipt = clear_fence(trail.home, actor=BOB, reason="looked at it", clock=trail.clock)
    assert receipt.index == 3
    with trail.opened() as opened:
        assert opened.show(receipt.id).event["action"] == "audit.fence.cleared"
    assert trail.verified().exit_code == 0


def test_what_is_not_under_a_checkpoint_yet_is_told(trail: Place) -> None:
    assert "published" not in _states(trail)
    trail.record(2, publish=False)
    found = {check.what: check for check in examine(trail.home)}
    assert (found["published"].state, found["published"].found) == (
        "note",
        "2 entries not under a checkpoint yet",
    )


def test_what_waits_to_be_appended_is_told(trail: Place) -> None:
    assert "unrecorded" not in _states(trail)
    (trail.home / "unrecorded").mkdir()
    (trail.home / "unrecorded" / "run.jsonl").touch()
    assert _states(trail)["unrecorded"] == "note"


def test_what_a_stopped_restore_left_is_told(trail: Place) -> None:
    assert "restoring" not in _states(trail)
    (trail.home / "restoring").mkdir()
    assert _states(trail)["restoring"] == "note"


def test_a_key_of_another_trail_is_told(trail: Place) -> None:
    (trail.home / "key").write_text("00" * 32)
    assert _states(trail)["key"] == "bad"


def test_what_was_decided_is_published(trail: Place) -> None:
    with trail.opened() as opened:
        opened.store.fence("a test wants it")
    clear_fence(trail.home, actor=BOB, reason=None, clock=trail.clock)
    report = trail.verified()
    assert (report.size, report.size_signed) == (4, 4)


def test_behind_a_fence_both_write_ahead_logs_are_moved_before_anybody_writes(
    trail: Place,
) -> None:
    """Also while others have the directory open: what the fence was for may be in them."""
    logs = [trail.home / name for name in ("log.db-wal", "keys.db-wal")]
    with trail.opened() as opened:
        for at in range(30):
            opened.record([trail.event(at, actor=f"github:newcomer-{at}")])
        opened.store.fence("a test wants it")
        before = [path.stat().st_size for path in logs]
        clear_fence(trail.home, actor=BOB, reason=None, clock=trail.clock)
        after = [path.stat().st_size for path in logs]
    assert [now < then // 3 for now, then in zip(after, before, strict=True)] == [True, True]


def test_a_log_that_somebody_else_signed_stays_fenced(trail: Place) -> None:
    """Nothing of it is damaged; but it is not the log that this policy speaks of."""
    with trail.opened() as opened:
        opened.store.fence("a test wants it")
        own = policy.decode(opened.home.policy.read_bytes())
        mallory = policy.Log(Signer(opened.origin, b"m" * 32).key)
    states = Path(trail.environment["XDG_STATE_HOME"], "deploytrail")
    (kept,) = states.iterdir()
    kept.unlink()
    changed = policy.Policy((mallory,), own.witnesses, {}, own.quorum)
    (trail.home / "policy").write_bytes(policy.encode(changed))
    with pytest.raises(Fenced, match="stays fenced: verification ended with 4"):
        clear_fence(trail.home, actor=BOB, reason=None, clock=trail.clock)
    assert (trail.home / "fence").exists()


def test_a_log_whose_witnesses_did_not_answer_is_not_fenced_for_ever(
    trail: Place, tmp_path: Path
) -> None:
    bob = Neighbour(tmp_path, "bob", trail.clock)
    with trail.opened() as opened:
        add(opened, bob)
        opened.publish()
        opened.store.fence("a test wants it")
    assert trail.verified().exit_code == EXIT_POLICY_UNMET
    clear_fence(trail.home, actor=BOB, reason=None, clock=trail.clock)
    trail.record(1)


def test_a_log_that_is_not_sound_stays_fenced(trail: Place) -> None:
    with trail.opened() as opened:
        opened.store.fence("a test wants it")
    connection = apsw.Connection(str(trail.home / "log.db"))
    connection.execute("DELETE FROM segment WHERE first = 0")
    connection.close()
    with pytest.raises(Fenced, match="stays fenced"):
        clear_fence(trail.home, actor=BOB, reason=None, clock=trail.clock)
    assert (trail.home / "fence").exists()


@pytest.mark.parametrize("loss", ["DELETE FROM disclosure", "DELETE FROM delivery"])
def test_a_log_whose_vault_or_deliveries_are_gone_stays_fenced(trail: Place, loss: str) -> None:
    with trail.opened() as opened:
        opened.store.fence("a test wants it")
    connection = apsw.Connection(str(trail.home / "log.db"))
    connection.execute(loss)
    connection.close()
    with pytest.raises(Fenced, match="stays fenced: verification ended with 3"):
        clear_fence(trail.home, actor=BOB, reason=None, clock=trail.clock)
    assert (trail.home / "fence").exists()


def test_a_fence_stands_again_where_nobody_could_enter_that_it_fell(trail: Place) -> None:
    with trail.opened() as opened:
        opened.store.fence("a test wants it")
    # Nobody's account: what the event says of itself is too long to be entered.
    nobody = Actor(type="user", id="x" * 600)
    with pytest.raises(Malformed):
        clear_fence(trail.home, actor=nobody, reason=None, clock=trail.clock)
    assert "could not be entered" in (trail.home / "fence").read_text()
    assert trail.verified().size == 3


def test_a_clock_that_jumped_ahead_refuses_appends_until_it_is_accepted(trail: Place) -> None:
    jumped = trail.clock.now()
    trail.clock.advance(seconds=3_600)
    trail.clock._uptime_us -= 3_500_000_000
    assert trail.clock.now() > jumped
    with trail.opened() as opened, pytest.raises(ClockSuspect, match="--accept-clock"):
        opened.record([trail.event(0)])
    receipt = accept_clock(trail.home, actor=BOB, reason="the battery was flat", clock=trail.clock)
    assert receipt is not None
    assert receipt.index == 3
    assert accept_clock(trail.home, actor=BOB, reason="again", clock=trail.clock) is None
    trail.record(1)
    assert trail.verified().exit_code == 0


def test_a_successor_has_the_next_number() -> None:
    assert successor("deploytrail.local/00/1") == "deploytrail.local/00/2"
    assert successor("deploytrail.local/00/9") == "deploytrail.local/00/10"


@pytest.mark.parametrize("origin", ["plain", "a/", "a/x", "a/01", "a/١", "/"])
def test_an_origin_without_a_number_has_no_successor(origin: str) -> None:
    with pytest.raises(Malformed, match="ends in /<number>"):
        successor(origin)


def test_a_continued_trail_carries_the_old_checkpoint_in_its_first_entry(
    trail: Place, tmp_path: Path
) -> None:
    with trail.opened() as opened:
        old = opened.publish()
    path = tmp_path / "old.note"
    path.write_text(old.note)
    following, receipt = continue_after(
        path, tmp_path / "next", actor=BOB, reason="the disk died", clock=trail.clock
    )
    with following:
        assert following.origin == successor(old.origin)
        assert receipt.index == 0
        targets = following.show(receipt.id).event["targets"]
        assert isinstance(targets, list)
        assert targets[0]["id"] == old.note
    with pytest.raises(Conflict):
        continue_after(path, tmp_path / "next", actor=BOB, reason=None, clock=trail.clock)

"""Who is to cosign a trail is state, set with the event that tells of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploytrail.app.cosigning import policies
from deploytrail.app.exporting import export
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.app.verifying import verify
from deploytrail.errors import EXIT_OK, EXIT_POLICY_UNMET, Conflict, Malformed, NotFound
from deploytrail.event import EventId
from deploytrail.log import note as notes
from deploytrail.log import policy as policy_format
from deploytrail.log.note import COSIGNATURE_V1, ED25519, Signer
from deploytrail.log.store import StateRow
from deploytrail.stores import kept
from tests.app.places import Place, place
from tests.app.witnessed import ALICE, Asker, Neighbour, add
from tests.fakes import FakeClock


@pytest.fixture
def there(tmp_path: Path) -> Place:
    made = place(tmp_path)
    made.record(2)
    return made


def vkey(name: str, algorithm: int = COSIGNATURE_V1) -> str:
    return notes.encode_vkey(Signer(name, name.encode().ljust(32, b".")[-32:], algorithm).key)


BOB, CAROL = vkey("witness.test/bob"), vkey("witness.test/carol")
URL = "https://bob.test/witness/"


def named(trail: DirectoryTrail, key: str = BOB, url: str = URL, **given: str) -> None:
    trail.witnesses().add(key, url, quorum=given.pop("quorum", None), by=ALICE, **given)


def test_naming_one_is_an_event_of_the_trail(there: Place) -> None:
    with there.opened() as trail:
        named(trail, name="bob")
        shown = trail.show(2)
    assert shown.event["action"] == "audit.witness.added"
    actor: Any = shown.event["actor"]
    assert actor["id"] == "github:alice"
    told: Any = shown.event["targets"]
    assert told[0] == {"type": "witness", "id": "bob"}
    assert (told[1]["type"], told[1]["id"]) == ("policy", "log")
    changes: Any = shown.event["changes"]
    witness, quorum = changes
    assert (witness["path"], witness["op"]) == ("witnesses.bob", "add")
    assert json.loads(witness["new"]) == {"vkey": BOB, "url": URL.rstrip("/")}
    assert (quorum["path"], quorum["old"], quorum["new"]) == ("quorum", "0", "1")


def test_a_policy_that_was_written_past_the_log_is_found(there: Place) -> None:
    with there.opened() as trail:
        named(trail, name="bob")
        assert there.verified().exit_code == 0
        with trail.store.writing() as writer:
            written = writer.state("policy")["log"].replace(b"bob", b"bop")
            writer.put_state([StateRow("policy", "log", written)])
    found = there.verified()
    assert found.exit_code == 1
    assert "'policy' 'log'" in found.found[0].what


def test_the_first_makes_the_quorum_and_the_last_takes_it_along(there: Place) -> None:
    thresholds = []
    with there.opened() as trail:
        witnesses = trail.witnesses()
        for step in (
            lambda: named(trail, name="bob"),
            lambda: named(trail, CAROL, name="carol"),
            lambda: witnesses.set_quorum("all", by=ALICE, reason=None),
            lambda: witnesses.remove("bob", quorum=None, by=ALICE, reason="he moved"),
            lambda: witnesses.set_quorum("none", by=ALICE, reason=None),
            lambda: witnesses.set_quorum("any", by=ALICE, reason=None),
            lambda: witnesses.remove("carol", quorum=None, by=ALICE, reason=None),
        ):
            step()
            thresholds.append(policies.threshold(trail.policy()))
        assert trail.policy() == trail.own_policy()
        actions = [str(one.event["action"]) for one in trail.entries(first=2)]
    assert thresholds == [1, 1, 2, 1, 0, 1, 0]
    assert actions == [
        *("audit.witness.added", "audit.witness.added", "audit.policy.updated"),
        *("audit.witness.removed", "audit.policy.updated", "audit.policy.updated"),
        "audit.witness.removed",
    ]


def test_a_quorum_that_is_so_already_is_no_event(there: Place) -> None:
    with there.opened() as trail:
        named(trail)
        trail.witnesses().set_quorum("1", by=ALICE, reason=None)
        trail.witnesses().set_quorum("all", by=ALICE, reason=None)
        assert trail.size() == 3


BAD_WITNESSES: dict[str, tuple[str, str, str | None, str]] = {
    "a key that is none": ("bob", URL, None, "vkey"),
    "a log's key": (vkey("bob.test", ED25519), URL, None, "expected the key of a witness"),
    "a URL of another kind": (CAROL, "ftp://carol.test", None, "expected http:// or https://"),
    "a URL with a password": (CAROL, "https://a:b@carol.test", None, "without a password"),
    "a URL in two lines": (CAROL, "https://carol.test\nquorum none", None, "URL"),
    "a URL with a blank": (CAROL, "https://carol.test/a b", None, "without spaces"),
    "a name with a blank": (CAROL, URL, "carol bob", "NAME: expected"),
    "a name of two lines": (CAROL, URL, "carol\nquorum none", "NAME: expected"),
    "a name that is no text": (CAROL, URL, "caro\udcff", "NAME: expected"),
    "a name that hides": (CAROL, URL, "caro\x9bl", "NAME: expected"),
    "no name": (CAROL, URL, "", "NAME: expected"),
    "a name that is a comment": (CAROL, URL, "#carol", "NAME: expected"),
}


@pytest.mark.parametrize("reason", BAD_WITNESSES)
def test_a_witness_is_not_named_with(reason: str, there: Place) -> None:
    key, url, name, said = BAD_WITNESSES[reason]
    with there.opened() as trail:
        with pytest.raises(Malformed) as caught:
            trail.witnesses().add(key, url, name=name, quorum=None, by=ALICE)
        assert said in str(caught.value)
        assert trail.size() == 2
        assert trail.policy() == trail.own_policy()


TAKEN = {
    "the name of another": (CAROL, "bob"),
    "the key of another": (BOB, "robert"),
    "the name of the quorum's group": (CAROL, "witnesses"),
    "the name that means nobody": (CAROL, "none"),
    "the name of the log's own": (CAROL, "self"),
}


@pytest.mark.parametrize("reason", TAKEN)
def test_a_witness_is_not_named_by(reason: str, there: Place) -> None:
    key, name = TAKEN[reason]
    with there.opened() as trail:
        named(trail, name="bob")
        with pytest.raises(Conflict):
            named(trail, key, name=name)
        assert trail.size() == 3


def test_the_log_is_no_witness_of_its_own(there: Place) -> None:
    with there.opened() as trail:
        own = notes.encode_vkey(next(iter(trail.policy().witnesses.values())).key)
        another = vkey(trail.origin)
        for key in (own, another):
            with pytest.raises(Conflict, match="no witness"):
                named(trail, key, name="me")


BAD_QUORUMS = ["2", "-1", "01", "one", "", "٣", "1_0"]


@pytest.mark.parametrize("quorum", BAD_QUORUMS)
def test_a_quorum_that_can_not_be_is_refused(quorum: str, there: Place) -> None:
    with there.opened() as trail:
        named(trail)
        with pytest.raises(Malformed, match="expected all, any, none or a number up to 1"):
            trail.witnesses().set_quorum(quorum, by=ALICE, reason=None)


def test_who_is_not_there_can_not_be_taken_off(there: Place) -> None:
    with there.opened() as trail:
        named(trail, name="bob")
        with pytest.raises(NotFound, match=r"\('bob'\)"):
            trail.witnesses().remove("self", quorum=None, by=ALICE, reason=None)


def test_there_are_no_more_than_every_reader_takes(there: Place) -> None:
    with there.opened() as trail:
        for number in range(policies.WITNESSES_MAX):
            named(trail, vkey(f"witness.test/{number}"), name=f"w{number}")
        with pytest.raises(Conflict, match="expected at most 16"):
            named(trail, name="bob")
        with pytest.raises(Malformed, match="at most 200 characters"):
            named(trail, vkey("n" * 201), name="long")


def test_of_two_changes_at_once_one_is_refused(there: Place) -> None:
    class Hasty(FakeClock):
        """While one is thinking, another has changed it."""

        is_first = True

        def event_id(self) -> EventId:
            if Hasty.is_first:
                Hasty.is_first = False
                with there.opened() as other:
                    named(other, CAROL, name="carol")
            return super().event_id()

    slow = Place(there.home, there.environment, Hasty())
    with slow.opened() as trail:
        with pytest.raises(Conflict):
            named(trail, name="bob")
        assert list(policies.outside(trail.policy())) == [b"carol"]
        assert trail.size() == 3


def test_the_file_beside_the_log_and_what_is_kept_of_it_follow(there: Place) -> None:
    with there.opened() as trail:
        named(trail, name="bob")
        # Stopped here, the file is what it was; the next change writes both.
        named(trail, CAROL, name="carol")
        trail.hand_out_policy()
        trail.publish()
        assert there.home.joinpath("policy").read_bytes() == policy_format.encode(trail.policy())
        seen = kept.load(Path(there.environment["XDG_STATE_HOME"]) / "deploytrail", trail.origin)
    assert seen is not None
    assert list(policies.outside(seen.policy)) == [b"bob", b"carol"]


def test_what_each_has_cosigned_last_is_listed(there: Place, tmp_path: Path) -> None:
    bob, carol = (Neighbour(tmp_path, name, there.clock) for name in ("bob", "carol"))
    with there.opened() as trail:
        add(trail, bob, carol)
        trail.publish()
    carol.is_up = False
    asker = Asker(there.open(), there.clock, bob, carol)
    asker.tick(3)
    asker.close()
    there.record(2)
    with there.opened() as trail:
        first, second = trail.witnesses().listed()
    assert (first.name, first.size, first.url) == ("bob", 4, bob.url)
    assert first.time == "2026-11-22T12:00:00.000000Z"
    assert (second.name, second.size, second.time) == ("carol", None, None)


def test_an_export_waits_for_witnesses_and_goes_without_them(there: Place, tmp_path: Path) -> None:
    bob = Neighbour(tmp_path, "bob", there.clock)
    with there.opened() as trail:
        add(trail, bob)
        trail.publish()
        pinned = tmp_path / "pinned"
        pinned.write_bytes(policy_format.encode(trail.policy()))
        alone = tmp_path / "alone.tar"
        assert export(trail, alone) == 3
        asker = Asker(there.open(), there.clock, bob)
        asker.tick(3)
        asker.close()
        witnessed = tmp_path / "witnessed.tar"
        assert export(trail, witnessed) == 3
    codes = {}
    for path in (alone, witnessed):
        report = verify(
            path, policy=pinned, state=tmp_path / path.stem, environment={}, clock=there.clock
        )
        codes[path.stem] = (report.exit_code, report.anchoring)
    assert codes == {
        "alone": (EXIT_POLICY_UNMET, "UNANCHORED"), "witnessed": (EXIT_OK, "WITNESSED")
    }  # fmt: skip

"""What witnesses answer may be anything: it is failure or news, and accuses nobody wrongly."""

from __future__ import annotations

import pytest

from deploytrail.app import published
from deploytrail.errors import EXIT_POLICY_UNMET, EXIT_STALE, Unreachable
from deploytrail.kit.answer import Response
from deploytrail.log import note as notes
from deploytrail.log import witnessing
from tests.app.places import Place
from tests.app.witnessed import (
    Asks,
    Neighbour,
    checked,
    named,
    told,
)
from tests.witness.requests import is_cosigned

SIZE = witnessing.SIZE_TYPE


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
    reason: str, there: Place, bob: Neighbour, asking: Asks
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


def test_a_request_that_broke_is_a_failure_and_nothing_more(
    there: Place, bob: Neighbour, asking: Asks
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
    there: Place, bob: Neighbour, asking: Asks
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
    assert told(there) == ["delayed"]
    assert checked(there, pinned, max_age_seconds=120).exit_code == EXIT_STALE


def test_a_cosignature_of_the_future_is_not_taken(
    there: Place, bob: Neighbour, asking: Asks
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

"""A trail that asks witnesses within a test: real ones, without a network between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploytrail.app.cosigning.asking import Asking
from deploytrail.app.cosigning.witnessing import Told
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.app.verifying import verify
from deploytrail.errors import Unreachable
from deploytrail.event import Actor
from deploytrail.kit.answer import Response
from deploytrail.log import note as notes
from deploytrail.log import policy as policies
from deploytrail.log import witnessing
from deploytrail.log.known_logs import Logs
from deploytrail.log.note import COSIGNATURE_V1, Signer
from deploytrail.log.policy import Policy
from deploytrail.report import Report
from deploytrail.stores.cosigned import CosignedFiles
from deploytrail.witness.keeping import Refusal, Witness
from tests.app.places import Place
from tests.fakes import FakeClock
from tests.follow.hosted import Lines

ALICE = Actor(type="user", id="github:alice")


class Neighbour:
    """A witness of ours, which may be unreachable; what it answers may be replaced."""

    def __init__(self, folder: Path, name: str, clock: FakeClock) -> None:
        self.name = name
        self.url = f"https://{name}.test"
        self.signer = Signer(f"witness.test/{name}", name.encode().ljust(32, b"."), COSIGNATURE_V1)
        self.vkey = notes.encode_vkey(self.signer.key)
        self.is_up = True
        self.asked = 0
        self.statuses: list[int] = []
        self.says: Callable[[bytes], Response] | None = None
        self._folder = folder / name
        self._folder.mkdir()
        CosignedFiles.create(self._folder)
        self._clock = clock
        self.refusals: list[Refusal] = []
        self._witness: Witness | None = None

    def knows(self, policy: Policy) -> None:
        key = policy.logs[0].key
        logs: Logs = {key.name: (key,)}
        kept = CosignedFiles(self._folder)
        self._witness = Witness(
            logs=logs,
            signers=[self.signer],
            kept=kept,
            clock=self._clock,
            told=self.refusals.append,
        )

    def answer(self, body: bytes) -> Response:
        self.asked += 1
        if not self.is_up:
            raise Unreachable(f"{self.url}: expected a server there")
        if self.says is not None:
            return self.says(body)
        assert self._witness is not None
        reply = self._witness.answer(body)
        self.statuses.append(reply.status)
        return Response(reply.status, {"content-type": reply.content_type}, reply.body)

    def cosigned(self, origin: str) -> bytes:
        assert self._witness is not None
        found = self._witness.cosigned(origin)
        assert found is not None
        return found


def inline(work: Callable[[], None]) -> None:
    """Runs what it is given at once."""
    work()


class Slow:
    """Runs what it is given when it is told to, in order."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[], None]) -> None:
        self.waiting.append(work)

    def run(self, count: int | None = None) -> None:
        now, self.waiting = self.waiting[:count], self.waiting[len(self.waiting[:count]) :]
        for work in now:
            work()


class Asker:
    """The thread that asks, in steps of `tick`."""

    def __init__(
        self,
        trail: StoredTrail,
        clock: FakeClock,
        *neighbours: Neighbour,
        spawn: Callable[[Callable[[], None]], None] = inline,
    ) -> None:
        self.trail = trail
        self._clock = clock
        self.lines = Lines()
        self.by_url = {one.url: one for one in neighbours}
        self.asking = Asking(
            self.trail.store,
            own=self.trail.own_policy(),
            post=self._post,
            spawn=spawn,
            alarms=Told(trail, clock),
            clock=clock,
            tell=self.lines,
        )

    def _post(self, url: str, body: bytes) -> Response:
        assert url.endswith(witnessing.PATH)
        return self.by_url[url.removesuffix(witnessing.PATH)].answer(body)

    def tick(self, times: int = 1, *, seconds: float = 0.25) -> None:
        for _ in range(times):
            self.asking.tick()
            self._clock.advance(seconds=seconds)

    def close(self) -> None:
        self.trail.close()


Asks = Callable[..., Asker]
"""Starts one that asks these neighbours; closed when the test has ended."""


def add(trail: StoredTrail, *neighbours: Neighbour, quorum: str | None = None) -> None:
    """Name them, and let them know the log."""
    for one in neighbours:
        trail.witnesses().add(one.vkey, one.url, name=one.name, quorum=None, by=ALICE)
        one.knows(trail.policy())
    if quorum is not None:
        trail.witnesses().set_quorum(quorum, by=ALICE, reason=None)
    trail.hand_out_policy()


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


def checked(there: Place, pinned: Path, **given: Any) -> Report:
    """What Carol finds, who has seen nothing of this log before."""
    states = there.home.parent / "carol"
    return verify(
        there.home, policy=pinned, state=states, environment=there.environment,
        clock=there.clock, **given,
    )  # fmt: skip

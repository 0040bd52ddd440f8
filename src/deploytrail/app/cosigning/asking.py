"""The trail asks its witnesses: in rounds, one checkpoint each, and all at once.

A quorum needs cosignatures of one and the same checkpoint, so a round asks everybody for the same
one, and the next one, with the newest, begins when the quorum has cosigned, or nobody is left to
wait for. Once there is a quorum, who is slow misses rounds and holds up nobody. Belongs to one
thread; only what waits for the network, for seconds at most, runs elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple, Protocol

from msgspec import structs

from deploytrail.app.cosigning import policies
from deploytrail.app.cosigning.asked import Answer, Asked, Question, answered
from deploytrail.app.cosigning.lagging import Lagging
from deploytrail.clock import Clock, microseconds
from deploytrail.errors import DeploytrailError
from deploytrail.follow.told import Standing, State, Tell
from deploytrail.kit.answer import Response
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import merkle, witnessing
from deploytrail.log import note as notes
from deploytrail.log.note import Note
from deploytrail.log.policy import NO_QUORUM, Policy
from deploytrail.log.reading import hashes_of, whole_note
from deploytrail.log.store import Checkpoint, Reader, Store
from deploytrail.log.witnessing import Cosigned, Request

ROUND_SECONDS_MIN: Final = 1.0
RENEWED_SECONDS: Final = 60.0
"""How old a round may grow while nothing is logged: then everybody is asked again, since a
cosignature says when somebody else last saw that nothing came."""

Post = Callable[[str, bytes], Response]
"""Sends a body to a URL; raises what `kit.http` raises."""
Spawn = Callable[[Callable[[], None]], None]
"""Has something run elsewhere, so that it is not waited for."""


class Alarms(Protocol):
    """Who is told what an operator should know; each of them once while it lasts."""

    def lagging(self, seconds: float, size: int) -> None: ...
    def caught_up(self) -> None: ...
    def refused(self, one: Asked) -> None: ...
    def accepted(self, one: Asked) -> None: ...


class _Round(NamedTuple):
    """`number` counts from 1; `note` has the log's own signatures."""

    number: int
    size: int
    note: Note
    started: float


class _Reply(NamedTuple):
    name: bytes
    question: Question
    found: Response | DeploytrailError


class Asking:
    """`tick` does whatever is to be done now, and waits for nobody."""

    def __init__(
        self,
        store: Store,
        *,
        own: Policy,
        post: Post,
        spawn: Spawn,
        alarms: Alarms,
        clock: Clock,
        tell: Tell,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._own = own
        self._post = post
        self._spawn = spawn
        self._alarms = alarms
        self._clock = clock
        self._tell = tell
        self._wake = wake
        self._policy = own
        self._asked: dict[bytes, Asked] = {}
        self._round: _Round | None = None
        self._cosigned: set[bytes] = set()
        self._is_settled = False
        self._lagging = Lagging()
        self._is_late_told = False
        self._newest = 0
        self._replies: SimpleQueue[_Reply] = SimpleQueue()

    def tick(self) -> None:
        """Take answers in, begin a round where it is time to, and ask whoever is to be asked."""
        # Before the log is looked at: what a witness has seen was published before it answered.
        replies = self._replied()
        with self._store.reading() as reader:
            policy = policies.in_force(reader, self._own)
            newest = reader.checkpoint()
        if policy != self._policy or not self._asked:
            self._take_policy(policy)
        if newest is None or not newest.size or not self._asked:
            return
        self._newest = newest.size
        now = self._clock.monotonic()
        if self._round is not None and newest.size > self._round.size:
            self._lagging.published(now)
        self._take(replies, newest.size, now)
        self._settle()
        if self._is_time_for_another(newest, now):
            self._begin(newest, now)
        for name, one in self._asked.items():
            if self._is_to_be_asked(one, now):
                self._ask(name, one)
        self._raise_alarm(now)

    def standings(self) -> list[Standing]:
        """How each witness stands, for others to see."""
        return [_standing(one) for one in self._asked.values()]

    @property
    def is_quorum_met(self) -> bool:
        """Whether those who cosigned in this round make the quorum, where there is one."""
        return self._policy.quorum != NO_QUORUM and self._policy.is_met(self._cosigned)

    @property
    def is_done(self) -> bool:
        """Whether the newest checkpoint has its quorum, or nobody is left to wait for."""
        has_begun = self._round is not None and self._round.size >= self._newest
        return has_begun and (self.is_quorum_met or not self.is_waiting)

    @property
    def is_waiting(self) -> bool:
        """Whether somebody was asked, or is about to be, and has not answered yet."""
        now = self._clock.monotonic()
        return any(one.is_busy or self._is_to_be_asked(one, now) for one in self._asked.values())

    def _take_policy(self, policy: Policy) -> None:
        """Who stays keeps their standing; who is new is asked in the round at hand."""
        self._policy = policy
        known, self._asked = self._asked, {}
        for name, witness in policies.outside(policy).items():
            if witness.url is None:
                continue
            url = witness.url.decode()
            before = known.get(name)
            if before is not None and (before.key, before.url) == (witness.key, url):
                self._asked[name] = before
            else:
                shown = name.decode("utf-8", "backslashreplace")
                self._asked[name] = Asked(name=shown, key=witness.key, url=url)

    def _is_time_for_another(self, newest: Checkpoint, now: float) -> bool:
        last = self._round
        if last is None:
            return True
        seconds = now - last.started
        if seconds < ROUND_SECONDS_MIN:
            return False
        if newest.size <= last.size and seconds < RENEWED_SECONDS:
            return False
        return self.is_quorum_met or not self.is_waiting

    def _begin(self, newest: Checkpoint, now: float) -> None:
        number = 1 if self._round is None else self._round.number + 1
        note = notes.decode(newest.note)
        with self._store.reading() as reader:
            self._cosigned = set() if self._round is not None else self._stored(reader, newest)
        self._round = _Round(number, newest.size, note, now)
        self._is_settled = False
        self._lagging.begun(now)
        self._settle()

    def _stored(self, reader: Reader, newest: Checkpoint) -> set[bytes]:
        """Who has cosigned the newest checkpoint already, before we were started."""
        whole = notes.decode(whole_note(reader, newest.size, newest.note))
        names = {one.key: name for name, one in policies.outside(self._policy).items()}
        return {names[one.key] for one in checkpoints.verified(whole, names)[1]}

    def _is_to_be_asked(self, one: Asked, now: float) -> bool:
        number = 0 if self._round is None else self._round.number
        return not one.is_busy and one.answered < number and one.due <= now

    def _ask(self, name: bytes, one: Asked) -> None:
        at = self._round
        assert at is not None
        if one.size > at.size:
            # It cosigned a newer one of ours meanwhile.
            self._asked[name] = structs.replace(one, answered=at.number)
            return
        with self._store.reading() as reader:
            hash_at = hashes_of(reader, at.size)
            proof = tuple(merkle.consistency_proof(one.size, at.size, hash_at))
        body = witnessing.encode(Request(one.size, proof, at.note))
        question = Question(at.number, one.size, at.size, at.note.text)
        self._asked[name] = structs.replace(one, is_busy=True)
        self._spawn(lambda: self._send(name, one.url, body, question))

    def _send(self, name: bytes, url: str, body: bytes, question: Question) -> None:
        """In a thread of its own."""
        found: Response | DeploytrailError
        try:
            found = self._post(f"{url}{witnessing.PATH}", body)
        except DeploytrailError as error:
            found = error
        except Exception as error:  # noqa: BLE001 (else nobody would ever ask this witness again)
            found = DeploytrailError(f"{type(error).__name__}: {error}")
        self._replies.put(_Reply(name, question, found))
        self._wake()

    def _replied(self) -> list[_Reply]:
        replies: list[_Reply] = []
        with suppress(Empty):
            while True:
                replies.append(self._replies.get_nowait())
        return replies

    def _take(self, replies: Sequence[_Reply], newest: int, now: float) -> None:
        seconds = microseconds(self._clock.now()) // 1_000_000
        taken: list[tuple[_Reply, Asked, Answer]] = []
        for reply in replies:
            before = self._asked.get(reply.name)
            if before is None:
                continue
            answer = answered(
                before, reply.question, reply.found, newest=newest, now=now, seconds=seconds
            )
            self._asked[reply.name] = answer.asked
            taken.append((reply, before, answer))
        # First what is signed: whatever else fails, the same is found and told anew.
        self._keep(
            [
                (reply.question.size, answer.cosigned)
                for reply, _, answer in taken
                if answer.cosigned is not None
            ]
        )
        for reply, before, answer in taken:
            self._told(reply, before, answer)

    def _told(self, reply: _Reply, before: Asked, answer: Answer) -> None:
        after = answer.asked
        if answer.cosigned is not None:
            if self._round is not None and reply.question.round == self._round.number:
                self._cosigned.add(reply.name)
            if before.failures:
                self._tell("witness cosigns again", witness=after.name, size=after.size)
            self._alarms.accepted(after)
        elif after.refused:
            if not before.refused:
                self._tell("witness refused", witness=after.name, reason=after.refused)
            self._alarms.refused(after)
        elif after.error and after.error != before.error:
            self._tell("witness failed", witness=after.name, reason=after.error)

    def _keep(self, lines: Sequence[tuple[int, Cosigned]]) -> None:
        """One commit for all that came since the last one."""
        if not lines:
            return
        with self._store.writing() as writer:
            for size, one in lines:
                writer.put_cosignature(size, one.key.id, one.line)

    def _settle(self) -> None:
        if self._round is not None and not self._is_settled and self.is_quorum_met:
            self._is_settled = True
            self._lagging.met(self._round.size)

    def _raise_alarm(self, now: float) -> None:
        is_late = self._policy.quorum != NO_QUORUM and self._lagging.is_late(now)
        self._tell_late(is_late, now)
        if is_late:
            self._alarms.lagging(self._lagging.seconds(now), self._lagging.size)
        elif self._policy.quorum != NO_QUORUM and self._lagging.is_known:
            self._alarms.caught_up()

    def _tell_late(self, is_late: bool, now: float) -> None:
        """A line at the beginning and one at the end: also where nothing can be appended."""
        if is_late == self._is_late_told:
            return
        self._is_late_told, size = is_late, self._lagging.size
        if is_late:
            self._tell("quorum lags", seconds=round(self._lagging.seconds(now)), cosigned=size)
        elif self._policy.quorum != NO_QUORUM:
            self._tell("quorum cosigns again", cosigned=size)


def _standing(one: Asked) -> Standing:
    state: State = "broken" if one.refused else "waiting" if one.failures else "following"
    return Standing(name=f"witness {one.name}", state=state, cursor=one.size, reason=one.error)

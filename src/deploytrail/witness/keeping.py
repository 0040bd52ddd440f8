"""A witness that keeps its word: what it cosigned is durable before anybody hears of it.

Look-up, decision and storing are one step for each origin. Safe for use from several threads; two
witnesses over one store are not, so whoever opens the store holds its lock.
"""

from __future__ import annotations

import errno
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from deploytrail.clock import Clock, microseconds
from deploytrail.errors import DeploytrailError, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log.known_logs import Logs
from deploytrail.log.note import Signer
from deploytrail.witness.answer import NOTHING, Decision, Reply, Seen, Submitted, decided, submitted


class Kept(Protocol):
    """What a witness has cosigned, by origin, durable on return of what changes it.

    A `replace` that raises may or may not have happened; a crash leaves the old or the new, whole.
    """

    def load(self, origin: str) -> bytes | None:
        """The newest checkpoint with the log's signatures and ours; None for none."""
        ...

    def replace(self, origin: str, note: bytes) -> None: ...
    def keep_fork(self, origin: str, before: bytes, now: bytes) -> None:
        """Two checkpoints that contradict each other; the first pair is kept, for ever."""
        ...


class Refusal(NamedTuple):
    """Something that whoever runs the witness should know of a log that it knows."""

    origin: str
    size: int
    status: int
    why: str
    is_proven: bool


class _Held(NamedTuple):
    """What is stored of a log, and whether this process has made it durable itself."""

    seen: Seen
    note: bytes
    is_durable: bool


_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT}


class Witness:
    """Answers add-checkpoint requests. `told` hears of refusals, in whichever thread they occur."""

    def __init__(
        self,
        *,
        logs: Logs,
        signers: Sequence[Signer],
        kept: Kept,
        clock: Clock,
        told: Callable[[Refusal], None],
    ) -> None:
        self.logs = logs
        self.signers = signers
        self._kept = kept
        self._clock = clock
        self._told = told
        self._locks = {origin: threading.Lock() for origin in logs}
        self._held: dict[str, _Held] = {}
        self._counting = threading.Lock()
        self._answers: Counter[int] = Counter()
        self._contradicted: set[str] = set()
        self._is_storing = True

    def answer(self, body: bytes) -> Reply:
        """The answer to a request; when it says 200, what it says survives a crash."""
        reply = self._answer(body)
        with self._counting:
            self._answers[reply.status] += 1
        return reply

    def cosigned(self, origin: str) -> bytes | None:
        """The newest checkpoint of a known log with the log's signatures and ours; None for none.

        Raises OSError or Tampered where what is stored can't be read or believed.
        """
        lock = self._locks.get(origin)
        if lock is None:
            return None
        with lock:
            return self._holding(origin).note or None

    @property
    def is_storing(self) -> bool:
        """Whether the last thing that was to be stored was stored."""
        return self._is_storing

    def answers(self) -> Mapping[int, int]:
        """How many answers were given, by status."""
        with self._counting:
            return dict(self._answers)

    def contradicted(self) -> int:
        """How many logs were found to have signed two histories since the start."""
        with self._counting:
            return len(self._contradicted)

    def _answer(self, body: bytes) -> Reply:
        new = submitted(body, self.logs)
        if isinstance(new, Reply):
            return new
        origin = new.checkpoint.origin
        with self._locks[origin]:
            try:
                held = self._holding(origin)
                decision = decided(new, held.seen, self.signers, self._seconds())
                if decision.cosigned is not None:
                    self._store(new, decision.cosigned, held)
            except OSError as error:
                return self._unstored(new, error)
            except DeploytrailError as error:
                return self._refused(new, Reply(500, b"this witness is broken\n"), str(error))
            if decision.contradiction:
                self._tell(new, decision, held)
        return decision.reply

    def _seconds(self) -> int:
        return microseconds(self._clock.now()) // 1_000_000

    def _holding(self, origin: str) -> _Held:
        held = self._held.get(origin)
        if held is None:
            octets = self._kept.load(origin)
            held = _Held(NOTHING, b"", is_durable=True)
            if octets is not None:
                held = _Held(self._believed(origin, octets), octets, is_durable=False)
            self._held[origin] = held
        return held

    def _believed(self, origin: str, octets: bytes) -> Seen:
        """What we stored ourselves; raises Tampered for anything else."""
        found, by = checkpoints.verified(notes.decode(octets), [one.key for one in self.signers])
        if found.origin != origin or not by:
            raise Tampered(
                f"{origin}: expected what this witness has cosigned of it, found what it has not; "
                "restore the witness's directory as a whole"
            )
        return Seen(found.size, found.root)

    def _store(self, new: Submitted, cosigned: notes.Note, held: _Held) -> None:
        seen = Seen(new.checkpoint.size, new.checkpoint.root)
        if seen == held.seen and held.is_durable:
            # The statement that it makes is one that is stored already.
            return
        octets = notes.encode(cosigned)
        # After a failure nobody knows which of both is stored, nor whether it would survive: what
        # is read then is written once more before it is built upon.
        self._held.pop(new.checkpoint.origin, None)
        self._kept.replace(new.checkpoint.origin, octets)
        self._is_storing = True
        self._held[new.checkpoint.origin] = _Held(seen, octets, is_durable=True)

    def _unstored(self, new: Submitted, error: OSError) -> Reply:
        self._is_storing = False
        status = 507 if error.errno in _NO_ROOM else 503
        reply = Reply(status, b"nothing was cosigned: it could not be stored; try again later\n")
        return self._refused(new, reply, f"could not be stored: {error.strerror}")

    def _refused(self, new: Submitted, reply: Reply, why: str) -> Reply:
        checkpoint = new.checkpoint
        self._told(Refusal(checkpoint.origin, checkpoint.size, reply.status, why, is_proven=False))
        return reply

    def _tell(self, new: Submitted, decision: Decision, held: _Held) -> None:
        origin, size = new.checkpoint.origin, new.checkpoint.size
        if decision.is_proven:
            with self._counting:
                self._contradicted.add(origin)
            try:
                self._kept.keep_fork(origin, held.note, notes.encode(new.note))
            except OSError:
                self._is_storing = False
        why, is_proven = decision.contradiction, decision.is_proven
        self._told(Refusal(origin, size, decision.reply.status, why, is_proven))

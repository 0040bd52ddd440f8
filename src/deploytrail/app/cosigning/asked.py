"""One witness as the trail that asks it knows it, and what its answers mean.

Pure: times are arguments, in seconds that never run backwards. Nothing that a witness says is
believed but a signature by its key; the rest decides only what it is asked next, and what is told.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct, structs

from deploytrail.errors import DeploytrailError, Malformed, Tampered
from deploytrail.kit.answer import Response
from deploytrail.log import witnessing
from deploytrail.log.note import VerifierKey
from deploytrail.log.witnessing import Cosigned

LONGEST_SECONDS: Final = 60.0
_APART_SECONDS_MAX: Final = 300
"""By how much its clock may differ from ours. What is further ahead would count as fresh for ever,
what is further behind may be an old answer that somebody gives again.
"""
_SHOWN_BYTES: Final = 200


class Asked(Struct, frozen=True, kw_only=True):
    """Where a witness stands.

    `size` is what it cosigned last, as far as we know. `answered` is the round of which it needs
    nothing more. `failures` in a row; it is not asked before `due`. `refused` says why it holds
    that our log contradicts what it saw, empty where it doesn't.
    """

    name: str
    key: VerifierKey
    url: str
    size: int = 0
    answered: int = 0
    is_busy: bool = False
    attempt: int = 0
    failures: int = 0
    due: float = 0.0
    error: str = ""
    refused: str = ""
    cosigned: int | None = None
    """POSIX seconds of its newest cosignature."""


class Question(NamedTuple):
    """What was sent: the checkpoint's text and size, and from where on it was proven."""

    round: int
    old: int
    size: int
    text: str


class Answer(NamedTuple):
    """What came of a question: the witness's standing, and a cosignature to be stored."""

    asked: Asked
    cosigned: Cosigned | None = None


def answered(
    asked: Asked,
    question: Question,
    reply: Response | DeploytrailError,
    *,
    newest: int,
    now: float,
    seconds: int,
) -> Answer:
    """What a reply means. `newest` is the size of our newest checkpoint, `seconds` POSIX time."""
    asked = structs.replace(asked, is_busy=False)
    if isinstance(reply, DeploytrailError):
        return _failed(asked, str(reply), now)
    try:
        if reply.status == 200:
            return _cosigned(asked, question, reply.body, now, seconds)
        if reply.status == 409:
            return _conflicted(asked, question, reply, newest, now)
    except (Malformed, Tampered) as error:
        return _failed(asked, f"its answer is wrong: {error}", now)
    if reply.status == 422:
        return _refused(asked, f"size {question.old} had another root when it saw it", now)
    return _failed(asked, f"answered {reply.status}: {_shown(reply.body)}", now)


def _cosigned(asked: Asked, question: Question, body: bytes, now: float, seconds: int) -> Answer:
    found = witnessing.cosignatures(body, question.text, [asked.key])
    times = [one.timestamp for one in found if one.timestamp is not None]
    if times and abs(max(times) - seconds) > _APART_SECONDS_MAX:
        apart = max(times) - seconds
        raise Malformed(
            f"cosignature: expected the time of now, found one {abs(apart):,} s "
            f"{'ahead' if apart > 0 else 'behind'}; set the clock that is wrong"
        )
    done = structs.replace(
        asked,
        size=question.size,
        answered=question.round,
        attempt=0,
        failures=0,
        due=now,
        error="",
        refused="",
        cosigned=max(times, default=asked.cosigned),
    )
    # It may well have said so twice; one line of a key is kept.
    newest = max(found, key=lambda one: one.timestamp or 0)
    return Answer(done, newest)


def _conflicted(
    asked: Asked, question: Question, reply: Response, newest: int, now: float
) -> Answer:
    if reply.headers.get("content-type", "").partition(";")[0].strip() != witnessing.SIZE_TYPE:
        if question.old == question.size:
            # Older editions of the specification answer so to another root at the same size.
            return _refused(asked, f"size {question.old} had another root when it saw it", now)
        raise Malformed(f"expected {witnessing.SIZE_TYPE} with 409, found another type")
    size = witnessing.decode_size(reply.body)
    if size == question.old:
        return _refused(asked, f"size {size} had another root when it saw it", now)
    if size > newest:
        return _refused(asked, f"it has seen size {size}, and our newest is {newest}", now)
    if size > question.size:
        # Somebody else asked it for a newer one of ours; the next round goes on from there.
        return Answer(
            structs.replace(asked, size=size, answered=question.round, attempt=0, due=now)
        )
    if asked.attempt:
        return _failed(asked, f"said {question.old} before, and {size} now", now)
    return Answer(structs.replace(asked, size=size, attempt=1, due=now))


def _failed(asked: Asked, why: str, now: float) -> Answer:
    delay = min(2.0 ** min(asked.failures, 16), LONGEST_SECONDS)
    return Answer(
        structs.replace(asked, attempt=0, failures=asked.failures + 1, due=now + delay, error=why)
    )


def _refused(asked: Asked, why: str, now: float) -> Answer:
    """It is asked again, rarely: an operator may have restored the log by then."""
    return Answer(
        structs.replace(
            asked,
            attempt=0,
            failures=asked.failures + 1,
            due=now + LONGEST_SECONDS,
            error=why,
            refused=why,
        )
    )


def _shown(body: bytes) -> str:
    line = body[:_SHOWN_BYTES].decode("utf-8", "replace").strip().partition("\n")[0]
    return ascii(line) if line else "nothing"

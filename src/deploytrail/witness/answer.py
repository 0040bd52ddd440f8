"""What a witness answers to an add-checkpoint request (c2sp.org/tlog-witness).

Pure: the request, what was cosigned of that log before, the keys and the time go in; the answer and
what must be durable before it leaves come out. The shell makes look-up, decision and storing one
step for each origin; otherwise two requests at once could be told two histories.

Where editions of the specification differ: a root that differs at the same size is answered 422,
as in its text since July 2026, not 409 as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from deploytrail.errors import Malformed, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import merkle, strict, witnessing
from deploytrail.log import note as notes
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.known_logs import Logs
from deploytrail.log.merkle import EMPTY_ROOT
from deploytrail.log.note import Note, Respelt, Signer
from deploytrail.log.witnessing import Request

_TEXT: Final = "text/plain; charset=utf-8"


class Seen(NamedTuple):
    """The largest tree of a log that was cosigned."""

    size: int
    root: bytes


NOTHING: Final = Seen(0, EMPTY_ROOT)
"""Of a log of which nothing was cosigned yet."""


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = _TEXT


class Submitted(NamedTuple):
    """A checkpoint that is signed by the log that it names, and the proof that came with it.

    `note` has the log's own signatures alone: those of others were not checked.
    """

    old: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


class Decision(NamedTuple):
    """An answer, and what is to be done before it leaves.

    `cosigned` replaces what is stored of that log, durably, with our signatures behind the log's;
    None: nothing changes. `contradiction` says how the log contradicts what it signed before, empty
    where it doesn't; `is_proven` that the request alone proves it, beside what is stored.
    """

    reply: Reply
    cosigned: Note | None = None
    contradiction: str = ""
    is_proven: bool = False


def submitted(body: bytes, logs: Logs) -> Submitted | Reply:
    """The request, or the answer that needs no look at what was seen before: 400, 403, 404."""
    try:
        request = _read(body)
        text = request.text if isinstance(request, Respelt) else request.note.text
        checkpoint = checkpoints.decode(text)
    except Malformed as error:
        return _refused(400, f"invalid input: {error}")
    keys = logs.get(checkpoint.origin)
    if keys is None:
        return _refused(404, f"unknown log: {strict.shown(checkpoint.origin)}")
    if isinstance(request, Respelt):
        # The checkpoint can be read; it is the signature that is not one, as the script has it.
        return _refused(403, f"invalid signature: {request}")
    try:
        signed = notes.verified(request.note, keys, checkpoints.SCHEMES)
    except (Tampered, Malformed) as error:
        return _refused(403, f"invalid signature: {error}")
    if not signed:
        return _refused(403, "invalid signature: expected one by a key of this log, found none")
    if request.old > checkpoint.size:
        return _refused(
            400,
            f"invalid input: old: expected at most the checkpoint's size {checkpoint.size}, found "
            f"{request.old}",
        )
    by = {(one.key.name, one.key.id) for one in signed}
    own = tuple(one for one in request.note.signatures if (one.name, one.key_id) in by)
    note = Note(request.note.text, own)
    return Submitted(request.old, request.proof, note, checkpoint)


def _read(body: bytes) -> Request | Respelt:
    try:
        return witnessing.decode(body)
    except Respelt as error:
        return error


def decided(new: Submitted, seen: Seen, signers: Sequence[Signer], seconds: int) -> Decision:
    """Whether to cosign, as of a POSIX time in seconds, given what was seen of this log last."""
    text, checkpoint = new.note.text, new.checkpoint
    if new.old != seen.size:
        return _conflict(checkpoint, seen)
    try:
        merkle.verify_consistency(seen.size, checkpoint.size, new.proof, seen.root, checkpoint.root)
    except Tampered as error:
        return _inconsistent(checkpoint, seen, str(error))
    own = tuple(checkpoints.cosign(text, one, seconds) for one in signers)
    lines = "".join(notes.encode_signature(one) for one in own)
    return Decision(Reply(200, lines.encode()), Note(text, (*new.note.signatures, *own)))


def _conflict(checkpoint: Checkpoint, seen: Seen) -> Decision:
    reply = Reply(409, witnessing.encode_size(seen.size), witnessing.SIZE_TYPE)
    if checkpoint.size == seen.size and checkpoint.root != seen.root:
        return Decision(reply, contradiction=_two_roots(seen), is_proven=True)
    if checkpoint.size < seen.size:
        # An old request sent again looks the same, so this alone proves nothing.
        behind = f"it is at size {checkpoint.size}, and was at {seen.size} before"
        return Decision(reply, contradiction=behind)
    return Decision(reply)


def _inconsistent(checkpoint: Checkpoint, seen: Seen, why: str) -> Decision:
    reply = _refused(422, f"consistency proof: {why}")
    if checkpoint.size != seen.size:
        # The proof is not signed: anybody could have spoilt it.
        unproven = f"size {checkpoint.size} was not shown to go on from {seen.size}: {why}"
        return Decision(reply, contradiction=unproven)
    if seen.size and checkpoint.root != seen.root:
        return Decision(reply, contradiction=_two_roots(seen), is_proven=True)
    return Decision(reply)


def _two_roots(seen: Seen) -> str:
    return f"size {seen.size} has two roots, both signed by the log"


def _refused(status: int, why: str) -> Reply:
    return Reply(status, f"{why}\n".encode())

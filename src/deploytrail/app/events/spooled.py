"""Pieces of a spool as what is to be recorded: its events, and what is missing between them.

Pure but for the clock. Whoever hands a piece in was proven before; its lines are proven here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from msgspec import structs

from deploytrail import attachment_line, canonical
from deploytrail.actions import OWN_TOOL
from deploytrail.app.events.claimed import claimed
from deploytrail.app.events.recording import Submission
from deploytrail.clock import Clock
from deploytrail.errors import Malformed, SenderError, Tampered, TooLarge
from deploytrail.event import Actor, Error, Event, EventId, Links, Source, Target
from deploytrail.redact import mask_tokens
from deploytrail.spool.chain import Chain, Gap, Piece
from deploytrail.spool.line import Opened, Spooled, delivery
from deploytrail.spool.seal import unseal
from deploytrail.trail import LOCAL_INSTANCE, Attachment
from deploytrail.untrusted import parse_event

LINES_MAX: Final = 1_000
_GAPS_MAX: Final = 100
"""Of one piece; whoever makes more holes than that is told once of the rest."""
INSTANCE: Final = "spool"


class Sender(NamedTuple):
    """By whose credential a piece came; the fields are those of `claimed.Heard`."""

    instance: str = LOCAL_INSTANCE
    admit: Callable[[Event], None] | None = None
    assurance_max: int = 1


class Trail(NamedTuple):
    """The trail that takes it: its name, and what opens lines that were sealed to it."""

    origin: str
    private_key: Callable[[], bytes]


class Read(NamedTuple):
    """An answer or a submission for each event of a piece, and the trail's own notices."""

    events: list[Submission | SenderError]
    notices: list[Submission]


def read(piece: Piece, *, by: Sender, trail: Trail, clock: Clock) -> Read:
    """Raises Malformed for what is no piece of a spool, and TooLarge for too much of one."""
    if piece.is_imported:
        # Whoever made the file made its key, too: nobody vouches for whom it names.
        by = by._replace(assurance_max=0)
    header, *lines = piece.octets.split(b"\n")
    if len(lines) > 2 * LINES_MAX:
        raise TooLarge(f"spool: expected at most {2 * LINES_MAX} lines, found {len(lines)}")
    try:
        chain = Chain(header, is_first=piece.is_first)
    except Tampered as error:
        # Nothing of ours was: whoever sends it has to change something.
        raise Malformed(str(error)) from None
    private = trail.private_key() if chain.opened.header.sealed_to is not None else b""
    events: list[Submission | SenderError] = []
    attached: list[Spooled] = []
    for octets in lines:
        line = chain.take(octets)
        if line is None or (octets is lines[0] and not piece.is_first):
            # What ended the piece before is here for its counter alone.
            continue
        if line.of is not None:
            attached.append(line)
            continue
        opening = _Opening(chain.opened, private, trail.origin)
        events.append(_submission(line, attached, opening, by))
        attached = []
    if piece.is_end:
        chain.end()
    notices = _notices(chain, clock)
    if piece.is_end and piece.is_imported:
        notices.append(_imported(chain.opened, clock))
    return Read(events, notices)


class _Opening(NamedTuple):
    of: Opened
    private: bytes
    origin: str

    def body(self, line: Spooled) -> bytes:
        if line.sealed is None:
            return line.body or b""
        if not self.private:
            raise Malformed(
                f"spool: line {line.counter}: expected a clear body, found a sealed one below a "
                "header that names no key"
            )
        return unseal(
            line.sealed, self.private, origin=self.origin, spool=self.of.id, counter=line.counter
        )


def _submission(
    line: Spooled, attached: Sequence[Spooled], opening: _Opening, by: Sender
) -> Submission | SenderError:
    try:
        event = parse_event(opening.body(line))
        _refuse_another(event, line, opening.of)
        attachments = [_attachment(each, line, event.id, opening) for each in attached]
        # The same bytes as when it is handed over without a spool, so that it is known again.
        body = canonical.encode_checked(structs.replace(event, observed=None))
        said = claimed(event, instance=by.instance, assurance_max=by.assurance_max)
        if by.admit is not None:
            by.admit(said)
    except SenderError as error:
        return error
    return Submission(said, body, attachments)


def _refuse_another(event: Event, line: Spooled, opened: Opened) -> None:
    """Raise Malformed for an event that its own line does not name, or that no run leaves."""
    wanted = delivery(opened.id, line.counter)
    if event.source.delivery != wanted or event.source.part:
        raise Malformed(
            f"source.delivery: expected {wanted}, found {event.source.delivery!r:.80}; it belongs "
            "to another line"
        )
    if event.source.tool == OWN_TOOL:
        raise Malformed(
            f"source.tool: expected that of a run, found {OWN_TOOL}, which only the trail itself is"
        )


def _attachment(line: Spooled, of: Spooled, event: EventId, opening: _Opening) -> Attachment:
    whose, attachment = attachment_line.decode(opening.body(line))
    if line.of != of.counter or whose != event:
        raise Malformed(
            f"attachment_of: expected {event}, the event behind it, found {whose[:60]!a}"
        )
    return attachment


def _notices(chain: Chain, clock: Clock) -> list[Submission]:
    found = [_notice(chain.opened, gap, clock) for gap in chain.gaps[:_GAPS_MAX]]
    if len(chain.gaps) > _GAPS_MAX:
        rest = chain.gaps[_GAPS_MAX:]
        whole = Gap(rest[0].first, rest[-1].last, f"{len(rest)} more gaps")
        found.append(_notice(chain.opened, whole, clock))
    return found


def _notice(opened: Opened, gap: Gap, clock: Clock) -> Submission:
    name = f"{delivery(opened.id, gap.first)}-{'' if gap.last is None else gap.last}:gap"
    error = Error(code="spool-gap", location=f"lines {gap.lines}: {gap.reason}")
    return _own("audit.gap.noticed", name, opened, clock, error=error)


def _imported(opened: Opened, clock: Clock) -> Submission:
    return _own("audit.spool.imported", f"spool:{opened.id}:imported", opened, clock)


def _own(
    action: str, name: str, opened: Opened, clock: Clock, *, error: Error | None = None
) -> Submission:
    """Said again, it is the same delivery with the same body, and stands in the log once."""
    event = Event(
        id=clock.event_id(),
        action=action,
        outcome="success" if error is None else "failure",
        time=clock.now(),
        actor=Actor(type="system"),
        source=Source(tool=OWN_TOOL, instance=INSTANCE, delivery=name),
        targets=(Target(type="spool", id=opened.id),),
        links=Links(run=mask_tokens(f"run:{opened.header.run}")[:512]),
        error=error,
    )
    return Submission(event, name.encode())

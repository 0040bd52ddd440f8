"""From events to receipts: check, conceal, seal, append.

One event that can't be recorded stops none of the others: its error is its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import structs

from deploytrail import actions, canonical, entry
from deploytrail.app.events.notices import OwnNotices
from deploytrail.clock import Clock, rfc3339
from deploytrail.errors import Busy, Conflict, SenderError, StaleEpoch
from deploytrail.event import Event, EventId
from deploytrail.log import commit
from deploytrail.log.commit import Answer, StateChange
from deploytrail.log.plan import Prepared
from deploytrail.log.store import AttachmentRow, Store, VaultRow
from deploytrail.trail import Attachment, Receipt
from deploytrail.untrusted import parse_event
from deploytrail.vault import attachment, disclosure
from deploytrail.vault.conceal import NONCE_BYTES, Concealer, identities, prepared
from deploytrail.vault.keys import Keyring
from deploytrail.vault.subject import Subject

if TYPE_CHECKING:
    from concurrent.futures import Future

_EPOCHS_TRIED_MAX: Final = 10
_EPOCH_CHANGES: Final = f"epoch: changed {_EPOCHS_TRIED_MAX} times while concealing; try again"
_STORED_MAX: Final = 65_536


class Submission(NamedTuple):
    """An event with the bytes of its part of the delivery, and evidence that goes with it."""

    event: Event
    body: bytes
    attachments: Sequence[Attachment] = ()


class Said(NamedTuple):
    """What a new entry conceals: its event, with what `vault.conceal.unconcealed` needs beside."""

    entry: bytes
    event: Event
    body: bytes
    observed: str


class Recorded(NamedTuple):
    """Where an event stands; `is_first` is False for a delivery that came before, which has no
    `said`.
    """

    receipt: Receipt
    is_first: bool
    said: Said | None = None


class _Batch(NamedTuple):
    """What became of submissions: refusals by position, the rest in order, ready for the log.

    `epoch` is the one under which they were concealed: an erasure may come before they are placed.
    """

    epoch: int
    observed: str
    refused: list[SenderError | None]
    events: list[Event]
    entries: list[Prepared]


Told = Callable[[list[Recorded | SenderError]], None]
"""Hears what became of a batch."""


class _Committing(NamedTuple):
    """A batch that is being committed, and what it was made of, should it be made anew."""

    submissions: Sequence[Submission | SenderError]
    batch: _Batch
    placed: Future[list[Answer]]


class Recorder:
    """Records into one store. Belongs to one thread."""

    def __init__(self, store: Store, keyring: Keyring, clock: Clock, *, origin: str) -> None:
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self.origin = origin
        self._concealer = Concealer(origin=origin, body_key=keyring.secrets.body)
        # The log's notices are made by whichever thread commits.
        own = Concealer(origin=origin, body_key=keyring.secrets.body)
        self._notices = OwnNotices(own, clock)
        self._stored: set[bytes] = set()
        self._epoch = 0

    def record(
        self, submissions: Sequence[Submission | SenderError]
    ) -> list[Receipt | SenderError]:
        """One answer each, in order; see `Trail.record`."""
        return _receipts(self.recorded(submissions))

    def recorded(
        self, submissions: Sequence[Submission | SenderError]
    ) -> list[Recorded | SenderError]:
        """As `record`, with what came before told from what is new."""
        for _ in range(_EPOCHS_TRIED_MAX):
            batch = self._prepare(submissions)
            try:
                placed = self._append(batch)
            except StaleEpoch:
                self._start_over()
                continue
            self._remember(batch.entries, placed)
            return self._merged(batch, placed)
        raise Busy(_EPOCH_CHANGES)

    def record_with(
        self, submissions: Sequence[Submission | SenderError], state: Sequence[StateChange]
    ) -> list[Receipt]:
        """Events together with the state that they tell of: all of it, or nothing.

        Raises the error of the first event that is refused, and Conflict where the state was
        changed meanwhile.
        """
        for _ in range(_EPOCHS_TRIED_MAX):
            batch = self._prepare(submissions)
            for error in filter(None, batch.refused):
                raise error
            try:
                placed = self._append(batch, state)
            except StaleEpoch:
                self._start_over()
                continue
            self._remember(batch.entries, placed)
            return [_receipt(one) for one in self._merged(batch, placed)]
        raise Busy(_EPOCH_CHANGES)

    def recorded_all(
        self, batches: Iterable[Sequence[Submission | SenderError]], *, told: Told
    ) -> None:
        """As `recorded` for each batch, in order; while one commits, the next is made ready.

        Committing mostly waits for the disk and for SQLite, which leave the interpreter alone. A
        batch is read only once the one before it was made ready, so at most two are in memory.
        `told` hears of each as soon as it is in the log, mostly in the thread that commits.
        """
        # Only who imports many batches needs it; a wrapped command waits for each import.
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit") as committing:
            waiting: _Committing | None = None
            for submissions in batches:
                batch = self._prepare(submissions)
                if waiting is not None:
                    self._finish(waiting, told)
                placed = committing.submit(self._appended, batch, told)
                waiting = _Committing(submissions, batch, placed)
            if waiting is not None:
                self._finish(waiting, told)

    def _appended(self, batch: _Batch, told: Told) -> list[Answer]:
        placed = self._append(batch)
        told(self._merged(batch, placed))
        return placed

    def _finish(self, waiting: _Committing, told: Told) -> None:
        try:
            placed = waiting.placed.result()
        except StaleEpoch:
            self._start_over()
            told(self.recorded(waiting.submissions))
        else:
            self._remember(waiting.batch.entries, placed)

    def _append(self, batch: _Batch, state: Sequence[StateChange] = ()) -> list[Answer]:
        if not batch.entries:
            return []
        return commit.append(
            self._store, batch.entries, epoch=batch.epoch, notices=self._notices, state=state
        )

    def _start_over(self) -> None:
        """Somebody was erased meanwhile: what we remember of keys and disclosures is void."""
        self._concealer.forget()
        self._keyring.forget()
        self._stored.clear()
        with self._store.reading() as reader:
            self._epoch = reader.tree().epoch

    def _prepare(self, submissions: Sequence[Submission | SenderError]) -> _Batch:
        now = self._clock.now()
        checked = [_checked(one, now) for one in submissions]
        wanted = {
            identity
            for one in checked
            if not isinstance(one, SenderError)
            for identity in identities(one.event)
        }
        subjects = self._keyring.subjects(wanted)
        nonces = self._clock.random(NONCE_BYTES * len(checked))
        observed = rfc3339(now)
        batch = _Batch(self._epoch, observed, [], [], [])
        rows: dict[bytes, VaultRow] = {}
        for at, one in enumerate(checked):
            refused = one if isinstance(one, SenderError) else None
            if not isinstance(one, SenderError):
                nonce = nonces[at * NONCE_BYTES : (at + 1) * NONCE_BYTES]
                try:
                    event, made = self._conceal(one, observed, nonce, subjects, rows)
                    batch.entries.append(made)
                    batch.events.append(event)
                except SenderError as error:
                    refused = error
            batch.refused.append(refused)
        return batch

    def _conceal(
        self,
        one: Submission,
        observed: str,
        nonce: bytes,
        subjects: Mapping[str, Subject],
        rows: dict[bytes, VaultRow],
    ) -> tuple[Event, Prepared]:
        """`rows` are the batch's disclosures that are not known to be stored, each sealed once."""
        event = one.event
        attached: tuple[AttachmentRow, ...] = ()
        if one.attachments:
            event, attached = self._attach(one, subjects)
        concealed = self._concealer.conceal(
            event, body=one.body, observed=observed, nonce=nonce, subjects=subjects
        )
        vault = []
        for subject, made in concealed.disclosures:
            key = disclosure.key_of(subject.id, made.digest)
            if key not in self._stored:
                if key not in rows:
                    sealed = disclosure.seal(subject, made, origin=self.origin)
                    rows[key] = VaultRow(key, sealed)
                vault.append(rows[key])
        return event, prepared(concealed, tuple(vault), attached)

    def _attach(
        self, one: Submission, subjects: Mapping[str, Subject]
    ) -> tuple[Event, tuple[AttachmentRow, ...]]:
        owners = b"".join(subjects[identity].id for identity in identities(one.event))
        sealed = [
            attachment.seal(
                each.data,
                type=each.type,
                wrapping_key=self._keyring.secrets.attachment,
                random=self._clock.random(attachment.RANDOM_BYTES),
            )
            for each in one.attachments
        ]
        evidence = (*one.event.evidence, *(each.evidence for each in sealed))
        rows = (AttachmentRow(each.id, owners, each.wrapped_key, each.sealed) for each in sealed)
        return structs.replace(one.event, evidence=evidence), tuple(rows)

    def _remember(self, entries: list[Prepared], placed: list[Answer]) -> None:
        """The disclosures of new entries are stored now; those of repeats and conflicts are not."""
        if len(self._stored) > _STORED_MAX:
            self._stored.clear()
        for one, answer in zip(entries, placed, strict=True):
            if one.vault and answer.is_first:
                self._stored.update([row.key for row in one.vault])

    def _merged(self, batch: _Batch, placed: list[Answer]) -> list[Recorded | SenderError]:
        appended = map(self._answer, batch.events, batch.entries, placed, repeat(batch.observed))
        return [next(appended) if refused is None else refused for refused in batch.refused]

    def _answer(
        self, event: Event, made: Prepared, found: Answer, observed: str
    ) -> Recorded | SenderError:
        if found.entry is None:
            return Conflict(
                f"source.delivery: expected the same event as entry {found.entry_index}, which "
                "came under this id before, found another body; send it under an id of its own"
            )
        if not found.is_first:
            return Recorded(receipt(self.origin, found.entry_index, found.entry, found.leaf), False)
        given = receipt(self.origin, found.entry_index, found.entry, found.leaf, id=event.id)
        return Recorded(given, True, Said(found.entry, event, made.body, observed))


def _receipts(answers: Iterable[Recorded | SenderError]) -> list[Receipt | SenderError]:
    return [one.receipt if isinstance(one, Recorded) else one for one in answers]


def _receipt(answer: Recorded | SenderError) -> Receipt:
    if isinstance(answer, SenderError):
        raise answer
    return answer.receipt


def submission(event: Event, attachments: Sequence[Attachment] = ()) -> Submission | SenderError:
    """An event that has no bytes of its own: its canonical JSON stands for them.

    Without `observed`, which differs from one try to the next.
    """
    try:
        body = canonical.encode_checked(structs.replace(event, observed=None))
        # An event made in Python was never checked against its own types' limits.
        parse_event(body)
    except SenderError as error:
        return error
    return Submission(event, body, attachments)


def receipt(
    origin: str, index: int, octets: bytes, leaf: bytes, *, id: EventId | None = None
) -> Receipt:
    """The receipt of an entry: a function of its bytes and index. A known `id` saves a parse."""
    return Receipt(
        origin=origin,
        id=id or EventId(entry.fields(octets)["id"]),
        index=index,
        leaf=leaf.hex(),
        size=index + 1,
        logged=entry.logged_of(octets),
    )


def _checked(one: Submission | SenderError, now: datetime) -> Submission | SenderError:
    if isinstance(one, SenderError):
        return one
    try:
        checked = actions.check(one.event, now)
    except SenderError as error:
        return error
    return one if checked is one.event else one._replace(event=checked)

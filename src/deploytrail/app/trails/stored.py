"""A trail over its stores: recorded into, read, published, wherever these stores are.

What is a directory's or a database's own (its locks, how it is opened and made) is not here.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from deploytrail.app import home as homes
from deploytrail.app.cosigning.policies import accepted_note, in_force
from deploytrail.app.events.claimed import Heard, heard
from deploytrail.app.events.listing import Listing
from deploytrail.app.events.reading import Showing, StoredVault, attached, find_event
from deploytrail.app.events.recording import Recorded, Recorder, Submission, Told, submission
from deploytrail.app.events.signed import Signed, inclusion
from deploytrail.clock import Clock, microseconds
from deploytrail.errors import Incomplete, SenderError
from deploytrail.event import Event, EventId
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note, proof
from deploytrail.log import policy as policy_format
from deploytrail.log.policy import NO_QUORUM, Policy
from deploytrail.log.publish import Publisher, refuse_fork
from deploytrail.log.reading import hashes_of
from deploytrail.log.store import Checkpoint, Reader, Store
from deploytrail.sentence import counted
from deploytrail.stores import kept
from deploytrail.stores.kept import Kept
from deploytrail.trail import Attachment, Published, Receipt
from deploytrail.vault.keys import Keyring, project_fingerprint_key, spool_secret

if TYPE_CHECKING:
    from deploytrail.app.access.tokens import Tokens
    from deploytrail.app.cosigning.witnesses import Witnesses
    from deploytrail.app.questions.indexes import IndexStore
    from deploytrail.follow.actor import Bookmarks
    from deploytrail.follow.lease import Lease
    from deploytrail.spool.chain import Piece

_LOOKED_SECONDS: Final = 0.25
"""How often is looked whether witnesses have answered."""


class Stores(NamedTuple):
    """What a trail stands on, open.

    `lease` holds the publisher's for a block, and raises Busy where another has it for too long.
    `states` is the directory of what this user has seen of logs. `hand_out` replaces the policy
    that stands beside the log, for those who verify it.
    """

    store: Store
    keyring: Keyring
    lease: Callable[[], AbstractContextManager[None]]
    states: Path
    hand_out: Callable[[bytes], None]


class StoredTrail(Listing[Reader], ABC):
    """`trail.Trail` over a store and a keyring."""

    store: Store
    keyring: Keyring

    def __init__(self, stores: Stores, clock: Clock) -> None:
        """Raises Incomplete where a newer state of this log was seen before."""
        self.store = stores.store
        self.keyring = stores.keyring
        self._lease = stores.lease
        self._states = stores.states
        self._hand_out = stores.hand_out
        self._clock = clock
        with self.store.reading() as reader:
            self._origin = reader.tree().origin
        self._refuse_older()
        self.recorder = Recorder(self.store, self.keyring, clock, origin=self._origin)
        signers = homes.signers(self._origin, self.keyring.secrets)
        self._publisher = Publisher(self.store, signers)
        signed = Signed([signers.log.key])
        showing = Showing(StoredVault(self.keyring.subject, self._origin), signed)
        super().__init__(self.store.reading, signed, showing)

    @property
    def origin(self) -> str:
        return self._origin

    def record(
        self,
        events: Sequence[Event],
        *,
        attachments: Mapping[EventId, Sequence[Attachment]] | None = None,
    ) -> list[Receipt | SenderError]:
        attached = attachments or {}
        return self.recorder.record([submission(one, attached.get(one.id, ())) for one in events])

    def record_json(self, bodies: Sequence[bytes]) -> list[Receipt | SenderError]:
        return self.recorder.record([heard(Heard(body)) for body in bodies])

    def record_spool(self, piece: Piece) -> list[Receipt | SenderError]:
        # A wrapped command waits for each import, and most leave no spool behind.
        from deploytrail.app.events import spooled

        trail = spooled.Trail(self._origin, self.spool_secret)
        found = spooled.read(piece, by=spooled.Sender(), trail=trail, clock=self._clock)
        answers = self.recorder.record([*found.events, *found.notices])
        return answers[: len(found.events)]

    def spool_key(self) -> str:
        from deploytrail.spool.seal import public_key

        return str(public_key(self._origin, self.spool_secret()))

    def modes(self) -> Mapping[str, str]:
        from deploytrail.app.connections.configuring import applied

        places = applied(self.store.reading, {}).declared.places
        return {name: one.mode for name, one in places.names.items()}

    def spool_secret(self) -> bytes:
        """What opens the lines that were sealed to this trail."""
        return spool_secret(self.keyring.secrets)

    def record_heard(self, batch: Sequence[Heard | Submission]) -> list[Recorded | SenderError]:
        """As `record_json`, for events that came through several instances."""
        return self.recorder.recorded([_submitted(one) for one in batch])

    def record_heard_all(
        self, batches: Iterable[Sequence[Heard | Submission]], *, told: Told
    ) -> None:
        """As `record_heard` for each batch; one is made ready while another commits. `told` hears
        of each as soon as it is in the log; see `Recorder.recorded_all`.
        """
        made = ([_submitted(one) for one in batch] for batch in batches)
        self.recorder.recorded_all(made, told=told)

    def tokens(self) -> Tokens:
        """Those by which others use this trail, over a server."""
        # A wrapped command waits for each import, and makes no token.
        from deploytrail.app.access.tokens import Tokens

        return Tokens(self.store, self.recorder, self._clock)

    def own_policy(self) -> Policy:
        """Who vouches for this log as long as nobody else was named."""
        return homes.own_policy(self._origin, self.keyring.secrets)

    def policy(self) -> Policy:
        """Who is to vouch for this log."""
        with self.store.reading() as reader:
            return in_force(reader, self.own_policy())

    def hand_out_policy(self) -> None:
        """Put the policy in force beside the log. Stopped before, the next change does it."""
        self._hand_out(policy_format.encode(self.policy()))

    def witnesses(self) -> Witnesses:
        """Those who are to cosign this log."""
        # As above.
        from deploytrail.app.cosigning.witnesses import Witnesses

        return Witnesses(self.store, self.recorder, self._clock, self.own_policy())

    @abstractmethod
    def index(self) -> IndexStore:
        """Where its search index stands, or is to stand; belongs to who asks for it."""

    @abstractmethod
    def lease(self, follower: str) -> Lease:
        """The lease of the follower of that name."""

    @abstractmethod
    def bookmarks(self) -> Bookmarks:
        """Where its actors stand."""

    @abstractmethod
    def refuse_fenced(self) -> None:
        """Raise Fenced where the log is; nothing where that can't be told now."""

    def standings(self) -> Path | None:
        """The file in which its followers say how they stand; None where they have none."""
        return None

    def fingerprint_key(self, project: str) -> bytes:
        return project_fingerprint_key(self.keyring.secrets, project)

    def publish(self) -> Published:
        with self._lease():
            now = microseconds(self._clock.now()) // 1_000_000
            seen = self._seen()
            published = self._publisher.publish(seconds=now, seen=seen)
            self._keep(published, seen)
        return _published(self._origin, published)

    def publish_for_others(self, *, seconds_max: float = 5.0) -> Published:
        """As `publish`, but with what its policy asks for, where witnesses cosign that in time.

        It may then be newer: they were asked for a later one. Whoever follows the log asks them;
        here is only waited.
        """
        published = self.publish()
        policy = self.policy()
        if policy.quorum == NO_QUORUM:
            return published
        until, nobody = self._clock.monotonic() + seconds_max, threading.Event()
        while True:
            with self.store.reading() as reader:
                whole = accepted_note(reader, policy, above=published.size - 1)
            if whole is not None:
                return _handed_out(whole)
            if self._clock.monotonic() >= until:
                return published
            self._clock.wait(nobody, _LOOKED_SECONDS)

    def proof(self, event: EventId | int) -> bytes:
        index, octets = find_event(self.store.reading, event)
        published = self.publish()
        policy = self.policy()
        with self.store.reading() as reader:
            found = accepted_note(reader, policy, above=index)
            whole = published.note.encode() if found is None else found
            signed = checkpoints.decode(note.decode(whole).text)
            hashes = inclusion(index, octets, signed, hashes_of(reader, signed.size))
        return proof.encode(proof.Proof(index, hashes, whole))

    def disclosures(self, entries: Iterable[bytes]) -> dict[bytes, bytes]:
        """The JSON of what these entries list, by digest, as far as the vault can still open it."""
        with self.store.reading() as reader:
            return self._showing.disclosures(reader, entries)

    def attachment(self, event: EventId | int, evidence: str) -> bytes:
        index, octets = self.found(event)
        with self.store.reading() as reader:
            return attached(reader, index, octets, evidence, self.keyring.secrets.attachment)

    def close(self) -> None:
        self.store.close()
        self.keyring.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def refuse_unkept(self) -> None:
        """Raise Misconfigured where what is published could not be kept outside of the log."""
        kept.refuse_unwritable(self._states)

    def _refuse_older(self) -> None:
        """A log that is behind what was seen of it was set back: going on would fork it.

        Also one that has grown again since: what was seen must stand at its beginning, and the
        checkpoint of it, or a newer one, in its table.
        """
        seen = self._seen()
        if seen is None:
            return
        with self.store.reading() as reader:
            tree = reader.tree()
            if seen.size <= tree.size:
                refuse_fork(seen, tree.size, tree.frontier.root(), hashes_of(reader, tree.size))
            is_published = bool(reader.notes(after=seen.size - 1, count=1))
        if seen.size > tree.size or not is_published:
            entries = counted(seen.size, "entry")
            newest = kept.kept_file(self._states, self._origin)
            raise Incomplete(
                f"log: expected at least {entries} under a checkpoint, which this log had when it "
                f"was last seen here, found {_found(tree.size, seen.size)}; restore a newer copy, "
                f"or go on elsewhere: deploytrail init --continue {newest} --home DIRECTORY"
            )

    def _seen(self) -> checkpoints.Checkpoint | None:
        known = kept.load(self._states, self._origin)
        return None if known is None else known.checkpoint

    def _keep(self, published: Checkpoint, seen: checkpoints.Checkpoint | None) -> None:
        """Remember what we handed out, which is consistent with what was remembered."""
        if seen is not None and seen.size >= published.size:
            return
        parsed = checkpoints.decode(note.decode(published.note).text)
        kept.replace(self._states, Kept(parsed, published.note, self.policy()))


def _submitted(one: Heard | Submission) -> Submission | SenderError:
    return one if isinstance(one, Submission) else heard(one)


def _found(size: int, size_seen: int) -> str:
    return str(size) if size < size_seen else "no checkpoint of these"


def _handed_out(whole: bytes) -> Published:
    found = checkpoints.decode(note.decode(whole).text)
    return Published(
        origin=found.origin, size=found.size, root=found.root.hex(), note=whole.decode()
    )


def _published(origin: str, found: Checkpoint) -> Published:
    return Published(
        origin=origin, size=found.size, root=found.frontier.root().hex(), note=found.note.decode()
    )

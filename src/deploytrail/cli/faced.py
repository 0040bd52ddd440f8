"""A directory has one face: where a server runs over it, that records; its files are there, too.

A server that does not answer in time is not waited for: the files take what it would have taken. An
event that reached both stands in the log once, since it is the same delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploytrail.errors import DeploytrailError, SenderError

if TYPE_CHECKING:
    from deploytrail.event import Event, EventId
    from deploytrail.remote import RemoteTrail
    from deploytrail.spool.chain import Piece
    from deploytrail.trail import Attachment, Published, Receipt, TrailProducer

_SECONDS: Final = 5.0
_LOCK: Final = "server.lock"


def faced(
    directory: Path, opened: Callable[[], TrailProducer], *, seconds_max: float = _SECONDS
) -> TrailProducer:
    """What records into a directory's trail; `opened` opens its files."""
    server = face_of(directory, seconds_max=seconds_max)
    return opened() if server is None else Faced(server, opened)


def face_of(directory: Path, *, seconds_max: float | None = None) -> RemoteTrail | None:
    """The server over a directory, None where none is there, or none that can be spoken to.

    An answer is waited for `seconds_max`, else as long as for any server.
    """
    # Most directories have no server, and a wrapped command waits for each import.
    if not (directory / _LOCK).exists():
        return None
    from deploytrail.app.face import server_of

    found = server_of(directory)
    # With a certificate: it is for a name, and here there is only an address.
    if found is None or found[0].startswith("https:"):
        return None
    from deploytrail.remote import RemoteTrail

    url, token = found
    if seconds_max is None:
        return RemoteTrail(url, token=token)
    from deploytrail.clock import SystemClock
    from deploytrail.kit.loopback import Loopback

    return RemoteTrail(
        url,
        token=token,
        http=Loopback(SystemClock()),
        patience_seconds=seconds_max,
        answer_seconds=seconds_max,
    )


class Faced:
    """`trail.TrailProducer` of a directory over which a server runs."""

    def __init__(self, server: TrailProducer, opened: Callable[[], TrailProducer]) -> None:
        self._server: TrailProducer | None = server
        self._opened = opened
        self._files: TrailProducer | None = None

    def record(
        self,
        events: Sequence[Event],
        *,
        attachments: Mapping[EventId, Sequence[Attachment]] | None = None,
    ) -> list[Receipt | SenderError]:
        if self._server is not None:
            try:
                return self._server.record(events, attachments=attachments)
            except DeploytrailError:
                # Also evidence, which a server may not take. What it did record is found there.
                self._give_up()
        return self._stored().record(events, attachments=attachments)

    def record_json(self, bodies: Sequence[bytes]) -> list[Receipt | SenderError]:
        if self._server is not None:
            try:
                return self._server.record_json(bodies)
            except DeploytrailError:
                self._give_up()
        return self._stored().record_json(bodies)

    def spool_key(self) -> str:
        return self._stored().spool_key()

    def modes(self) -> Mapping[str, str]:
        return self._stored().modes()

    def record_spool(self, piece: Piece) -> list[Receipt | SenderError]:
        if self._server is not None:
            try:
                return self._server.record_spool(piece)
            except DeploytrailError:
                self._give_up()
        return self._stored().record_spool(piece)

    def publish(self) -> Published:
        if self._server is not None:
            try:
                return self._server.publish()
            except DeploytrailError:
                self._give_up()
        return self._stored().publish()

    def fingerprint_key(self, project: str) -> bytes:
        return self._stored().fingerprint_key(project)

    def close(self) -> None:
        self._give_up()
        if self._files is not None:
            self._files.close()

    def _give_up(self) -> None:
        """The server is not asked again: what it kept us waiting for once is enough."""
        if self._server is not None:
            self._server.close()
        self._server = None

    def _stored(self) -> TrailProducer:
        if self._files is None:
            self._files = self._opened()
        return self._files

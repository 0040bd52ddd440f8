"""The process that follows: how it is started over a trail, hears signals, and ends."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Protocol

from deploytrail.app.connections.asking import Polling
from deploytrail.app.cosigning.witnessing import Witnessing
from deploytrail.app.events.recording import Recorder
from deploytrail.app.followers.acting import appending
from deploytrail.app.followers.board import FileBoard, NoBoard
from deploytrail.app.followers.disclosing import Disclosing
from deploytrail.app.followers.following import Followed, Following, Parts
from deploytrail.app.followers.inferring import Inferring
from deploytrail.app.followers.lines import Lines, Stream
from deploytrail.app.overdue import Leases
from deploytrail.app.trails.lazily import Lazily
from deploytrail.app.trails.opening import Place, open_trail
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.clock import Clock
from deploytrail.errors import EXIT_OK, EXIT_OUR_FAULT, DeploytrailError
from deploytrail.follow.actor import Actor
from deploytrail.follow.told import Tell
from deploytrail.follow.view import ViewStore
from deploytrail.log.store import Store
from deploytrail.vault.keys import Keyring
from deploytrail.vault.subject import Subject


def follow(
    parts: Callable[[Tell], Parts],
    *,
    clock: Clock,
    stream: Stream,
    stopping: threading.Event | None = None,
    collect: bool = True,
) -> int:
    """Follow until SIGTERM or SIGINT; the exit code, by the one table of them.

    To be called in a process's main thread.
    """
    stopping = stopping or threading.Event()
    lines = Lines(stream, clock, process="follow")
    _hear(stopping)
    if collect:
        # Entries become many small objects, none of which are in cycles: looking for some after
        # each piece doubled what a piece costs. What there is in cycles is looked for in `rest`.
        gc.collect()
        gc.freeze()
        gc.disable()
    try:
        Following(parts(lines), stopping).run()
    except DeploytrailError as error:
        lines("ended", reason=str(error), error=type(error).__name__, code=error.exit_code)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 (the line says what would else be a traceback)
        lines("ended", reason=str(error), error=type(error).__name__, code=EXIT_OUR_FAULT)
        return EXIT_OUR_FAULT
    lines("ended", code=EXIT_OK)
    return EXIT_OK


def follow_trail(
    place: Place,
    *,
    clock: Clock,
    environment: Mapping[str, str],
    stream: Stream,
    views: Callable[[StoredTrail], Sequence[ViewStore]],
    actors: Callable[[], Sequence[Actor]] = tuple,
    stopping: threading.Event | None = None,
) -> int:
    """Follow the trail that is there; `views` are the stores of views of its log.

    `stopping`, once set, ends it as a signal does.
    """

    def opened() -> StoredTrail:
        return open_trail(place, create=False, clock=clock, environment=environment)

    def parts(tell: Tell) -> Parts:
        with opened() as trail:
            file = trail.standings()
            before = Lazily(opened)
            inferring = Inferring(before.reading, clock, before.close)
            return Parts(
                followed_opened=lambda: _followed(opened(), clock, tell),
                publishing_opened=opened,
                views=[(one, trail.lease(one.name)) for one in views(trail)],
                actors=[(one, trail.lease(one.name)) for one in (inferring, *actors())],
                bookmarks=trail.bookmarks(),
                board=NoBoard() if file is None else FileBoard(file),
                clock=clock,
                tell=tell,
                rest=gc.collect,
                beside=[
                    Witnessing(opened, clock=clock, tell=tell),
                    Polling(opened, clock=clock, environment=environment, tell=tell),
                    Leases(opened, clock=clock, tell=tell),
                ],
            )

    def _followed(trail: StoredTrail, clock: Clock, tell: Tell) -> Followed:
        return followed(trail, clock, tell, refuse_fenced=trail.refuse_fenced)

    return follow(parts, clock=clock, stream=stream, stopping=stopping)


class Open(Protocol):
    """An open trail over stores, wherever these are."""

    @property
    def origin(self) -> str: ...
    @property
    def store(self) -> Store: ...
    @property
    def keyring(self) -> Vaulted: ...
    def close(self) -> None: ...


class Vaulted(Keyring, Protocol):
    """Keys that are also found by the subject's id."""

    def subject(self, id: bytes) -> Subject | None: ...


def followed(
    trail: Open, clock: Clock, tell: Tell, *, refuse_fenced: Callable[[], None]
) -> Followed:
    """An open trail as it is followed; it is closed with it."""
    recorder = Recorder(trail.store, trail.keyring, clock, origin=trail.origin)
    return Followed(
        origin=trail.origin,
        reading=trail.store.reading,
        disclose=Disclosing(
            trail.store.reading, trail.keyring.subject, origin=trail.origin, tell=tell
        ),
        append=appending(recorder),
        refuse_fenced=refuse_fenced,
        close=trail.close,
    )


def _hear(stopping: threading.Event) -> None:
    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)

"""`deploytrail import`: history from files, folders or standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from deploytrail.cli.opening import HomeOption, JsonOption, StoredUrlOption, publish, stored
from deploytrail.cli.terminal import complain, say, say_json, tell
from deploytrail.errors import EXIT_OK, SenderError
from deploytrail.printable import printable
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.app.connections.files import Reached, Reading
    from deploytrail.app.connections.importing import Counted, Importer
    from deploytrail.app.trails.opening import Place
    from deploytrail.clock import Clock
    from deploytrail.kit.source import Source

_STDIN: Final = "-"
_LEFT_OUT_SHOWN: Final = 3
_KEPT_SECONDS: Final = 1.0
"""So often it is kept how far an import is: what is killed reads about so much twice."""

_Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH...", help="Files and folders; - for standard input."),
]
_Source = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", help="What wrote them, e.g. cloudtrail."),
]
_Connection = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The connection over which the same also comes: then each event stands once.",
    ),
]
_Again = Annotated[
    bool, typer.Option("--again", help="Reads also what earlier imports have taken in.")
]


def importing(
    path: _Paths,
    source: _Source = None,
    connection: _Connection = None,
    again: _Again = False,
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> int:
    """Take in history from files, folders or standard input.

    What a file says is translated as if its tool had delivered it, and stamped as imported: nobody
    vouches for it. Gzip is unpacked. An import that was stopped goes on where it was; the same
    again changes nothing. Prints a line a file: what is new, what stood there, what was not read.
    """
    from deploytrail.app.connections.files import found

    place = stored(home, url, why="an import reads files of its own machine")
    files = [Path(each) for each in path if each != _STDIN]
    with _importing(place, source, connection, is_json=json) as job:
        which = found(files, job.source.file_names)
        _tell_left_out(which.left_out)
        code = EXIT_OK
        for file in which.files:
            code = job.file(file, again=again) or code
        if _STDIN in path:
            code = job.take("standard input", sys.stdin.buffer) or code
    return code


@contextmanager
def _importing(
    place: Place | None, source: str | None, connection: str | None, *, is_json: bool
) -> Iterator[_Job]:
    from deploytrail.app.connections.files import Reached
    from deploytrail.app.connections.importing import Importer
    from deploytrail.app.connections.known_connections import to_import
    from deploytrail.app.connections.taking import Keys
    from deploytrail.app.trails.opening import open_trail
    from deploytrail.clock import SystemClock
    from deploytrail.wrapper.account import account
    from deploytrail.wrapper.ci import ci_context
    from deploytrail.xdg import state_directory

    clock = SystemClock()
    with open_trail(place, create=False, clock=clock) as trail:
        over = to_import(trail.store.reading, source=source, connection=connection)
        by = account(is_ci=ci_context(os.environ) is not None)
        keys = Keys(trail.keyring.secrets.body, trail.fingerprint_key)
        importer = Importer(trail.recorder, over, keys, clock, by=by)
        folder = state_directory(os.environ) / "imports"
        of = f"{trail.origin}\0{over.name}\0{over.source.name}"
        job = _Job(importer, over.source, Reached(folder, of, entries=trail.size()), clock, is_json)
        try:
            yield job
        finally:
            publish(trail)
            job.keep()


class _Job:
    """One run of the verb."""

    def __init__(
        self, importer: Importer, source: Source, reached: Reached, clock: Clock, is_json: bool
    ) -> None:
        self.source = source
        self._importer = importer
        self._reached = reached
        self._clock = clock
        self._is_json = is_json
        self._kept_seconds = clock.monotonic()
        self._is_told = False

    def file(self, path: Path, *, again: bool) -> int:
        """Its exit code; what is wrong with one file keeps no other from being taken in."""
        from deploytrail.app.connections.files import opened

        try:
            with closing(opened(path)) as stream:
                reading = self._reached.reading(path, stream)
                if reading.is_taken() and not again:
                    _say_unchanged(str(path), is_json=self._is_json)
                    return EXIT_OK
                since = 0 if again else reading.since(is_lines=self.source.is_lines)
                return self.take(str(path), stream, since, reading)
        except SenderError as error:
            complain(str(error))
            return error.exit_code

    def take(
        self, name: str, stream: IO[bytes], since: int = 0, reading: Reading | None = None
    ) -> int:
        """The exit code of what this stream says; where it was stopped, that is told, too."""
        shown = printable(Path(name).name)
        self._importer.say("integration.import.started", shown, outcome="pending")
        try:
            done, error = self._taken(shown, stream, since, reading)
        except KeyboardInterrupt:
            self._finish(shown, "stopped by whoever ran it; the same again goes on")
            raise
        if reading is not None and error is None:
            reading.reach(reading.end, is_whole=True)
        self._finish(shown, None if error is None else str(error))
        _say(name, done, error, is_json=self._is_json)
        return EXIT_OK if error is None else error.exit_code

    def _taken(
        self, shown: str, stream: IO[bytes], since: int, reading: Reading | None
    ) -> tuple[Counted, SenderError | None]:
        from deploytrail.app.connections.importing import Counted
        from deploytrail.cli.progress import Progress
        from deploytrail.intake.pieces import pieces

        done = Counted()
        if reading is not None:
            reading.reach(since)
        with Progress(f"importing {printable(shown)}", self._clock, unit="event") as progress:

            def told(counted: Counted, end: int) -> None:
                nonlocal done
                self._reached.grown(counted.events - done.events)
                done = counted
                progress(counted.events + counted.known, 0)
                if reading is not None and end:
                    reading.reach(end)
                if self._clock.monotonic() - self._kept_seconds >= _KEPT_SECONDS:
                    self.keep()

            try:
                some = pieces(stream, is_lines=self.source.is_lines, since=since)
                return self._importer.take(some, told), None
            except SenderError as error:
                return done, error

    def keep(self) -> None:
        """How far it is; only what is in the log already counts."""
        if not self._reached.save() and not self._is_told:
            self._is_told = True
            tell("how far it is can't be kept: the next import begins anew, and changes nothing")
        self._kept_seconds = self._clock.monotonic()

    def _finish(self, shown: str, why: str | None) -> None:
        outcome = "success" if why is None else "partial"
        self._importer.say("integration.import.finished", shown, outcome=outcome, error=why)


def _say_unchanged(name: str, *, is_json: bool) -> None:
    from deploytrail.app.connections.importing import Counted

    if is_json:
        _say(name, Counted(), None, is_json=True)
    else:
        say(f"{printable(name)}: taken in before, and unchanged since")


def _say(name: str, done: Counted, error: SenderError | None, *, is_json: bool) -> None:
    if is_json:
        from msgspec.structs import asdict

        said = {"file": printable(name), **asdict(done)}
        say_json(said if error is None else {**said, "error": str(error)})
        return
    parts = [counted(done.events, "new event")]
    if done.known:
        parts.append(f"{done.known:,} that stood there")
    if done.unread:
        parts.append(f"{done.unread:,} not understood ('action:integration.delivery.*')")
    if done.conflicts:
        parts.append(f"{done.conflicts:,} in conflict with what stood there")
    say(f"{printable(name)}: {', '.join(parts)}")
    if error is not None:
        complain(f"{printable(name)}: {error}")


def _tell_left_out(left_out: list[tuple[Path, str]]) -> None:
    for path, why in left_out[:_LEFT_OUT_SHOWN]:
        tell(f"left out {printable(str(path))}: {why}")
    if len(left_out) > _LEFT_OUT_SHOWN:
        tell(f"left out {len(left_out) - _LEFT_OUT_SHOWN:,} more files")

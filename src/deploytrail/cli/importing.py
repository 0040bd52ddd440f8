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
from deploytrail.errors import EXIT_OK, DeploytrailError, SenderError
from deploytrail.printable import printable
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.app.connections.files import Reached
    from deploytrail.app.connections.importing import Counted, Importer
    from deploytrail.app.trails.opening import Place
    from deploytrail.app.trails.stored import StoredTrail
    from deploytrail.clock import Clock
    from deploytrail.kit.source import Source

_STDIN: Final = "-"
_LEFT_OUT_SHOWN: Final = 3

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
    with _importing(place, source, connection) as job:
        which = found(files, job.source.file_names)
        _tell_left_out(which.left_out)
        code = EXIT_OK
        for file in which.files:
            code = job.file(file, is_json=json, again=again) or code
        if _STDIN in path:
            code = job.stdin(is_json=json) or code
    return code


@contextmanager
def _importing(place: Place | None, source: str | None, connection: str | None) -> Iterator[_Job]:
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
        reached = Reached(folder, f"{trail.origin}\0{over.name}\0{over.source.name}")
        yield _Job(trail, importer, over.source, reached, clock)


class _Job:
    """One run of the verb."""

    def __init__(
        self, trail: StoredTrail, importer: Importer, source: Source, reached: Reached, clock: Clock
    ) -> None:
        self.source = source
        self._trail = trail
        self._importer = importer
        self._reached = reached
        self._clock = clock

    def file(self, path: Path, *, is_json: bool, again: bool) -> int:
        """Its exit code; what is wrong with one file keeps no other from being taken in."""
        from deploytrail.app.connections.files import opened

        try:
            with closing(opened(path)) as stream:
                is_lines = self.source.is_lines
                since = 0 if again else self._reached.end(path, stream, is_lines=is_lines)
                return self._take(str(path), stream, since, is_json=is_json, path=path)
        except SenderError as error:
            complain(str(error))
            return error.exit_code

    def stdin(self, *, is_json: bool) -> int:
        return self._take("standard input", sys.stdin.buffer, 0, is_json=is_json)

    def _take(
        self, name: str, stream: IO[bytes], since: int, *, is_json: bool, path: Path | None = None
    ) -> int:
        from deploytrail.app.connections.importing import Counted
        from deploytrail.cli.progress import Progress
        from deploytrail.intake.pieces import pieces

        shown = Path(name).name
        done = Counted()
        error: DeploytrailError | None = None
        self._importer.say("integration.import.started", shown, outcome="pending")
        with Progress(f"importing {printable(shown)}", self._clock, unit="byte") as progress:

            def told(counted: Counted, end: int) -> None:
                nonlocal done
                done = counted
                progress(end, 0)
                if path is not None:
                    self._reached.reach(path, stream, end)

            try:
                some = pieces(stream, is_lines=self.source.is_lines, since=since)
                done = self._importer.take(some, told)
            except SenderError as found:
                error = found
        self._finish(shown, error)
        _say(name, done, error, is_json=is_json)
        return EXIT_OK if error is None else error.exit_code

    def _finish(self, shown: str, error: DeploytrailError | None) -> None:
        why = None if error is None else str(error)
        outcome = "success" if error is None else "partial"
        self._importer.say("integration.import.finished", shown, outcome=outcome, error=why)
        publish(self._trail)
        if not self._reached.save():
            tell("how far it is can't be kept: the next import begins anew, and changes nothing")


def _say(name: str, done: Counted, error: DeploytrailError | None, *, is_json: bool) -> None:
    if is_json:
        from msgspec.structs import asdict

        said = {"file": name, **asdict(done)}
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

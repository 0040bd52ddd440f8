"""`deploytrail run`: what was asked, from arguments and environment.

By hand, from one table: typer and rich would double the time that a wrapped command waits.
Everything else that costs time is imported once it is needed.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from deploytrail.errors import EXIT_NOT_STARTED, EXIT_OK, Malformed

if TYPE_CHECKING:
    from deploytrail.trail import Patience, TrailProducer
    from deploytrail.wrapper.keeping import Keeping
    from deploytrail.wrapper.recording import Surroundings
    from deploytrail.wrapper.request import Mode, Request


class Option(NamedTuple):
    """One option. `value` is how the help calls its value, empty for a switch.

    `limit` is how many characters an event takes, 0 for no limit; `variable` is read where the
    option is not given.
    """

    name: str
    value: str
    help: str
    variable: str = ""
    limit: int = 0
    is_repeatable: bool = False


OPTIONS: Final = (
    Option("--environment", "NAME", "Where to, e.g. prod.", "DEPLOYTRAIL_ENVIRONMENT", 64),
    Option("--project", "NAME", "Whose it is; default: the repository.", "DEPLOYTRAIL_PROJECT", 64),
    Option(
        "--unit", "NAME", "What deploys alone; default: path or project.", "DEPLOYTRAIL_UNIT", 512
    ),
    Option("--reason", "TEXT", "Why.", "DEPLOYTRAIL_REASON", 8192),
    Option(
        "--ticket", "ID", "A ticket that asks for it; repeatable.", "DEPLOYTRAIL_TICKET", 64, True
    ),
    Option("--deployment", "ID", "Joins several jobs into one.", "DEPLOYTRAIL_DEPLOYMENT", 512),
    Option("--mode", "NAME", "async, guarded or strict: see below.", "DEPLOYTRAIL_MODE"),
    Option("--break-glass", "REASON", "Starts though its mode refuses; is reviewed.", "", 8192),
    Option("--keep-output", "", "Keeps the masked last 256 KB of the output."),
    Option("--home", "DIR", "Where the trail is.", "DEPLOYTRAIL_HOME"),
    Option("--url", "URL", "Or postgresql://… or https://…", "DEPLOYTRAIL_URL"),
    Option("--verbose", "", "Prints the receipt even without a terminal."),
    Option("--help", "", "Shows this."),
)
_BY_NAME: Final = {option.name: option for option in OPTIONS}

_MODES: Final = ("async", "guarded", "strict")
_SERVER_SECONDS_MAX: Final = 2.0

Given = dict[str, list[str]]


def main(arguments: Sequence[str]) -> int:
    """The exit code of `deploytrail run` with these arguments: that of the command that was run.

    125 (EXIT_NOT_STARTED) where it can't be known which command was meant.
    """
    try:
        given, command = asked(arguments, os.environ)
    except Malformed as error:
        _tell(f"run: {error}")
        return EXIT_NOT_STARTED
    if "--help" in given:
        with suppress(BrokenPipeError):
            print(help_text())  # noqa: T201 (help belongs on standard output)
        return EXIT_OK
    return _run(given, command)


def asked(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[Given, tuple[str, ...]]:
    """Values by option, flag before environment, and the command; raises Malformed.

    A value that can't be used is told and left out: the command is worth more than a word on it.
    """
    given, command = _parsed(arguments)
    flags = set(given)
    if flags >= {"--home", "--url"}:
        raise Malformed("--url: expected no --home beside it, found both; leave one out")
    if not command and "--help" not in given:
        raise Malformed("CMD: expected a command after --, found none; see --help")
    for option in OPTIONS:
        value = environ.get(option.variable, "") if option.variable else ""
        if option.name == "--url" and "--home" in flags:
            # Flag before environment.
            continue
        if value and option.name not in given:
            _add(given, option, value, option.variable)
    mode = given.get("--mode", ["async"])[0]
    if mode not in _MODES:
        # Left out, it would start what somebody wanted guarded.
        raise Malformed(f"--mode: expected {', '.join(_MODES)}, found {mode[:20]!r}")
    return given, tuple(command)


def help_text() -> str:
    """What `deploytrail run --help` prints."""
    rows = [
        (f"{option.name} {option.value}".strip(), option.help, option.variable)
        for option in OPTIONS
    ]
    lines = [
        f"  {name:<20} {text}{f' [{variable}]' if variable else ''}"
        for name, text, variable in rows
    ]
    return "\n".join(
        [
            "Usage: deploytrail run [OPTIONS] -- CMD [ARGS]...",
            "",
            "  Run a command and record its start and its end.",
            "",
            "  Its arguments, streams, signals, terminal and exit code stay as they are.",
            "  What terraform and tofu plan and apply is read from their plans and their output.",
            "",
            "Options:",
            *lines,
            "",
            "Modes:",
            "  async    starts whatever goes wrong with us; what the trail doesn't take waits in",
            "           the spool, from before the start on (the default)",
            "  guarded  starts only once the start is an entry of the trail, else exits with 125",
            "  strict   as guarded, and only once nothing of earlier runs waits in the spool",
        ]
    )


def _parsed(arguments: Sequence[str]) -> tuple[Given, list[str]]:
    """Options until `--` or the first word that is none, and the command behind them."""
    given: Given = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        name, has_value, value = word.partition("=")
        option = _BY_NAME.get("--help" if name == "-h" else name)
        if option is None:
            raise Malformed(f"{name}: expected an option of run, found another; see --help")
        if not option.value:
            if has_value:
                _tell(f"{name} is not used: expected no value, found {value!r}; leave it out")
                continue
            value = "1"
        elif not has_value:
            if not rest or rest[0] == "--":
                raise Malformed(f"{name}: expected {option.value} behind it, found nothing")
            value = rest.pop(0)
        _add(given, option, value, option.name)
    return given, rest


def _add(given: Given, option: Option, value: str, whence: str) -> None:
    if not value and option.name != "--mode":
        _tell(f"{whence} is not used: expected {option.value}, found nothing; leave it out")
        return
    if option.limit and len(value) > option.limit:
        _tell(
            f"{whence} is not used: expected at most {option.limit} characters, found {len(value)}"
        )
        return
    if option.is_repeatable:
        given.setdefault(option.name, []).append(value)
    else:
        given[option.name] = [value]


def _run(given: Given, command: tuple[str, ...]) -> int:
    # Most of what a run allocates are modules, which stay: looking through them for what could go
    # takes a tenth of the time that the command waits for us.
    gc.set_threshold(50_000)
    try:
        # msgspec takes `typing_extensions` where typer happens to need it, and does without it as
        # well, from Python 3.11 on: the detour is a tenth of the time that a command waits for us.
        with _absent("typing_extensions"):
            import msgspec  # noqa: F401
        from deploytrail.wrapper.run import run

        request, around = _request(given, command), _surroundings(given)
    except Exception as error:  # noqa: BLE001 (our fault must not become the user's)
        if given.get("--mode", ["async"])[0] != "async" and "--break-glass" not in given:
            _tell(f"not started: expected the start in the trail: {type(error).__name__}: {error}")
            return EXIT_NOT_STARTED
        return _run_bare(command, error)
    return run(request, around)


@contextmanager
def _absent(module: str) -> Iterator[None]:
    """Meanwhile, who imports the module finds that it is not installed.

    `None` in `sys.modules` says so (Python's reference, "The module cache"). A module that was
    loaded before stays.
    """
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    if module in modules:
        yield
        return
    modules[module] = None
    try:
        yield
    finally:
        del modules[module]


def _run_bare(command: tuple[str, ...], fault: Exception) -> int:
    """The last resort, for an installation that can't even be loaded: become the command."""
    _tell(f"NOTHING OF THIS RUN IS RECORDED: {type(fault).__name__}: {fault}")
    try:
        os.execvp(command[0], command)  # noqa: S606 (no shell is what we want)
    except OSError as error:
        _tell(f"{command[0]}: {error.strerror}")
        return 127 if isinstance(error, FileNotFoundError) else 126
    return EXIT_NOT_STARTED


def _request(given: Given, command: tuple[str, ...]) -> Request:
    from deploytrail.wrapper.request import Request

    def one(name: str) -> str | None:
        return given[name][0] if name in given else None

    return Request(
        command=command,
        project=one("--project"),
        unit=one("--unit"),
        environment=one("--environment"),
        reason=one("--reason"),
        tickets=tuple(given.get("--ticket", ())),
        deployment=one("--deployment"),
        mode=cast("Mode | None", one("--mode")),
        break_glass=one("--break-glass"),
        is_output_kept="--keep-output" in given,
        is_verbose="--verbose" in given,
    )


def _surroundings(given: Given) -> Surroundings:
    from deploytrail.clock import SystemClock
    from deploytrail.wrapper.recording import Surroundings

    url = given.get("--url", [""])[0]
    home = _folder(url) if url else _home(given, os.environ)

    def open_trail(patience: Patience) -> TrailProducer:
        if url and home is None:
            return _elsewhere(url, patience)
        from deploytrail.app import open_directory

        if home is not None and not ((home / "log.db").exists() or (home / "keys.db").exists()):
            _tell(f"{home}: no trail yet, so one is made; 'deploytrail init' explains it")
        opened = partial(open_directory, home, patience=patience)
        if home is None or not (home / "server.lock").exists():
            return opened()
        from deploytrail.cli.faced import faced

        # The files take what a server did not, and need time for it, too.
        return faced(home, opened, seconds_max=min(patience.writer / 2, _SERVER_SECONDS_MAX))

    return Surroundings(
        environ=os.environ,
        directory=_directory(os.environ),
        clock=SystemClock(),
        open_trail=open_trail,
        keeping=_keeping(url, home, given),
        tell=_tell,
        is_interactive=_is_interactive(),
    )


def _keeping(url: str, home: Path | None, given: Given) -> Keeping | None:
    """Where this run's spool is, None where no directory is known."""
    from deploytrail.wrapper.keeping import keeping
    from deploytrail.xdg import aside_directory

    aside = aside_directory(os.environ, url) if url and home is None else home
    found = keeping(
        os.environ,
        aside=aside,
        url=url if home is None else "",
        directory=_directory(os.environ),
        tell=_tell,
    )
    if found is not None and found.system and not url and "--home" not in given:
        _tell(
            "no DEPLOYTRAIL_URL: this trail dies with the runner; name a server, or a directory "
            "that stays (DEPLOYTRAIL_HOME)"
        )
    return found


def _elsewhere(url: str, patience: Patience) -> TrailProducer:
    """A trail in a database, or behind a server."""
    from deploytrail.address import Server, address

    found = address(url)
    if isinstance(found, Server):
        from deploytrail.remote import RemoteTrail

        token = os.environ.get("DEPLOYTRAIL_TOKEN") or None
        seconds = float(patience.writer)
        # One that is away is not asked for long: the spool keeps what it would have taken.
        again = min(seconds, _SERVER_SECONDS_MAX)
        return RemoteTrail(found.url, token=token, patience_seconds=again, answer_seconds=seconds)
    from deploytrail.app.trails.opening import open_trail

    return open_trail(found, patience=patience)


def _folder(url: str) -> Path | None:
    """The directory that an address names, None for every other one, and for none."""
    if "://" in url and not url.lower().startswith("sqlite:"):
        return None
    from deploytrail.address import Directory, address
    from deploytrail.errors import Malformed

    try:
        found = address(url)
    except Malformed:
        # Opening the trail says it.
        return None
    return found.path.absolute() if isinstance(found, Directory) else None


def _directory(environ: Mapping[str, str]) -> Path:
    """Where we are; what the shell believes, where that was removed meanwhile."""
    try:
        return Path.cwd()
    except OSError:
        return Path(environ.get("PWD") or "/")


def _home(given: Given, environ: Mapping[str, str]) -> Path | None:
    """LOG.md, "The trail's directory": by name, else below the data directory of the user."""
    if "--home" in given:
        return Path(given["--home"][0]).absolute()
    from deploytrail.errors import Misconfigured
    from deploytrail.xdg import data_directory

    try:
        return data_directory(environ)
    except Misconfigured:
        # Opening the trail says it.
        return None


def _is_interactive() -> bool:
    """Whether a person sees our standard error."""
    try:
        return os.isatty(2)
    except OSError:
        return False


def _tell(text: str) -> None:
    """One line on standard error, foreign marks escaped; nothing, where there is none."""
    from deploytrail.printable import printable

    try:
        sys.stderr.write(f"deploytrail: {printable(text)}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return

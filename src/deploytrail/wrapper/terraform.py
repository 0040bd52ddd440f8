"""How terraform or tofu was called: the subcommand, its plan files, its directory and workspace.

Decides what of a run is read. Besides files that name a workspace, it reads nothing; `shown`
alone starts a process, to have a saved plan or the state told as JSON.
"""

from __future__ import annotations

import os
import select
import shlex
import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from deploytrail.clock import Clock
from deploytrail.errors import Incomplete, NotFound, TooLarge
from deploytrail.wrapper import regular_file
from deploytrail.wrapper.child import Ending, Mask, spawn

Tool = Literal["terraform", "opentofu"]
Subcommand = Literal["plan", "apply", "destroy"]

PLAN_JSON_BYTES_MAX: Final = 256 * 1024 * 1024
PLAN_SECONDS_MAX: Final = 60
STATE_SECONDS_MAX: Final = 20

_WORKSPACE_BYTES_MAX: Final = 4096
_TOOLS: Final[Mapping[str, Tool]] = {"terraform": "terraform", "tofu": "opentofu"}
_SUBCOMMANDS: Final[Mapping[str, Subcommand]] = {
    "plan": "plan",
    "apply": "apply",
    "destroy": "destroy",
}
_WITHOUT_VALUES: Final = frozenset(
    ["fmt", "get", "init", "providers", "validate", "version", "workspace"]
)
"""Subcommands that print no values of states and plans."""
_WITH_VALUE: Final = frozenset(
    [
        "backup",
        "exclude",
        "exclude-file",
        "generate-config-out",
        "invoke",
        "json-into",
        "lock-timeout",
        "out",
        "parallelism",
        "replace",
        "state",
        "state-out",
        "target",
        "target-file",
        "var",
        "var-file",
    ]
)
"""The flags of the three subcommands that take the next argument when there is no `=`."""


class Invocation(Struct, frozen=True, kw_only=True):
    """One call whose output is read. Paths in it are relative to `directory`."""

    tool: Tool
    program: str
    global_flags: tuple[str, ...]
    subcommand: Subcommand
    directory: Path
    plan_in: str | None = None
    plan_out: str | None = None
    assignments: tuple[str, ...] = ()
    var_files: tuple[str, ...] = ()
    is_exit_code_detailed: bool = False

    @property
    def is_deployment(self) -> bool:
        return self.subcommand in ("apply", "destroy")

    def is_success(self, ending: Ending) -> bool:
        """`plan -detailed-exitcode` ends with 2 where there is something to change."""
        return ending.is_success or (self.is_exit_code_detailed and ending.exit_code == 2)


def is_tool(program: str) -> bool:
    """Whether a program is terraform or tofu, by its file name; `terraform1.5` and such too."""
    return _tool(program) is not None


def invocation(
    command: Sequence[str], environ: Mapping[str, str], directory: Path
) -> Invocation | None:
    """How terraform was called, or None where its output says nothing of a deployment."""
    tool = _tool(command[0])
    if tool is None:
        return None
    flags = [argument for argument in command[1:] if argument.startswith("-")]
    at = next((n for n, word in enumerate(command[1:], 1) if not word.startswith("-")), None)
    subcommand = _SUBCOMMANDS.get(command[at]) if at is not None else None
    if at is None or subcommand is None or {"-h", "-help", "--help"} & set(flags):
        return None
    global_flags = tuple(command[1:at])
    extra = _extra_arguments(environ, subcommand)
    flags_given, positional = _parsed([*extra, *command[at + 1 :]])
    named = dict(flags_given)
    return Invocation(
        tool=tool,
        program=command[0],
        global_flags=global_flags,
        subcommand=subcommand,
        directory=directory / _chdir(global_flags),
        plan_in=positional[0] if positional and subcommand == "apply" else None,
        plan_out=named.get("out") if subcommand == "plan" else None,
        assignments=tuple(value for name, value in flags_given if name == "var"),
        var_files=tuple(value for name, value in flags_given if name == "var-file"),
        is_exit_code_detailed=subcommand == "plan" and "detailed-exitcode" in named,
    )


def is_output_harmless(command: Sequence[str]) -> bool:
    """Whether a call that is no `invocation` prints no values: `terraform output` does."""
    if not is_tool(command[0]):
        return True
    return next((word for word in command[1:] if not word.startswith("-")), "") in _WITHOUT_VALUES


def working_directory(command: Sequence[str], directory: Path) -> Path:
    """The directory of the root module: ours, or that of `-chdir`."""
    return directory / _chdir(command[1:]) if is_tool(command[0]) else directory


def workspace(environ: Mapping[str, str], directory: Path) -> str:
    """The selected workspace, by the rules of `terraform workspace show`."""
    if environ.get("TF_WORKSPACE"):
        return environ["TF_WORKSPACE"]
    data = directory / (environ.get("TF_DATA_DIR") or ".terraform")
    selected = regular_file.text(data / "environment", bytes_max=_WORKSPACE_BYTES_MAX)
    return (selected or "").strip() or "default"


def shown(
    call: Invocation,
    plan_file: str | None,
    environ: Mapping[str, str],
    *,
    mask: Mask,
    clock: Clock,
) -> bytes:
    """A saved plan as `terraform show -json` tells it, by the same program in the same place.

    Without a plan, the state. Kept in memory only: it holds secrets in clear text. Raises
    Incomplete if it could not be had in time, TooLarge over `PLAN_JSON_BYTES_MAX`, NotFound
    if the program does not start.
    """
    # TF_CLI_ARGS was meant for the user's own call; a trace of this one would mix with his.
    quiet = {
        name: value
        for name, value in environ.items()
        if not name.startswith(("TF_CLI_ARGS", "TF_LOG"))
    }
    arguments = [call.program, *call.global_flags, "show", "-json", "-no-color"]
    with ExitStack() as opened:
        null = os.open(os.devnull, os.O_RDWR)
        opened.callback(os.close, null)
        ours, its = os.pipe()
        opened.callback(os.close, ours)
        child = spawn(
            [*arguments, *([plan_file] if plan_file is not None else [])],
            mask=mask,
            streams={0: null, 1: its, 2: null},
            environ=quiet,
        )
        os.close(its)
        if isinstance(child, Ending):
            raise NotFound(child.reason)
        opened.callback(child.end)
        # After its end was heard of, nobody is killed.
        opened.callback(child.send, signal.SIGKILL)
        seconds_max = STATE_SECONDS_MAX if plan_file is None else PLAN_SECONDS_MAX
        told = _read_all(ours, clock, seconds_max)
        status = child.end().status
    if status != 0:
        raise Incomplete(
            f"{call.program} show: expected {plan_file or 'the state'} as JSON, "
            f"found exit code {status}"
        )
    return told


def _read_all(descriptor: int, clock: Clock, seconds_max: int) -> bytes:
    until = clock.uptime().microseconds + seconds_max * 1_000_000
    chunks: list[bytes] = []
    size = 0
    while True:
        left = (until - clock.uptime().microseconds) / 1_000_000
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise Incomplete(
                f"terraform show: expected an end within {seconds_max} seconds, found none"
            )
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        size += len(chunk)
        if size > PLAN_JSON_BYTES_MAX:
            raise TooLarge(
                f"terraform show: expected at most {PLAN_JSON_BYTES_MAX} bytes, found more"
            )


def _tool(program: str) -> Tool | None:
    name = program.rsplit("/", 1)[-1]
    return _TOOLS.get(name) or _TOOLS.get(name.rstrip("0123456789.").rstrip("-_v"))


def _chdir(flags: Sequence[str]) -> str:
    for flag in flags:
        name, _, value = flag.partition("=")
        if name in ("-chdir", "--chdir"):
            return value
        if not flag.startswith("-"):
            break
    return ""


def _extra_arguments(environ: Mapping[str, str], subcommand: str) -> list[str]:
    """What TF_CLI_ARGS and TF_CLI_ARGS_<subcommand> put before the call's own arguments."""
    found: list[str] = []
    for name in (f"TF_CLI_ARGS_{subcommand}", "TF_CLI_ARGS"):
        try:
            found += shlex.split(environ.get(name, ""))
        except ValueError:
            # An unclosed quote: terraform will refuse it in its own words.
            continue
    return found


def _parsed(arguments: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Flags with their values, and what follows them, as Go's package `flag` reads them."""
    flags: list[tuple[str, str]] = []
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "-":
        if arguments[at] == "--":
            at += 1
            break
        name, has_value, value = arguments[at].lstrip("-").partition("=")
        if not has_value and name in _WITH_VALUE:
            at += 1
            value = arguments[at] if at < len(arguments) else ""
        flags.append((name, value))
        at += 1
    return flags, list(arguments[at:])

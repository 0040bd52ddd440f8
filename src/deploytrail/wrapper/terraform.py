"""How terraform or tofu was called: the subcommand, its plan files, its directory and workspace.

Decides what of a run is read. Besides files that name a workspace, it reads nothing; `shown_plan`
alone starts a process, to have a saved plan told as JSON.
"""

from __future__ import annotations

import os
import select
import shlex
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from deploytrail.clock import Clock
from deploytrail.errors import Incomplete, TooLarge
from deploytrail.wrapper.child import Ending, Mask

Tool = Literal["terraform", "opentofu"]
Subcommand = Literal["plan", "apply", "destroy"]

PLAN_JSON_BYTES_MAX: Final = 256 * 1024 * 1024
SHOW_SECONDS_MAX: Final = 60

_TOOLS: Final[Mapping[str, Tool]] = {"terraform": "terraform", "tofu": "opentofu"}
_SUBCOMMANDS: Final[Mapping[str, Subcommand]] = {
    "plan": "plan",
    "apply": "apply",
    "destroy": "destroy",
}
_WITH_VALUE: Final = frozenset(
    [
        "backup",
        "exclude",
        "exclude-file",
        "generate-config-out",
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
    named, positional = _parsed([*extra, *command[at + 1 :]])
    return Invocation(
        tool=tool,
        program=command[0],
        global_flags=global_flags,
        subcommand=subcommand,
        directory=directory / _chdir(global_flags),
        plan_in=positional[0] if positional and subcommand == "apply" else None,
        plan_out=named.get("out") if subcommand == "plan" else None,
        is_exit_code_detailed=subcommand == "plan" and "detailed-exitcode" in named,
    )


def working_directory(command: Sequence[str], directory: Path) -> Path:
    """The directory of the root module: ours, or that of `-chdir`."""
    return directory / _chdir(command[1:]) if is_tool(command[0]) else directory


def workspace(environ: Mapping[str, str], directory: Path) -> str:
    """The selected workspace, by the rules of `terraform workspace show`."""
    if environ.get("TF_WORKSPACE"):
        return environ["TF_WORKSPACE"]
    data = directory / (environ.get("TF_DATA_DIR") or ".terraform")
    try:
        name = (data / "environment").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return "default"
    return name or "default"


def shown_plan(
    call: Invocation,
    plan_file: str,
    environ: Mapping[str, str],
    *,
    mask: Mask,
    descriptors: Collection[int] = (),
    clock: Clock,
) -> bytes:
    """A saved plan as `terraform show -json` tells it, by the same program in the same place.

    Kept in memory only: it holds secrets in clear text. Raises Incomplete if it could not be had
    in time, TooLarge over `PLAN_JSON_BYTES_MAX`, OSError if the program does not start.
    """
    # TF_CLI_ARGS was meant for the user's own call; a trace of this one would mix with his.
    quiet = {
        name: value
        for name, value in environ.items()
        if not name.startswith(("TF_CLI_ARGS", "TF_LOG"))
    }
    process = subprocess.Popen(
        [call.program, *call.global_flags, "show", "-json", "-no-color", plan_file],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=quiet,
        pass_fds=tuple(descriptors),
        preexec_fn=mask.restore,
    )
    try:
        assert process.stdout is not None
        told = _read_all(process.stdout.fileno(), clock)
        if process.wait() != 0:
            raise Incomplete(
                f"{call.program} show: expected the plan in {plan_file}, "
                f"found exit code {process.returncode}; its digest is not recorded"
            )
        return told
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _read_all(descriptor: int, clock: Clock) -> bytes:
    until = clock.uptime().microseconds + SHOW_SECONDS_MAX * 1_000_000
    chunks: list[bytes] = []
    size = 0
    while True:
        left = (until - clock.uptime().microseconds) / 1_000_000
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise Incomplete(
                f"terraform show: expected an end within {SHOW_SECONDS_MAX} seconds, found none; "
                "the plan's digest is not recorded"
            )
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        size += len(chunk)
        if size > PLAN_JSON_BYTES_MAX:
            raise TooLarge(
                f"terraform show: expected at most {PLAN_JSON_BYTES_MAX} bytes, found more; "
                "the plan's digest is not recorded"
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


def _parsed(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Flags by name, and what follows them, as Go's package `flag` reads them."""
    named: dict[str, str] = {}
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "-":
        if arguments[at] == "--":
            at += 1
            break
        name, has_value, value = arguments[at].lstrip("-").partition("=")
        if not has_value and name in _WITH_VALUE:
            at += 1
            value = arguments[at] if at < len(arguments) else ""
        named[name] = value
        at += 1
    return named, list(arguments[at:])

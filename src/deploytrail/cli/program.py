"""All verbs in one program, and one exit code for everything that they raise.

No exit code or message of the framework gets out: usage is 2, an interrupt 130, our own errors
say theirs, and what nobody expected is 70 (DESIGN §14).
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperOption

from deploytrail.cli import fault
from deploytrail.cli.taking_back import taken_back
from deploytrail.cli.terminal import complain, prepare_streams, say
from deploytrail.errors import (
    EXIT_INTERRUPTED,
    EXIT_NOT_PERMITTED,
    EXIT_OK,
    EXIT_UNDECIDED,
    EXIT_USAGE,
    DeploytrailError,
)

VERBS: Final = (
    *("init", "up", "run", "record", "import", "spool", "actions"),
    *("log", "search", "tail", "changes", "show", "proof", "verify", "export"),
    *("stats", "index", "config", "connection", "witness", "token", "doctor", "backup", "restore"),
)
"""In the order of the help; each stands in the file of its name, as a function of that name."""
_NAMES: Final = {"import": "importing"}
"""Of those whose own name is a word of Python's."""
SUB_VERBS: Final[Mapping[str, Sequence[str]]] = {
    "index": ("rebuild",),
    "config": ("check", "diff", "apply", "unmapped"),
    "connection": ("add", "list", "test", "rotate"),
    "spool": ("list", "drain", "export", "import", "key"),
    "token": ("create", "list", "rotate", "revoke"),
    "witness": (
        *("init", "key", "up", "status"),
        *("add", "remove", "quorum", "list", "ask", "log", "policy"),
    ),
}
"""What a verb of several words is made of: `token create` is the function `token_create` of the
verb's file, whose HELP is that of the verb."""
_ASKING: Final = frozenset({"search", "tail", "changes"})
"""Verbs whose arguments are a query."""
Asked = Callable[[], int | None]
"""A verb with its arguments, not yet started."""
_EXIT_BROKEN_PIPE: Final = 128 + 13
_HELP: Final = """\
The audit trail for deployment automation: who did what, when, where and why.

Begin with 'deploytrail init', then 'deploytrail run -- terraform apply'.
"""


def main(arguments: Sequence[str]) -> int:
    """Runs one verb and returns its exit code; raises nothing. No verb: the help, and usage."""
    prepare_streams()
    try:
        asked = app(
            args=list(arguments) or ["--help"], prog_name="deploytrail", standalone_mode=False
        )
        code = asked() if callable(asked) else asked
        code = code if arguments else EXIT_USAGE
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 (every exception has its exit code here)
        code = exit_code(error)
    return code if isinstance(code, int) else EXIT_OK


def exit_code(error: BaseException) -> int:
    """What this exception exits with; said on standard error, unless that says nothing new."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else EXIT_OK
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return EXIT_INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return _close_output()
    if isinstance(error, DeploytrailError):
        complain(str(error))
        _point_at(error)
        return error.exit_code
    # By what it can do: releases of the framework have had this class under several names.
    if hasattr(error, "format_message"):
        complain(_usage(error))
        return EXIT_USAGE
    if isinstance(error, OSError) and error.errno in _SYSTEM:
        code, advice = _SYSTEM[error.errno]
        complain(f"{error.filename2 or error.filename or 'the system'}: {advice}")
        return code
    return fault.report(error)


def _point_at(error: DeploytrailError) -> None:
    """Of a query that can't be read, the place: by what it says, since few verbs load queries."""
    pointed = getattr(error, "pointed", None)
    if isinstance(pointed, str):
        sys.stderr.write(f"{pointed}\n")


_SYSTEM: Final = {
    errno.EACCES: (EXIT_NOT_PERMITTED, "you may not use it; name another, or run as one who may"),
    errno.EPERM: (EXIT_NOT_PERMITTED, "you may not do that; name another, or run as one who may"),
    errno.EROFS: (EXIT_NOT_PERMITTED, "it can't be written; name a directory that can be written"),
    errno.ENOSPC: (EXIT_UNDECIDED, "the disk is full; make room and try again"),
    errno.EDQUOT: (EXIT_UNDECIDED, "your share of the disk is full; make room and try again"),
    errno.ENOENT: (EXIT_USAGE, "there is no such file or directory; name one that exists"),
    errno.ENOTDIR: (EXIT_USAGE, "a part of it is a file; name a directory"),
    errno.EISDIR: (EXIT_USAGE, "it is a directory; name a file"),
    errno.EEXIST: (EXIT_USAGE, "it is there already; name another, or remove it first"),
    errno.ENAMETOOLONG: (EXIT_USAGE, "the name is too long; name a shorter one"),
}
"""What the operating system refused, by errno: the exit code, and what is wrong and what to do."""


def _close_output() -> int:
    """Whoever read our output went away: nothing is left to say, and nobody to say it to."""
    # Python flushes once more at exit, and would complain about the same pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _EXIT_BROKEN_PIPE


def _usage(error: Any) -> str:
    """The framework's message about arguments, and where the help is."""
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "deploytrail"
    text = str(error.format_message()).rstrip(".").replace("\n", " ")
    # The framework names its types, which nobody who types a value knows.
    text = re.sub(r"is not a valid int(eger)?( range)?", "is no whole number", text)
    text = re.sub(r"is not in the range x>=([0-9]+)", r"is less than \1", text)
    return f"{text[:1].lower()}{text[1:]}; see '{where} --help'"


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        say(f"deploytrail {version('deploytrail')}")
        raise typer.Exit


def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Shows the version."
        ),
    ] = False,
) -> None:
    """What stands before the verb."""


def _run(context: typer.Context) -> Asked:
    """Run a command and record its start and its end."""
    # Only where `run` is not the first word; __main__ takes it without this framework.
    from deploytrail.cli.run import main as run

    return partial(run, context.args)


class _RunCommand(TyperCommand):
    """`run`, which reads its own arguments: shells are told its options all the same."""

    def get_params(self, ctx: Any) -> list[Any]:
        if not ctx.resilient_parsing:
            return super().get_params(ctx)
        from deploytrail.cli.run import OPTIONS

        return [
            TyperOption(param_decls=[one.name], help=one.help, is_flag=not one.value)
            for one in OPTIONS
        ]


class _AskingCommand(TyperCommand):
    """A verb whose arguments are a query: a dash takes a term back, as in -action:build.*"""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [taken_back(word) for word in args])


def _verb(file: ModuleType, name: str) -> Callable[..., Asked]:
    """The function of a verb's file that bears its name, for the framework to give arguments to.

    It is called when the framework is done: that one would answer a broken pipe with its own
    exit code 1, which is ours for tampering.
    """
    verb: Callable[..., int | None] = getattr(file, name)

    @wraps(verb)
    def asked(*words: Any, **options: Any) -> Asked:
        return partial(verb, *words, **options)

    return asked


def _assembled() -> typer.Typer:
    program = typer.Typer(
        help=_HELP,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    program.callback()(_program)
    verbatim = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    for name in VERBS:
        if name == "run":
            program.command(name, cls=_RunCommand, context_settings=verbatim)(_run)
            continue
        own = _NAMES.get(name, name)
        file = import_module(f"deploytrail.cli.{own}")
        if name in SUB_VERBS:
            program.add_typer(_group(file, name), name=name)
        else:
            kind = _AskingCommand if name in _ASKING else TyperCommand
            program.command(name, cls=kind)(_verb(file, own))
    return program


def _group(file: ModuleType, name: str) -> typer.Typer:
    """The verbs below a verb."""
    group = typer.Typer(
        help=file.HELP,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    group.callback(invoke_without_command=True)(_alone)
    for word in SUB_VERBS[name]:
        group.command(word)(_verb(file, f"{name}_{word}"))
    return group


def _alone(context: typer.Context) -> int | None:
    """As the program without a verb: the help, and usage."""
    if context.invoked_subcommand is not None:
        return None
    say(context.get_help())
    return EXIT_USAGE


app: Final = _assembled()

"""What all events of one run have in common: who, where, why, on what behalf, and the command.

Gathered once before the start. Text from outside passes the masks here, and is cut to the sizes
of `deploytrail.event` with a mark that says how much is missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from deploytrail.event import Actor, Client, Command, Links, Raw, Reason, Trigger, Where
from deploytrail.masked_command import mask_arguments, mask_environment
from deploytrail.redact import mask, mask_tokens
from deploytrail.sentence import counted
from deploytrail.wrapper import terraform
from deploytrail.wrapper.account import account, sudo_principal
from deploytrail.wrapper.ci import CiContext, ci_context
from deploytrail.wrapper.git import GitContext, git_context
from deploytrail.wrapper.guarded import Tell, guarded
from deploytrail.wrapper.request import Request

T = TypeVar("T")
WORDS_MAX: Final = 250
MASKED_CHARACTERS_MAX: Final = 64_000
# In bytes of JSON, so that the whole event keeps below event.EVENT_BYTES_MAX whatever the script.
ARGUMENTS_BYTES_MAX: Final = 16_000
VARIABLES_BYTES_MAX: Final = 8_000
REASON_BYTES_MAX: Final = 12_000
DIRECTORY_BYTES_MAX: Final = 2_000
_WORD_MAX: Final = 64
_ID_MAX: Final = 512
_NAMES_MAX: Final = {
    "project": _WORD_MAX,
    "unit": _ID_MAX,
    "environment": _WORD_MAX,
    "deployment": _ID_MAX,
}


class RunContext(Struct, frozen=True, kw_only=True):
    """The envelope of one run. `run` is its id, a UUIDv7, and the delivery of its events."""

    run: str
    tool: str
    actor: Actor
    where: Where
    reason: Reason
    links: Links
    command: Command
    on_behalf_of: Actor | None = None
    client: Client | None = None
    trigger: Trigger | None = None
    attempt: int | None = None
    emergency: Reason | None = None
    """Why the glass may be broken, where somebody says so."""


def run_context(
    request: Request,
    *,
    run: str,
    environ: Mapping[str, str],
    directory: Path,
    is_interactive: bool,
    tell: Tell,
) -> RunContext:
    """The context of a run in `directory`; `is_interactive` says that a person's terminal is there.

    Arguments, variables and paths that aren't UTF-8 are told with the replacement character. What
    can't be found out is told and left out: the rest is recorded all the same.
    """
    request = _readable_request(request)
    command = request.command
    environ = {readable(name): readable(value) for name, value in environ.items()}
    module = terraform.working_directory(command, directory)

    def known(part: Callable[[], T], what: str) -> T | None:
        return guarded(part, f"recorded without {what}", tell)

    ci = known(lambda: ci_context(environ), "what CI says")
    git = known(lambda: git_context(module), "what git says")
    actor = known(lambda: account(is_ci=ci is not None), "who ran it")
    where = known(lambda: _where(request, module, git, ci, environ), "its place")
    reason = known(lambda: _reason(request), "its reason")
    emergency = known(lambda: _emergency(request), "the reason to break the glass")
    masked = known(lambda: _command(command, environ, directory), "its arguments")
    return RunContext(
        run=run,
        tool="terraform" if terraform.is_tool(command[0]) else "wrapper",
        actor=actor or Actor(type="unknown"),
        where=where
        or Where(project=request.project, unit=request.unit, environment=request.environment),
        reason=reason or Reason(from_="none"),
        links=_links(request, run, git, ci),
        command=masked or Command(tool="unknown"),
        on_behalf_of=ci.on_behalf_of if ci else sudo_principal(environ),
        client=ci.client if ci else None,
        trigger=ci.trigger if ci else "human" if is_interactive else None,
        attempt=ci.attempt if ci else None,
        emergency=emergency,
    )


def _where(
    request: Request,
    module: Path,
    git: GitContext | None,
    ci: CiContext | None,
    environ: Mapping[str, str],
) -> Where:
    repository = (git.repository if git else None) or (ci.repository if ci else None)
    path = git.path if git else None
    is_terraform = terraform.is_tool(request.command[0])
    project = request.project or _named(_project(repository, git), _WORD_MAX)
    # A module at the top of its repository is all of it: "." would name nothing.
    unit = project if path == "." else readable(path or module.name)
    return Where(
        project=project,
        unit=request.unit or _named(unit or None, _ID_MAX),
        environment=request.environment,
        raw=Raw(
            repository=_named(repository, _ID_MAX),
            path=_named(readable(path) if path else None, _ID_MAX),
            workspace=_named(terraform.workspace(environ, module), _ID_MAX)
            if is_terraform
            else None,
        ),
    )


def _project(repository: str | None, git: GitContext | None) -> str | None:
    """The repository's own name, so that every clone says the same; without one, nothing."""
    if repository:
        return repository.rsplit("/", 1)[-1]
    return readable(git.top.name) or None if git else None


def _reason(request: Request) -> Reason:
    text = _fitted(mask(request.reason), REASON_BYTES_MAX) if request.reason else None
    stated = text is not None
    return Reason(
        from_="stated" if stated else "ticket" if request.tickets else "none",
        text=text,
        tickets=request.tickets,
    )


def _emergency(request: Request) -> Reason | None:
    if request.break_glass is None:
        return None
    text = _fitted(mask(request.break_glass), REASON_BYTES_MAX)
    return Reason(from_="stated", text=text, tickets=request.tickets, emergency=True)


def _links(request: Request, run: str, git: GitContext | None, ci: CiContext | None) -> Links:
    """What git's files say goes before what CI variables claim; only CI knows its run."""
    return Links(
        deployment=request.deployment,
        run=_named((ci.run if ci else None) or f"run:{run}", _ID_MAX),
        commit=(git.commit if git else None) or _named(ci.commit if ci else None, 160),
        repository=_named(
            (git.repository if git else None) or (ci.repository if ci else None), _ID_MAX
        ),
        ref=_named((ci.ref if ci else None) or (git.ref if git else None), _ID_MAX),
        change_request=_named(ci.change_request if ci else None, _ID_MAX),
    )


def _command(command: Sequence[str], environ: Mapping[str, str], directory: Path) -> Command:
    masked = mask_arguments(_bounded(command))
    return Command(
        tool=_clipped(masked[0].rsplit("/", 1)[-1], _WORD_MAX) or "unknown",
        arguments=_clipped_words(masked[1:], count=len(command) - 1),
        variables=_clipped_variables(mask_environment(environ)),
        directory=_fitted(readable(str(directory)), DIRECTORY_BYTES_MAX),
    )


def _bounded(words: Sequence[str]) -> list[str]:
    """The words that are masked: time is short before a start, and masks look at every character.

    A word too many is left out whole, since half of a secret no longer looks like one.
    """
    kept: list[str] = []
    left = MASKED_CHARACTERS_MAX
    for word in words[:WORDS_MAX]:
        is_within = len(word) <= left
        kept.append(word if is_within else f"[{counted(len(word), 'character')}]")
        left -= len(word) if is_within else 0
    return kept


def _clipped_words(words: Sequence[str], *, count: int) -> tuple[str, ...]:
    """The first of `count` words."""
    kept: list[str] = []
    left = ARGUMENTS_BYTES_MAX
    for word in words:
        if left <= 0:
            break
        kept.append(_fitted(word, left))
        left -= _json_bytes(kept[-1])
    missing = count - len(kept)
    return (*kept, f"[{counted(missing, 'more argument')}]") if missing else tuple(kept)


def _clipped_variables(variables: Mapping[str, str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    left = VARIABLES_BYTES_MAX
    for name, value in sorted(variables.items()):
        if name.isascii() and _json_bytes(name) < left and len(kept) < WORDS_MAX:
            left -= _json_bytes(name)
            kept[name] = _fitted(value, left)
            left -= _json_bytes(kept[name])
    missing = len(variables) - len(kept)
    if missing:
        kept["..."] = f"[{counted(missing, 'more variable')}]"
    return kept


def _named(text: str | None, characters_max: int) -> str | None:
    """A name or an id as it may be told: nobody knows what people put into it."""
    return _clipped(mask_tokens(text) if text else None, characters_max)


def _clipped(text: str | None, characters_max: int) -> str | None:
    """At most so many characters; what is cut off is counted in their place."""
    if text is None or len(text) <= characters_max:
        return text or None
    mark = f"[+{len(text)}]"
    return text[: max(characters_max - len(mark), 0)] + mark


def _fitted(text: str, bytes_max: int) -> str:
    """Text that takes at most so many bytes as JSON; what is cut off is counted behind it."""
    size = _json_bytes(text)
    if size <= bytes_max:
        return text
    kept = len(text)
    while kept > 0 and _json_bytes(text[:kept]) + 16 > bytes_max:
        kept = kept * 7 // 8
    return f"{text[:kept]}[+{len(text) - kept}]"


def _json_bytes(text: str) -> int:
    return len(msgspec.json.encode(text))


def _readable_request(request: Request) -> Request:
    """The request as it may be told. The reason may be long, and is masked where it is fitted."""
    names = {
        name: _named(readable(value), characters_max)
        for name, characters_max in _NAMES_MAX.items()
        if (value := getattr(request, name)) is not None
    }
    tickets = (_named(readable(ticket), _WORD_MAX) for ticket in request.tickets)
    return msgspec.structs.replace(
        request,
        command=tuple(readable(word) for word in request.command),
        reason=readable(request.reason) if request.reason is not None else None,
        break_glass=readable(request.break_glass) if request.break_glass is not None else None,
        tickets=tuple(ticket for ticket in tickets if ticket),
        **names,
    )


def readable(text: str) -> str:
    """Text of the operating system as Unicode: what isn't UTF-8 becomes U+FFFD."""
    return text if text.isascii() else os.fsencode(text).decode("utf-8", "replace")

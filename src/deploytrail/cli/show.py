"""`deploytrail show`: one event, whole, with its receipt and what of it is gone."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from deploytrail.cli.opening import JsonOption, ReadHomeOption, UrlOption, reading
from deploytrail.cli.terminal import is_terminal, say, say_json, styled, write_bytes
from deploytrail.errors import NotFound
from deploytrail.printable import printable, printable_json

if TYPE_CHECKING:
    from deploytrail.trail import Shown, TrailReader

IdArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="ID", help="An event's id, or its beginning or end as 'deploytrail log' shows it."
    ),
]
IndexOption = Annotated[
    int | None,
    typer.Option(
        "--index", metavar="N", min=0, help="The entry at that index instead, as 'verify' names it."
    ),
]
_GONE: Final = {
    "redacted": "erased, as the log says",
    "withheld": "left out of this export",
    "sealed": "concealed: this trail's key is not at hand",
    "missing": "MISSING",
}
_SAID_ELSEWHERE: Final = {"id", "logged", "v", "origin", "schema", "nonce", "error.text"}


def show(
    id: IdArgument = None,
    index: IndexOption = None,
    entry: Annotated[
        bool,
        typer.Option(
            "--entry",
            help="Prints the entry's bytes, exactly as they are hashed, to a file or a program.",
        ),
    ] = False,
    receipt: Annotated[
        bool,
        typer.Option("--receipt", help="Prints its receipt, for 'deploytrail verify --receipt'."),
    ] = False,
    attachment: Annotated[
        str,
        typer.Option(
            "--attachment",
            metavar="TYPE",
            help="Prints an attachment, such as output; evidence[] of the event lists them.",
        ),
    ] = "",
    json: JsonOption = False,
    home: ReadHomeOption = None,
    url: UrlOption = None,
) -> None:
    """Show one event, whole.

    With its receipt, and with what of it was erased or is missing.
    """
    from deploytrail.app.events.document import document, receipt_of
    from deploytrail.cli.finding import asked, find

    wanted = asked(id, index)

    with reading(home, url) as trail:
        shown = find(trail, wanted)
        if entry and is_terminal(sys.stdout):
            say(printable_json(shown.entry.decode()))
        elif entry:
            write_bytes(shown.entry)
        elif receipt:
            say_json(receipt_of(shown, trail.origin))
        elif attachment:
            _say_attachment(trail, shown, attachment)
        elif json:
            say_json(document(shown, trail.origin))
        else:
            _say_event(shown, trail.origin)


def _say_attachment(trail: TrailReader, shown: Shown, wanted: str) -> None:
    """The bytes as they are for a program or a file; on a terminal, what they would do is shown."""
    listed = cast("list[dict[str, str]]", shown.event.get("evidence", []))
    ids = [each["id"] for each in listed if wanted in {each["type"], each["id"]}]
    if len(ids) != 1:
        known = ", ".join(f"{each['type']} ({each['id']})" for each in listed) or "none"
        raise NotFound(
            f"--attachment: expected the type or the id of one attachment, found {wanted[:60]!r}; "
            f"the event has {known}"
        )
    octets = trail.attachment(shown.index, ids[0])
    if is_terminal(sys.stdout):
        say(printable(octets.decode("utf-8", "replace"), keep="\n\t").removesuffix("\n"))
    else:
        write_bytes(octets)


def _say_event(shown: Shown, origin: str) -> None:
    from deploytrail.actions import find
    from deploytrail.cli.shown_event import sentence

    action = find(str(shown.event.get("action")))
    say(styled(sentence(shown.event), "bold"))
    if action is not None:
        say(styled(action.meaning, "dim"))
    for line in _error(shown.event):
        say(f"  {styled(line, 'red')}")
    say()
    facts = [(path, value) for path, value in _leaves(shown.event) if path not in _SAID_ELSEWHERE]
    column = min(max((len(path) for path, _ in facts), default=0), 32)
    for path, value in facts:
        say(f"{styled(path.ljust(column), 'cyan')}  {printable(value)}")
    for gone in shown.withheld:
        path = (gone.pointer.removeprefix("/").replace("/", ".") or "event").ljust(column)
        colour = "red" if gone.state == "missing" else "yellow"
        say(f"{styled(path, 'cyan')}  {styled(_GONE[gone.state], colour)}")
    say()
    say(styled("receipt", "bold"))
    for name, text in (
        ("id", str(shown.event["id"])),
        ("origin", origin),
        ("index", str(shown.index)),
        ("leaf", shown.leaf),
        ("logged", str(shown.event.get("logged"))),
    ):
        say(f"  {styled(name.ljust(6), 'cyan')}  {printable(text)}")


def _error(event: Mapping[str, Any]) -> list[str]:
    """What went wrong in the tool's own words, without the empty lines."""
    error = event.get("error")
    text = error.get("text") if isinstance(error, Mapping) else None
    lines = printable(text, keep="\n").split("\n") if isinstance(text, str) else []
    return [line for line in lines if line.strip()]


def _leaves(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Every value of an event with the path that leads to it, in the event's order."""
    if isinstance(value, dict):
        return [
            leaf
            for name, inner in value.items()
            for leaf in _leaves(inner, f"{path}.{name}" if path else name)
        ]
    if isinstance(value, list | tuple):
        if all(isinstance(item, str) for item in value):
            return [(path, ", ".join(value))] if value else []
        return [leaf for at, item in enumerate(value) for leaf in _leaves(item, f"{path}[{at}]")]
    if isinstance(value, bool):
        return [(path, "yes" if value else "no")]
    return [] if value is None else [(path, str(value))]

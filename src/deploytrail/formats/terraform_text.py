"""What people see of `plan`, `apply` and `destroy`, read line by line.

Pure. Plain output promises no format, so only lines are believed that the tools wrote the same way
since 0.12 and that stand where the tools write them: a resource's address must be one, and output
of provisioners, values and attributes, which others choose, is passed over.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec.structs import replace

from deploytrail.formats.terraform_run import (
    Action,
    Declined,
    Diagnostic,
    Drifted,
    Ended,
    Failed,
    Operation,
    Output,
    Planned,
    Provisioned,
    Saved,
    Started,
    Summary,
    Told,
)

_BOX_LINES_MAX: Final = 400
_PLACE_CHARACTERS_MAX: Final = 2_000
# Every pattern is anchored and gives nothing back that it took, so time is linear in the line.
_STEP: Final = r'[\w-]++(?:\[(?:[0-9]++|"(?:[^"\\]|\\.)*+")\])?+'
_ADDRESS: Final = rf"(?P<address>{_STEP}(?:\.{_STEP})++)"
_DEPOSED: Final = r"(?: \(deposed object (?P<deposed>[0-9a-f]{1,64})\))?"
_is_address: Final = re.compile(_ADDRESS).fullmatch
_STARTING: Final[dict[str, Action]] = {
    "Creating": "create",
    "Modifying": "update",
    "Destroying": "delete",
    "Reading": "read",
    "Importing": "import",
}
_ENDED: Final[dict[str, Action]] = {
    "Creation complete": "create",
    "Modifications complete": "update",
    "Destruction complete": "delete",
    "Read complete": "read",
    "Import complete": "import",
}
_hook: Final = re.compile(
    _ADDRESS + _DEPOSED + r": "
    r"(?:(?P<starting>Creating|Modifying|Destroying|Reading|Importing)\.\.\."
    r"|(?P<ended>(?:Creation|Modifications|Destruction|Read|Import) complete)"
    r"(?: after (?P<after>[0-9hms]{1,20}))?"
    r"|Provisioning with '(?P<provisioner>[\w-]{1,64})'\.\.\.)"
    r"(?: \[[\w-]{1,64}=(?P<id>.*)\])?$"
).match
_heading: Final = re.compile(
    r" {1,2}# " + _ADDRESS + _DEPOSED + r" (?P<verb>will be created|will be updated in-place"
    r"|will be destroyed|must be replaced|is tainted, so must be replaced"
    r"|will be replaced, as requested|will be replaced due to changes in replace_triggered_by"
    r"|will be imported|will be read during apply|will no longer be managed by \w{1,64}"
    r"|has moved to (?P<to>\S.*)|has changed|has been deleted|has been changed)"
    r"(?:, but will not be destroyed)?$"
).match
_VERBS: Final[dict[str, Action]] = {
    "will be created": "create",
    "will be updated in-place": "update",
    "will be destroyed": "delete",
    "must be replaced": "replace",
    "is tainted, so must be replaced": "replace",
    "will be replaced, as requested": "replace",
    "will be replaced due to changes in replace_triggered_by": "replace",
    "will be imported": "import",
    "will be read during apply": "read",
}
_DRIFTS: Final[dict[str, Action]] = {
    "has changed": "update",
    "has been changed": "update",
    "has been deleted": "delete",
}
_moved: Final = re.compile(r"  # \(moved from (?P<address>.+)\)$").match
_imported: Final = re.compile(r'  # \(imported from "(?P<id>.*)"\)$').match
_counts: Final = re.compile(
    r"([0-9]{1,9}) (?:to )?"
    r"(add(?:ed)?|changed?|destroy(?:ed)?|import(?:ed)?|forget|forgotten)(?=[,.]|$)"
).findall
_summary: Final = re.compile(r"(Plan|Apply|Destroy)(?: complete! Resources)?: (?=[0-9])").match
_OPERATIONS: Final[dict[str, Operation]] = {"Plan": "plan", "Apply": "apply", "Destroy": "destroy"}
_output: Final = re.compile(r"(?P<name>[^\W\d][\w-]*) = (?P<value>.*)$").match
_output_change: Final = re.compile(
    r"  (?P<sign>[+~-]) (?P<name>[^\W\d][\w-]*) += (?P<value>.*)$"
).match
_SIGNS: Final[dict[str, Action]] = {"+": "create", "~": "update", "-": "delete"}
_with: Final = re.compile(r"  with (?P<address>\S.*),$").match
_on: Final = re.compile(
    r"  on (?P<file>\S.*) line (?P<line>[0-9]{1,9})(?:, in (?P<block>.*))?:$"
).match
_duration: Final = re.compile(
    r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,9})s)?$", re.ASCII
).match
_FIRST_WORDS: Final = (
    *("Plan", "Apply", "Destroy", "Saved the plan to: ", "No changes. ", "You can apply this "),
)
"""One of them begins each line about the run as a whole: most lines are told from it by this."""
# Of a line as it came. What is written to a log begins with its time, and has lines of its own.
_is_aside: Final = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:| (?! ?# )[^\x1b]*+\Z").match
_PHRASES: Final[dict[str, Told]] = {
    "Planning failed. ": Failed(),
    "Apply cancelled.": Declined(),
    "Destroy cancelled.": Declined(),
    "No changes. ": Summary(operation="plan"),
    "You can apply this plan to save these new output values": Summary(operation="plan"),
}


class Text:
    """Reads lines that are already without colour; one of it per output stream.

    `feed` gives what a line makes certain. An error is told when its box ends, a planned change
    with the line after its heading, `finish` gives what was still open.
    """

    def __init__(self) -> None:
        self._box: list[str] | None = None
        self._is_framed = False
        self._heading: Planned | None = None
        self._section = ""
        self._heredoc = ""

    def feed(self, line: str) -> list[Told]:
        if self._box is not None and self._is_framed:
            return self._framed(line)
        if self._heredoc:
            return self._output(line)
        if line == "╷" or _opens_box(line):
            before = self.finish()
            self._is_framed = line == "╷"
            self._box = [] if self._is_framed else [line]
            return before
        told = self._statement(line)
        if self._box is None:
            return told or self._detail(line)
        if told:
            return [*self.finish(), *told]
        self._take(line)
        return []

    def passes_over(self, line: bytes) -> bool:
        """Whether a line, as it came, is seen at a glance to give nothing and to change nothing.

        Not every such line, only what comes in masses: with `TF_LOG=TRACE`, a thousand for each
        other one.
        """
        if self._heading or self._section or self._heredoc:
            return False
        return (self._box is None or self._is_framed) and _is_aside(line) is not None

    def finish(self) -> list[Told]:
        """What is still open, as if the output ended here."""
        told: list[Told] = [] if self._heading is None else [self._heading]
        self._heading = None
        if self._box is not None:
            told += _diagnostic(self._box)
        self._box = None
        return told

    def _framed(self, line: str) -> list[Told]:
        if line.startswith("│"):
            self._take(line[1:].removeprefix(" "))
            return []
        if line in ("╵", "╷"):
            told = self.finish()
            return told if line == "╵" else [*told, *self.feed(line)]
        # The other of two streams that share this reader spoke in between.
        return self._statement(line) or self._detail(line)

    def _take(self, line: str) -> None:
        assert self._box is not None
        if len(self._box) < _BOX_LINES_MAX:
            self._box.append(line)

    def _statement(self, line: str) -> list[Told]:
        """A line that is at home at the left margin, wherever it stands."""
        if not line or line[0].isspace() or self._section == "Outputs:":
            return []
        told = _hooked(line) or _told(line)
        if line in ("Changes to Outputs:", "Outputs:"):
            self._section = line
        elif told:
            self._section = ""
        return told

    def _detail(self, line: str) -> list[Told]:
        """A line that means something only where it stands: headings and outputs."""
        if self._section == "Outputs:":
            return self._output(line)
        if self._section:
            found = _output_change(line)
            return [_changed_output(found)] if found else []
        if self._heading is not None:
            return self._below_heading(line)
        found = _heading(line)
        return self._headed(found) if found else []

    def _headed(self, found: re.Match[str]) -> list[Told]:
        address, verb = found["address"], found["verb"]
        if verb in _DRIFTS:
            # What became of a deposed object says nothing of the resource.
            return [] if found["deposed"] else [Drifted(address=address, action=_DRIFTS[verb])]
        to = found["to"]
        if to is not None and not _is_address(to):
            return []
        if to is not None:
            self._heading = Planned(address=to, action="move", previous=address)
        else:
            action = _VERBS.get(verb, "forget")
            self._heading = Planned(address=address, action=action, deposed=found["deposed"])
        return []

    def _below_heading(self, line: str) -> list[Told]:
        heading = self._heading
        assert heading is not None
        moved, imported = _moved(line), _imported(line)
        if moved and _is_address(moved["address"]):
            self._heading = replace(heading, previous=moved["address"])
            return []
        if imported:
            self._heading = replace(heading, import_id=imported["id"])
            return []
        if line.startswith("  # ("):
            return []
        self._heading = None
        return [heading]

    def _output(self, line: str) -> list[Told]:
        """A root output after an apply; lines of its value, however they look, are passed over."""
        if self._heredoc:
            self._heredoc = "" if line == self._heredoc else self._heredoc
            return []
        found = _output(line)
        if not found:
            return []
        self._heredoc = found["value"].removeprefix("<<").removeprefix("-") * (
            found["value"].startswith("<<")
        )
        return [Output(name=found["name"], is_sensitive=found["value"] == "<sensitive>")]


def _opens_box(line: str) -> bool:
    return line.startswith(("Error: ", "Warning: "))


def _hooked(line: str) -> list[Told]:
    """A line about one resource: it starts, it is through, or a program runs for it."""
    found = _hook(line)
    if not found:
        return []
    address, deposed, id_ = found["address"], found["deposed"], found["id"]
    if found["starting"]:
        action = _STARTING[found["starting"]]
        return [Started(address=address, action=action, deposed=deposed, id=id_)]
    if found["provisioner"]:
        return [Provisioned(address=address, provisioner=found["provisioner"], state="started")]
    seconds = _seconds(found["after"])
    action = _ENDED[found["ended"]]
    return [Ended(address=address, action=action, deposed=deposed, id=id_, seconds=seconds)]


def _told(line: str) -> list[Told]:
    """A line about the run as a whole."""
    if not line.startswith(_FIRST_WORDS):
        return []
    summary = _summary(line)
    if summary:
        return [_summed(_OPERATIONS[summary[1]], line)]
    if line.startswith("Saved the plan to: "):
        return [Saved(path=line.removeprefix("Saved the plan to: "))]
    return [told for phrase, told in _PHRASES.items() if line.startswith(phrase)]


def _summed(operation: Operation, line: str) -> Summary:
    of = {word[:4]: int(count) for count, word in _counts(line)}
    return Summary(
        operation=operation,
        add=of.get("add", 0) or of.get("adde", 0),
        change=of.get("chan", 0),
        remove=of.get("dest", 0),
        import_=of.get("impo", 0),
        forget=of.get("forg", 0),
    )


def _changed_output(found: re.Match[str]) -> Output:
    return Output(
        name=found["name"],
        is_sensitive=found["value"].startswith("(sensitive value)"),
        action=_SIGNS[found["sign"]],
    )


def _seconds(text: str | None) -> int | None:
    found = _duration(text) if text else None
    if not found:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _diagnostic(box: list[str]) -> list[Told]:
    """The words of a box: a summary, where it stands, and the text after that paragraph."""
    lines = list(box)
    while lines and not _opens_box(lines[0]):
        lines.pop(0)
    if not lines:
        return []
    kind, _, summary = lines.pop(0).partition(": ")
    address = file = at = block = None
    detail: list[str] = []
    is_place = True
    for line in lines:
        is_short = is_place and len(line) <= _PLACE_CHARACTERS_MAX
        found_with, found_on = (_with(line), _on(line)) if is_short else (None, None)
        if found_with:
            address = found_with["address"]
        elif found_on:
            file, at, block = found_on["file"], int(found_on["line"]), found_on["block"]
        elif detail or (line and not (is_place and line.startswith("  "))):
            is_place = False
            detail.append(line)
    return [
        Diagnostic(
            is_error=kind == "Error",
            summary=summary,
            detail="\n".join(detail).strip(),
            address=address if address and _is_address(address) else None,
            file=file,
            line=at,
            block=block,
        )
    ]

"""What a run of Terraform or OpenTofu tells, in whichever of its two languages.

Values only. `terraform_stream` reads them from the lines of `-json`, `terraform_text` from the
lines that people see; whoever translates them doesn't have to know which it was. Nothing is
masked here: these are the tool's own words.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

Action = Literal[
    "create", "update", "replace", "delete", "read", "import", "move", "forget", "no-op", "unknown"
]
Operation = Literal["plan", "apply", "destroy", "refresh", "unknown"]
Tool = Literal["terraform", "opentofu"]

UNTOLD: Final = ""
"""In place of a deposed object's key: that of a stream, which never tells one."""


class Told(Struct, frozen=True, kw_only=True):
    """What one line, or one box of lines, says. `time` is the tool's, absent in its plain text."""

    time: datetime | None = None


class OfObject(Told, frozen=True, kw_only=True):
    """Something about one object of a resource: the current one, where `deposed` is None.

    A deposed object is what a replacement has left behind; it goes and the resource still stands.
    """

    address: str
    deposed: str | None = None


class Version(Told, frozen=True, kw_only=True):
    """Which tool speaks, and which release of it."""

    tool: Tool
    version: str


class Planned(OfObject, frozen=True, kw_only=True):
    """A resource that the plan touches. `previous` is its address before a move."""

    action: Action
    previous: str | None = None
    import_id: str | None = None


class Drifted(Told, frozen=True, kw_only=True):
    """A resource that was changed outside of the tool: `update` or `delete`."""

    address: str
    action: Action
    previous: str | None = None


class Refreshed(Told, frozen=True, kw_only=True):
    """The tool began to read what an object of a resource is now."""

    address: str


class Started(OfObject, frozen=True, kw_only=True):
    """The tool began to act on a resource. `id` is the provider's, where it told one."""

    action: Action
    id: str | None = None


class Ended(OfObject, frozen=True, kw_only=True):
    """The tool is through with a resource; plain output doesn't say with which object of it."""

    action: Action
    id: str | None = None
    is_failed: bool = False
    seconds: int | None = None


class Provisioned(Told, frozen=True, kw_only=True):
    """A provisioner runs a program for a resource, or it ended; its output isn't read."""

    address: str
    provisioner: str
    state: Literal["started", "complete", "errored"]


class Invoked(Told, frozen=True, kw_only=True):
    """An action of a provider was invoked and ended (Terraform 1.14)."""

    address: str
    error: str | None = None
    is_failed: bool = False


class Summary(Told, frozen=True, kw_only=True):
    """The tool's own counts. `operation` says whether of a plan or of what was applied."""

    operation: Operation
    add: int = 0
    change: int = 0
    remove: int = 0
    import_: int = 0
    forget: int = 0


class Output(Told, frozen=True, kw_only=True):
    """An output value by name: planned (with an action) or as it stands. Its value isn't read."""

    name: str
    is_sensitive: bool = False
    action: Action | None = None


class Diagnostic(Told, frozen=True, kw_only=True):
    """A warning or an error in the tool's words; it may hold secrets in clear.

    `block` is what of the configuration it stands in: `check "health"`.
    """

    is_error: bool
    summary: str
    detail: str = ""
    address: str | None = None
    file: str | None = None
    line: int | None = None
    block: str | None = None


class Failed(Told, frozen=True, kw_only=True):
    """The tool says that it stopped: `Planning failed.`"""


class Declined(Told, frozen=True, kw_only=True):
    """Whoever was asked whether to go on answered no: `Apply cancelled.`"""


class Saved(Told, frozen=True, kw_only=True):
    """A plan was saved to this path."""

    path: str

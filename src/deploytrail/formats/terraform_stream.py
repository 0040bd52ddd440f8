"""The lines of `plan -json`, `apply -json` and their kin, one JSON object each.

Pure. Format: developer.hashicorp.com/terraform/internals/machine-readable-ui, and OpenTofu's page
of the same name. Types that say nothing of what was done are known and give nothing; a type that
isn't known is the caller's to count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final, Literal, get_args

import msgspec

from deploytrail.errors import Malformed
from deploytrail.formats.terraform_run import (
    UNTOLD,
    Action,
    Diagnostic,
    Drifted,
    Ended,
    Invoked,
    Operation,
    Output,
    Planned,
    Provisioned,
    Refreshed,
    Started,
    Summary,
    Told,
    Version,
)
from deploytrail.untrusted import Untrusted

_decode: Final = msgspec.json.Decoder().decode
_ACTIONS: Final[dict[str, Action]] = {
    **{word: word for word in get_args(Action)},
    "noop": "no-op",
    "remove": "forget",
}
_OPERATIONS: Final[dict[str, Operation]] = {word: word for word in get_args(Operation)}

_PROVISIONERS: Final[dict[str, Literal["started", "complete", "errored"]]] = {
    "provision_start": "started",
    "provision_complete": "complete",
    "provision_errored": "errored",
}
QUIET: Final = frozenset(
    {
        *("log", "init_output", "apply_progress", "refresh_complete"),
        *("provision_progress", "state_lock_acquire", "state_lock_release"),
        *("ephemeral_op_start", "ephemeral_op_progress", "ephemeral_op_complete"),
        *("ephemeral_op_errored", "action_start", "action_progress"),
        *("planned_action_invocation", "applied_action_invocation"),
        *("deferred_change", "deferred_action_invocation", "test_abstract", "test_file"),
        *("test_run", "test_summary", "test_plan", "test_state", "test_cleanup", "test_retry"),
        *("test_interrupt", "test_status", "function_call"),
    }
)
"""Types whose lines tell nothing that an event is made of."""


class UnknownType(Malformed):
    """A line of the stream whose type isn't one that we know; `type` is that word."""

    def __init__(self, type_: str) -> None:
        super().__init__(f"line.type: expected a type of the stream, found {type_!r}")
        self.type = type_


def message(line: bytes) -> dict[str, Any] | None:
    """The object on a line of the stream, or None where the line is something else."""
    if not line.startswith(b"{") or b'"@level"' not in line:
        return None
    try:
        found = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def told(found: dict[str, Any]) -> list[Told]:
    """What one message says.

    Raises UnknownType, and Malformed with the path of a field that is missing or of another kind.
    """
    body = Untrusted(found, "line")
    type_ = body.text("type")
    reader = _READERS.get(type_)
    if reader is None:
        if type_ in QUIET:
            return []
        raise UnknownType(type_[:64])
    return list(reader(body, _time(body)))


def _version(body: Untrusted, time: datetime | None) -> Iterator[Told]:
    tofu = body.optional_text("tofu")
    if tofu is not None:
        yield Version(tool="opentofu", version=tofu, time=time)
    else:
        yield Version(tool="terraform", version=body.text("terraform"), time=time)


def _planned(body: Untrusted, time: datetime | None) -> Iterator[Told]:
    change = body.block("change")
    importing = change.optional_block("importing")
    yield Planned(
        address=_address(change),
        action=_action(change),
        deposed=UNTOLD,
        previous=_previous(body, change),
        import_id=importing.optional_text("id") if importing else None,
        time=time,
    )


def _drifted(body: Untrusted, time: datetime | None) -> Iterator[Told]:
    change = body.block("change")
    action = _action(change)
    yield Drifted(
        address=_address(change), action=action, previous=_previous(body, change), time=time
    )


def _refreshed(body: Untrusted, time: datetime | None) -> Iterator[Told]:
    yield Refreshed(address=_address(body.block("hook")), time=time)


def _started(body: Untrusted, time: datetime | None) -> Iterator[Told]:
    hook = body.block("hook")
    yield Started(
        address=_address(hook),
        action=_action(hook),
        deposed=UNTOLD,
        id=hook.optional_text("id_value"),
        time=time,
    )


def _ended(body: Untrusted, time: datetime | None) -> Iterator[Told]:
    hook = body.block("hook")
    yield Ended(
        address=_address(hook),
        action=_action(hook),
        deposed=UNTOLD,
        id=hook.optional_text("id_value"),
        is_failed=body.text("type") == "apply_errored",
        seconds=_count(hook, "elapsed_seconds"),
        time=time,
    )


def _invoked(body: Untrusted, time: datetime | None) -> Iterator[Told]:
    hook = body.block("hook")
    yield Invoked(
        address=hook.block("action").text("addr"),
        error=hook.optional_text("error"),
        is_failed=body.text("type") == "action_errored",
        time=time,
    )


def _summary(body: Untrusted, time: datetime | None) -> Iterator[Told]:
    changes = body.block("changes")
    yield Summary(
        operation=_OPERATIONS.get(changes.text("operation"), "unknown"),
        add=_count(changes, "add") or 0,
        change=_count(changes, "change") or 0,
        remove=_count(changes, "remove") or 0,
        import_=_count(changes, "import") or 0,
        forget=_count(changes, "forget") or 0,
        time=time,
    )


def _outputs(body: Untrusted, time: datetime | None) -> Iterator[Told]:
    outputs = body.block("outputs")
    for name in outputs.names():
        output = outputs.block(name)
        yield Output(
            name=name,
            is_sensitive=output.optional_boolean("sensitive") is not False,
            action=_action(output) if "action" in output else None,
            time=time,
        )


def _diagnostic(body: Untrusted, time: datetime | None) -> Iterator[Told]:
    diagnostic = body.block("diagnostic")
    where = diagnostic.optional_block("range")
    start = where.optional_block("start") if where else None
    snippet = diagnostic.optional_block("snippet")
    yield Diagnostic(
        is_error=diagnostic.text("severity") == "error",
        summary=diagnostic.optional_text("summary") or "",
        detail=diagnostic.optional_text("detail") or "",
        address=diagnostic.optional_text("address"),
        file=where.optional_text("filename") if where else None,
        line=_count(start, "line") if start else None,
        block=snippet.optional_text("context") if snippet else None,
        time=time,
    )


def _provisioned(body: Untrusted, time: datetime | None) -> Iterator[Told]:
    hook = body.block("hook")
    yield Provisioned(
        address=_address(hook),
        provisioner=hook.text("provisioner"),
        state=_PROVISIONERS[body.text("type")],
        time=time,
    )


_READERS: Final[dict[str, Callable[[Untrusted, datetime | None], Iterable[Told]]]] = {
    "version": _version,
    "planned_change": _planned,
    "resource_drift": _drifted,
    "refresh_start": _refreshed,
    "apply_start": _started,
    "apply_complete": _ended,
    "apply_errored": _ended,
    "action_complete": _invoked,
    "action_errored": _invoked,
    "change_summary": _summary,
    "outputs": _outputs,
    "diagnostic": _diagnostic,
    "provision_start": _provisioned,
    "provision_complete": _provisioned,
    "provision_errored": _provisioned,
}


def _address(body: Untrusted) -> str:
    return body.block("resource").text("addr")


def _previous(body: Untrusted, change: Untrusted) -> str | None:
    """Terraform writes it beside the change, its documentation shows it inside."""
    before = body.optional_block("previous_resource") or change.optional_block("previous_resource")
    return before.text("addr") if before else None


def _action(body: Untrusted) -> Action:
    return _ACTIONS.get(body.text("action"), "unknown")


def _count(body: Untrusted, name: str) -> int | None:
    found = body.raw(name)
    if isinstance(found, float) and found >= 0 and found.is_integer():
        found = int(found)
    if found is None or (isinstance(found, int) and not isinstance(found, bool) and found >= 0):
        return found
    raise Malformed(f"{body.path}.{name}: expected a count, found something else")


def _time(body: Untrusted) -> datetime | None:
    """The line's own time, if it says its zone; nanoseconds are cut to microseconds."""
    text = body.optional_text("@timestamp")
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed(f"line.@timestamp: expected RFC 3339, found {text[:40]!r}") from None
    return found if found.tzinfo else None

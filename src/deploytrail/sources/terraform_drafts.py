"""What Terraform's plans and runs come to in the words of the catalogue.

Pure, and a part of `sources.terraform`: a draft says what an event says of the tool; who acted,
where and how we know is added there. Every text of the tool passes the masks here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from deploytrail.event import (
    Change,
    Drift,
    Error,
    Outcome,
    Plan,
    Policy,
    Target,
    Violation,
)
from deploytrail.formats.terraform_changes import changes, clipped, differences
from deploytrail.formats.terraform_plan import PlanDocument, ResourceChange
from deploytrail.formats.terraform_run import Action, Diagnostic, Drifted, Provisioned
from deploytrail.formats.terraform_secrets import Secrets
from deploytrail.formats.terraform_state import Check
from deploytrail.formats.terraform_tally import Step, Tally
from deploytrail.formats.terraform_value import json_text
from deploytrail.redact import mask

ERROR_CHARACTERS_MAX: Final = 2_000
ADDRESS_CHARACTERS_MAX: Final = 900
TARGETS_MAX: Final = 250
TARGETS_CHARACTERS_MAX: Final = 16_000
VIOLATIONS_MAX: Final = 16

_RESOURCE: Final[dict[Action, str]] = {
    "create": "resource.created",
    "update": "resource.updated",
    "replace": "resource.replaced",
    "delete": "resource.deleted",
    "read": "resource.read",
    "import": "resource.imported",
    "move": "resource.moved",
    "forget": "resource.forgotten",
}
Decision = Literal["allow", "deny", "warn", "error"]
_CHECK: Final[dict[Decision, str]] = {
    "allow": "policy.check.passed",
    "warn": "policy.check.warned",
    "deny": "policy.check.failed",
    "error": "policy.check.errored",
}
_PROVISIONED: Final[dict[str, tuple[str, Outcome]]] = {
    "started": ("resource.provisioner.started", "pending"),
    "complete": ("resource.provisioner.finished", "success"),
    "errored": ("resource.provisioner.finished", "failure"),
}
_is_condition: Final = re.compile(
    r"(?:Check block assertion failed|.* (?:pre|post)condition failed|Invalid value for variable)$"
).match
_exit_status: Final = re.compile(r"exit\s+status\s+[0-9]{1,9}|signal:\s+\w{1,32}").search
_type: Final = re.compile(r"(?:.*\.)?([\w-]{1,64})\.[\w-]+$").match
_deposed: Final = re.compile(r" \(deposed[^()]{0,80}\)$")
_key: Final = re.compile(r'\[(?:[0-9]+|"(?:[^"\\]|\\.)*")\]')


class Draft(Struct, frozen=True, kw_only=True):
    """What an event says of the tool. `time` is absent where nobody told it."""

    action: str
    outcome: Outcome = "success"
    time: datetime | None = None
    duration_ms: int | None = None
    targets: tuple[Target, ...] = ()
    changes: tuple[Change, ...] = ()
    error: Error | None = None
    plan: Plan | None = None
    policy: Policy | None = None
    drift: Drift | None = None


def planned(document: PlanDocument, plan: Plan) -> Iterator[Draft]:
    """A plan document's own event, its drift, and the answers of its checks.

    Checks whose answer isn't known before the apply are told by the apply, if they fail.
    """
    touched = [
        (shown_address(one.address, one.deposed), _touch(one))
        for one in document.resources
        if one.has_effect
    ]
    outputs = [(f"output.{one.name}", one.action) for one in document.outputs if one.has_effect]
    yield Draft(
        action="plan.failed" if document.is_errored else "plan.created",
        outcome="failure" if document.is_errored else "success",
        plan=plan,
        targets=targets_of([*touched, *outputs]),
    )
    for one in document.drift:
        if one.deposed is not None:
            # What became of a deposed object says nothing of the resource.
            continue
        drift = Drifted(address=one.address, action=one.action, previous=one.previous_address)
        yield drifted(drift, one, document.secrets)
    for check in document.checks:
        if check.status != "unknown":
            yield _checked(check, plan, document.secrets)


def applied(tally: Tally, document: PlanDocument | None, secrets: Secrets) -> Iterator[Draft]:
    """What an apply did: resources, provisioners, invoked actions, outputs."""
    resources = document.resources if document else ()
    known = {(one.address, one.deposed): one for one in resources}
    for step in tally.steps():
        yield _done(step, known.get((step.address, step.deposed)), secrets)
    for provisioned in tally.provisioned:
        yield _provisioned(provisioned)
    for invoked in tally.invoked:
        yield Draft(
            action="resource.action.invoked",
            outcome="failure" if invoked.is_failed else "success",
            time=invoked.time,
            targets=(target_of(invoked.address),),
            error=Error(text=_masked(invoked.error, secrets)) if invoked.error else None,
        )
    if tally.applied is not None:
        yield from _outputs(tally, document, secrets)


def drifted(told: Drifted, known: ResourceChange | None, secrets: Secrets) -> Draft:
    """One resource that stands otherwise than the state says."""
    before, after = (known.before, known.after) if known else (None, None)
    is_gone = told.action == "delete"
    return Draft(
        action="drift.detected",
        time=told.time,
        targets=(target_of(told.address, told.action),),
        changes=_moved(told.previous, told.address) + changes(differences(before, after), secrets),
        drift=Drift(changed=0 if is_gone else 1, removed=1 if is_gone else 0),
    )


def diagnosed(told: Diagnostic, secrets: Secrets) -> Iterator[Draft]:
    """Failed conditions and a lock that somebody else holds; other words are errors of a run."""
    if told.summary == "Error acquiring the state lock":
        error = error_of(told, secrets)
        yield Draft(action="state.lock.refused", outcome="failure", time=told.time, error=error)
    elif _is_condition(told.summary):
        yield Draft(
            action=_CHECK["deny" if told.is_error else "warn"],
            outcome="failure",
            time=told.time,
            targets=(target_of(_condition(told)),),
            error=error_of(told, secrets) if told.is_error else None,
            policy=_policy(
                _condition(told), "deny" if told.is_error else "warn", (told.detail,), secrets
            ),
        )


def error_of(told: Diagnostic, secrets: Secrets) -> Error:
    """An error in the tool's words, without secrets.

    What a provisioner ran and printed is left out but for its exit status: Terraform prints its
    command with all that was put in, sensitive or not.
    """
    detail, code = told.detail, None
    if "provisioner" in told.summary:
        found = _exit_status(detail)
        detail = " ".join(found[0].split()) if found else ""
        code = "provisioner"
    location = f"{told.file}:{told.line}" if told.file and told.line else told.file
    return Error(
        code=code,
        text=_masked("\n\n".join(filter(None, (told.summary, detail))), secrets),
        location=clipped(location, 400) if location else None,
    )


def targets_of(touched: Iterable[tuple[str, Action | None]]) -> tuple[Target, ...]:
    """Addresses and what happens there: at most 250 and 16,000 characters.

    Where there are more, the last one is of type `more` and its id is their number.
    """
    kept: list[Target] = []
    size = more = 0
    for address, action in touched:
        target = target_of(address, action)
        size += len(target.id or "") + 60
        if more or size > TARGETS_CHARACTERS_MAX or len(kept) == TARGETS_MAX:
            more += 1
        else:
            kept.append(target)
    return (*kept, Target(type="more", id=str(more))) if more else tuple(kept)


def target_of(address: str, action: Action | None = None, name: str | None = None) -> Target:
    """A resource by its address; the type is the tool's, `output` or `check` for those."""
    found = _type(_key.sub("", _deposed.sub("", address)))
    return Target(
        type=found[1] if found else "resource",
        id=clipped(mask(address), ADDRESS_CHARACTERS_MAX) or "(none)",
        name=clipped(name, 400) if name else None,
        change=action,
    )


def shown_address(address: str, deposed: str | None) -> str:
    """An address as a target has it: a deposed object's says so, since the resource stands."""
    return address if deposed is None else f"{address} (deposed{deposed and f' {deposed}'})"


def _touch(one: ResourceChange) -> Action:
    if one.action != "no-op":
        return one.action
    return "import" if one.importing is not None else "move"


def _done(step: Step, known: ResourceChange | None, secrets: Secrets) -> Draft:
    is_changing = step.action in ("create", "update", "replace", "delete")
    found = differences(known.before, known.after) if known and is_changing else iter(())
    address = shown_address(step.address, step.deposed)
    return Draft(
        action=_RESOURCE[step.action],
        outcome=step.outcome,
        time=step.time,
        duration_ms=None if step.seconds is None else step.seconds * 1000,
        targets=(target_of(address, step.action, _id(step, secrets)),),
        changes=_moved(step.previous, step.address) + changes(found, secrets),
        error=error_of(step.error, secrets) if step.error else None,
    )


def _id(step: Step, secrets: Secrets) -> str | None:
    """The provider's id of a resource, which is concealed; none where it is a generated secret."""
    if step.id is None or _key.sub("", step.address).rpartition(".")[0].rpartition(".")[
        2
    ].startswith("random_"):
        return None
    return _masked(step.id, secrets)


def _moved(previous: str | None, address: str) -> tuple[Change, ...]:
    if previous is None or previous == address:
        return ()
    old, new = (clipped(mask(one), ADDRESS_CHARACTERS_MAX) for one in (previous, address))
    return (Change(path="(address)", op="move", old=json_text(old), new=json_text(new)),)


def _provisioned(told: Provisioned) -> Draft:
    action, outcome = _PROVISIONED[told.state]
    return Draft(
        action=action,
        outcome=outcome,
        time=told.time,
        targets=(target_of(told.address, name=told.provisioner),),
    )


def _outputs(tally: Tally, document: PlanDocument | None, secrets: Secrets) -> Iterator[Draft]:
    """The outputs that changed: by the plan with their values, else by name."""
    time = tally.applied.time if tally.applied else None
    known = {one.name: one for one in document.outputs if one.has_effect} if document else {}
    for change in known.values():
        yield Draft(
            action="state.output.changed",
            time=time,
            targets=(target_of(f"output.{change.name}", change.action),),
            changes=changes(differences(change.before, change.after, "value"), secrets),
        )
    for told in tally.outputs.values():
        if told.name not in known and told.action not in (None, "no-op"):
            yield Draft(
                action="state.output.changed",
                time=time,
                targets=(target_of(f"output.{told.name}", told.action),),
            )


def _condition(told: Diagnostic) -> str:
    """Which condition a diagnostic speaks of: a check, a resource, or a place in a file."""
    found = re.fullmatch(r'(check|output|variable) "([\w-]{1,200})".*', told.block or "")
    if found:
        return f"{'var' if found[1] == 'variable' else found[1]}.{found[2]}"
    if told.address:
        return told.address
    found = re.fullmatch(r'(?:resource|data) "([\w-]{1,200})" "([\w-]{1,200})".*', told.block or "")
    return f"{found[1]}.{found[2]}" if found else f"{told.file or '(unknown)'}:{told.line or 0}"


def _checked(check: Check, plan: Plan, secrets: Secrets) -> Draft:
    # A `check` block warns; conditions of resources, outputs and variables stop the run.
    failed: Decision = "warn" if check.kind == "check" else "deny"
    decision: Decision = (
        "allow" if check.status == "pass" else "error" if check.status == "error" else failed
    )
    return Draft(
        action=_CHECK[decision],
        outcome="success" if decision == "allow" else "failure",
        targets=(target_of(check.address),),
        policy=_policy(check.address, decision, check.problems, secrets),
        plan=plan,
    )


def _policy(rule: str, decision: Decision, problems: Iterable[str], secrets: Secrets) -> Policy:
    texts = [problem for problem in problems if problem] or [""]
    kept = texts[:VIOLATIONS_MAX]
    if len(texts) > len(kept):
        kept[-1] = f"({len(texts) - len(kept) + 1} more)"
    violations = tuple(
        Violation(rule=clipped(mask(rule), 400) or "(unknown)", text=_masked(text, secrets) or None)
        for text in kept
    )
    return Policy(
        engine="terraform", decision=decision, violations=() if decision == "allow" else violations
    )


def _masked(text: str, secrets: Secrets) -> str:
    """Text of the tool without what is known or looks like a secret, and not too long."""
    near = clipped(text, 32 * ERROR_CHARACTERS_MAX)
    return clipped(mask(secrets.covered(near)), ERROR_CHARACTERS_MAX)

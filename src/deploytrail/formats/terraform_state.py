"""What a state holds, and what its checks say: the parts that plans and states have in common.

Pure. Values that `sensitive_values` marks, and sensitive outputs, are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from deploytrail.formats.terraform_mask import masked
from deploytrail.formats.terraform_secrets import Secrets
from deploytrail.formats.terraform_value import Value
from deploytrail.untrusted import Untrusted


class Check(Struct, frozen=True, kw_only=True):
    """A `check` block, or the conditions of a resource, output or variable, with their answer."""

    address: str
    kind: str
    status: Literal["pass", "fail", "error", "unknown"]
    problems: tuple[str, ...] = ()


class StateResource(Struct, frozen=True, kw_only=True):
    """A resource as the state, or a plan's view of the future, holds it."""

    address: str
    mode: str
    type: str
    values: Value = None


class State(Struct, frozen=True, kw_only=True):
    """Resources and root outputs of a state. An output without a value isn't known yet."""

    resources: tuple[StateResource, ...] = ()
    outputs: dict[str, Value] = {}


def state(values: Untrusted | None, secrets: Secrets) -> State:
    """What stands under `values`, `prior_state.values` or `planned_values`."""
    if values is None:
        return State()
    outputs: dict[str, Value] = {}
    block = values.optional_block("outputs")
    for name in block.names() if block else ():
        assert block is not None
        output = block.block(name)
        is_hidden = output.optional_boolean("sensitive") is True
        path = f"output.{name}"
        outputs[name] = masked(output.raw("value"), (is_hidden,), None, path=path, secrets=secrets)
    root = values.optional_block("root_module")
    resources = _resources(root, secrets) if root else iter(())
    return State(resources=tuple(resources), outputs=outputs)


def _resources(module: Untrusted, secrets: Secrets) -> Iterator[StateResource]:
    for body in module.blocks("resources"):
        address = body.text("address")
        marks = (body.raw("sensitive_values"),)
        yield StateResource(
            address=address,
            mode=body.optional_text("mode") or "managed",
            type=body.text("type"),
            values=masked(body.raw("values"), marks, None, path=address, secrets=secrets),
        )
    for below in module.blocks("child_modules"):
        yield from _resources(below, secrets)


def checks(body: Untrusted) -> Iterator[Check]:
    """The checks of a plan or a state, in either of the two forms that there were."""
    for one in body.blocks("checks"):
        address = one.block("address")
        problems = [
            problem.optional_text("message") or ""
            for instance in one.blocks("instances")
            for problem in instance.blocks("problems")
        ]
        yield Check(
            address=address.text("to_display"),
            kind=address.optional_text("kind") or "check",
            status=_status(one.optional_text("status")),
            problems=tuple(filter(None, problems)),
        )
    # Terraform 1.2 and OpenTofu's first releases.
    for one in body.blocks("condition_results"):
        kinds = {True: "pass", False: "fail", None: "unknown"}
        told = None if one.optional_boolean("unknown") else one.optional_boolean("result")
        message = one.optional_text("error_message")
        yield Check(
            address=one.text("address"),
            kind=one.optional_text("condition_type") or "condition",
            status=_status(kinds[told]),
            problems=(message,) if message else (),
        )


def _status(word: str | None) -> Literal["pass", "fail", "error", "unknown"]:
    if word == "pass":
        return "pass"
    if word == "fail":
        return "fail"
    return "error" if word == "error" else "unknown"

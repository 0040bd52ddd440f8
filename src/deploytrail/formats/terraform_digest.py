"""`plan.content_digest`: one digest for what a plan would do, whoever computes it.

Pure. Approvals bind to it, so everything that decides what is applied goes in, and nothing else:
no times, no versions, no formatting, no secrets. docs/sources/terraform.md says it byte by byte
for third parties, tests/vectors/plan_digest.json has the vectors.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from deploytrail.formats.terraform_configuration import Provider
from deploytrail.formats.terraform_plan import (
    Invocation,
    OutputChange,
    PlanDocument,
    ResourceChange,
)
from deploytrail.formats.terraform_value import COVER, Number, Sensitive, Unknown, Value

DOMAIN: Final = "deploytrail/plan-content/1"
_KNOWN_AFTER_APPLY: Final = ["(known after apply)"]
_SENSITIVE: Final = [COVER]


def content_digest(document: PlanDocument) -> str:
    """`sha256:` and the lower-case hex over `content(document)`."""
    return f"sha256:{hashlib.sha256(content(document)).hexdigest()}"


def content(document: PlanDocument) -> bytes:
    """The bytes that are hashed: JSON of arrays, strings, booleans and null, without blanks.

    Each list is sorted by the bytes of its members, so the order in which a tool prints them
    doesn't count.
    """
    parts = [
        ["resources", *_sorted(_resource(one) for one in document.resources if one.has_effect)],
        ["outputs", *_sorted(_output(one) for one in document.outputs if one.has_effect)],
        ["providers", *_sorted(_provider(one, document) for one in document.providers)],
        ["actions", *_sorted(_invocation(one) for one in document.invocations)],
    ]
    return msgspec.json.encode([DOMAIN, *parts])


def encoded(value: Value) -> Any:
    """A value of a plan as nested arrays, one to one: no two values share an encoding."""
    if isinstance(value, Number):
        return ["number", value.text]
    if isinstance(value, dict):
        return ["object", *([key, encoded(value[key])] for key in sorted(value))]
    if isinstance(value, list):
        return ["array", *map(encoded, value)]
    if isinstance(value, Sensitive):
        return _SENSITIVE
    if isinstance(value, Unknown):
        return _KNOWN_AFTER_APPLY
    return value


def _sorted(members: Any) -> list[msgspec.Raw]:
    return [msgspec.Raw(raw) for raw in sorted(map(msgspec.json.encode, members))]


def _resource(one: ResourceChange) -> list[Any]:
    return [
        one.address,
        one.previous_address,
        one.deposed,
        one.provider,
        one.provider_key,
        list(one.actions),
        encoded(one.before),
        encoded(one.after),
        # A set of paths: their order says nothing.
        ["array", *_sorted(map(encoded, one.replace_paths))],
        encoded(one.importing),
    ]


def _output(one: OutputChange) -> list[Any]:
    return [one.name, list(one.actions), encoded(one.before), encoded(one.after)]


def _provider(one: Provider, document: PlanDocument) -> list[Any]:
    variables = [
        [name, encoded(document.variables[name])]
        for name in sorted(one.variables)
        if name in document.variables
    ]
    return [one.key, one.name, one.module, encoded(one.expressions), variables]


def _invocation(one: Invocation) -> list[Any]:
    return [one.address, one.provider, encoded(one.config), encoded(one.trigger)]

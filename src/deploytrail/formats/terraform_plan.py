"""Plans and states of Terraform and OpenTofu, as `show -json` writes them.

Pure: bytes in, a document or a reason out. Every mask is walked (`*_sensitive`, `sensitive_values`,
sensitive variables and outputs), so a secret that is marked anywhere is in no field of a document.
Format: developer.hashicorp.com/terraform/internals/json-format, versions 0.1 to 1.x.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Literal

from msgspec import Struct

from deploytrail.errors import Malformed
from deploytrail.formats.terraform_configuration import (
    Provider,
    is_name_of_secret,
    provider_keys,
    providers,
    secret_variables,
    sensitive_outputs,
    sensitive_variables,
    without_keys,
)
from deploytrail.formats.terraform_mask import masked
from deploytrail.formats.terraform_run import Action
from deploytrail.formats.terraform_secrets import Fingerprint, Secrets
from deploytrail.formats.terraform_state import Check, State, checks, state
from deploytrail.formats.terraform_value import Value, parse_value
from deploytrail.untrusted import Untrusted

_ACTIONS: Final[dict[tuple[str, ...], Action]] = {
    ("no-op",): "no-op",
    ("create",): "create",
    ("read",): "read",
    ("update",): "update",
    ("delete",): "delete",
    ("forget",): "forget",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
    # OpenTofu's and Terraform's replacement that leaves the old object to itself.
    ("forget", "create"): "replace",
    ("create", "forget"): "replace",
}


class NotPlan(Struct, frozen=True, kw_only=True):
    """Sound JSON, but neither a plan nor a state that we know; `reason` says what was missing."""

    reason: str


class ResourceChange(Struct, frozen=True, kw_only=True):
    """What happens to one resource. `provider_key` is which configuration of its provider acts.

    `actions` are the tool's own words, `action` what they come to. `before` and `after` hold no
    secrets; `importing` is what is imported, `replace_paths` what makes a replacement necessary.
    """

    address: str
    mode: str
    type: str
    actions: tuple[str, ...]
    action: Action
    before: Value = None
    after: Value = None
    provider: str | None = None
    provider_key: str | None = None
    previous_address: str | None = None
    deposed: str | None = None
    reason: str | None = None
    replace_paths: tuple[Value, ...] = ()
    importing: Value = None

    @property
    def has_effect(self) -> bool:
        """Whether an apply would do anything for it, be it to the state alone."""
        return self.action != "no-op" or self.importing is not None or self.is_moved

    @property
    def is_moved(self) -> bool:
        return self.previous_address is not None and self.previous_address != self.address


class OutputChange(Struct, frozen=True, kw_only=True):
    """What happens to one output value of the root module."""

    name: str
    actions: tuple[str, ...]
    action: Action
    before: Value = None
    after: Value = None

    @property
    def has_effect(self) -> bool:
        return self.action != "no-op"


class Invocation(Struct, frozen=True, kw_only=True):
    """An action that the apply will invoke (Terraform 1.14)."""

    address: str
    type: str
    provider: str | None = None
    config: Value = None
    trigger: Value = None


class Counts(Struct, frozen=True, kw_only=True):
    """As Terraform counts: `add` and `destroy` include each replacement; no data sources."""

    add: int = 0
    change: int = 0
    destroy: int = 0
    replace: int = 0
    import_: int = 0
    move: int = 0
    forget: int = 0


class PlanDocument(Struct, frozen=True, kw_only=True):
    """A plan, or a state (`kind`). All values are without secrets; `secrets` finds them in text."""

    kind: Literal["plan", "state"]
    format_version: str
    secrets: Secrets
    tool_version: str | None = None
    resources: tuple[ResourceChange, ...] = ()
    drift: tuple[ResourceChange, ...] = ()
    deferred: tuple[ResourceChange, ...] = ()
    invocations: tuple[Invocation, ...] = ()
    outputs: tuple[OutputChange, ...] = ()
    checks: tuple[Check, ...] = ()
    providers: tuple[Provider, ...] = ()
    variables: dict[str, Value] = {}
    state: State = State()
    planned: State = State()
    is_errored: bool = False
    is_complete: bool = True

    @property
    def counts(self) -> Counts:
        managed = [one for one in self.resources if one.mode == "managed"]
        of = [one.action for one in managed]
        replace = of.count("replace")
        return Counts(
            add=of.count("create") + replace,
            change=of.count("update"),
            destroy=of.count("delete") + replace,
            replace=replace,
            import_=sum(one.importing is not None for one in managed),
            move=sum(one.is_moved for one in managed),
            forget=of.count("forget"),
        )


def parse(raw: bytes, *, fingerprint: Fingerprint | None = None) -> PlanDocument | NotPlan:
    """What `show -json` wrote: UTF-8, or UTF-16 as PowerShell redirects it.

    A line that a wrapper of the tool printed before, and its `::` commands behind, are passed
    over. Raises Malformed with the path of what is not as the format says, and nothing else.
    """
    text = _text(raw)
    start = _start(text)
    value, rest = parse_value(text[start:])
    if any(line.strip() and not line.startswith(("::", "%0A")) for line in rest.split("\n")):
        raise Malformed("plan: expected one JSON document, found more behind it; keep the first")
    if not isinstance(value, dict):
        return NotPlan(reason="expected an object, found another JSON value")
    return _document(Untrusted(value, "plan"), fingerprint)


def _text(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif raw[1:2] == b"\0":
        encoding = "utf-16-le"
    else:
        encoding = "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        found = f"byte {error.start} that is not"
        raise Malformed(f"plan: expected {encoding.upper()}, found {found}") from None


def _start(text: str) -> int:
    """Where the document starts: the first line that opens an object, else the first character."""
    found = re.search(r"^[ \t]*(?=\{)", text, re.MULTILINE)
    return found.end() if found else len(text) - len(text.lstrip())


def _document(body: Untrusted, fingerprint: Fingerprint | None) -> PlanDocument | NotPlan:
    names = ("format_version", "plan_format_version")
    version = next((body.text(name) for name in names if name in body), None)
    if version is None:
        return NotPlan(reason="expected format_version, found none")
    if not re.fullmatch(r"[01]\.[0-9]{1,6}", version, re.ASCII):
        return NotPlan(reason=f"expected format version 0.x or 1.x, found {version[:20]!r}")
    if "valid" in body or "diagnostics" in body:
        return NotPlan(reason="expected a plan or a state, found the answer of `validate`")
    secrets = Secrets(fingerprint)
    if not _is_plan(body):
        return PlanDocument(
            kind="state",
            format_version=version,
            tool_version=body.optional_text("terraform_version"),
            secrets=secrets,
            state=state(body.optional_block("values"), secrets),
            checks=tuple(checks(body)),
        )
    return _plan(body, version, secrets)


def _is_plan(body: Untrusted) -> bool:
    names = ("planned_values", "resource_changes", "configuration", "plan_format_version")
    return any(name in body for name in names)


def _plan(body: Untrusted, version: str, secrets: Secrets) -> PlanDocument:
    configuration = body.optional_block("configuration")
    keys = provider_keys(configuration)
    prior = body.optional_block("prior_state")
    hidden = sensitive_outputs(body)
    return PlanDocument(
        kind="plan",
        format_version=version,
        tool_version=body.optional_text("terraform_version"),
        secrets=secrets,
        variables=_variables(body, configuration, secrets),
        resources=tuple(_resource(one, keys, secrets) for one in body.blocks("resource_changes")),
        drift=tuple(_resource(one, keys, secrets) for one in body.blocks("resource_drift")),
        deferred=tuple(
            _resource(one.block("resource_change"), keys, secrets)
            for one in body.blocks("deferred_changes")
        ),
        invocations=tuple(_invocation(one, secrets) for one in body.blocks("action_invocations")),
        outputs=tuple(_outputs(body, hidden, secrets)),
        checks=tuple(checks(body)),
        providers=tuple(providers(configuration, secrets)),
        state=state(prior.optional_block("values") if prior else None, secrets),
        planned=state(body.optional_block("planned_values"), secrets),
        is_errored=body.optional_boolean("errored") is True,
        is_complete=body.optional_boolean("complete") is not False,
    )


def _resource(body: Untrusted, keys: dict[str, str], secrets: Secrets) -> ResourceChange:
    address = body.text("address")
    change = body.block("change")
    actions = tuple(change.texts("actions"))
    if not actions:
        raise Malformed(f"{change.path}.actions: is missing")
    before, after = _sides(change, address, (), secrets)
    for side in (before, after):
        _remember_named(side, secrets)
    paths = change.raw("replace_paths") or []
    if not isinstance(paths, list):
        raise Malformed(f"{change.path}.replace_paths: expected an array")
    return ResourceChange(
        address=address,
        mode=body.optional_text("mode") or "managed",
        type=body.text("type"),
        actions=actions,
        action=_ACTIONS.get(actions, "unknown"),
        before=before,
        after=after,
        provider=body.optional_text("provider_name"),
        provider_key=keys.get(without_keys(address)),
        previous_address=body.optional_text("previous_address"),
        deposed=body.optional_text("deposed"),
        reason=body.optional_text("action_reason"),
        replace_paths=tuple(paths),
        importing=change.raw("importing"),
    )


def _sides(
    change: Untrusted, address: str, masks: tuple[Any, ...], secrets: Secrets
) -> tuple[Value, Value]:
    """Before and after. What either side's mask marks is a secret on both."""
    masks += (change.raw("before_sensitive"), change.raw("after_sensitive"))
    before = masked(change.raw("before"), masks, None, path=address, secrets=secrets)
    unknown = change.raw("after_unknown")
    return before, masked(change.raw("after"), masks, unknown, path=address, secrets=secrets)


def _remember_named(value: Value, secrets: Secrets) -> None:
    """Remember what a name gives away as a secret that nobody marked, to find its copies."""
    if isinstance(value, dict):
        for name, below in value.items():
            if isinstance(below, str) and is_name_of_secret(name):
                secrets.add(below)
            else:
                _remember_named(below, secrets)
    elif isinstance(value, list):
        for below in value:
            _remember_named(below, secrets)


def _outputs(body: Untrusted, hidden: frozenset[str], secrets: Secrets) -> Iterator[OutputChange]:
    changes = body.optional_block("output_changes")
    for name in changes.names() if changes else ():
        assert changes is not None
        change = changes.block(name)
        actions = tuple(change.texts("actions"))
        if not actions:
            raise Malformed(f"{change.path}.actions: is missing")
        before, after = _sides(change, f"output.{name}", (name in hidden,), secrets)
        yield OutputChange(
            name=name,
            actions=actions,
            action=_ACTIONS.get(actions, "unknown"),
            before=before,
            after=after,
        )


def _variables(
    body: Untrusted, configuration: Untrusted | None, secrets: Secrets
) -> dict[str, Value]:
    hidden = sensitive_variables(configuration, secrets) | secret_variables(configuration)
    given = body.optional_block("variables")
    return {
        name: masked(
            given.block(name).raw("value"),
            (name in hidden or is_name_of_secret(name),),
            None,
            path=f"var.{name}",
            secrets=secrets,
        )
        for name in (given.names() if given else ())
        if given is not None
    }


def _invocation(body: Untrusted, secrets: Secrets) -> Invocation:
    address = body.text("address")
    config = masked(
        body.raw("config_values"),
        (body.raw("config_sensitive"),),
        body.raw("config_unknown"),
        path=address,
        secrets=secrets,
    )
    kinds = ("lifecycle_action_trigger", "invoke_action_trigger")
    return Invocation(
        address=address,
        type=body.text("type"),
        provider=body.optional_text("provider_name"),
        config=config,
        trigger={kind: body.raw(kind) for kind in kinds if kind in body},
    )

"""Open Policy Agent: its decision logs, as uploaded in batches or printed on its console.

Pure. openpolicyagent.org/docs/management-decision-logs. What was asked (`input`) is never kept:
it may hold anything. Its digest is, where it is the digest of what the policy saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType, field

from deploytrail import canonical
from deploytrail.errors import Malformed
from deploytrail.event import (
    Artifact,
    Client,
    Error,
    Links,
    Outcome,
    Policy,
    Raw,
    Target,
    Time,
    Violation,
)
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.draft import UNKNOWN, Draft, Place
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.shape import Shape, read
from deploytrail.kit.source import Circumstances, Kind, Source, Telling
from deploytrail.sources.opa_answer import Answer, answered

_NANOSECONDS_MAX: Final = 2**63
_PRINTED: Final = "Decision Log"


class Bundle(Shape, frozen=True):
    revision: str | None = None


class Metrics(Shape, frozen=True):
    """In nanoseconds."""

    handler: float | None = field(name="timer_server_handler_ns", default=None)
    evaluation: float | None = field(name="timer_rego_query_eval_ns", default=None)


class Fault(Shape, frozen=True):
    code: str | None = None
    message: str | None = None


class Decision(Shape, frozen=True):
    """One of them. `path` is missing of an ad-hoc query; `result` where nothing was defined."""

    decision_id: str
    timestamp: Time
    labels: dict[str, str] | None = None
    path: str | None = None
    query: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    result: Any = UNSET
    error: Fault | tuple[Fault, ...] | str | None = None
    bundles: dict[str, Bundle] | None = None
    revision: str | None = None
    requested_by: str | None = None
    trace_id: str | None = None
    metrics: Metrics | None = None
    erased: tuple[str, ...] | None = None
    masked: tuple[str, ...] | None = None


class Head(Shape, frozen=True):
    decision_id: str | None = None
    level: str | None = None
    msg: str | None = None


class _Verdict(NamedTuple):
    """What a decision becomes: an action, an outcome, and the error that goes with it."""

    action: str
    outcome: Outcome
    answer: Answer
    error: Error | None = None


_OUTCOMES: Final[dict[str, Outcome]] = {
    "allow": "success",
    "deny": "denied",
    "warn": "success",
    "unknown": "unknown",
}


def tell(delivery: Delivery) -> Iterator[Telling]:
    """A batch is an array; a line of a file is one decision, or one line of OPA's own log."""
    for octets in _parts(delivery.body):
        try:
            head = read(octets, Head)
        except Malformed:
            # What is wrong with it is said where it is read; its neighbours are told.
            yield Telling("decision", octets)
            continue
        yield Telling("log" if _is_log(head) else "decision", octets, head.decision_id)


def _is_log(head: Head) -> bool:
    """On the console decisions and whatever else OPA logs stand between each other."""
    return head.decision_id is None and head.level is not None and head.msg not in (None, _PRINTED)


def _parts(body: bytes) -> Iterator[bytes | msgspec.Raw]:
    if body[:64].lstrip()[:1] != b"[":
        yield body
        return
    yield from read(body, list[msgspec.Raw])


def decided(body: Decision, _: Circumstances) -> Iterator[Draft]:
    asked = body.path.lstrip("/") if body.path else None
    if not asked and not body.query:
        raise Malformed("body.path, or body.query of an ad-hoc query: is missing; send one")
    verdict, labels = _verdict(body, asked or ""), body.labels or {}
    bundles = {name: each.revision or "" for name, each in (body.bundles or {}).items()}
    if not bundles and body.revision:
        bundles = {"default": body.revision}
    yield Draft(
        action=verdict.action,
        outcome=verdict.outcome,
        time=body.timestamp,
        actor=UNKNOWN,
        duration_ms=_duration(body.metrics),
        error=verdict.error,
        client=Client(address=body.requested_by) if body.requested_by else None,
        place=Place(
            raw=Raw(application=labels.get("app")),
            environment=labels.get("environment"),
        ),
        targets=_targets(asked, bundles),
        links=Links(trace=body.trace_id) if body.trace_id else None,
        policy=Policy(
            engine="opa",
            decision=verdict.answer.decision,
            bundle_digest=_digest(bundles) if bundles else None,
            input_digest=_input_digest(body),
            violations=_violations(verdict.answer, asked or "query"),
        ),
        artifact=_bundle(bundles),
    )


def _violations(answer: Answer, asked: str) -> tuple[Violation, ...]:
    return tuple(
        Violation(rule=each.rule or asked, severity=each.severity, text=each.text)
        for each in answer.violations
    )


def _verdict(body: Decision, asked: str) -> _Verdict:
    if body.error is not None:
        return _Verdict("policy.check.errored", "failure", Answer("error"), _error(body.error))
    if isinstance(body.result, UnsetType):
        text = "body.result and body.error: are missing; OPA leaves out what is undefined"
        return _Verdict(
            "policy.decision.made", "unknown", Answer(), Error(code="undefined", text=text)
        )
    answer = answered(body.result, asked.rpartition("/")[2].rpartition(".")[2])
    outcome = _OUTCOMES[answer.decision]
    if answer.is_admission:
        action = "allowed" if answer.decision == "allow" else "denied"
        return _Verdict(f"policy.admission.{action}", outcome, answer)
    unclear = Error(code="unclear", text=answer.unclear) if answer.unclear else None
    return _Verdict("policy.decision.made", outcome, answer, unclear)


def _error(said: Fault | tuple[Fault, ...] | str) -> Error:
    if isinstance(said, tuple):
        said = said[0] if said else "without a text"
    if isinstance(said, str):
        return Error(code="error", text=said)
    return Error(code=said.code or "error", text=said.message)


def _targets(asked: str | None, bundles: dict[str, str]) -> tuple[Target, ...]:
    policy = Target(type="policy", id=asked) if asked else Target(type="query")
    return (policy, *(Target(type="bundle", id=name) for name in sorted(bundles)))


def _bundle(bundles: dict[str, str]) -> Artifact | None:
    """The bundle and its revision, where there is one."""
    if len(bundles) != 1:
        return None
    ((name, revision),) = bundles.items()
    return Artifact(type="bundle", id=name, version=revision or None)


def _digest(value: Any) -> str | None:
    """Of the canonical JSON; None where there is none (fractions, keys that are not ASCII)."""
    try:
        octets = canonical.encode(value)
    except Malformed:
        return None
    return f"sha256:{hashlib.sha256(octets).hexdigest()}"


def _input_digest(body: Decision) -> str | None:
    """None where the log does not hold what the policy saw."""
    hidden = (*(body.erased or ()), *(body.masked or ()))
    if not bytes(body.input) or any(pointer.startswith("/input") for pointer in hidden):
        return None
    try:
        return _digest(read(body.input, Any, what="body.input"))
    except Malformed:
        return None


def _duration(metrics: Metrics | None) -> int | None:
    if metrics is None:
        return None
    nanoseconds = metrics.handler if metrics.handler is not None else metrics.evaluation
    if nanoseconds is None or not 0 <= nanoseconds <= _NANOSECONDS_MAX:
        return None
    return int(nanoseconds // 1_000_000)


SOURCE: Final = Source(
    name="opa",
    title="Open Policy Agent",
    page="https://www.openpolicyagent.org/docs/management-decision-logs",
    schemes=(SCHEMES["bearer"], SCHEMES["nothing"]),
    tell=tell,
    kinds={"decision": Kind(Decision, decided)},
    set_aside={"log": "a line of OPA's own log is no decision"},
    is_lines=True,
    file_names=("*decision*.json", "*decision*.jsonl", "*decision*.log"),
    setup="""\
1. Write the secret, and nothing else, to a FILE that only OPA may read: {secret}
2. In OPA's configuration name this trail as a service. OPA joins url and resource by a slash, so
   split the address of this connection at its last one: {url}
     services.deploytrail.url: what stands before the last slash
     services.deploytrail.credentials.bearer.token_path: FILE
     decision_logs.service: deploytrail
     decision_logs.resource: what stands behind the last slash
3. Set labels.app and labels.environment, if you map by them.
4. Let rules of system.log.mask remove what nobody may see: it never leaves OPA then.
5. Restart OPA and ask it something. It uploads every 5 to 10 minutes, unless
   decision_logs.reporting has less for min_delay_seconds and max_delay_seconds.
""",
)

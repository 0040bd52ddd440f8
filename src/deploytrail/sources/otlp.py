"""OpenTelemetry logs over OTLP/HTTP: those that tell of builds and deployments, by convention.

Pure. A log whose event name is one of our actions, or whose own attributes say how a deployment, a
pipeline or a task went, is an event; every other is a program's log and is set aside. What the
attributes say beside that is read in `otlp_attributes`.
Source: OpenTelemetry Semantic Conventions, attribute registry: CICD, Deployment, VCS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec

from deploytrail.actions import CATALOGUE, outcome
from deploytrail.errors import Malformed
from deploytrail.event import Error, Outcome
from deploytrail.formats import otlp_json, otlp_protobuf
from deploytrail.formats.otlp_logs import Log
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.door import Answered, Became
from deploytrail.kit.draft import Draft
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances, Kind, Source, Telling
from deploytrail.sources.otlp_attributes import (
    DEPLOYMENT_STATUS,
    PIPELINE_RESULT,
    PIPELINE_STATE,
    TASK_RESULT,
    Attributes,
    actor,
    artifact,
    links,
    place,
    targets,
)

_JSON: Final = otlp_json.MEDIA_TYPE
_PROTOBUF: Final = otlp_protobuf.MEDIA_TYPE
W = TypeVar("W")
_OURS: Final = ("audit.", "integration.delivery.")
"""Actions that only the trail itself tells."""
_OK: Final = 200
_AGAIN: Final = 503
"""OTLP's exporters send again after 429, 502, 503 and 504 alone, and drop what was refused else."""
_FAULT: Final = 500
_TOO_SLOW: Final = 408


class _Told(Shape, frozen=True):
    """One log, as `_octets` writes it."""

    resource: dict[str, Any]
    attributes: dict[str, Any]
    event_name: str = ""
    body: Any = None
    time_unix_nano: int | None = None
    observed_unix_nano: int | None = None
    trace_id: str | None = None


def tell(delivery: Delivery) -> Iterator[Telling]:
    """The logs of an export, in its order.

    Their bytes are canonical: the same log is the same telling in either encoding.
    """
    logs = _reader(delivery)(delivery.body)
    if not logs:
        raise Malformed(
            "body.resourceLogs[].scopeLogs[].logRecords: expected at least one log, found none"
        )
    for log in logs:
        yield Telling(_kind(log), _octets(log))


def _reader(delivery: Delivery) -> Any:
    kind = _media(delivery)
    if kind == _PROTOBUF:
        return otlp_protobuf.logs
    if kind not in {_JSON, ""}:
        raise Malformed(f"content-type: expected {_PROTOBUF} or {_JSON}, found another")
    return otlp_json.logs


def _media(delivery: Delivery) -> str:
    """Without its parameters; empty where none was sent, or none of them can be meant."""
    said = {value for name, value in delivery.headers if name == "content-type"}
    return said.pop().partition(";")[0].strip().lower() if len(said) == 1 else ""


def _kind(log: Log) -> str:
    if _action(log.event_name, log.attributes):
        return "event"
    for attribute, kind in _DECIDING.items():
        if attribute in log.attributes:
            return kind
    return "log"


def _action(event_name: str, attributes: Mapping[str, Any]) -> str | None:
    """The action of ours that the event's name is; before OTLP 1.5 it stood in an attribute."""
    name = event_name or attributes.get("event.name")
    is_theirs = isinstance(name, str) and name in CATALOGUE and not name.startswith(_OURS)
    return name if is_theirs else None


def _octets(log: Log) -> bytes:
    plain = msgspec.to_builtins(log)
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


_DECIDING: Final = {
    DEPLOYMENT_STATUS: "deployment",
    TASK_RESULT: "task",
    PIPELINE_RESULT: "pipeline",
    PIPELINE_STATE: "pipeline",
}
"""Attributes that say how something went, the most telling first, and the kind of such a log."""
_DEPLOYMENTS: Final = {
    "succeeded": "deployment.succeeded",
    "success": "deployment.succeeded",
    "failed": "deployment.failed",
    "failure": "deployment.failed",
    "pending": "deployment.queued",
    "queued": "deployment.queued",
    "started": "deployment.started",
    "in_progress": "deployment.started",
    "cancelled": "deployment.cancelled",
    "canceled": "deployment.cancelled",
    "skipped": "deployment.skipped",
    "rolled_back": "deployment.rolled_back",
}
"""Of `deployment.status`: the conventions name two, and allow others."""
_STATES: Final = {
    "pending": "build.pipeline.queued",
    "executing": "build.pipeline.started",
    "finalizing": None,
}
_RESULTS: Final[dict[str, Outcome]] = {
    "success": "success",
    "failure": "failure",
    "error": "failure",
    "timeout": "failure",
    "cancellation": "failure",
    "skip": "success",
}
_TASKS: Final = {"cancellation": "build.job.cancelled", "skip": "build.job.skipped"}
_PIPELINES: Final = {"cancellation": "build.pipeline.cancelled"}


def _read(told: _Told, at: Circumstances) -> Iterator[Draft]:
    said = Attributes(told.attributes, told.resource)
    action = _action(told.event_name, told.attributes) or _concluded(said)
    if action is None:
        return
    went = _outcome(action, said)
    yield Draft(
        action=action,
        time=_time(told, at),
        actor=actor(said),
        outcome=went,
        error=_error(action, went, said, told.body),
        place=place(said),
        targets=targets(said),
        links=links(said, told.trace_id),
        artifact=artifact(said),
        url=said.of("cicd.pipeline.run.url.full") or said.of("vcs.change.url.full"),
    )


def _concluded(said: Attributes) -> str | None:
    """The action that attributes alone name; None for a state of which there is nothing to tell."""
    if DEPLOYMENT_STATUS in said.own:
        return _word(said, DEPLOYMENT_STATUS, _DEPLOYMENTS)
    if TASK_RESULT in said.own:
        result = _word(said, TASK_RESULT, {name: name for name in _RESULTS})
        return _TASKS.get(result, "build.job.finished")
    if PIPELINE_RESULT in said.own:
        result = _word(said, PIPELINE_RESULT, {name: name for name in _RESULTS})
        return _PIPELINES.get(result, "build.pipeline.finished")
    return _word(said, PIPELINE_STATE, _STATES)


def _word(said: Attributes, name: str, words: Mapping[str, W]) -> W:
    found = said.own_text(name)
    if found is None or found.lower() not in words:
        raise Malformed(
            f"attributes: expected under the key {name} as value, a stringValue, one of "
            f"{', '.join(words)}, found another"
        )
    return words[found.lower()]


def _outcome(action: str, said: Attributes) -> Outcome | None:
    """None is what the action's name says. Raises Malformed where only attributes could say it."""
    if not action.endswith(".finished"):
        return None
    for name in (TASK_RESULT, PIPELINE_RESULT):
        if name in said.own:
            return _RESULTS[_word(said, name, {each: each for each in _RESULTS})]
    if said.own_text("error.type"):
        return "failure"
    raise Malformed(
        f"attributes: expected one with the key {PIPELINE_RESULT} or {TASK_RESULT} and its value, "
        f"a stringValue, since {action} does not say how it went; found none"
    )


def _error(action: str, went: Outcome | None, said: Attributes, body: Any) -> Error | None:
    if (went or outcome(action)) not in {"failure", "denied"}:
        return None
    text = said.of("exception.message") or (body if isinstance(body, str) else None)
    code = said.own_text("error.type") or said.own_text("exception.type")
    return Error(code=code, text=text) if code or text else None


def _time(told: _Told, at: Circumstances) -> datetime:
    nano = told.time_unix_nano or told.observed_unix_nano
    if not nano:
        return at.received
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nano // 1_000)


def answer(delivery: Delivery, became: Became, _: datetime) -> Answered:
    """An ExportLogsServiceResponse, or a Status, in the request's own encoding."""
    is_protobuf = _media(delivery) == _PROTOBUF
    words = otlp_protobuf if is_protobuf else otlp_json
    media = _PROTOBUF if is_protobuf else _JSON
    if not became.is_refused:
        unread = f"{became.unread} were not understood; the trail says why" if became.unread else ""
        return Answered(_OK, media, words.answer(message=unread))
    is_passing = became.status >= _FAULT or became.status == _TOO_SLOW
    return Answered(_AGAIN if is_passing else became.status, media, words.refusal(became.why))


_LOG: Final[Kind[Any]] = Kind(_Told, _read)
_KINDS: Final = ("event", "deployment", "task", "pipeline")

SOURCE: Final = Source(
    name="otlp",
    title="OpenTelemetry logs",
    page="https://opentelemetry.io/docs/specs/otlp/",
    schemes=(SCHEMES["bearer"], SCHEMES["basic"], SCHEMES["nothing"]),
    tell=tell,
    kinds=dict.fromkeys(_KINDS, _LOG),
    set_aside={"log": "a program's log, which names no action and no result of a deployment"},
    setup="""\
1. In the OpenTelemetry Collector that receives the logs, add the exporter otlp_http/{name}
   (older ones say otlphttp) with logs_endpoint {url}
   and the header Authorization "Bearer {secret}".
2. Before it, a filter processor that lets through logs that tell of builds and deployments: what
   tells of none is counted and dropped here, too.
3. Name the exporter in a pipeline of logs.
4. Without a Collector, set in the program's environment
   OTEL_EXPORTER_OTLP_LOGS_ENDPOINT={url} and
   OTEL_EXPORTER_OTLP_LOGS_HEADERS=Authorization=Bearer%20{secret},
   with OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=http/protobuf.
5. Name the logs, or give them attributes, as our page of this source says.""",
    is_lines=True,
    answer=answer,
)

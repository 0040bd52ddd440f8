"""What whoever operates the server asks: is it up, is it ready, how is it doing, what can it do."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib.metadata import version
from math import inf
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, structs
from starlette.responses import Response

from deploytrail import errors
from deploytrail.access.principal import Permission
from deploytrail.actions import CATALOGUE
from deploytrail.errors import Busy, DeploytrailError, NotFound
from deploytrail.query.tree import EVERYTHING
from deploytrail.trail import Stats
from deploytrail.web import metrics, openapi, problem
from deploytrail.web.answering import encoded, json, tagged
from deploytrail.web.call import Call
from deploytrail.web.replies import Actions, Health, ProblemKind
from deploytrail.web.route import IF_NONE_MATCH, JSON, TAGGED, UNCHANGED, Part, Reply, Route, Table

_UNSIGNED_MAX: Final = 100_000
"""So many entries without a signature mean that nobody publishes."""


class Naming(Struct, frozen=True, kw_only=True):
    """Which actions."""

    prefix: Annotated[
        str, Meta(max_length=64, description="Only names that begin so, e.g. `deployment.`.")
    ] = ""


async def healthz(_: Call) -> Response:
    """The process answers."""
    return json(Health(status="up"))


async def readyz(call: Call) -> Response:
    """The log can be read and written, and is being published."""
    writer = call.server.writer
    if writer.fault is not None:
        raise writer.fault
    unsigned = (await call.server.readiness.look()).unsigned
    if unsigned > _UNSIGNED_MAX:
        raise Busy(
            f"log: expected at most {_UNSIGNED_MAX} entries that are not signed yet, found "
            f"{unsigned}; see whether the follow process runs"
        )
    return json(Health(status="ready"))


async def figures(call: Call) -> Response:
    """In the text format of Prometheus."""
    server = call.server
    size, unsigned = await server.readiness.look()
    tally = server.writer.tally()
    gauges: dict[str, tuple[str, metrics.Value]] = {
        "log_entries": ("entries of the log", size),
        "log_unsigned_entries": ("entries that no checkpoint covers yet", unsigned),
        "writer_waiting_events": ("events that wait to be logged", tally.waiting),
        "body_bytes": ("bytes of bodies in memory", server.budget.taken),
        "reads_waiting": (
            "questions asked and not answered yet",
            server.readers.waiting + server.lookups.waiting,
        ),
        "index_waiting": ("questions that wait for the index", server.waiting.waiters),
        "tail_clients": ("who listens to the tail", server.hub.listening),
    }
    # Whatever keeps these from being told, all the others are.
    with suppress(DeploytrailError):
        gauges |= _lags(await server.lookups.ask(lambda served: served.stats()))
    return Response(server.metrics.text(gauges), media_type=metrics.MEDIA_TYPE)


def _lags(found: Stats) -> dict[str, tuple[str, metrics.Value]]:
    """In seconds; what nobody can tell is longer than anything."""
    gauges: dict[str, tuple[str, metrics.Value]] = {}
    seconds = {name: _or_longest(each) for name, each in found.lag_seconds.items()}
    if seconds:
        what = "seconds that the oldest entry which a follower lacks has been in the log"
        gauges["lag_seconds"] = (what, seconds)
    if found.quorum is not None:
        what = "seconds since a quorum of witnesses cosigned its newest checkpoint"
        gauges["quorum_age_seconds"] = (what, _or_longest(found.quorum.seconds))
    return gauges


def _or_longest(seconds: float | None) -> float:
    return inf if seconds is None else seconds


async def stats(call: Call) -> Response:
    """How far the log goes, and how far what follows it."""
    found = await call.server.lookups.ask(lambda served: served.stats())
    if call.principal.scope != EVERYTHING:
        # When an event was logged is a part of it, and it may lie outside. How many there are is
        # no secret: the checkpoint says so to anybody.
        found = structs.replace(found, logged=None, lag_seconds={})
    return json(found)


async def actions(call: Call) -> Response:
    """The catalogue."""
    wanted: Naming = call.query
    found = [each for name, each in CATALOGUE.items() if name.startswith(wanted.prefix)]
    return tagged(call.request, encoded(Actions(items=tuple(found), next=None)), JSON)


async def described(call: Call) -> Response:
    """This document."""
    return tagged(call.request, _document(call.server.table), JSON)


@cache
def _document(table: Table) -> bytes:
    return encoded(openapi.document(table, version=version("deploytrail")))


async def explained(call: Call) -> Response:
    """What the `type` of a problem means."""
    found = _kinds().get(call.parts["name"])
    if found is None:
        raise NotFound(f"problem: expected one of {', '.join(sorted(_kinds()))}, found none such")
    return json(found)


@cache
def _kinds() -> dict[str, ProblemKind]:
    classes = [*_below(DeploytrailError)]
    kinds = [(problem.kind_of(each), (each.__doc__ or "")) for each in classes]
    kinds.append((problem.INTERNAL, problem.INTERNAL.title))
    return {
        kind.name: ProblemKind(
            name=kind.name, status=kind.status, title=kind.title, meaning=" ".join(text.split())
        )
        for kind, text in kinds
    }


def _below(error: type[DeploytrailError]) -> list[type[DeploytrailError]]:
    """All that can be raised: those that stand for others are raised by nobody."""
    found = [one for each in error.__subclasses__() for one in (each, *_below(each))]
    families = {errors.SenderError, errors.EvidenceError, errors.OwnError}
    return [one for one in found if one not in families]


def _open(path: str, name: str, what: str, answer: Any, type: Any, **more: Any) -> Route:
    is_tagged = more.pop("tagged", False)
    unchanged = (UNCHANGED,) if is_tagged else ()
    return Route(
        method="GET",
        path=path,
        name=name,
        what=what,
        answer=answer,
        permission=None,
        replies=(Reply(200, what, type=type, headers=TAGGED if is_tagged else ()), *unchanged),
        **more,
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/stats",
        name="readStats",
        what="How far the log goes, and how far what follows it.",
        answer=stats,
        permission=Permission.READ,
        replies=(Reply(200, "Sizes, and the followers by name.", type=Stats),),
    ),
    Route(
        method="GET",
        path="/metrics",
        name="readMetrics",
        what="Figures of this server, in the text format of Prometheus.",
        answer=figures,
        permission=Permission.OPERATE,
        replies=(Reply(200, "Counters, gauges and histograms.", metrics.MEDIA_TYPE),),
    ),
    _open(
        "/v1/actions",
        "listActions",
        "The names that an event may bear, and what each stands for.",
        actions,
        Actions,
        query=Naming,
        headers=(IF_NONE_MATCH,),
        tagged=True,
    ),
    _open("/healthz", "readHealth", "Whether this process answers.", healthz, Health),
    _open(
        "/readyz",
        "readReadiness",
        "Whether events can be recorded here now.",
        readyz,
        Health,
        problems=(errors.CommitUnknown, errors.DiskFull),
    ),
    _open(
        "/openapi.json",
        "readApi",
        "This document.",
        described,
        dict[str, Any],
        headers=(IF_NONE_MATCH,),
        tagged=True,
    ),
    _open(
        "/problems/{name}",
        "explainProblem",
        "What a problem's type means.",
        explained,
        ProblemKind,
        parts=(Part("name", "The last part of the problem's type.", "[a-z-]+"),),
        problems=(NotFound,),
    ),
)

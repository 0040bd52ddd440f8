"""Every route by everybody: who may, and that nothing outside of a scope is in any answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import pytest

from deploytrail import attachment_line
from deploytrail.access.principal import Permission
from deploytrail.event import Actor, Reason, Target, Where
from deploytrail.trail import Attachment
from deploytrail.web.asking import FORM
from deploytrail.web.route import Route
from deploytrail.web.routes.table import TABLE
from tests.events import body, new_id
from tests.fakes import NOON
from tests.web.indexed import NARROW, indexed, lines
from tests.web.served import Answer, Served
from tests.web.test_tailing import listening

OUTSIDE: Final = "mallory"
"""Stands in every text of what is out of scope, and in nothing else."""
TOKEN: Final = f"{NARROW}env:prod project:payments"
IDS = [new_id() for _ in range(6)]
WITHIN, OUT = (0, 2, 4), (1, 3, 5)


def told(number: int) -> bytes:
    """Even ones are within the scope."""
    is_within = number % 2 == 0
    who = "alice" if is_within else OUTSIDE
    places = {
        0: Where(project="payments", environment="prod"),
        1: Where(project="payments", environment=f"{OUTSIDE}-env"),
        3: Where(project=f"{OUTSIDE}-project", environment="prod"),
        5: None,
    }
    return body(
        id=IDS[number],
        action="deployment.succeeded",
        time=NOON + timedelta(minutes=number),
        actor=Actor(type="user", id=f"github:{who}", name=f"{who} example"),
        where=places[0] if is_within else places[number],
        reason=Reason(from_="stated", text=f"the plan of {who}", tickets=(f"{who}-{number}",)),
        targets=(Target(type="host", id=f"{who}.example"),),
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    bodies = [told(number) for number in range(6)]
    with indexed(tmp_path_factory.mktemp("scoped"), bodies) as found:
        yield found


NEEDED: Final = {
    "/v1/facets": "fields=env,actor,target,ticket,project",
    "/v1/suggest": "field=actor",
    "/v1/fingerprint-key": "project=payments",
}
ENDLESS: Final = {"/v1/tail", "/v1/tail/query"}
READING: Final = [
    route
    for route in TABLE.routes
    if route.permission is Permission.READ and route.path not in ENDLESS
]


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


def asked(
    server: Served, route: Route, *, token: str | None, query: str = "", at: int = 0
) -> Answer:
    """The route, asked about everything, or about the event of that number."""
    path = route.path.format(
        event=IDS[at],
        evidence="AAAAAAAAAAAAAAAAAAAAAA",
        index="000.p/6",
        level="0",
        name="busy",
        connection="nobody",
    )
    given = "&".join(filter(None, (NEEDED.get(route.path.removesuffix("/query"), ""), query)))
    if route.form is not None:
        return server.ask("POST", path, given.encode(), token=token, content_type=FORM)
    if route.method == "POST":
        return server.ask("POST", path, told(at), token=token, content_type="application/json")
    return server.get(f"{path}?{given}", token=token)


@pytest.mark.parametrize(
    "route", [one for one in TABLE.routes if one.path not in ENDLESS], ids=named
)
def test_every_route_by_everybody(server: Served, route: Route) -> None:
    def statuses(*tokens: str | None) -> list[int]:
        return [asked(server, route, token=token).status for token in tokens]

    if route.permission is None:
        assert len(set(statuses(None, "nobody's", "admin", TOKEN))) == 1
        return
    assert statuses(None, "nobody's", f"all but {route.permission.value}") == [401, 401, 403]
    # The event was recorded before, or not, by whoever asked before; it has no evidence.
    # A backup is of everything, so none is for whoever has a scope.
    wanted = {
        "readEvidence": {404}, "recordEvents": {200, 201}, "makeBackup": {200, 403},
        "takeSpool": {415},
    }.get(route.name, {200})  # fmt: skip
    assert {*statuses("admin", TOKEN)} <= wanted


@pytest.mark.parametrize("route", READING, ids=named)
@pytest.mark.parametrize("at", [*WITHIN, *OUT])
def test_nothing_outside_of_a_scope_is_in_an_answer(server: Served, route: Route, at: int) -> None:
    takes_query = "q" in (route.form or route.query).__struct_fields__
    queries = [f"q={OUTSIDE}", f"q=id:{IDS[at]}", f"q=-actor:{OUTSIDE}*", ""]
    for query in queries if takes_query and at in (0, 1) else [""]:
        answer = asked(server, route, token=TOKEN, query=query, at=at)
        if query == f"q={OUTSIDE}":
            # The problem, or the answer, may not even tell what was asked for back.
            assert answer.status == 200
        assert OUTSIDE.encode() not in answer.body, query
        assert all(str(IDS[each]).encode() not in answer.body for each in OUT if each != at)
    if "{event}" in route.path:
        assert asked(server, route, token=TOKEN, at=at).status == (
            200 if at in WITHIN and route.name == "showEvent" else 404
        )


def test_whoever_sees_everything_finds_it_in_the_same_routes(server: Served) -> None:
    # Else the test above would prove nothing.
    showing = [one for one in READING if one.name != "readStats" and "{event}" not in one.path]
    for route in showing:
        answer = asked(server, route, token="admin")
        if route.path.startswith("/v1/histogram"):
            assert sum(bar["count"] for bar in answer.json()["bars"]) == 6
            narrow = asked(server, route, token=TOKEN).json()
            assert sum(bar["count"] for bar in narrow["bars"]) == 3
        else:
            assert OUTSIDE.encode() in answer.body, named(route)


def test_what_is_out_of_scope_looks_as_what_never_was(server: Served) -> None:
    out = server.get(f"/v1/events/{IDS[1]}", token=TOKEN)
    never = server.get(f"/v1/events/{new_id()}", token=TOKEN)
    assert out.status == never.status == 404
    assert out.detail.replace(str(IDS[1]), "") == never.detail.replace(never.detail[7:43], "")
    at_index = server.get("/v1/events/1", token=TOKEN)
    beyond = server.get("/v1/events/9999", token=TOKEN)
    assert at_index.detail == beyond.detail.replace("'9999'", "'1'")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_of_a_part_keeps_to_the_scope(server: Served, form: str) -> None:
    path = f"/v1/export?first=0&until=6&format={form}"
    answer = server.get(path, token=TOKEN)
    assert OUTSIDE.encode() not in answer.body
    assert OUTSIDE.encode() in server.get(path).body
    if form == "jsonl":
        assert [one["index"] for one in lines(answer.body)] == list(WITHIN)


def test_a_tail_keeps_to_the_scope(server: Served) -> None:
    async def listened() -> bytes:
        async with listening(server, "/v1/tail?first=0", token=TOKEN) as client:
            await client.until(3)
            await asyncio.sleep(0.1)
            return client.text

    text = server.runner.run(listened())
    assert OUTSIDE.encode() not in text
    assert all(str(IDS[at]).encode() in text for at in WITHIN)


def test_when_the_newest_event_was_logged_is_for_who_may_see_it(server: Served) -> None:
    whole, scoped = (server.get("/v1/stats", token=token) for token in ("admin", TOKEN))
    logged = whole.json()["logged"]
    assert logged
    assert scoped.json() == whole.json() | {"logged": None, "lag_seconds": {}}
    assert logged.encode() not in scoped.body
    checkpoint = server.get("/checkpoint", token=None).body.split(b"\n")
    assert int(checkpoint[1]) <= scoped.json()["size"]


def test_the_key_of_a_project_is_for_who_may_record_there(server: Served) -> None:
    # With it, one could try out which secret was dropped.
    path = "/v1/fingerprint-key?project="
    assert server.get(f"{path}payments", token=TOKEN).status == 200
    assert server.get(f"{path}{OUTSIDE}-project", token=TOKEN).status == 403
    assert server.get(f"{path}{OUTSIDE}-project", token="admin").status == 200


def test_what_is_out_of_scope_is_not_recorded_either(server: Served) -> None:
    sent = b"[" + told(0) + b"," + body(where=Where(environment="dev")) + b"]"
    first, second = server.record(sent, token=TOKEN).json()["items"]
    assert "receipt" in first
    assert second["problem"]["status"] == 403
    assert "env:prod" in second["problem"]["detail"]
    alone = server.record(body(where=Where(environment="dev")), token=TOKEN)
    assert (alone.status, "expected an event within" in alone.detail) == (403, True)


def test_evidence_keeps_to_the_scope(server: Served) -> None:
    path = []
    for environment in ("prod", "dev"):
        id = new_id()
        where = Where(project="payments", environment=environment)
        line = attachment_line.encode(id, Attachment(type="output", data=b"applied"))
        sent = body(id=id, where=where) + b"\n" + line
        assert server.record(sent, content_type="application/x-ndjson").status == 200
        (named,) = server.get(f"/v1/events/{id}").json()["event"]["evidence"]
        path.append(f"/v1/events/{id}/evidence/{named['id']}")
    assert [server.get(each).body for each in path] == [b"applied"] * 2
    assert server.get(path[0], token=TOKEN).body == b"applied"
    assert server.get(path[1], token=TOKEN).status == 404

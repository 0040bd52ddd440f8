"""A question by POST is the question by GET, however long it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from urllib.parse import quote, urlencode

import pytest

from deploytrail.event import Where
from deploytrail.web.asking import FORM, FORM_BYTES_MAX
from deploytrail.web.routes.table import TABLE
from deploytrail.web.routes.tailing import ASKED_CHARACTERS_MAX, LONG_CLIENTS_MAX
from tests.events import body
from tests.web.indexed import indexed
from tests.web.served import Served, asgi_scope, asked
from tests.web.test_tailing import listening

ASKED = [route for route in TABLE.routes if route.form is not None]
LONG = " OR ".join(f"env:nowhere-{number}" for number in range(10_000)) + " OR env:prod"

BODIES = [body(where=Where(environment="prod")) for _ in range(7)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with indexed(tmp_path_factory.mktemp("asked"), BODIES) as found:
        yield found


def test_whatever_is_asked_by_a_query_may_be_asked_by_a_long_one() -> None:
    by_get = {
        route.path
        for route in TABLE.routes
        if route.method == "GET" and "q" in route.query.__struct_fields__
    }
    assert {route.path.removesuffix("/query") for route in ASKED} == by_get
    assert {"/v1/events", "/v1/facets", "/v1/histogram", "/v1/tail", "/v1/export"} <= by_get


@pytest.mark.parametrize("path", ["/v1/events", "/v1/changes", "/v1/facets", "/v1/histogram"])
def test_both_forms_have_one_answer(server: Served, path: str) -> None:
    asked = {"q": "env:prod"} | ({"fields": "env,action"} if path == "/v1/facets" else {})
    by_get = server.get(f"{path}?{urlencode(asked)}")
    by_post = server.ask("POST", f"{path}/query", urlencode(asked).encode(), content_type=FORM)
    assert (by_get.status, by_post.status) == (200, 200)
    assert by_get.body == by_post.body
    long = server.ask(
        "POST", f"{path}/query", urlencode(asked | {"q": LONG}).encode(), content_type=FORM
    )
    assert long.body == by_get.body


def test_a_cursor_of_one_form_goes_on_in_the_other(server: Served) -> None:
    first = server.get("/v1/events?q=env:prod&limit=3").json()
    asked = urlencode({"q": "env:prod", "limit": 3, "cursor": first["next"]})
    second = server.ask("POST", "/v1/events/query", asked.encode(), content_type=FORM).json()
    asked = urlencode({"q": "env:prod", "limit": 3, "cursor": second["next"]})
    third = server.get(f"/v1/events?{asked}").json()
    found = [one["index"] for page in (first, second, third) for one in page["items"]]
    assert sorted(found) == list(range(7))
    assert third["next"] is None


def test_an_export_by_post_is_the_export_by_get(server: Served) -> None:
    by_get = server.get("/v1/export?q=env:prod&format=csv")
    asked = urlencode({"q": LONG, "format": "csv"}).encode()
    by_post = server.ask("POST", "/v1/export/query", asked, content_type=FORM)
    assert by_post.body == by_get.body
    assert by_post.headers["content-type"] == "text/csv; charset=utf-8"


REFUSED = {
    "another form": (b"{}", {"content_type": "application/json"}, 415, f"expected {FORM}"),
    "no form is named": (b"q=x", {}, 415, f"expected {FORM}, found ''"),
    "a name that is none": (b"nonsense=1", {"content_type": FORM}, 400, "'nonsense': expected"),
    "the same twice": (b"q=a&q=b", {"content_type": FORM}, 400, "q: expected once"),
    "no text": (b"q=%ff", {"content_type": FORM}, 400, "expected UTF-8"),
    "no query": (b"q=env:", {"content_type": FORM}, 400, "expected"),
    "more than is read": (
        b"q=" + b"x" * FORM_BYTES_MAX, {"content_type": FORM}, 413, f"at most {FORM_BYTES_MAX}",
    ),
    "a charset of its own": (b"q=x", {"content_type": f"{FORM}; charset=latin1"}, 415, "UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_question_is_refused(server: Served, reason: str) -> None:
    sent, headers, status, what = REFUSED[reason]
    answer = server.ask("POST", "/v1/events/query", sent, **headers)
    assert (answer.status, what in answer.detail) == (status, True), answer.detail
    assert server.assembled.server.budget.taken == 0


def test_parameters_in_the_address_are_refused_where_they_come_in_the_body(server: Served) -> None:
    answer = server.ask("POST", "/v1/events/query?q=env:prod", b"q=x", content_type=FORM)
    assert answer.status == 400
    assert "expected no parameters" in answer.detail


def test_an_address_that_is_too_long_says_where_the_question_may_be_put(server: Served) -> None:
    answer = server.get("/v1/events?q=" + "x" * 300_000)
    assert answer.status == 414
    assert "by POST" in answer.detail


def test_a_tail_of_a_long_query_is_sent_the_same_and_counted(server: Served) -> None:
    long = " OR ".join(f"env:nowhere-{number}" for number in range(1_000)) + " OR env:prod"
    path = f"/v1/tail?first=0&q={quote(long)}"
    hub = server.assembled.hub

    async def listened() -> tuple[list[list[int]], int, int]:
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(listening(server, path))
                for _ in range(LONG_CLIENTS_MAX)
            ]
            found = [await client.until(len(BODIES)) for client in clients]
            counted = hub.apart
            refused = await asked(server.assembled, asgi_scope("GET", path))
        return found, counted, refused.status

    found, counted, status = server.runner.run(listened())
    assert found == [list(range(len(BODIES)))] * LONG_CLIENTS_MAX
    assert (counted, status, hub.apart) == (LONG_CLIENTS_MAX, 429, 0)
    # They listened apart from the hub, which nobody's long query may hold up.
    assert hub.clients == set()


def test_no_more_is_asked_of_each_event_than_the_tail_can_bear(server: Served) -> None:
    queries = [f"env:nowhere-{number:08000}" for number in range(ASKED_CHARACTERS_MAX // 8000 + 1)]

    async def listened() -> tuple[list[int], int]:
        async with AsyncExitStack() as stack:
            answers: list[int] = []
            for query in queries:
                path = f"/v1/tail?q={query}"
                if len(answers) < ASKED_CHARACTERS_MAX // 8012:
                    await stack.enter_async_context(listening(server, path))
                    answers.append(200)
                else:
                    answers.append((await asked(server.assembled, asgi_scope("GET", path))).status)
            # Another who asks for the same asks nothing more.
            await stack.enter_async_context(listening(server, f"/v1/tail?q={queries[0]}"))
            return answers, server.assembled.hub.listening

    answers, listening_most = server.runner.run(listened())
    assert answers == [200] * 8 + [429]
    assert listening_most == 9
    assert server.assembled.hub.listening == 0

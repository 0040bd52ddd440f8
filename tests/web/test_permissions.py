"""Each route has a permission, and is refused without it; what is open is open on purpose."""

from __future__ import annotations

import pytest

from deploytrail.web.route import Route
from deploytrail.web.routes.table import TABLE
from tests.web.served import Served

OPEN = {
    "/checkpoint": "anybody may hold the log against what it signed before",
    "/tile/{level}/{index}": "hashes tell nothing of what was hashed",
    "/v1/actions": "the catalogue is the same everywhere",
    "/healthz": "whoever restarts us has no token",
    "/readyz": "nor has whoever balances load",
    "/openapi.json": "it is the same everywhere",
    "/problems/{name}": "whoever is refused may read why",
    "/in/{connection}": "a tool proves itself by its connection's own credential",
}
"""Why no token is asked for."""
GUARDED = [route for route in TABLE.routes if route.permission is not None]


def path_of(route: Route) -> str:
    """One that the route answers, with what must be in the query."""
    path = route.path.format(
        index="000", level="0", event="0", name="malformed", connection="nobody", evidence="A"
    )
    return path + {"/v1/facets": "?fields=env", "/v1/suggest": "?field=env"}.get(path, "")


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_what_is_open_is_open_on_purpose() -> None:
    assert {route.path for route in TABLE.routes if route.permission is None} == set(OPEN)


@pytest.mark.parametrize("route", GUARDED, ids=named)
def test_without_a_token_it_is_refused(server: Served, route: Route) -> None:
    for token in (None, "nobody's"):
        answer = server.ask(route.method, path_of(route), token=token)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("route", GUARDED, ids=named)
def test_without_its_permission_it_is_refused(server: Served, route: Route) -> None:
    assert route.permission is not None
    answer = server.ask(route.method, path_of(route), token=f"all but {route.permission.value}")
    assert answer.status == 403
    assert f"expected the permission {route.permission.value}" in answer.detail


@pytest.mark.parametrize("route", GUARDED, ids=named)
def test_a_token_in_the_address_is_none(server: Served, route: Route) -> None:
    glue = "&" if "?" in path_of(route) else "?"
    answer = server.ask(route.method, f"{path_of(route)}{glue}access_token=admin", token=None)
    assert answer.status == 401


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_asks_for_no_token(server: Served, path: str) -> None:
    (route,) = [each for each in TABLE.routes if each.path == path]
    assert server.ask(route.method, path_of(route), token=None).status in {200, 404}


def test_the_document_tells_the_same(server: Served) -> None:
    paths = server.get("/openapi.json", token=None).json()["paths"]
    assert {
        (route.path, route.permission and route.permission.value) for route in TABLE.routes
    } == {
        (path, operation.get("x-permission"))
        for path, methods in paths.items()
        for operation in methods.values()
    }
    assert {
        path
        for path, methods in paths.items()
        if any(operation["security"] == [] for operation in methods.values())
    } == set(OPEN)

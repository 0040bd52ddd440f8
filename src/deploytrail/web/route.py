"""A route is data: from the one table come routing, the OpenAPI document and the permissions.

Values only. Whatever answers is named by the route; what it is given is a `Call`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct
from starlette.responses import Response

from deploytrail.access.principal import Permission
from deploytrail.errors import DeploytrailError, NotFound
from deploytrail.web.header import NO_CACHE, TAG, Header
from deploytrail.web.problem import WrongMethod

if TYPE_CHECKING:
    from deploytrail.web.call import Call

JSON: Final = "application/json"


class NoQuery(Struct, frozen=True):
    """Of a route that takes no parameters."""


class Part(NamedTuple):
    """A parameter in the path, or in the header. `pattern` is what it may be made of."""

    name: str
    what: str
    pattern: str = "[^/]+"


class Reply(NamedTuple):
    """What a route answers with; `type` gives the schema of JSON, None is any bytes.

    `headers` are those of its own.
    """

    status: int
    what: str
    media: str = JSON
    type: Any = None
    headers: tuple[Header, ...] = ()


TAGGED: Final = (NO_CACHE, TAG)
UNCHANGED: Final = Reply(304, "Nothing new since the answer of that tag.", "", None, TAGGED)
IF_NONE_MATCH: Final = Part("If-None-Match", "The tag of the answer that one has.", ".*")


class Body(NamedTuple):
    """What a route reads: by media type what its schema is made of, None for any bytes."""

    media: Mapping[str, Any]
    what: str


class Route(NamedTuple):
    """Method and path, who may, what comes in, what goes out.

    `permission` is None where anybody may. `problems` are those of its own; `COMMON_PROBLEMS` and
    what follows from permission and parameters are added. The parameters are `query`, in the
    address, or those of `form`, in the body.
    """

    method: str
    path: str
    name: str
    what: str
    answer: Callable[[Call], Awaitable[Response]]
    permission: Permission | None
    replies: tuple[Reply, ...]
    query: type[Struct] = NoQuery
    form: type[Struct] | None = None
    parts: tuple[Part, ...] = ()
    headers: tuple[Part, ...] = ()
    body: Body | None = None
    problems: tuple[type[DeploytrailError], ...] = ()


def by_body(route: Route) -> Route:
    """The same question with its parameters in a body, where an address is too short for them."""
    return route._replace(
        method="POST",
        path=f"{route.path}/query",
        name=f"{route.name}ByBody",
        what=f"The same as GET {route.path}, its parameters in the body: for long queries.",
        query=NoQuery,
        form=route.query,
    )


class Found(NamedTuple):
    """A route and what stood in the path for its parameters."""

    route: Route
    parts: Mapping[str, str]


class Table:
    """All routes, by path. HEAD is answered wherever GET is."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._plain: dict[str, dict[str, Route]] = {}
        patterns: dict[str, tuple[re.Pattern[str], dict[str, Route]]] = {}
        for route in self.routes:
            if not route.parts:
                self._plain.setdefault(route.path, {})[route.method] = route
            else:
                entry = patterns.setdefault(route.path, (_pattern(route), {}))
                entry[1][route.method] = route
        self._patterns = tuple(patterns.values())

    def find(self, method: str, path: str) -> Found:
        """Raises NotFound for a path that is none, WrongMethod for one that knows others."""
        methods = self._plain.get(path)
        if methods is not None:
            return Found(_chosen(methods, method), {})
        for pattern, routes in self._patterns:
            match = pattern.fullmatch(path)
            if match is not None:
                return Found(_chosen(routes, method), match.groupdict())
        raise NotFound(
            "path: expected one of this server's, found none of that name; /openapi.json lists them"
        )


def _pattern(route: Route) -> re.Pattern[str]:
    text = re.escape(route.path)
    for part in route.parts:
        text = text.replace(rf"\{{{part.name}\}}", f"(?P<{part.name}>{part.pattern})")
    return re.compile(text)


def _chosen(methods: Mapping[str, Route], method: str) -> Route:
    route = methods.get("GET" if method == "HEAD" else method)
    if route is None:
        allowed = sorted({*methods, *(["HEAD"] if "GET" in methods else [])})
        raise WrongMethod(", ".join(allowed))
    return route

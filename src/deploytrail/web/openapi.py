"""The OpenAPI 3.1 document: the table of routes in the words of https://spec.openapis.org.

Pure. It says nothing that is not in the table, so it is as true as the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct, structs

from deploytrail.errors import (
    Busy,
    DeploytrailError,
    Fenced,
    Incomplete,
    Malformed,
    NotPermitted,
    Overloaded,
    Tampered,
    TooLarge,
    Unknown,
    Unreachable,
)
from deploytrail.web import asking, body, problem
from deploytrail.web.header import REQUEST_ID, REQUEST_ID_IF_READ, Header, described, whole
from deploytrail.web.parameters import Kind, has_default, kind_of
from deploytrail.web.problem import (
    AddressTooLong,
    HeadersTooLarge,
    NotAcceptable,
    Problem,
    TooSlowSending,
    WrongMethod,
    WrongType,
    headers_named,
)
from deploytrail.web.route import Part, Reply, Route, Table

COMMON: Final = (
    Malformed, WrongMethod, TooLarge, NotAcceptable, AddressTooLong, HeadersTooLarge, Overloaded,
    Busy, Fenced, Unreachable, Tampered, Incomplete,
)  # fmt: skip
"""What every route may answer with, or its path to another method."""
REFUSALS: Final = (Unknown, NotPermitted)
"""What a route may that has a permission."""
_T = TypeVar("_T")
_REF: Final = "#/components/schemas/{name}"
_HEADER_REF: Final = "#/components/headers/{key}"
_CODING: Final = Part("Content-Encoding", "How the body is packed.", "|".join(sorted(body.CODINGS)))
_ABOUT: Final = (
    "One tamper-evident log of deployment events. Every error is a problem (RFC 9457); lists are "
    "pages of `items` with the cursor of the `next`. Names only ever get more under /v1."
)


def document(table: Table, *, version: str) -> dict[str, Any]:
    """The whole document, as JSON has it."""
    schemas, components = _schemas(table)
    paths: dict[str, dict[str, Any]] = {}
    for route in table.routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Deploytrail", "version": version, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": _header_components(table),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def problems_of(route: Route) -> tuple[type[DeploytrailError], ...]:
    """All that a route may answer with instead of a reply."""
    reading = (WrongType, TooSlowSending) if route.form is not None else ()
    own = route.problems + COMMON + reading + (REFUSALS if route.permission is not None else ())
    return tuple(dict.fromkeys(own))


def _schemas(table: Table) -> tuple[dict[Any, Any], dict[str, Any]]:
    """The schema of each type that routes speak of, and what these refer to."""
    types = [Problem, *(one for route in table.routes for one in _types_of(route))]
    found, components = msgspec.json.schema_components(types, ref_template=_REF)
    for name, component in components.items():
        _say_all(name, component)
    return dict(zip(map(repr, types), found, strict=True)), components


def _types_of(route: Route) -> Iterator[Any]:
    yield from (reply.type for reply in route.replies if reply.type is not None)
    if route.body is not None:
        yield from (each for each in route.body.media.values() if each is not None)


def _say_all(name: str, component: dict[str, Any]) -> None:
    """What a docstring says in lines is one paragraph here."""
    text = component.get("description")
    if text:
        component["description"] = " ".join(text.split())
    component.setdefault("title", name)


def _operation(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.what,
        "security": [] if route.permission is None else [{"token": []}],
        "parameters": [
            *_placed("path", route.parts),
            *_query(route.query),
            *_placed("header", (*route.headers, *([_CODING] if _has_body(route) else []))),
        ],
        "responses": _replies(route, schemas) | _problems(route),
    }
    if route.permission is not None:
        found["x-permission"] = route.permission.value
    if route.form is not None:
        found["requestBody"] = _form(route.form)
    if route.body is not None:
        content = {
            media: {} if each is None else {"schema": schemas[repr(each)]}
            for media, each in route.body.media.items()
        }
        found["requestBody"] = {
            "required": True,
            "description": route.body.what,
            "content": content,
        }
    return found


def _placed(place: str, parts: Iterable[Part]) -> Iterator[dict[str, Any]]:
    """Parameters in the path, where each has to be, or in the header."""
    for part in parts:
        yield {
            "name": part.name,
            "in": place,
            "required": place == "path",
            "description": part.what,
            "schema": {"type": "string", "pattern": f"^(?:{part.pattern})$"},
        }


def _has_body(route: Route) -> bool:
    return route.body is not None or route.form is not None


def _form(form: type[Struct]) -> dict[str, Any]:
    """The parameters of a question as a body."""
    parameters = list(_query(form))
    listed = {each["name"] for each in parameters if each["schema"]["type"] == "array"}
    schema = {
        "type": "object",
        "properties": {
            each["name"]: each["schema"] | {"description": each["description"]}
            for each in parameters
        },
        "required": [each["name"] for each in parameters if each["required"]],
        "additionalProperties": False,
    }
    encoding = {name: {"style": "form", "explode": False} for name in sorted(listed)}
    content = {"schema": schema} | ({"encoding": encoding} if encoding else {})
    return {
        "required": any(each["required"] for each in parameters),
        "description": "The parameters of the question, as in an address.",
        "content": {asking.FORM: content},
    }


def _query(query: type[Struct]) -> Iterator[dict[str, Any]]:
    for field in structs.fields(query):
        schema = _parameter(kind_of(field.type))
        if has_default(field) and field.default not in {None, "", ()}:
            schema["default"] = field.default
        found = {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "description": _described(field.type),
            "schema": schema,
        }
        if schema["type"] == "array":
            found |= {"style": "form", "explode": False}
        yield found


def _parameter(kind: Kind) -> dict[str, Any]:
    if kind.type is int:
        return {"type": "integer", "minimum": kind.low or 0} | _given(maximum=kind.high)
    if kind.type is tuple:
        items = {"type": "string", "minLength": 1, "pattern": "^[^,]+$"}
        return {"type": "array", "items": items} | _given(minItems=kind.low, maxItems=kind.high)
    if kind.words:
        return {"type": "string", "enum": list(kind.words)}
    return {"type": "string"} | _given(minLength=kind.low, maxLength=kind.high)


def _given(**bounds: int | None) -> dict[str, int]:
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _described(hint: Any) -> str:
    metas = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((meta.description for meta in metas if meta.description), "")


def _replies(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status in _unique(reply.status for reply in route.replies):
        replies = [reply for reply in route.replies if reply.status == status]
        found[str(status)] = {
            "description": " ".join(reply.what for reply in replies),
            "headers": _refer(_headers_of_reply(replies)),
        }
        content = _content([reply for reply in replies if reply.media], schemas)
        if content:
            found[str(status)]["content"] = content
    return found


def _content(replies: Iterable[Reply], schemas: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for reply in replies:
        media = reply.media.partition(";")[0]
        schema = {} if reply.type is None else {"schema": schemas[repr(reply.type)]}
        if media in found:
            # Two forms of one status: either.
            schema = {"schema": {"anyOf": [found[media]["schema"], schema["schema"]]}}
        found[media] = schema
    return found


def _headers_of_reply(replies: Iterable[Reply]) -> tuple[Header, ...]:
    return whole((each for reply in replies for each in reply.headers), REQUEST_ID)


def _problems(route: Route) -> dict[str, Any]:
    by_status: dict[int, list[type[DeploytrailError]]] = {problem.INTERNAL.status: []}
    for error in problems_of(route):
        by_status.setdefault(error.status, []).append(error)
    return {str(status): _problem(status, by_status[status]) for status in sorted(by_status)}


def _problem(status: int, errors: Iterable[type[DeploytrailError]]) -> dict[str, Any]:
    kinds = [problem.kind_of(error) for error in errors]
    said = [f"{kind.title} ({kind.name})" for kind in kinds]
    if status == problem.INTERNAL.status:
        said.insert(0, problem.INTERNAL.title)
    schema = {"$ref": _REF.format(name=Problem.__name__)}
    return {
        "description": "; ".join(_unique(said)),
        "headers": _refer(_headers_of_problem(errors)),
        "content": {problem.MEDIA_TYPE: {"schema": schema}},
    }


def _headers_of_problem(errors: Iterable[type[DeploytrailError]]) -> tuple[Header, ...]:
    return whole((each for error in errors for each in headers_named(error)), REQUEST_ID_IF_READ)


def _refer(headers: Iterable[Header]) -> dict[str, Any]:
    return {one.name: {"$ref": _HEADER_REF.format(key=one.key)} for one in headers}


def _header_components(table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for route in table.routes:
        for one in (*_headers_of_reply(route.replies), *_headers_of_problem(problems_of(route))):
            found[one.key] = described(one)
    return found


def _unique(given: Iterable[_T]) -> list[_T]:
    return list(dict.fromkeys(given))

"""The OpenAPI 3.1 document: the table of routes in the words of https://spec.openapis.org.

Pure. It says nothing that is not in the table, so it is as true as the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, get_args, get_origin

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
from deploytrail.web import asking, problem
from deploytrail.web.parameters import Kind, has_default, kind_of
from deploytrail.web.problem import (
    AddressTooLong,
    HeadersTooLarge,
    NotAcceptable,
    Problem,
    TooSlowSending,
    WrongType,
)
from deploytrail.web.route import Route, Table

COMMON: Final = (
    Malformed, TooLarge, NotAcceptable, AddressTooLong, HeadersTooLarge, Overloaded, Busy, Fenced,
    Unreachable, Tampered, Incomplete,
)  # fmt: skip
"""What every route may answer with."""
REFUSALS: Final = (Unknown, NotPermitted)
"""What a route may that has a permission."""
_REF: Final = "#/components/schemas/{name}"
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
        "parameters": [*_parts(route), *_query(route.query), *_headers(route)],
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


def _parts(route: Route) -> Iterator[dict[str, Any]]:
    for part in route.parts:
        yield {
            "name": part.name,
            "in": "path",
            "required": True,
            "description": part.what,
            "schema": {"type": "string", "pattern": f"^(?:{part.pattern})$"},
        }


def _headers(route: Route) -> Iterator[dict[str, Any]]:
    for part in route.headers:
        yield {
            "name": part.name,
            "in": "header",
            "required": False,
            "description": part.what,
            "schema": {"type": "string", "pattern": f"^(?:{part.pattern})$"},
        }


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
    for reply in route.replies:
        if not reply.media:
            found[str(reply.status)] = {"description": reply.what}
            continue
        media = reply.media.partition(";")[0]
        known = found.setdefault(str(reply.status), {"description": reply.what, "content": {}})
        if reply.type is None:
            known["content"][media] = {}
        elif media in known["content"]:
            # Two forms of one status: either.
            first = known["content"][media]["schema"]
            known["content"][media] = {"schema": {"anyOf": [first, schemas[repr(reply.type)]]}}
            known["description"] += f" {reply.what}"
        else:
            known["content"][media] = {"schema": schemas[repr(reply.type)]}
    return found


def _problems(route: Route) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {problem.INTERNAL.status: [problem.INTERNAL.title]}
    for error in problems_of(route):
        kind = problem.kind_of(error)
        by_status.setdefault(kind.status, []).append(f"{kind.title} ({kind.name})")
    schema = {"$ref": _REF.format(name=Problem.__name__)}
    return {
        str(status): {
            "description": "; ".join(_unique(said)),
            "content": {problem.MEDIA_TYPE: {"schema": schema}},
        }
        for status, said in sorted(by_status.items())
    }


def _unique(said: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(said))

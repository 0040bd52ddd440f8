"""The OpenAPI document is complete and true: schemathesis holds the server against it."""

from __future__ import annotations

import json

from tests.web.served import Served


def test_every_route_names_its_permission_or_is_open_on_purpose(server: Served) -> None:
    document = server.get("/openapi.json", token=None).json()
    opened = {
        (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["security"] == []
    }
    assert opened == {
        ("get", "/checkpoint"),
        ("get", "/tile/{level}/{index}"),
        ("get", "/v1/actions"),
        ("get", "/healthz"),
        ("get", "/readyz"),
        ("get", "/openapi.json"),
        ("get", "/problems/{name}"),
    }
    json.dumps(document)

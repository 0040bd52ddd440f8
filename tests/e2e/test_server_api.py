"""The OpenAPI document is true: schemathesis holds the running server against every word of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import given
from schemathesis import checks
from schemathesis.core.result import Ok

from deploytrail.web import openapi
from deploytrail.web.routes.table import TABLE
from tests.searching import examples
from tests.web.running import Running, running

CHECKS: Final[list[Any]] = [
    checks.not_a_server_error,
    *checks.CHECKS.get_by_names(
        [
            "status_code_conformance",
            "content_type_conformance",
            "response_headers_conformance",
            "response_schema_conformance",
        ]
    ),
]
SCHEMA = schemathesis.openapi.from_dict(openapi.document(TABLE, version="test"))
OPERATIONS = {
    found.label: found
    for found in (each.ok() for each in SCHEMA.get_all_operations() if isinstance(each, Ok))
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("api") / "home") as found:
        yield found


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_as_the_document_says(server: Running, label: str) -> None:
    operation = OPERATIONS[label]

    @examples(15)
    @given(case=operation.as_strategy())
    def holds(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(
            base_url=server.url,
            headers={"Authorization": f"Bearer {server.token}"},
            checks=CHECKS,
            timeout=1,
        )

    holds()

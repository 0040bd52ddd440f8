"""Signatures of AWS's own examples come out the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

import pytest

from deploytrail.formats.sigv4 import EMPTY, Keys, Scope, query, signed


class Example(NamedTuple):
    """A request of the vendor's pages; without `headers` beside the host."""

    asked: str
    signature: str
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()


# "Signature Version 4 test suite"; the keys are AWS's for examples, split for those who look for
# secrets.
SUITE: Final = Keys("AKID" + "EXAMPLE", "wJalrXUtnFEMI/" + "K7MDENG+bPxRfiCY" + "EXAMPLEKEY")
SUITE_EXAMPLES: dict[str, Example] = {
    "get-vanilla": Example("", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "get-vanilla-query-order-key-case": Example(
        query([("Param2", "value2"), ("Param1", "value1")]),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "post-vanilla": Example(
        "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", method="POST"
    ),
}
# Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header".
S3: Final = Keys("AKIAIOSFODNN7" + "EXAMPLE", "wJalrXUtnFEMI/" + "K7MDENG/bPxRfiCY" + "EXAMPLEKEY")
S3_EXAMPLES: dict[str, Example] = {
    "GET Object": Example(
        "",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        path="/test.txt",
        headers=(("range", "bytes=0-9"),),
    ),
    "GET Bucket Lifecycle": Example(
        query([("lifecycle", "")]),
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "GET Bucket (List Objects)": Example(
        query([("max-keys", "2"), ("prefix", "J")]),
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
}


@pytest.mark.parametrize("name", SUITE_EXAMPLES)
def test_the_suite_s_signatures_come_out_the_same(name: str) -> None:
    one = SUITE_EXAMPLES[name]
    found = signed(
        one.method,
        one.path,
        one.asked,
        {"host": "example.amazonaws.com"},
        SUITE,
        Scope("us-east-1", "service"),
        at=datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
    )
    assert found["authorization"] == (
        f"AWS4-HMAC-SHA256 Credential={SUITE.id}/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={one.signature}"
    )


@pytest.mark.parametrize("name", S3_EXAMPLES)
def test_s3_s_signatures_come_out_the_same(name: str) -> None:
    one = S3_EXAMPLES[name]
    found = signed(
        one.method,
        one.path,
        one.asked,
        {"host": "examplebucket.s3.amazonaws.com", "x-amz-content-sha256": EMPTY}
        | dict(one.headers),
        S3,
        Scope("us-east-1", "s3"),
        at=datetime(2013, 5, 24, tzinfo=UTC),
    )
    assert found["authorization"].endswith(f"Signature={one.signature}")


def test_the_token_of_a_session_is_signed_and_no_key_is_shown() -> None:
    keys = Keys("KEY", "the secret", "the session")
    found = signed(
        "GET", "/", "", {"host": "s3.test"}, keys, Scope("eu-central-1", "s3"),
        at=datetime(2026, 11, 22, tzinfo=UTC),
    )  # fmt: skip
    assert found["x-amz-security-token"] == "the session"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in found["authorization"]
    assert "the secret" not in str(found)
    assert "the s" not in repr(keys)


def test_a_query_is_in_order_and_escaped() -> None:
    assert query([("b", "a/b c~"), ("a", "ü")]) == "a=%C3%BC&b=a%2Fb%20c~"

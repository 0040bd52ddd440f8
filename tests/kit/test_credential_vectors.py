"""Credentials against what vendors publish: secrets, bodies and the headers that belong to them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from deploytrail.kit.credential import Scheme, Signature, Unproven, prove
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.schemes import SCHEMES
from tests.fakes import NOON

OURS: Final = {
    "github-docs": ("github",),
    "circleci-docs": ("circleci",),
    "bitbucket-cloud-jenkins-plugin": ("bitbucket",),
    "bitbucket-server-gwt": ("bitbucket",),
    "standard-webhooks": ("standard-webhooks", "gitlab-signing"),
    "slack-docs": ("slack",),
}
"""Which of our schemes a published vector is of."""
WRONG: Final = {"env0-docs"}
"""Published, and not what the secret and the body that are told with it give."""
ENV0: Final = Scheme(
    name="env0",
    page="env0 Docs, Webhooks",
    evidence=Signature(header="x-env0-signature"),
    form="text",
)


@pytest.fixture(scope="module")
def published(fixtures: Path) -> list[dict[str, Any]]:
    text = (fixtures / "signature-vectors" / "vectors.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)
    return found


def delivered(vector: dict[str, Any], fixtures: Path) -> tuple[Delivery, datetime]:
    """The delivery of a vector, and a time at which it was fresh."""
    octets = (vector["body"] or "").encode()
    if vector["body_file"]:
        octets = (fixtures / vector["body_file"]).read_bytes()
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    seconds = headers.get("webhook-timestamp") or headers.get("x-slack-request-timestamp")
    now = datetime.fromtimestamp(int(seconds), UTC) if seconds else NOON
    return Delivery(octets, tuple(headers.items()), now), now


def cases(published: list[dict[str, Any]]) -> list[tuple[Scheme, dict[str, Any]]]:
    return [
        (SCHEMES[name], vector) for vector in published for name in OURS.get(vector["name"], ())
    ]


def test_every_published_vector_is_one_of_ours_or_known_to_be_wrong(
    published: list[dict[str, Any]],
) -> None:
    assert {vector["name"] for vector in published} == {*OURS, *WRONG}
    assert len(cases(published)) >= 9


def test_every_published_signature_is_proven(
    published: list[dict[str, Any]], fixtures: Path
) -> None:
    for scheme, vector in cases(published):
        delivery, now = delivered(vector, fixtures)
        proof = prove(scheme, delivery, [vector["secret"]], now=now)
        assert (proof.method, proof.assurance, proof.secret) == ("signature", 2, 0)
        assert proof.signed == (now if scheme.age_seconds_max else None)


def test_no_published_signature_is_proven_by_another_secret_or_body(
    published: list[dict[str, Any]], fixtures: Path
) -> None:
    other = {"whsec": SCHEMES["standard-webhooks"].issued(bytes(32)), "text": "another-secret-yet"}
    for scheme, vector in cases(published):
        delivery, now = delivered(vector, fixtures)
        forged = delivery._replace(body=delivery.body + b" ")
        for one, secret in ((forged, vector["secret"]), (delivery, other[scheme.form])):
            with pytest.raises(Unproven) as caught:
                prove(scheme, one, [secret or ""], now=now)
            assert caught.value.reason == "mismatch"


def test_a_published_signature_that_is_wrong_is_refused(
    published: list[dict[str, Any]], fixtures: Path
) -> None:
    (vector,) = [one for one in published if one["name"] in WRONG]
    delivery, now = delivered(vector, fixtures)
    with pytest.raises(Unproven) as caught:
        prove(ENV0, delivery, [vector["secret"]], now=now)
    assert caught.value.reason == "mismatch"


# CircleCI Docs, Outbound webhooks, "Validate outbound webhooks": the two calls of its example.
FOO: Final = "773ba44693c7553d6ee20f61ea5d2757a9a4f4a44d2841ae4e95b52e4cd62db4"


def circleci(header: str) -> Delivery:
    return Delivery(b"foo", (("circleci-signature", header),), NOON)


def test_circlecis_example_is_proven_beside_later_versions() -> None:
    for header in (f"v1={FOO}", f"v1={FOO},v2=abc,v3=def", f"v2=abc, v1={FOO}"):
        assert prove(SCHEMES["circleci"], circleci(header), ["secret"], now=NOON).secret == 0


@pytest.mark.parametrize("header", ["v1=not-a-valid-signature", f"v2={FOO}", FOO, f"v1a={FOO}"])
def test_circlecis_counterexample_is_refused(header: str) -> None:
    with pytest.raises(Unproven) as caught:
        prove(SCHEMES["circleci"], circleci(header), ["secret"], now=NOON)
    assert caught.value.reason == "malformed"


# standard-webhooks/standard-webhooks, the test suite of its Python library.
OTHER: Final = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
STANDARD_BAD: Final = {
    "no id": ({"webhook-id": ""}, 0, "missing"),
    "no timestamp": ({"webhook-timestamp": ""}, 0, "missing"),
    "a timestamp that is none": ({"webhook-timestamp": "hello"}, 0, "malformed"),
    "no signature": ({"webhook-signature": ""}, 0, "missing"),
    "a wrong last character": (
        {"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="}, 0, "mismatch",
    ),
    "an old timestamp": ({}, 301, "too-old"),
    "a new timestamp": ({}, -301, "ahead"),
}  # fmt: skip


@pytest.mark.parametrize("case", STANDARD_BAD)
def test_what_the_standards_own_tests_refuse_is_refused(
    case: str, published: list[dict[str, Any]], fixtures: Path
) -> None:
    changes, seconds_later, reason = STANDARD_BAD[case]
    (vector,) = [one for one in published if one["name"] == "standard-webhooks"]
    delivery, now = delivered(vector, fixtures)
    headers = {**dict(delivery.headers), **changes}
    given = delivery._replace(headers=tuple(pair for pair in headers.items() if pair[1]))
    later = datetime.fromtimestamp(now.timestamp() + seconds_later, UTC)
    with pytest.raises(Unproven) as caught:
        prove(SCHEMES["standard-webhooks"], given, [vector["secret"]], now=later)
    assert caught.value.reason == reason


def test_one_right_signature_among_others_proves_as_in_the_standards_own_tests(
    published: list[dict[str, Any]], fixtures: Path
) -> None:
    (vector,) = [one for one in published if one["name"] == "standard-webhooks"]
    delivery, now = delivered(vector, fixtures)
    headers = dict(delivery.headers)
    right = headers["webhook-signature"]
    headers["webhook-signature"] = f"v1,{OTHER} v2,{OTHER} {right} v1,{OTHER}"
    given = delivery._replace(headers=tuple(headers.items()))
    proof = prove(SCHEMES["standard-webhooks"], given, [vector["secret"]], now=now)
    assert proof.secret == 0

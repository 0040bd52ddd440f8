"""What is no secret survives the masks: counted over every text of the recorded deliveries."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploytrail.redact import mask

# Of 34,496 distinct texts 58 are masked: tokens of sessions and others, and eight passwords or what
# stands for one. None is masked that is nothing of the kind.
MASKED_PER_10_000_MAX = 18
BY_NAME_PER_10_000_MAX = 2.5
_kind = re.compile(r"\[masked:([a-z0-9-]+)\]")


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def documents(path: Path) -> Iterator[Any]:
    """A file of JSON, else those of its lines that are."""
    raw = path.read_text(encoding="utf-8", errors="replace")
    try:
        yield json.loads(raw)
    except ValueError:
        for line in raw.split("\n"):
            try:
                yield json.loads(line)
            except ValueError:
                continue


@pytest.fixture(scope="module")
def recorded(fixtures: Path) -> set[str]:
    paths = sorted(fixtures.rglob("*.json*"))
    return {text for path in paths for each in documents(path) for text in texts(each)}


def test_hardly_a_recorded_text_is_masked(recorded: set[str]) -> None:
    masks = [set(_kind.findall(clean)) for text in recorded if (clean := mask(text)) != text]
    kinds = Counter(kind for found in masks for kind in found)
    print(f"{len(masks)} of {len(recorded)} texts are masked: {dict(kinds)}")

    assert len(recorded) > 30_000
    assert len(masks) * 10_000 <= MASKED_PER_10_000_MAX * len(recorded), kinds
    # By its name alone: what a token's own shape doesn't prove.
    assert kinds["value"] * 10_000 <= BY_NAME_PER_10_000_MAX * len(recorded), kinds


HEX = "0123456789abcdef"
SURVIVORS = {
    "a commit": HEX * 2 + "01234567",
    "a digest": f"sha256:{HEX * 4}",
    "an image": f"registry.example.org/acme/web@sha256:{HEX * 4}",
    "an integrity": "sha512-" + "Ab3/" * 21 + "Ab==",
    "a digest in base64": "Content-MD5: rL0Y20zC+Fzt72VPzMSk2A==",
    "a UUID": "019ab2f0-7c3e-7a51-8d0e-3f1b2c4d5e6f",
    "an ARN of a role": "arn:aws:sts::123456789012:assumed-role/deploy/alice",
    "an ARN of a secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf",
    "the id of a key": "AKIA" + "IOSFODNN7EXAMPLE",
    "an id of an instance": "i-0123456789abcdef0 in vpc-0a1b2c3d4e5f60718",
    "a certificate in base64": "LS0tLS1CRUdJTi" + "BDRVJUSUZJQ0FURS0tLS0t" + "TUlJ" * 20,
    "a public key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "Ab3x" * 10 + " alice@example.org",
    "base64 of nothing secret": "eyJmb3JtYXRfdmVyc2lvbiI6IjEuMiJ9",
    "a resource": "module.db.aws_db_instance.this[0] and kubernetes_secret.tls",
    "a path": "live/prod/secrets/terraform.tfvars, modules/token-service/main.tf",
    "a link": "https://github.com/acme/infra/pull/12#discussion_r123456789",
    "a page": "https://ci.example.org/job/x/12/?page=2&sort=desc",
    "a range": "https://github.com/acme/infra/compare/6113728f27ae...0d1a26e67d8f",
    "a branch": "refs/heads/feature/rotate-tokens",
    "a version": "v1.29.4-eks-036c24b, k3s v1.0-rc1",
    "prose": "rotate the signing keys, the token of alice expired and her password was reset",
    "a check": "4 passed, 1 failed; keys: 12, monkeys: 3",
}


@pytest.mark.parametrize("text", SURVIVORS.values(), ids=SURVIVORS.keys())
def test_what_survives(text: str) -> None:
    assert mask(text) == text

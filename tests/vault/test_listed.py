"""What an entry lists of the vault, also where the entry is not one of ours."""

from __future__ import annotations

from typing import Any

import pytest

from deploytrail.entry import base64url
from deploytrail.errors import Tampered
from deploytrail.vault.listed import Listed, listed

ALICE, BOB = b"a" * 16, b"b" * 16
ONE, OTHER = b"1" * 32, b"2" * 32


def test_each_digest_may_be_each_subject_s() -> None:
    fields = {
        "subjects": {"/actor": base64url(ALICE), "/on_behalf_of": base64url(BOB)},
        "_sd": [base64url(ONE), base64url(OTHER)],
    }
    found = listed(fields)
    assert found.digests == [ONE, OTHER]
    assert found.keys == {
        whose + which[:12]: which for whose in (ALICE, BOB) for which in (ONE, OTHER)
    }


def test_an_entry_without_concealed_blocks_lists_nothing() -> None:
    assert listed({"action": "build.started"}) == Listed({}, [], {})


FOREIGN: dict[str, dict[str, Any]] = {
    "subjects are a list": {"subjects": ["/actor"]},
    "a subject is a number": {"subjects": {"/actor": 1}},
    "a subject is no base64url": {"subjects": {"/actor": "a="}},
    "digests are text": {"_sd": "abc"},
    "digests are an object": {"_sd": {"a": 1}},
    "a digest is null": {"_sd": [None]},
    "a digest is padded": {"_sd": ["AB=="]},
}


@pytest.mark.parametrize("reason", FOREIGN)
def test_foreign_shapes_are_refused(reason: str) -> None:
    with pytest.raises(Tampered, match="expected subjects and digests"):
        listed(FOREIGN[reason])

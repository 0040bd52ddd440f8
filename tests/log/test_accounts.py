"""What a log says of itself, and from where on it is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deploytrail.log.accounts import Accounts


def octets(action: str, **fields: Any) -> bytes:
    return json.dumps({"action": action, **fields}, separators=(",", ":")).encode()


def erasure(subject: str) -> bytes:
    return octets("audit.subject.erased", targets=[{"type": "subject", "id": subject}])


def pruning(*bundles: str) -> bytes:
    targets = [{"type": "bundle", "id": each} for each in bundles]
    return octets("audit.retention.executed", targets=targets)


def gathered(*entries: bytes) -> Accounts:
    accounts = Accounts()
    accounts.gather(10, entries)
    return accounts


def test_only_signed_entries_account_for_what_is_gone() -> None:
    accounts = gathered(octets("code.pushed"), erasure("alice"), pruning("0", "7"))
    assert (accounts.erased(11), accounts.pruned(11)) == (set(), set())
    assert (accounts.erased(12), accounts.pruned(12)) == ({"alice"}, set())
    assert (accounts.erased(13), accounts.pruned(13)) == ({"alice"}, {0, 7})


def test_the_first_entry_that_says_so_counts() -> None:
    assert gathered(erasure("alice"), erasure("alice")).erased(11) == {"alice"}


def test_another_action_of_the_trail_accounts_for_nothing() -> None:
    accounts = gathered(octets("audit.clock.behind", targets=[{"type": "x", "id": "1"}]))
    assert (accounts.erased(99), accounts.pruned(99)) == (set(), set())


BROKEN: dict[str, bytes] = {
    "targets are a number": octets("audit.subject.erased", targets=5),
    "a target is text": octets("audit.subject.erased", targets=["alice"]),
    "an id is a number": octets("audit.subject.erased", targets=[{"id": 5}]),
    "an id of 5,000 digits": pruning("9" * 5_000),
    "an id of other digits": pruning("٣"),
    "an id below nothing": pruning("-1"),
    "an id with a zero before it": pruning("07"),
    "cut off": erasure("alice")[:-1],
    "not UTF-8": erasure("alice").replace(b"alice", b"ali\xff"),
    "nested without end": b'{"action":"audit.subject.erased","targets":' + b"[" * 100_000,
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_entry_accounts_for_nothing(reason: str) -> None:
    accounts = gathered(BROKEN[reason])
    assert (accounts.erased(99), accounts.pruned(99)) == (set(), set())

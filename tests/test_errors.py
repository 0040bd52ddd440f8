"""The tree of errors: each says how a command ends and what HTTP answers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from deploytrail import errors
from deploytrail.errors import DeploytrailError, EvidenceError, OwnError, SenderError


def tree(family: type[DeploytrailError]) -> Iterator[type[DeploytrailError]]:
    for error in family.__subclasses__():
        yield error
        yield from tree(error)


DRAWN = re.compile(
    r"│?\s+[├└]── (?P<name>\w+) .*?(?:(?P<status>\d{3}) )?· exit (?P<exit>\d+)", re.ASCII
)


def test_the_drawing_is_the_tree() -> None:
    drawn = {
        found["name"]: (int(found["status"] or 500), int(found["exit"]))
        for found in map(DRAWN.search, (errors.__doc__ or "").split("\n"))
        if found
    }
    # A room may refine an error for itself; the tree is what everybody may rely on.
    own = {one for one in tree(DeploytrailError) if one.__module__ == errors.__name__}
    leaves = {one for one in own if not own & set(one.__subclasses__())}
    shown = {one.__name__: (one.status, one.exit_code) for one in leaves}
    del shown["StaleEpoch"]
    assert drawn == shown


def test_only_tampering_ends_with_1_and_only_evidence_can_be_tampered_with() -> None:
    assert {one for one in tree(DeploytrailError) if one.exit_code == 1} == {
        EvidenceError,
        errors.Tampered,
    }


@pytest.mark.parametrize("family", [SenderError, OwnError])
def test_a_family_is_one_class_of_status(family: type[DeploytrailError]) -> None:
    hundreds = {one.status // 100 for one in (family, *tree(family))}
    assert hundreds == {4 if family is SenderError else 5}


def test_every_error_says_what_it_means() -> None:
    assert [one for one in tree(DeploytrailError) if not one.__doc__] == []

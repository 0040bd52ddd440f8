"""Which sources there are: ours, and those of others, of which none replaces another."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from deploytrail.errors import Misconfigured
from deploytrail.intake.known import GROUP, joined, known, shipped
from tests.toy_source import SOURCE

JOINED = EntryPoint("shipper", "tests.toy_source:SOURCE", GROUP)


def test_ours_are_known_by_their_names() -> None:
    assert known().source("opa").name == "opa"
    assert known().faults == {}


def test_another_package_joins_by_an_entry_point() -> None:
    found = joined({}, [JOINED])
    assert found.source("shipper") is SOURCE


REFUSED: dict[str, tuple[EntryPoint, str]] = {
    "what can't be loaded": (
        EntryPoint("gone", "tests.no_such_module:SOURCE", GROUP),
        "can't be loaded (ModuleNotFoundError)",
    ),
    "what is no source": (
        EntryPoint("other", "tests.toy_source:tell", GROUP),
        "is no Source; let the entry point name the constant SOURCE",
    ),
    "another name": (
        EntryPoint("other", "tests.toy_source:SOURCE", GROUP),
        "its entry point is called other, itself shipper",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_can_not_be_used_keeps_no_other_away(why: str) -> None:
    point, expected = REFUSED[why]
    found = joined({}, [point, JOINED])
    assert expected in found.faults[point.name]
    assert list(found.sources) == ["shipper"]
    with pytest.raises(Misconfigured, match=f"source {point.name}: "):
        found.source(point.name)


def test_nobody_replaces_what_is_there() -> None:
    found = joined({"shipper": SOURCE}, [JOINED])
    assert "its name is taken" in found.faults["shipper"]


def test_an_unknown_name_is_told_with_what_is_near() -> None:
    with pytest.raises(Misconfigured, match="found 'shiper'; did you mean shipper"):
        joined({"shipper": SOURCE}, []).source("shiper")


@pytest.mark.parametrize("source", known().sources.values(), ids=lambda source: source.name)
def test_what_is_installed_at_a_vendor_is_shipped_without_a_secret(source: object) -> None:
    from deploytrail.kit.source import Source

    assert isinstance(source, Source)
    for name in source.files:
        text = shipped(source, name)
        assert "{secret}" not in text
        assert f"{{name}}-{name}" in source.setup

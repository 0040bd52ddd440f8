"""A proposal places all that it was made for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deploytrail.event import Raw
from deploytrail.intake.declared import read
from deploytrail.intake.mapping import FIELDS
from deploytrail.intake.proposal import proposal

TEXTS = st.text(min_size=1, max_size=40) | st.text("ab/ *{'\"", min_size=1, max_size=8)
RAWS = st.builds(Raw, **{field: st.none() | TEXTS for field in FIELDS})


@given(st.lists(RAWS, min_size=1, max_size=4))
def test_it_places_all_of_them(raws: list[Raw]) -> None:
    text = proposal(raws)
    if text:
        places = read({"environments.toml": text.encode()}, {}).places
        assert [places.placed(raw).mapping for raw in raws] == ["where-1"] * len(raws)


def test_what_looks_like_an_environment_is_captured() -> None:
    raws = [
        Raw(repository="acme/infra", path=f"live/{environment}/{unit}")
        for environment, unit in (("prod", "network"), ("staging", "ledger"))
    ]
    assert proposal(raws) == (
        "[[where]]\nmatch = 'repository:acme/infra path:live/{environment}/{unit}'\n"
        'project = "infra"\n'
    )


def test_of_what_has_nothing_in_common_there_is_none() -> None:
    assert proposal([Raw(path="a"), Raw(cluster="b")]) == ""
    assert proposal([]) == ""

"""The schemes that there are: what each says of itself."""

from __future__ import annotations

import pytest

from deploytrail.errors import Malformed
from deploytrail.kit.schemes import SCHEMES, scheme
from tests.kit.senders import PROVABLE, RAW

# name: method, assurance, seconds that a signed time counts
EXPECTED = {
    "github": ("signature", 2, None),
    "bitbucket": ("signature", 2, None),
    "gitlab-signing": ("signature", 2, 300),
    "gitlab-token": ("token", 1, None),
    "gitlab-audit": ("token", 1, None),
    "hcp-terraform": ("signature", 2, None),
    "circleci": ("signature", 2, None),
    "standard-webhooks": ("signature", 2, 300),
    "slack": ("signature", 2, 300),
    "buildkite-signature": ("signature", 2, 300),
    "buildkite-token": ("token", 1, None),
    "bearer": ("token", 1, None),
    "basic": ("basic", 1, None),
    "firehose-key": ("token", 1, None),
    "nothing": ("none", 0, None),
}


def test_each_scheme_says_how_well_it_proves() -> None:
    found = {
        name: (one.method, one.assurance, one.age_seconds_max) for name, one in SCHEMES.items()
    }
    assert found == EXPECTED


def test_each_scheme_is_found_by_its_name_and_tells_its_page() -> None:
    assert {scheme(name).name for name in SCHEMES} == set(SCHEMES) == {*PROVABLE, "nothing"}
    assert [name for name, one in SCHEMES.items() if not one.page] == ["nothing"]


@pytest.mark.parametrize("name", PROVABLE)
def test_a_secret_is_issued_unless_the_vendor_makes_it(name: str) -> None:
    found = SCHEMES[name].issued(RAW)
    given = {"gitlab-audit", "slack", "buildkite-signature", "buildkite-token"}
    assert (found is None) == (name in given)
    assert found is None or SCHEMES[name].checked(found) == found


def test_nothing_has_no_secret() -> None:
    assert SCHEMES["nothing"].issued(RAW) is None
    with pytest.raises(Malformed, match="expected none"):
        SCHEMES["nothing"].checked("k" * 32)


def test_a_published_secret_that_is_short_can_not_be_set() -> None:
    with pytest.raises(Malformed, match="16 to 4096 characters"):
        SCHEMES["circleci"].checked("hunter" + "123")


@pytest.mark.parametrize(
    ("name", "advice"), [("githob", "did you mean github?"), ("\x1b[2J", "name one of these")]
)
def test_an_unknown_scheme_is_answered_with_those_that_there_are(name: str, advice: str) -> None:
    with pytest.raises(Malformed, match="github, bitbucket") as caught:
        scheme(name)
    assert str(caught.value).endswith(advice)
    assert str(caught.value).isprintable()

"""Where a run's spool is, to whom it is sealed, and how a job of CI keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploytrail.spool.seal import SpoolKey
from deploytrail.wrapper.artifact import how_to_keep
from deploytrail.wrapper.ci import SYSTEMS
from deploytrail.wrapper.keeping import Keeping, keeping
from tests.wrapper.spooled import Spooling, told

KEY = SpoolKey("acme", bytes(range(32)))
KEEPS = {
    "github": "uses: actions/upload-artifact@v4",
    "gitlab": "when: always",
    "jenkins": "archiveArtifacts",
    "azure": "PublishPipelineArtifact@1",
    "buildkite": "buildkite-agent artifact upload",
    "circleci": "store_artifacts",
}


class Place:
    """A directory, a home, and what was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[str] = []

    def keeping(self, *, url: str = "", aside: bool = True, **environ: str) -> Keeping:
        found = keeping(
            environ,
            aside=self.folder / "home" if aside else None,
            url=url,
            directory=self.folder,
            tell=self.told.append,
        )
        assert found is not None
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_spool_lies_below_the_home_unless_another_folder_is_named(place: Place) -> None:
    home = place.folder / "home"
    assert place.keeping().folder == home / "spool"
    assert place.keeping(DEPLOYTRAIL_SPOOL="kept").folder == place.folder / "kept"
    assert place.keeping(DEPLOYTRAIL_SPOOL="/kept", aside=False).folder == Path("/kept")


def test_without_a_home_nothing_can_be_kept(place: Place) -> None:
    assert keeping({}, aside=None, url="", directory=place.folder, tell=place.told.append) is None


def test_a_spool_names_its_trail_without_what_opens_it(place: Place) -> None:
    secret = "hun" + "ter2"
    url = f"postgresql://alice:{secret}@db.example/trail?sslkey={secret}"
    assert place.keeping(url=url).trail == "postgresql://db.example/trail"


def test_a_key_that_is_given_goes_before_the_one_that_the_server_told(place: Place) -> None:
    url = "https://trail.example"
    place.keeping(url=url).learn(str(KEY), {})
    assert place.keeping(url=url).key == KEY
    given = KEY._replace(origin="other")
    assert place.keeping(url=url, DEPLOYTRAIL_SPOOL_KEY=str(given)).key == given
    # A trail on this machine would seal to the key that lies beside it.
    assert place.keeping().key is None


def test_a_key_that_is_none_is_told_and_seals_nothing(place: Place) -> None:
    assert place.keeping(DEPLOYTRAIL_SPOOL_KEY="rubbish").key is None
    assert place.told[0].startswith("the spool is not sealed, but redacted and for you alone")


SECONDS = {"": 10.0, "0": 0.0, "90": 90.0, "soon": 10.0, "-1": 10.0, "9" * 40: 10.0}


@pytest.mark.parametrize("text", SECONDS)
def test_draining_takes_as_long_as_is_said(place: Place, text: str) -> None:
    assert place.keeping(DEPLOYTRAIL_DRAIN_SECONDS=text).drain_seconds == SECONDS[text]


def test_a_job_drains_for_longer(place: Place) -> None:
    found = place.keeping(GITHUB_ACTIONS="true")
    assert (found.system, found.drain_seconds, found.artifact) == ("github", 20.0, place.folder)


@pytest.mark.parametrize("system", [one.name for one in SYSTEMS])
def test_every_system_is_told_how_it_keeps_a_file(system: str) -> None:
    text = "\n".join(how_to_keep(system, "deploytrail-run.spool"))
    assert KEEPS[system] in text
    assert "deploytrail-run.spool" in text
    assert "{{" not in text


def test_a_spool_that_is_kept_in_a_folder_of_its_own_is_not_exported(tmp_path: Path) -> None:
    spooling, told_of = Spooling(tmp_path), list[str]()
    spooling.left([told()])
    place = Place(tmp_path)
    found = place.keeping(DEPLOYTRAIL_SPOOL="spool", GITLAB_CI="true")
    found.carry_out("run", told_of.append)
    assert not list(tmp_path.glob("*.spool"))
    assert f'paths: ["{spooling.folder}"]' in "\n".join(told_of)


def test_outside_of_a_job_nothing_is_exported(tmp_path: Path) -> None:
    Spooling(tmp_path).left([told()])
    told_of: list[str] = []
    Place(tmp_path).keeping(DEPLOYTRAIL_SPOOL="spool").carry_out("run", told_of.append)
    assert told_of == []

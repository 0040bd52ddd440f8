"""Where a user's files are: as the specification says, and never somewhere by surprise."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from deploytrail.errors import Misconfigured
from deploytrail.xdg import config_directory, data_directory, state_directory

ACCOUNT = pwd.getpwuid(os.getuid()).pw_dir
STATES = {
    "named": ({"XDG_STATE_HOME": "/state", "HOME": "/h"}, "/state"),
    "named, but not absolute": ({"XDG_STATE_HOME": "state", "HOME": "/h"}, "/h/.local/state"),
    "named, but empty": ({"XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state"),
    "an empty home": ({"HOME": ""}, f"{ACCOUNT}/.local/state"),
    "nothing at all": ({}, f"{ACCOUNT}/.local/state"),
}
CONFIGS = {
    "named": ({"XDG_CONFIG_HOME": "/config", "HOME": "/h"}, "/config"),
    "named, but not absolute": ({"XDG_CONFIG_HOME": "config", "HOME": "/h"}, "/h/.config"),
    "nothing at all": ({}, f"{ACCOUNT}/.config"),
}


@pytest.mark.parametrize("given", STATES)
def test_state_is_kept_below_the_home_unless_another_place_is_named(given: str) -> None:
    environment, base = STATES[given]
    assert state_directory(environment) == Path(base, "deploytrail")


@pytest.mark.parametrize("given", CONFIGS)
def test_settings_are_below_the_home_unless_another_place_is_named(given: str) -> None:
    environment, base = CONFIGS[given]
    assert config_directory(environment) == Path(base, "deploytrail")


def test_a_trail_without_a_name_is_only_made_in_a_home_that_is_there(tmp_path: Path) -> None:
    assert data_directory({"XDG_DATA_HOME": "/data"}) == Path("/data/deploytrail")
    assert data_directory({"HOME": str(tmp_path)}) == tmp_path / ".local/share/deploytrail"
    with pytest.raises(Misconfigured, match="set DEPLOYTRAIL_HOME"):
        data_directory({"HOME": str(tmp_path / "none")})

"""What every test may ask for."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.searching import USUAL

if TYPE_CHECKING:
    from tests.postgresql import Server

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


settings.register_profile("usual", USUAL)
settings.load_profile("usual")


def missing(reason: str) -> None:
    """Skip, or fail where DEPLOYTRAIL_TEST_COMPLETE says that everything must be there (CI)."""
    if os.environ.get("DEPLOYTRAIL_TEST_COMPLETE"):
        pytest.fail(f"{reason}, and DEPLOYTRAIL_TEST_COMPLETE is set")
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests see of logs is not kept in the home of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _heard_signals() -> None:
    """A shell has what it starts behind itself ignore keys, and whatever that starts."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """One for all tests; each makes a database of its own."""
    from tests.postgresql import running

    with running() as server:
        yield server


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published vectors and recorded deliveries."""
    if not SHARED.is_dir():
        pytest.skip("../shared is absent: no vectors and fixtures here")
    return SHARED


@pytest.fixture(scope="session")
def vectors(shared: Path) -> Path:
    return shared / "vectors"


@pytest.fixture(scope="session")
def fixtures(shared: Path) -> Path:
    return shared / "fixtures"


def tool(name: str) -> str:
    """The path of an outside program, or a skip that names it."""
    path = shutil.which(name)
    if path is None:
        missing(f"{name} is not installed")
    assert path is not None
    return path

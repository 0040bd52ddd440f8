"""The checker of clocks: what counts as reading time or randomness."""

from __future__ import annotations

import pytest

from tools.clockless import readings

READING = {
    "the time of day": "now = datetime.now(UTC)",
    "through the module": "now = datetime.datetime.now()",
    "a day": "today = date.today()",
    "random bytes": "import os\nkey = os.urandom(32)",
    "imported by name": "from os import urandom",
    "a class by another name": "from datetime import datetime as d\nnow = d.now(UTC)",
    "a module by another name": "import os as _os\nkey = _os.urandom(32)",
    "a generated key": "key = ed25519.Ed25519PrivateKey.generate()",
    "passed on, not called": "Field(default_factory=datetime.now)",
}


@pytest.mark.parametrize("what", READING)
def test_reading_is_found(what: str) -> None:
    assert len(list(readings(READING[what]))) == 1


def test_a_clock_that_is_passed_in_is_left_alone() -> None:
    assert list(readings("now = clock.now()\nkey = clock.random(32)\nself.clock.now()")) == []

"""A trail with a few entries, a witness beside it, and the thread that asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.places import Place, place
from tests.app.witnessed import Asker, Asks, Neighbour, inline


@pytest.fixture
def there(tmp_path: Path) -> Place:
    made = place(tmp_path)
    made.record(3)
    return made


@pytest.fixture
def bob(there: Place, tmp_path: Path) -> Neighbour:
    return Neighbour(tmp_path, "bob", there.clock)


@pytest.fixture
def asking(there: Place) -> Iterator[Asks]:
    opened: list[Asker] = []

    def start(*neighbours: Neighbour, spawn: Any = inline) -> Asker:
        opened.append(Asker(there.open(), there.clock, *neighbours, spawn=spawn))
        return opened[-1]

    yield start
    for one in opened:
        one.close()

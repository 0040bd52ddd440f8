"""A server over a new trail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.places import Place, place
from tests.web.served import Served, served


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return place(tmp_path)


@pytest.fixture
def server(there: Place) -> Iterator[Served]:
    with served(there) as found:
        yield found

"""What the fault tests counted, from each test to the end of the run.

Figures travel with a test's report, so that they arrive from the processes of xdist too; what they
sum up to is printed last, whether or not the tests passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from tests.crash.oracle import Broken, Lost

PROPERTY: Final = "figures"
_MESSAGES_MAX: Final = 5

Numbers = Mapping[str, int | float]
Properties = list[tuple[str, object]]


class Figures:
    """Takes a test's figures. Names that end in `_max` are maxima, all others sums."""

    def __init__(self, properties: Properties) -> None:
        self._properties = properties

    def tell(self, what: str, **numbers: int | float) -> None:
        """To be called before the test asserts anything of these numbers."""
        self._properties.append((PROPERTY, (what, numbers)))


class Tally:
    """Counts what the oracle objects to, instead of ending at the first."""

    def __init__(self) -> None:
        self.lost = 0
        self.inconsistent = 0
        self.objections: list[str] = []
        """The first few, in words."""

    @property
    def is_clean(self) -> bool:
        return not self.lost and not self.inconsistent

    @contextmanager
    def checking(self, what: object) -> Iterator[None]:
        try:
            yield
        except Broken as error:
            if isinstance(error, Lost):
                self.lost += 1
            else:
                self.inconsistent += 1
            if len(self.objections) < _MESSAGES_MAX:
                self.objections.append(f"{what}: {error}")


def lines(properties: Iterable[tuple[str, object]]) -> list[str]:
    """One line for each kind of figures, in the order of their names."""
    sums: dict[str, dict[str, int | float]] = {}
    for name, told in properties:
        # A report from another process has lists where there were tuples.
        if name == PROPERTY and isinstance(told, list | tuple):
            what, numbers = told
            into = sums.setdefault(what, {})
            for key, number in numbers.items():
                is_first = key not in into
                into[key] = (
                    number
                    if is_first
                    else max(into[key], number)
                    if key.endswith("_max")
                    else into[key] + number
                )
    return [_line(what, numbers) for what, numbers in sorted(sums.items())]


def _line(what: str, numbers: Numbers) -> str:
    told = (
        f"{number:,.3f} {key.removesuffix('_max').replace('_', ' ')} at most"
        if key.endswith("_max")
        else f"{number:,} {key.replace('_', ' ')}"
        for key, number in numbers.items()
    )
    return f"{what}: {', '.join(told)}"

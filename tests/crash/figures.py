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


MINIMUMS: Final[dict[tuple[str, str], int | str]] = {
    ("system calls", "fired"): 1_000,
    ("power loss", "distinct"): 100_000,
    ("kills", "kills"): 100,
    ("postgresql", "killed"): 100,
    ("flipped bytes", "checked"): "bytes_max",
    ("truncations", "checked"): "bytes_max",
    ("clean verifies", "verified"): 1_000,
}
"""How much a whole long run has to do, by kind and figure: so many, or as another figure says."""


def lines(properties: Iterable[tuple[str, object]]) -> list[str]:
    """One line for each kind of figures, in the order of their names."""
    return [_line(what, numbers) for what, numbers in sorted(_sums(properties).items())]


def shortfalls(properties: Iterable[tuple[str, object]]) -> list[str]:
    """What a whole long run did too little of, in words."""
    sums, found = _sums(properties), []
    for (what, name), minimum in MINIMUMS.items():
        numbers = sums.get(what, {})
        # A kind that never ran falls short of every minimum.
        wanted = minimum if isinstance(minimum, int) else numbers.get(minimum, 1)
        if numbers.get(name, 0) < wanted:
            found.append(f"{what}: expected {wanted:,} {name}, found {numbers.get(name, 0):,}")
    return found


def _sums(properties: Iterable[tuple[str, object]]) -> dict[str, dict[str, int | float]]:
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
    return sums


def _line(what: str, numbers: Numbers) -> str:
    told = (
        _most(key, number) if key.endswith("_max") else _counted(key, number)
        for key, number in numbers.items()
    )
    return f"{what}: {', '.join(told)}"


def _counted(key: str, number: int | float) -> str:
    return f"{number:,} {key.replace('_', ' ')}"


def _most(key: str, number: int | float) -> str:
    told = f"{number:,.3f}" if isinstance(number, float) else f"{number:,}"
    return f"{told} {key.removesuffix('_max').replace('_', ' ')} at most"

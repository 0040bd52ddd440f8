"""The sources that this installation knows: the modules of `sources/`, and what others add.

Another package joins by an entry point of the group `deploytrail.sources` that names its module's
constant. A name is taken once: what is ours is not replaced by what somebody installed.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib import import_module, resources
from importlib.metadata import EntryPoint, entry_points
from typing import Final, NamedTuple

from deploytrail import sources
from deploytrail.errors import Misconfigured
from deploytrail.kit.source import API, Source

GROUP: Final = "deploytrail.sources"
CONSTANT: Final = "SOURCE"


class Known(NamedTuple):
    """All sources by name, in order; `faults` are those that can't be used, and why."""

    sources: dict[str, Source]
    faults: dict[str, str]

    def source(self, name: str) -> Source:
        """Raises Misconfigured."""
        found = self.sources.get(name)
        if found is not None:
            return found
        if name in self.faults:
            raise Misconfigured(f"source {name}: {self.faults[name]}")
        # Only on the way to an error.
        from difflib import get_close_matches

        near = get_close_matches(name, self.sources, n=1)
        advice = f"there is {', '.join(self.sources)}"
        advice = f"did you mean {near[0]}? Else {advice}" if near else advice
        raise Misconfigured(f"source: expected one that is known, found {name[:60]!a}; {advice}")


@cache
def known() -> Known:
    """Every source, imported."""
    return joined(_own(), entry_points(group=GROUP))


def shipped(source: Source, name: str) -> str:
    """The text of one of a source's files, from the package that its `tell` stands in."""
    package = source.tell.__module__.rpartition(".")[0]
    return resources.files(package).joinpath("files", name).read_text(encoding="utf-8")


def _own() -> dict[str, Source]:
    found = {}
    for module in pkgutil.iter_modules(sources.__path__):
        declared = getattr(import_module(f"{sources.__name__}.{module.name}"), CONSTANT, None)
        if isinstance(declared, Source):
            found[declared.name] = declared
    return found


def joined(own: dict[str, Source], others: Iterable[EntryPoint]) -> Known:
    """Ours and what others add. A package that fails keeps none of the rest away."""
    found, faults = dict(own), dict[str, str]()
    for point in sorted(others, key=lambda each: each.name):
        try:
            declared = point.load()
        except Exception as error:  # noqa: BLE001 (foreign code: whatever it raises is its fault)
            faults[point.name] = f"{point.value} can't be loaded ({type(error).__name__})"
            continue
        fault = _fault(point, declared, found)
        if fault is None:
            found[declared.name] = declared
        else:
            faults[point.name] = fault
    return Known(dict(sorted(found.items())), faults)


def _fault(point: EntryPoint, declared: object, found: dict[str, Source]) -> str | None:
    if not isinstance(declared, Source):
        return f"{point.value} is no Source; let the entry point name the constant {CONSTANT}"
    if declared.api != API:
        return f"it is made for API {declared.api}, expected {API}; install one that fits"
    if declared.name != point.name:
        return f"its entry point is called {point.name}, itself {declared.name}; let both be one"
    if declared.name in found:
        return "its name is taken; let it have another"
    return None

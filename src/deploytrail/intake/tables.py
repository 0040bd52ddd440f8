"""Tables of TOML that people wrote, read strictly: what is wrong is gathered, each with its line.

Pure. Nothing here is raised at the first fault: who mends a file wants to know all of them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeGuard

from deploytrail.errors import Misconfigured
from deploytrail.printable import printable
from deploytrail.redact import mask
from deploytrail.toml_line import Path, line_at

FILE_BYTES_MAX: Final = 262_144
TEXT_CHARACTERS_MAX: Final = 4_096
_FAULTS_MAX: Final = 50
_SHOWN_MAX: Final = 60
_BITS_MAX: Final = 64
_bare: Final = re.compile(r"[A-Za-z0-9_-]+").fullmatch


class Misdeclared(Misconfigured):
    """What is declared can't be so; `faults` has a sentence for each reason."""

    def __init__(self, faults: Sequence[str]) -> None:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{faults[0]}{more}")
        self.faults = tuple(faults)


class Faults:
    """What is wrong in one file, in the order in which it was found. `text` is None for what was
    read from elsewhere, where nothing has a line.
    """

    def __init__(self, file: str, text: str | None) -> None:
        self._file = file
        self._text = text
        self.found: list[str] = []

    def add(self, path: Path, what: str) -> None:
        """`what` begins with what was expected there."""
        if len(self.found) >= _FAULTS_MAX:
            return
        line = None if self._text is None else line_at(self._text, path)
        if line is None and self._text is not None and len(path) > 1:
            # What is missing stands nowhere; the table in which it is missing does.
            line = line_at(self._text, path[:-1])
        at = "" if line is None else f" line {line}"
        name = f" {dotted(path)}:" if path else ""
        self.found.append(f"{self._file}{at}:{name} {what}")


class Table(NamedTuple):
    """One table; what is wrong in it is added to `faults`, and something harmless read instead."""

    values: Mapping[str, Any]
    path: Path
    faults: Faults

    def refuse_unknown(self, known: Sequence[str]) -> None:
        for name in self.values:
            if name not in known:
                self.add(name, f"expected a name that we know here, {advised(name, known)}")

    def add(self, name: str | int, what: str) -> None:
        self.faults.add((*self.path, name), what)

    def text(
        self,
        name: str,
        expected: str,
        is_form: Callable[[str], object],
        *,
        default: str | None = None,
    ) -> str:
        """A text of a form; without a default it must be there."""
        value = self.values.get(name, default)
        if value is None:
            self.add(name, f"is missing; expected {expected}")
        elif is_text(value) and is_form(value):
            return str(value)
        else:
            self.add(name, f"expected {expected}, found {shown(value)}")
        return default or ""

    def word(self, name: str, words: Sequence[str], *, default: str | None = None) -> str:
        """One of some words."""
        value = self.values.get(name, default)
        said = f"{', '.join(words[:-1])} or {words[-1]}"
        if value is None:
            self.add(name, f"is missing; expected {said}")
        elif value not in words:
            near = _near(value, words) if isinstance(value, str) else None
            advice = f"; did you mean {near}?" if near else ""
            self.add(name, f"expected {said}, found {shown(value)}{advice}")
        else:
            return str(value)
        return default or words[0]

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.values.get(name, default)
        if not isinstance(value, bool):
            self.add(name, f"expected true or false, without quotes, found {shown(value)}")
            return default
        return value

    def each(self, name: str, expected: str, *, count_max: int) -> Iterator[tuple[int, str]]:
        """The texts of a list, with their positions; a list that is missing is empty."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or len(value) > count_max:
            found = f"{len(value)}" if isinstance(value, list) else shown(value)
            self.add(name, f"expected a list of at most {count_max}, found {found}")
            return
        for at, one in enumerate(value):
            if is_text(one):
                yield at, one
            else:
                self.faults.add((*self.path, name, at), f"expected {expected}, found {shown(one)}")


def tables_of(octets: bytes, faults: Faults) -> Mapping[str, Any]:
    """The tables of a file, empty where it is none; see `text_of`."""
    try:
        return tomllib.loads(octets.decode("utf-8"))
    except UnicodeDecodeError as error:
        faults.add((), f"expected UTF-8, found other bytes at {error.start}; save it as UTF-8")
    except (ValueError, RecursionError) as error:
        # What the parser cites of the file is one character at most.
        why = "too many levels" if isinstance(error, RecursionError) else str(error)
        faults.add((), f"expected TOML; {why}; mend its syntax")
    return {}


def text_of(octets: bytes) -> str | None:
    """A file's text, None where it is no TOML."""
    try:
        text = octets.decode("utf-8")
        tomllib.loads(text)
    except (ValueError, RecursionError):
        return None
    return text


def is_text(value: object) -> TypeGuard[str]:
    """Whether it is text on one line, without what a terminal would not show."""
    return (
        isinstance(value, str) and len(value) <= TEXT_CHARACTERS_MAX and printable(value) == value
    )


def dotted(path: Path) -> str:
    """A path as people write it: `connections.github-acme.secrets[0]`."""
    steps = [f"[{step}]" if isinstance(step, int) else f".{_key(step)}" for step in path]
    return "".join(steps).removeprefix(".")


def _key(step: str) -> str:
    return step if _bare(step) else f"{step[:_SHOWN_MAX]!a}"


def shown(value: object) -> str:
    """A value that was found, as far as it is fit to be shown."""
    if isinstance(value, str):
        return "what looks like a secret" if mask(value) != value else f"{value[:_SHOWN_MAX]!a}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > _BITS_MAX:
        return "a huge number"
    if isinstance(value, int | float):
        return str(value)[:_SHOWN_MAX]
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return "a time"


def advised(name: str, known: Sequence[str]) -> str:
    near = _near(name, known)
    advice = f"did you mean {near}?" if near else f"there is {', '.join(known)}"
    return f"found {shown(name)}; {advice}"


def _near(name: str, known: Sequence[str]) -> str | None:
    # Only on the way to an error.
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, known, n=1, cutoff=0.6)), None)

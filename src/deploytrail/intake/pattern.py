"""Patterns of places: literal text, `*`, `**` and `{name}`, found in time linear in the text.

Pure. A pattern is an automaton whose states are the bits of a number, so nothing is ever tried
twice, whoever wrote the pattern and the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from deploytrail.errors import Malformed

PATTERN_CHARACTERS_MAX: Final = 512
NAME: Final = r"[a-z][a-z0-9_]{0,31}"
_part: Final = re.compile(rf"\{{(?P<name>{NAME})\}}|(?P<stars>\*+)|(?P<text>[^*{{}}]+)")
_SEPARATOR: Final = "/"


class Pattern(NamedTuple):
    """A text in which `*` stands for anything but a slash, `**` for anything, and `{name}` for one
    or more characters but a slash, which it captures.

    A bit of a number stands for each character or place of it, from the lowest on.
    """

    text: str
    prefix: str
    """What is literal up to the first wildcard."""
    literals: Mapping[str, int]
    single: int
    """Of any one character but a slash: each capture begins with one."""
    repeated: int
    """Of any number of characters but slashes."""
    deep: int
    """Of any number of characters."""
    spans: tuple[tuple[str, int, int], ...]
    """Each capture with its first bit and the one behind its last."""
    length: int

    @property
    def captures(self) -> tuple[str, ...]:
        return tuple(name for name, _, _ in self.spans)

    def captured(self, text: str) -> Mapping[str, str] | None:
        """What stands for each name where the whole text matches, else None.

        The first wildcard takes as much as it can, then the second.
        """
        if not text.startswith(self.prefix):
            return None
        if len(self.prefix) == self.length:
            return {} if text == self.prefix else None
        reaching = self._reaching(text)
        if not reaching[0] & 1:
            return None
        entered = self._entered(text, reaching)
        return {name: text[entered[begin] : entered[end]] for name, begin, end in self.spans}

    def _reaching(self, text: str) -> list[int]:
        """For each place of the text, the states from which its rest matches."""
        now = self._passed(1 << self.length)
        found = [now]
        for character in reversed(text):
            taken, stays = self.literals.get(character, 0), self.deep
            if character != _SEPARATOR:
                taken |= self.single
                stays |= self.repeated
            now = self._passed(((now >> 1) & taken) | (now & stays))
            found.append(now)
        return found[::-1]

    def _passed(self, states: int) -> int:
        """With those from which one gets there without a character."""
        loops = self.repeated | self.deep
        while (wider := states | ((states >> 1) & loops)) != states:
            states = wider
        return states

    def _entered(self, text: str, reaching: list[int]) -> list[int]:
        """The place at which each state is entered first, on the way that takes most first."""
        entered = [0]
        place = 0
        for state in range(self.length):
            if not ((self.repeated | self.deep) >> state) & 1:
                place += 1
            else:
                is_deep = (self.deep >> state) & 1
                while (
                    place < len(text)
                    and (is_deep or text[place] != _SEPARATOR)
                    and (reaching[place + 1] >> state) & 1
                ):
                    place += 1
            entered.append(place)
        return entered


def pattern(text: str) -> Pattern:
    """Raises Malformed, saying only what is wrong with it."""
    if not 0 < len(text) <= PATTERN_CHARACTERS_MAX:
        raise Malformed(f"expected a pattern of 1 to {PATTERN_CHARACTERS_MAX} characters")
    literals: dict[str, int] = {}
    single = repeated = deep = state = at = 0
    spans: list[tuple[str, int, int]] = []
    prefix: str | None = None
    while at < len(text):
        found = _part.match(text, at)
        if found is None:
            raise Malformed("expected { and } around a name such as {environment} only")
        at = found.end()
        if found["text"] is not None:
            for character in found["text"]:
                literals[character] = literals.get(character, 0) | (1 << state)
                state += 1
            continue
        prefix = text[: found.start()] if prefix is None else prefix
        if found["name"] is not None:
            if any(name == found["name"] for name, _, _ in spans):
                raise Malformed(f"expected each name once, found {{{found['name']}}} twice")
            single |= 1 << state
            repeated |= 1 << (state + 1)
            spans.append((found["name"], state, state + 2))
            state += 2
            continue
        if len(found["stars"]) > 2:
            raise Malformed("expected * or **, found more stars in a row")
        repeated |= (len(found["stars"]) == 1) << state
        deep |= (len(found["stars"]) == 2) << state
        state += 1
    whole = text if prefix is None else prefix
    return Pattern(text, whole, literals, single, repeated, deep, tuple(spans), state)

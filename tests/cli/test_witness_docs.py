"""docs/witness.md says what the program has: its words, options, events and times."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from deploytrail.actions import CATALOGUE
from deploytrail.app.cosigning import asked, asking, lagging
from deploytrail.app.proofs import accepted
from tests.cli.program import Program
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "witness.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())


def commands() -> Iterator[list[str]]:
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ deploytrail "):
                yield shlex.split(line.removeprefix("$ deploytrail "))
    for inline in re.findall(r"`deploytrail ([^`]*)`", PAGE):
        yield shlex.split(inline)
    for inline in re.findall(r"`(witness [^`]*)`", PAGE):
        yield shlex.split(inline)


def test_every_command_and_option_is_there(program: Program) -> None:
    helps: dict[str, Any] = {}
    found = [
        (words[: 2 if words[0] == "witness" else 1], re.findall(r"--[a-z-]+", " ".join(words)))
        for words in commands()
    ]
    assert len(found) > 15
    names = {" ".join(verb): [*verb, "--help"] for verb, _ in found}
    helps = {name: answer[1] for name, answer in program.many(names).items()}
    for verb, options in found:
        for option in options:
            assert re.search(rf"{option}\b", helps[" ".join(verb)]), (verb, option)
        assert helps[" ".join(verb)].startswith(f"Usage: deploytrail {' '.join(verb)} "), verb


def test_every_event_is_in_the_catalogue() -> None:
    named = set(re.findall(r"`(audit\.[a-z.]+)`", PAGE))
    assert named <= set(CATALOGUE)
    assert named == {
        name for name in CATALOGUE if name.startswith("audit.witness.")
    } | {"audit.policy.updated"}  # fmt: skip


TIMES = {
    "cosigned it in the last two minutes by your clock": accepted.SECONDS_MAX == 120,
    "for a minute, no quorum has cosigned": lagging.LIMIT_SECONDS == 60,
    "about every second while something is published": asking.ROUND_SECONDS_MIN == 1,
    "each minute while nothing is": asking.RENEWED_SECONDS == 60,
    "asked again after 1 second, then ever less often, each minute": asked.LONGEST_SECONDS == 60,
}


@pytest.mark.parametrize("said", TIMES)
def test_the_times_are_so(said: str) -> None:
    assert said in WORDS
    assert TIMES[said]

"""A new source, begun: `make new-source NAME=acme-deploy` writes a module, a sample and a page.

All three fail their tests until they are filled in; no other file is to be edited.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

MODULE: Final = '''\
"""{name}: its deliveries as events.

Vendor page: say which page of the vendor defines what is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from deploytrail.event import Actor, Target
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.draft import Draft
from deploytrail.kit.shape import Shape, read
from deploytrail.kit.source import Circumstances, Kind, Source, Telling


class _Envelope(Shape, frozen=True):
    kind: str


class _Deployed(Shape, frozen=True):
    """What is read of one kind: a field without a default must be there."""

    user: str
    application: str
    time: datetime


def _tell(delivery: Delivery) -> Iterator[Telling]:
    yield Telling(read(delivery.body, _Envelope).kind, delivery.body)


def _deployed(body: _Deployed, _: Circumstances) -> Iterator[Draft]:
    yield Draft(
        action="deployment.succeeded",
        time=body.time,
        actor=Actor(type="user", id=f"{name}:{{body.user}}"),
        targets=(Target(type="application", id=body.application),),
    )


SOURCE: Final = Source(
    name="{name}",
    title="{name}",
    page="",
    schemes=(SCHEMES["standard-webhooks"],),
    tell=_tell,
    kinds={{"deployed": Kind(_Deployed, _deployed)}},
    setup="",
)
'''
PAGE: Final = """\
# {name}

What it sends, where it is set up, and what this source can't see.

| Kind | Action | Outcome | Actor | Where | Target | Links | Reason |
|---|---|---|---|---|---|---|---|
"""
SAMPLE: Final = """\
{"headers": {}, "body": {"kind": "deployed"}, "events": []}
"""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not _NAME.fullmatch(arguments[0]):
        print(
            "NAME: expected lower-case words with dashes between them, such as acme-deploy; "
            "run make new-source NAME=acme-deploy",
            file=sys.stderr,
        )
        return 2
    name = arguments[0]
    files = written(name)
    taken = [path for path in files if path.exists()]
    if taken:
        print(f"{taken[0].relative_to(ROOT)}: is there; choose another name", file=sys.stderr)
        return 2
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    print("Fill them in until this passes: .venv/bin/pytest tests/sources -k " + name)
    return 0


def written(name: str) -> dict[Path, str]:
    """The files of a new source, by path."""
    module = name.replace("-", "_")
    return {
        ROOT / "src" / "deploytrail" / "sources" / f"{module}.py": MODULE.format(name=name),
        ROOT / "tests" / "sources" / module / "deployed.json": SAMPLE,
        ROOT / "docs" / "sources" / f"{name}.md": PAGE.format(name=name),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

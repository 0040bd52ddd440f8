"""What is read of each source, kind by kind: `python -m tools.coverage_docs --write | --check`

docs/coverage.md is written from the sources themselves, so that it can't say anything else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from deploytrail.intake.known import known
from deploytrail.kit.source import Source

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "coverage.md"
HEAD: Final = """\
# Coverage

What Deploytrail reads of each source, kind by kind. This page is written by
`python -m tools.coverage_docs --write` from the sources in `src/deploytrail/sources/`.

A kind that is *read* becomes events; the page of its source says which, and of what they are made.
A kind that is *set aside* tells nothing of deployments: how many came stands in one
`integration.delivery.set_aside` a delivery. **Every other kind becomes
`integration.delivery.unrecognised`**: it is kept, with its name and a keyed hash of its bytes, and
`deploytrail search action:integration.delivery.unrecognised` lists it. What is not as its own kind
says becomes `integration.delivery.malformed`, with the field. Nothing that a proven sender says is
dropped.

Terraform and OpenTofu are read by the wrapper ([their page](sources/terraform.md)), CloudEvents by
[`POST /v1/events`](server.md#cloudevents).
"""


def page() -> str:
    """The whole page."""
    sources = list(known().sources.values())
    return "\n".join([HEAD, *_summary(sources), *(_section(one) for one in sources)])


def _summary(sources: list[Source]) -> list[str]:
    rows = [
        f"| [{one.title}](#{one.name}) | {len(one.kinds)} | {len(one.set_aside)} "
        f"| {', '.join(scheme.name for scheme in one.schemes)} |"
        for one in sources
    ]
    return ["| Source | kinds read | set aside | proven by |", "|---|---|---|---|", *rows, ""]


def _section(source: Source) -> str:
    lines = [
        f"## {source.name}",
        "",
        f"{source.title}: [our page](sources/{source.name}.md), [the vendor's]({source.page}).",
        "",
        f"Read: {_listed(source.kinds)}.",
        "",
    ]
    if source.set_aside:
        lines += ["| set aside | because |", "|---|---|"]
        lines += [f"| `{kind}` | {why} |" for kind, why in sorted(source.set_aside.items())]
        lines.append("")
    return "\n".join(lines)


def _listed(kinds: Iterable[str]) -> str:
    return ", ".join(f"`{kind}`" for kind in sorted(kinds))


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if arguments != ["--check"]:
        print("usage: python -m tools.coverage_docs --write | --check", file=sys.stderr)
        return 2
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print("docs/coverage.md is not what the sources say; run it with --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

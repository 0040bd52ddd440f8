"""`deploytrail verify`: whether a log is what its checkpoints say, and what was not checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploytrail.cli.opening import HomeOption, JsonOption, UrlOption, located, remote
from deploytrail.cli.span import span
from deploytrail.cli.terminal import say, say_json, say_wrapped, styled
from deploytrail.errors import (
    EXIT_INCOMPLETE,
    EXIT_OK,
    EXIT_POLICY_UNMET,
    EXIT_STALE,
    EXIT_TAMPERED,
    Malformed,
)
from deploytrail.printable import printable
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.report import Found, Report

_FOUND_MAX: Final = 20
_VERDICTS: Final = {
    EXIT_OK: ("verified", "green"),
    EXIT_TAMPERED: ("TAMPERED: bytes contradict a hash or a signature", "red"),
    EXIT_INCOMPLETE: ("INCOMPLETE: something that should be there is not", "red"),
    EXIT_POLICY_UNMET: ("POLICY UNMET: signatures that the policy asks for are missing", "red"),
    EXIT_STALE: ("STALE: older than --max-age", "yellow"),
}
_ANCHORING: Final = {
    "UNANCHORED": "Nobody outside vouches for this log. Whoever owns its key could have rewritten "
    "all of it; a receipt, export or checkpoint kept elsewhere would show that.",
    "WITNESSED": "Others have cosigned it, as the policy asks.",
    "TIMESTAMPED": "An outside authority has told when it was so.",
}
_SELF_ATTESTED: Final = (
    "The key that signed it came with the log. Compare it with one that you got in another way: "
    "--policy FILE."
)
_FIRST_SEEN: Final = (
    "The key that signed it is the one that was kept here when this log was first verified. Nobody "
    "compared that one, unless --policy FILE was given then."
)


_Path = Annotated[
    Path | None,
    typer.Argument(
        metavar="PATH",
        readable=False,
        help="A trail's directory, an export or a proof; default: yours.",
    ),
]
_Policy = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", readable=False, help="Whose signatures count (c2sp.org/tlog-policy)."
    ),
]
_State = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", readable=False, help="Where earlier checkpoints are kept; default: yours."
    ),
]
_Receipt = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE", readable=False, help="Receipts that the log has to honour; repeatable."
    ),
]
_Checkpoint = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        readable=False,
        help="Checkpoints that others have of this log, such as a witness; repeatable.",
    ),
]
_Entry = Annotated[
    Path | None,
    typer.Option(metavar="FILE", readable=False, help="With a proof: the entry that it is about."),
]
_MaxAge = Annotated[
    str | None,
    typer.Option(metavar="AGE", help="Fails if it was last signed before, e.g. 24h."),
]
_Disclosures = Annotated[
    bool, typer.Option("--disclosures", help="Checks what is concealed too; slower.")
]


def verify(
    path: _Path = None,
    policy: _Policy = None,
    state: _State = None,
    receipt: _Receipt = None,
    checkpoint: _Checkpoint = None,
    entry: _Entry = None,
    max_age: _MaxAge = None,
    disclosures: _Disclosures = False,
    json: JsonOption = False,
    home: HomeOption = None,
    url: UrlOption = None,
) -> int:
    """Verify a log or a proof, offline and without trust in us.

    Exit codes: 0 sound, 1 tampered, 2 nothing to verify, 3 incomplete, 4 policy unmet, 5 stale.
    The newest checkpoint is kept, so that an older copy is found out the next time.
    """
    from deploytrail.app.verifying import verify as verify_log
    from deploytrail.cli.progress import Progress
    from deploytrail.clock import SystemClock

    clock = SystemClock()
    with evidence(path, home, url) as target, Progress("verifying", clock) as progress:
        report = verify_log(
            target,
            policy=policy,
            state=state,
            receipts=receipt or (),
            checkpoints_seen=checkpoint or (),
            entry=entry,
            max_age_seconds=None if max_age is None else _age_seconds(max_age),
            disclosures=disclosures,
            clock=clock,
            told=progress,
        )
    if json:
        say_json(report)
    else:
        say_report(report)
    return report.exit_code


@contextmanager
def evidence(path: Path | None, home: Path | None, url: str | None) -> Iterator[Path | str | None]:
    """What is to be verified: a path, or a database's URL; of a server, what it exports."""
    from deploytrail.address import Database, Server

    place = None if path is not None else located(home, url)
    if isinstance(place, Server):
        with TemporaryDirectory() as folder, remote(place) as server:
            file = Path(folder) / "export.tar"
            with file.open("wb") as stream:
                server.export_proofs(stream, is_concealed=False)
            yield file
    elif isinstance(place, Database):
        yield place.url
    else:
        yield path if place is None else place.path


def _age_seconds(text: str) -> int:
    found = span(text)
    if found is None:
        raise Malformed(
            f"--max-age: expected a number and s, m, h, d or w, such as 24h, found {text[:40]!r}"
        )
    return int(found.total_seconds())


def say_report(report: Report) -> None:
    """What was found, for people."""
    verdict, colour = _VERDICTS.get(report.exit_code, _VERDICTS[EXIT_TAMPERED])
    say(styled(verdict, colour))
    if report.why:
        say_wrapped(printable(report.why))
    say(f"  {printable(report.origin)}")
    say(f"  {_extent(report)}")
    say(f"  root {report.root}")
    for found in report.found[:_FOUND_MAX]:
        _say_found(found)
    if len(report.found) > _FOUND_MAX:
        say(f"  … and {len(report.found) - _FOUND_MAX} more; --json prints all")
    say()
    anchored = "yellow" if report.anchoring == "UNANCHORED" else "green"
    say(styled(report.anchoring, anchored) + _unwitnessed(report))
    say_wrapped(_ANCHORING[report.anchoring])
    if report.witnesses:
        say(f"  by {printable(', '.join(report.witnesses))}")
    if report.key_from == "directory":
        say(styled("SELF-ATTESTED", "yellow"))
        say_wrapped(_SELF_ATTESTED)
    elif report.key_from == "state":
        say(styled("key as first seen", "dim"))
        say_wrapped(_FIRST_SEEN)
    _say_list("checked", report.checked)
    _say_list("not checked", report.not_checked)


def _extent(report: Report) -> str:
    """How much was looked at."""
    if report.proven is not None:
        return f"entry {report.proven:,} of a log of {counted(report.size, 'entry')}"
    signed = f"{report.size_signed:,} of them under a signed checkpoint"
    return f"{counted(report.size, 'entry')}, {signed}, in {report.seconds:.1f} s"


def _unwitnessed(report: Report) -> str:
    """What of a log that is WITNESSED is not: who forks it is found out by witnesses, but then."""
    if report.anchoring != "WITNESSED" or report.size <= report.size_witnessed:
        return ""
    count = report.size - report.size_witnessed
    newest = "newest entry is" if count == 1 else f"newest {counted(count, 'entry')} are"
    return styled(f", but the {newest} not witnessed yet", "yellow")


def _say_list(heading: str, texts: Sequence[str]) -> None:
    if texts:
        say(styled(heading, "bold"))
    for text in texts:
        say_wrapped(printable(text))


def _say_found(found: Found) -> None:
    """A range as people count it: first to last."""
    is_failure = found.state in {"MISSING", "CORRUPT"}
    count = found.until - found.first
    place = {0: "", 1: f" entry {found.first}"}.get(
        count, f" entries {found.first} to {found.until - 1}"
    )
    state = styled(found.state, "red" if is_failure else "yellow")
    say(f"  {state}{place}: {printable(found.what)}")

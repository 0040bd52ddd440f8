"""`deploytrail witness`: a witness of our own, for others' logs.

How a trail names and asks its witnesses is in `witnesses`.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploytrail.cli.opening import JsonOption
from deploytrail.cli.terminal import say, say_json, say_wrapped, styled, tell
from deploytrail.cli.witnesses import (
    witness_add,
    witness_ask,
    witness_list,
    witness_log,
    witness_policy,
    witness_quorum,
    witness_remove,
)
from deploytrail.errors import EXIT_INCOMPLETE, EXIT_OK, EXIT_TAMPERED, Malformed
from deploytrail.printable import printable
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.app.cosigning.cosigned import Cosigned
    from deploytrail.clock import Clock
    from deploytrail.kit.listening import Certificate
    from deploytrail.log.note import Signer
    from deploytrail.witness.keeping import Refusal

__all__ = [
    "HELP",
    "witness_add",
    "witness_ask",
    "witness_init",
    "witness_key",
    "witness_list",
    "witness_log",
    "witness_policy",
    "witness_quorum",
    "witness_remove",
    "witness_status",
    "witness_up",
]

WitnessHomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        envvar="DEPLOYTRAIL_WITNESS_HOME",
        readable=False,
        help="Where the witness is.",
    ),
]
_Name = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Its own name, such as example.org/witness; default: a random one."
    ),
]
_Log = Annotated[
    list[str] | None, typer.Option(metavar="VKEY", help="The key of a log to cosign; repeatable.")
]
_Logs = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        readable=False,
        help="A list of logs (logs/v0), beside the file 'logs' of its home; repeatable.",
    ),
]
_Certificate = Annotated[
    Path | None,
    typer.Option(
        "--tls-certificate", metavar="FILE", readable=False, help="Serves TLS; with its key."
    ),
]
_CertificateKey = Annotated[
    Path | None,
    typer.Option("--tls-key", metavar="FILE", readable=False, help="The certificate's key."),
]
HELP: Final = "Run a witness for others' logs, and have your own trail cosigned by others."
_BACKUP: Final = (
    "Never restore it from a backup: an older copy would cosign again what contradicts what it "
    "has cosigned since. Where it is lost, make a new witness."
)


def witness_init(
    name: _Name = None, home: WitnessHomeOption = None, json: JsonOption = False
) -> None:
    """Make a witness, and print its key.

    Where there is one already, only the latter.
    """
    from deploytrail.app.cosigning import own_witness
    from deploytrail.clock import SystemClock

    place = own_witness.find(home, os.environ)
    is_known = place.key.exists()
    own = own_witness.create(place, clock=SystemClock(), name=name)
    vkey = _vkey(own)
    directory = printable(str(place.directory.absolute()))
    if json:
        say_json({"name": own.name, "vkey": vkey, "home": str(place.directory.absolute())})
        return
    done = "this is a witness" if is_known else "made a witness"
    say(f"{styled(done, 'bold')} in {directory}")
    say(f"{styled('name', 'bold')}  {printable(own.name)}")
    say(f"{styled('vkey', 'bold')}  {vkey}")
    say_wrapped(_BACKUP)
    say()
    say("Next, here: deploytrail witness up --log VKEY (the log's, from 'deploytrail witness log')")
    say(f"and where the trail is: deploytrail witness add {vkey} URL")


def witness_key(home: WitnessHomeOption = None) -> None:
    """Print the key by which everybody checks what this witness has cosigned."""
    from deploytrail.app.cosigning import own_witness

    say(_vkey(own_witness.signer(own_witness.find(home, os.environ))))


def witness_up(
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where it listens.")
    ] = "127.0.0.1:8421",
    log: _Log = None,
    logs: _Logs = None,
    name: _Name = None,
    certificate: _Certificate = None,
    certificate_key: _CertificateKey = None,
    home: WitnessHomeOption = None,
) -> None:
    """Cosign the checkpoints of others' logs, until it is stopped.

    Requests and answers are signed and secret from nobody, so it may well listen without TLS.
    Refusals are told on standard error, a line of JSON each.
    """
    from deploytrail.address import host
    from deploytrail.app.cosigning import own_witness
    from deploytrail.clock import SystemClock
    from deploytrail.kit.listening import listening, url_of
    from deploytrail.witness import serving
    from deploytrail.witness.keeping import Witness

    tls = _tls(certificate, certificate_key)
    where = host(listen, what="--listen")
    clock = SystemClock()
    place = own_witness.find(home, os.environ)
    known = own_witness.logs_of(place, log or (), logs or ())
    if not known:
        raise Malformed(
            "--log: expected the key of at least one log to cosign, found none; 'deploytrail "
            f"witness log' prints that of a trail. Or list them in {place.logs}"
        )
    if not place.key.exists():
        tell(f"{place.directory}: no witness yet, so one is made; 'witness init' explains it")
    own = own_witness.create(place, clock=clock, name=name)
    with ExitStack() as stack:
        kept = own_witness.open_cosigned(place, stack)
        witness = Witness(logs=known, signers=(own,), kept=kept, clock=clock, told=_Refusals(clock))
        listener = listening(where, option="--listen")
        stack.callback(listener.close)
        url = url_of(listener, is_tls=tls is not None)
        app = serving.application(witness)
        serving.serve(app, listener, certificate=tls, ready=lambda: _say_up(own, url, len(known)))


def _tls(certificate: Path | None, key: Path | None) -> Certificate | None:
    from deploytrail.kit.listening import Certificate

    if (certificate is None) != (key is None):
        raise Malformed("--tls-certificate: expected it together with --tls-key, found one alone")
    if certificate is None or key is None:
        return None
    found = Certificate(certificate, key)
    found.refuse_unreadable()
    return found


class _Refusals:
    """Told on standard error as they occur."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, refusal: Refusal) -> None:
        import msgspec

        from deploytrail.clock import rfc3339
        from deploytrail.printable import printable_json

        line = {
            "time": rfc3339(self._clock.now()),
            "refused": refusal.origin,
            "size": refusal.size,
            "status": refusal.status,
            "why": refusal.why,
            "proven": refusal.is_proven,
        }
        # One write each: lines of several threads may not mix.
        sys.stderr.write(printable_json(msgspec.json.encode(line).decode()) + "\n")
        sys.stderr.flush()


def _say_up(own: Signer, url: str, count: int) -> None:
    say(f"{styled('witness', 'bold')} {printable(own.name)} cosigns {counted(count, 'log')}")
    say(f"{styled('url', 'bold')}     {url}")
    say(f"{styled('vkey', 'bold')}    {_vkey(own)}")
    sys.stdout.flush()


def witness_status(
    log: _Log = None,
    logs: _Logs = None,
    home: WitnessHomeOption = None,
    json: JsonOption = False,
) -> int:
    """What this witness has cosigned, and whose logs it caught.

    Exit codes: 0 where nothing is wrong, 1 where a log has signed two histories, 3 where something
    that was cosigned can't be read.
    """
    from deploytrail.app.cosigning import own_witness
    from deploytrail.app.cosigning.cosigned import cosigned

    place = own_witness.find(home, os.environ)
    own = own_witness.signer(place)
    found = cosigned(place, own, own_witness.logs_of(place, log or (), logs or ()))
    for one in found:
        if json:
            say_json(one)
        else:
            _say_cosigned(one)
    if not found:
        tell("no log is known: list some in the file 'logs' of its home, or by --log")
    if any(one.fork is not None for one in found):
        return EXIT_TAMPERED
    return EXIT_INCOMPLETE if any(one.fault for one in found) else EXIT_OK


def _say_cosigned(one: Cosigned) -> None:
    origin = printable(one.origin)
    if one.fork is not None:
        say(f"{styled('✗', 'red')} {origin}: has signed two histories of size {one.fork.size}")
        say_wrapped(
            f"Both checkpoints, which prove it, are in {one.fork.file}. Whoever runs that log has "
            "rewritten it, or lost a part of it and gone on."
        )
    elif one.fault:
        say(f"{styled('✗', 'red')} {origin}: {printable(one.fault)}")
    elif one.size is None:
        say(f"{styled('!', 'yellow')} {origin}: has asked for nothing yet")
    else:
        entries = counted(one.size, "entry")
        say(f"{styled('✓', 'green')} {origin}: {entries}, cosigned {one.time}")


def _vkey(own: Signer) -> str:
    from deploytrail.log.note import encode_vkey

    return encode_vkey(own.key)

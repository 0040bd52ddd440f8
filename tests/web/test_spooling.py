"""`POST /v1/spools`: a spool in pieces, by whoever may record what is in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count
from typing import Final

import pytest

from deploytrail.event import Event, Where
from deploytrail.spool.chain import Chain, pieces
from deploytrail.spool.line import Signer, Spooled
from deploytrail.spool.seal import spool_key
from tests.fakes import NOON
from tests.web.indexed import NARROW, indexed
from tests.web.served import Answer, Served
from tests.wrapper.spooled import END, Spooling, told

_PLACES: Final = count()
MEDIA: Final = "application/x-deploytrail-spool"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with indexed(tmp_path_factory.mktemp("spooling"), []) as found:
        yield found


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Spooling:
    # Its key is drawn by a counted clock: at another time it is another spool.
    later = timedelta(seconds=100 * next(_PLACES))
    return Spooling(tmp_path_factory.mktemp("place"), now=NOON + later)


def left(place: Spooling, events: Sequence[Event]) -> tuple[bytes, list[Spooled], list[Event]]:
    """The header, the lines and the events of a run."""
    path, stamped = place.left(events)
    header, *lines = path.read_bytes().splitlines()
    chain = Chain(header)
    return header, [line for each in lines if (line := chain.take(each))], stamped


def send(server: Served, octets: bytes, query: str = "", *, token: str = "admin") -> Answer:
    return server.ask("POST", f"/v1/spools{query}", octets, token=token, content_type=MEDIA)


def receipts(answer: Answer) -> list[str]:
    return [one["receipt"]["id"] for one in answer.json()["items"]]


def test_pieces_are_taken_one_after_the_other(server: Served, place: Spooling) -> None:
    header, lines, events = left(place, [told() for _ in range(7)])
    ids = []
    for piece in pieces(header, lines, lines_max=3, bytes_max=1 << 20):
        begin, end = str(piece.is_first).lower(), str(piece.is_end).lower()
        ids += receipts(send(server, piece.octets, f"?begin={begin}&end={end}"))
    assert ids == [one.id for one in events]


def test_a_gap_between_pieces_is_noticed_once(server: Served, place: Spooling) -> None:
    header, lines, events = left(place, [told() for _ in range(6)])
    size = server.get("/v1/stats", token="admin").json()["size"]
    for _ in range(2):
        kept = [*lines[:3], *lines[4:]]
        for piece in pieces(header, kept, lines_max=3, bytes_max=1 << 20):
            begin, end = str(piece.is_first).lower(), str(piece.is_end).lower()
            send(server, piece.octets, f"?begin={begin}&end={end}")
    assert server.get("/v1/stats", token="admin").json()["size"] == size + len(events)


def test_what_is_sealed_to_the_trail_is_opened_there(server: Served, place: Spooling) -> None:
    place.key = spool_key(server.get("/v1/spool-key", token="admin").json()["key"])
    header, lines, events = left(place, [told(), told(action=END)])
    assert all(line.body is None for line in lines)
    octets = b"\n".join([header, *(line.octets for line in lines)])
    assert receipts(send(server, octets)) == [one.id for one in events]


def test_what_is_out_of_scope_is_refused_line_by_line(server: Served, place: Spooling) -> None:
    inside = Where(project="payments", environment="prod")
    header, lines, _ = left(place, [told(where=inside), told(), told(where=inside)])
    octets = b"\n".join([header, *(line.octets for line in lines)])
    answer = send(server, octets, token=f"{NARROW}env:prod project:payments")
    statuses = [one.get("problem", {}).get("status") for one in answer.json()["items"]]
    assert statuses == [None, 403, None]


FORGED: Final = (
    Signer(bytes(32)).header(run="alice", made="2026-11-22").replace(b"alice", b"mallory")[:-1]
)
REFUSED: Final = {
    "nothing": (b"", 400),
    "rubbish": (b"rubbish\nrubbish", 400),
    "a header that somebody changed": (FORGED, 400),
    "too many lines": (b"\n" * 2_001, 413),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_spool_is_refused(server: Served, reason: str) -> None:
    octets, status = REFUSED[reason]
    assert send(server, octets).status == status


def test_another_type_is_refused_before_it_is_read(server: Served) -> None:
    answer = server.ask("POST", "/v1/spools", b"{}", token="admin", content_type="application/json")
    assert answer.status == 415


def test_an_event_of_the_trail_itself_is_not_taken_from_a_run(
    server: Served, place: Spooling
) -> None:
    forged = told(action="audit.subject.erased")
    own = told()
    header, lines, _ = left(place, [forged, own])
    octets = b"\n".join([header, *(line.octets for line in lines)])
    first, second = send(server, octets).json()["items"]
    assert first["problem"]["status"] == 400
    assert "receipt" in second


def test_which_modes_hold_is_told_to_who_records(server: Served) -> None:
    answer = server.get("/v1/modes", token="recorder")
    assert (answer.status, answer.json()) == (200, {})
    assert server.get("/v1/modes", token="viewer").status == 403

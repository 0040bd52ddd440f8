"""A trail behind a server is a trail: recorded into, searched, followed and proven."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploytrail import entry
from deploytrail.access.token import ROLES
from deploytrail.app import open_directory
from deploytrail.errors import (
    Malformed,
    NotFound,
    NotPermitted,
    SenderError,
    TooLarge,
    Unknown,
    Unreachable,
)
from deploytrail.event import Actor, Event
from deploytrail.log import merkle, policy, proof
from deploytrail.remote import RemoteTrail
from deploytrail.sdk import Trail, event
from deploytrail.trail import Attachment, OpenTrail, Receipt
from tests.web.running import Running, running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def server(home: Path) -> Iterator[Running]:
    with running(home) as found:
        yield found


@pytest.fixture
def trail(server: Running) -> Iterator[RemoteTrail]:
    with RemoteTrail(server.url, token=server.token) as opened:
        yield opened


def told(number: int, *, environment: str = "prod") -> Event:
    return event(
        "deployment.succeeded",
        actor="github:alice",
        environment=environment,
        reason=f"change {number}",
        delivery=f"d{number}",
    )


def recorded(trail: OpenTrail, *events: Event) -> list[Receipt]:
    answers = trail.record(events)
    assert all(isinstance(one, Receipt) for one in answers), answers
    return [one for one in answers if isinstance(one, Receipt)]


def test_what_is_recorded_is_found_shown_and_proven(trail: RemoteTrail, home: Path) -> None:
    told_once = told(0)
    receipts = recorded(trail, told_once, told(1), told(2), told(3, environment="dev"))
    assert recorded(trail, told_once) == receipts[:1]
    last = receipts[-1]
    page = trail.search("env:prod actor:alice", after=last.index)
    assert [one.index for one in page.items] == [one.index for one in receipts[2::-1]]
    assert trail.search('"change 1"', after=last.index).items[0].index == receipts[1].index
    shown = trail.show(receipts[0].id)
    assert (shown.leaf, merkle.leaf_hash(shown.entry).hex()) == (receipts[0].leaf,) * 2
    assert entry.fields(shown.entry)["source"]["instance"] == "local"
    proven = proof.decode(trail.proof(receipts[0].id))
    trusted = policy.decode((home / "policy").read_bytes())
    assert proof.verify(proven, merkle.leaf_hash(shown.entry), trusted).checkpoint.size > 0
    assert proven.index == receipts[0].index
    assert trail.stats().size >= trail.stats().size_signed > 0
    assert trail.origin == last.origin


def test_pages_go_on_to_the_end_and_entries_are_in_the_order_of_the_log(
    trail: RemoteTrail,
) -> None:
    receipts = recorded(trail, *(told(number) for number in range(25)))
    found: list[int] = []
    cursor: str | None = None
    while True:
        page = trail.search(
            "env:prod", limit=10, cursor=cursor, order="oldest", after=receipts[-1].index
        )
        found += [one.index for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert found == [one.index for one in receipts]
    first = receipts[0].index
    assert [one.index for one in trail.entries(first=first + 5, until=first + 9)] == [
        first + at for at in range(5, 9)
    ]
    assert [one.index for one in trail.newest(count=3)] == [one.index for one in receipts[:-4:-1]]
    (facet,) = trail.facets("env:prod", ["action"])
    assert [(one.value, one.count) for one in facet.counts] == [("deployment.succeeded", 25)]
    assert sum(bar.count for bar in trail.histogram("env:prod").bars) == 25
    assert trail.suggest("env", "pr") == ["prod"]
    last = recorded(trail, told(25, environment="prom"))[0].index
    assert trail.suggest("env", "pr", after=last) == ["prod", "prom"]
    last = recorded(trail, told(26, environment="prom"))[0].index
    assert len(trail.changes("env:prom", after=last).items) == 2
    assert len(trail.changes("env:prod").items) == 25


def test_the_newest_of_a_scope_are_found_however_far_back_they_lie(
    trail: RemoteTrail, server: Running, home: Path
) -> None:
    wanted = [told(0, environment="dev"), told(1, environment="dev")]
    others = [told(number) for number in range(2, 1_000)]
    first, second, *_ = recorded(trail, *wanted, *others)
    with RemoteTrail(server.url, token=trail_secret(home, scope="env:dev")) as viewer:
        found = [one.index for one in viewer.newest(count=20)]
        assert found == [second.index, first.index]
        assert [one.index for one in viewer.newest(count=1)] == [second.index]
        assert [one.index for one in viewer.newest(count=9, before=second.index)] == [first.index]
        assert list(viewer.newest(count=9, before=first.index)) == []


def test_evidence_goes_with_its_event_and_is_read_back(trail: RemoteTrail) -> None:
    events = [told(number) for number in range(3)]
    some = [Attachment(type="output", data=b"applied\n" * 9), Attachment(type="plan", data=b"")]
    large = Attachment(type="output", data=b"x" * (16 * 1024 * 1024))
    evidence = {events[1].id: some, events[2].id: [large]}
    first, second, third = trail.record(events, attachments=evidence)
    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert isinstance(third, TooLarge)
    assert trail.record(events[:2], attachments=evidence) == [first, second]
    named: Any = trail.show(second.id).event["evidence"]
    assert [trail.attachment(second.id, one["id"]) for one in named] == [b"applied\n" * 9, b""]
    with pytest.raises(NotFound, match="attachment"):
        trail.attachment(first.id, named[0]["id"])


def test_a_query_of_ten_thousand_terms_is_answered(trail: RemoteTrail) -> None:
    receipts = recorded(trail, *(told(number) for number in range(3)))
    query = " OR ".join(f"env:nowhere-{number}" for number in range(10_000)) + " OR env:prod"
    page = trail.search(query, limit=2, after=receipts[-1].index)
    assert [one.index for one in page.items] == [one.index for one in receipts[:0:-1]]
    rest = trail.search(query, limit=2, cursor=page.next)
    assert [one.index for one in rest.items] == [receipts[0].index]
    tailed = trail.tail(query, after=receipts[0].index)
    assert [next(tailed).index for _ in range(2)] == [one.index for one in receipts[1:]]


def test_a_tail_goes_on_where_it_was_when_the_server_comes_back(home: Path) -> None:
    seen: list[int] = []
    enough = threading.Event()

    def listen(url: str, token: str) -> None:
        with RemoteTrail(url, token=token) as listening:
            for shown in listening.tail("env:prod", after=0):
                seen.append(shown.index)
                if len(seen) >= 6:
                    enough.set()
                    return

    with running(home) as server:
        port = server.port
        with RemoteTrail(server.url, token=server.token) as trail:
            trail_token = trail_secret(home)
            thread = threading.Thread(target=listen, args=(server.url, trail_token), daemon=True)
            thread.start()
            recorded(trail, *(told(number) for number in range(3)))
    with (
        running(home, listen=f"127.0.0.1:{port}") as server,
        RemoteTrail(server.url, token=server.token) as trail,
    ):
        recorded(trail, *(told(number) for number in range(3, 6)))
        assert enough.wait(30), seen
    assert len(seen) == len(set(seen)) == 6
    assert seen == sorted(seen)


def trail_secret(home: Path, *, scope: str = "") -> str:
    """Of a token that outlives the server."""
    with open_directory(home, create=False) as opened:
        made = opened.tokens().create(
            "listener",
            owner="github:bob",
            permissions=ROLES["viewer"],
            scope_text=scope,
            expires=None,
            by=Actor(type="user", id="github:bob"),
        )
    return made.secret


def test_what_a_server_refuses_is_the_error_that_it_is(
    trail: RemoteTrail, server: Running, home: Path
) -> None:
    with pytest.raises(Malformed, match="did you mean"):
        trail.search("envv:prod")
    with pytest.raises(NotFound):
        trail.show(999)
    (answer,) = trail.record_json([b'{"action": "no.such.thing"}'])
    assert isinstance(answer, SenderError)
    with RemoteTrail(server.url, token="dt_nobody") as stranger, pytest.raises(Unknown):
        stranger.stats()
    with RemoteTrail(server.url, token=trail_secret(home)) as viewer:
        assert viewer.stats().size > 0
        with pytest.raises(NotPermitted, match=r"events\.record"):
            viewer.record([told(1)])


def test_nobody_there_is_unreachable_and_says_so() -> None:
    with (
        RemoteTrail("http://127.0.0.1:9", token="x", patience_seconds=0.1) as trail,
        pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"),
    ):
        trail.stats()


@pytest.mark.parametrize("kind", ["path", "sqlite"])
def test_a_directory_is_searched_without_a_server(home: Path, kind: str) -> None:
    with Trail.open({"path": str(home), "sqlite": f"sqlite://{home}"}[kind]) as opened:
        (receipt,) = recorded(opened, told(7))
        assert [one.index for one in opened.search("env:prod").items] == [receipt.index]
        assert opened.changes("env:prod").items == opened.search(after=receipt.index).items


@pytest.mark.parametrize("kind", ["path", "sqlite", "server"])
def test_a_trail_opens_by_its_address(server: Running, home: Path, kind: str) -> None:
    url = {"path": str(home), "sqlite": f"sqlite://{home}", "server": server.url}[kind]
    with Trail.open(url, token=server.token) as opened:
        (receipt,) = recorded(opened, told(7))
        # Beside a server, its follow process indexes what is recorded into the files, too.
        assert opened.search("env:prod", after=receipt.index).items[0].index == receipt.index
        assert opened.show(receipt.id).event["action"] == "deployment.succeeded"

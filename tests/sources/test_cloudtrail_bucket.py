"""CloudTrail's bucket is read in the order in which it was written, each file once."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import msgspec
import pytest

from deploytrail.clock import SystemClock, microseconds
from deploytrail.errors import DeploytrailError, Malformed, Misconfigured, NotPermitted, Unreachable
from deploytrail.formats import sigv4
from deploytrail.formats.s3_listing import Object
from deploytrail.kit.answer import Request, Response, Streamed
from deploytrail.kit.poller import Later
from deploytrail.sources.cloudtrail_bucket import FILE_BYTES_MAX, HOLD, POLLER, Oldest, poll
from tests.fakes import NOON
from tests.s3_server import KEYS, REGION, s3_server
from tests.sources.asked import Poll, bodies, lost

SETTINGS = {"bucket": "acme-cloudtrail", "region": "eu-central-1"}
TOKEN = f"{KEYS.id}:{KEYS.secret}"
FOLDER = "AWSLogs/111122223333/CloudTrail/eu-central-1/"
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def key(name: str, *, day: str = "2026/11/22", folder: str = FOLDER) -> str:
    file = f"111122223333_CloudTrail_eu-central-1_{day.replace('/', '')}T1000Z_{name}.json.gz"
    return f"{folder}{day}/{file}"


def packed(text: str) -> bytes:
    return gzip.compress(f'{{"Records":["{text}"]}}'.encode())


class Bucket:
    """As S3 answers for one bucket, to whoever signs; pages of two."""

    def __init__(self, poll: Poll) -> None:
        self._poll = poll
        self.objects: dict[str, tuple[datetime, bytes]] = {}
        self.sizes: dict[str, int] = {}
        self.fetched: list[str] = []
        self.listed = 0
        self.clock_ahead = timedelta(0)

    def put(self, name: str, body: bytes, *, ago: timedelta) -> None:
        self.objects[name] = (self._poll.now - ago, body)

    def request(self, asked: Request) -> Response:
        url = urlsplit(asked.url)
        self._verify(asked, url.path, url.query)
        date = {"date": format_datetime(self._poll.now + self.clock_ahead, usegmt=True)}
        if url.query:
            self.listed += 1
            return Response(200, date, self._page(url.query))
        name = url.path[1:]
        self.fetched.append(name)
        if name not in self.objects:
            return Response(404, date, b"")
        return Response(200, date, self.objects[name][1])

    def stream(self, asked: Request) -> AbstractContextManager[Streamed]:
        raise AssertionError("nobody streams a bucket")

    def close(self) -> None: ...

    def _verify(self, asked: Request, path: str, query: str) -> None:
        assert asked.url.startswith("https://acme-cloudtrail.s3.eu-central-1.amazonaws.com/")
        given = dict(asked.headers)
        proof = given.pop("authorization")
        stamp = datetime.strptime(given.pop("x-amz-date") + "+0000", "%Y%m%dT%H%M%SZ%z")
        scope = sigv4.Scope("eu-central-1", "s3")
        assert (
            sigv4.signed("GET", path, query, given, KEYS, scope, at=stamp)["authorization"] == proof
        )
        assert "authorization" not in query

    def _page(self, query: str) -> bytes:
        given = {name: values[0] for name, values in parse_qs(query).items()}
        prefix, delimiter = given.get("prefix", ""), given.get("delimiter")
        after = given.get("continuation-token") or given.get("start-after", "")
        rows: dict[str, str] = {}
        for name, (modified, body) in sorted(self.objects.items()):
            rest = name.removeprefix(prefix)
            if not name.startswith(prefix) or name <= after:
                continue
            if delimiter and delimiter in rest:
                folder = prefix + rest.partition(delimiter)[0] + delimiter
                if folder > after:
                    inner = f"<Prefix>{escape(folder)}</Prefix>"
                    rows[folder] = f"<CommonPrefixes>{inner}</CommonPrefixes>"
            else:
                when = modified.strftime("%Y-%m-%dT%H:%M:%S.000Z")
                rows[name] = (
                    f"<Contents><Key>{escape(name)}</Key><LastModified>{when}</LastModified>"
                    f"<Size>{self.sizes.get(name, len(body))}</Size></Contents>"
                )
        shown = list(rows)[:2]
        is_cut = len(rows) > 2
        following = f"{escape(shown[-1])}~" if is_cut else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult {NAMESPACE}>'
            f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>"
            f"<NextContinuationToken>{following}</NextContinuationToken>"
            + "".join(rows[each] for each in shown)
            + "</ListBucketResult>"
        ).encode()


@pytest.fixture
def both() -> tuple[Bucket, Poll]:
    return _both()


def _both(**settings: str) -> tuple[Bucket, Poll]:
    asked = Poll(POLLER, {**SETTINGS, **settings}, TOKEN)
    there = Bucket(asked)
    asked.http = there
    return there, asked


def test_files_come_in_the_order_in_which_they_were_written(both: tuple[Bucket, Poll]) -> None:
    there, asked = both
    other = FOLDER.replace("eu-central-1", "us-east-1")
    there.put(key("b"), packed("second"), ago=timedelta(hours=2))
    there.put(key("a", folder=other), packed("first"), ago=timedelta(hours=3))
    there.put(key("c"), packed("third"), ago=timedelta(hours=1))
    assert bodies(asked.once()) == [
        b'{"Records":["first"]}', b'{"Records":["second"]}', b'{"Records":["third"]}',
    ]  # fmt: skip
    assert asked.place == microseconds(NOON - timedelta(hours=1))
    assert bodies(asked.once()) == []
    there.put(key("d"), packed("fourth"), ago=timedelta(minutes=5))
    assert bodies(asked.once()) == [b'{"Records":["fourth"]}']


def test_accounts_of_an_organization_and_insights_are_found() -> None:
    there, asked = _both(prefix="logs")
    base = "logs/AWSLogs/o-acme123456/"
    calls = f"{base}111122223333/CloudTrail/eu-central-1/"
    there.put(key("a", folder=calls), packed("a"), ago=timedelta(hours=1))
    insights = f"{base}444455556666/CloudTrail-Insight/eu-central-1/"
    name = key("b", folder=insights).replace("_CloudTrail_", "_CloudTrail-Insight_")
    there.put(name, packed("b"), ago=timedelta(hours=1))
    assert len(bodies(asked.once())) == 2


def test_digests_and_whatever_else_stands_there_are_left_alone(both: tuple[Bucket, Poll]) -> None:
    there, asked = both
    digests = FOLDER.replace("CloudTrail/", "CloudTrail-Digest/")
    there.put(key("a"), packed("a"), ago=timedelta(hours=1))
    there.put(key("b", folder=digests), packed("digest"), ago=timedelta(hours=1))
    there.put(f"{FOLDER}2026/11/22/notes.json.gz", packed("notes"), ago=timedelta(hours=1))
    there.put("AWSLogs/111122223333/Config/x.json.gz", packed("config"), ago=timedelta(hours=1))
    asked.once()
    assert there.fetched == [key("a")]


def test_what_was_written_this_minute_waits(both: tuple[Bucket, Poll]) -> None:
    there, asked = both
    there.put(key("a"), packed("a"), ago=timedelta(0))
    assert bodies(asked.once()) == []
    asked.now += HOLD
    assert len(bodies(asked.once())) == 1


def test_the_server_s_clock_says_how_old_a_file_is(both: tuple[Bucket, Poll]) -> None:
    there, asked = both
    there.clock_ahead = -timedelta(minutes=10)
    there.put(key("a"), packed("a"), ago=timedelta(minutes=10))
    assert bodies(asked.once()) == []
    asked.now += HOLD
    assert len(bodies(asked.once())) == 1


def test_a_poll_that_was_stopped_goes_on_with_the_same_second(both: tuple[Bucket, Poll]) -> None:
    there, asked = both
    for name in ("a", "b", "c"):
        there.put(key(name), packed(name), ago=timedelta(hours=1))
    steps: list[bytes] = []
    for count in range(2, 9):
        steps = bodies(asked.once(steps_max=count))
        if steps:
            break
    assert asked.place is None
    assert len(bodies(asked.once())) == 3
    assert asked.place == microseconds(NOON - timedelta(hours=1))


def test_a_long_list_is_taken_in_parts_and_nothing_of_it_is_passed_by() -> None:
    there, asked = _both()
    names = [f"n{number:02}" for number in range(30)]
    for number, name in enumerate(names):
        # The order of names is not that of times.
        there.put(key(name), packed(name), ago=timedelta(minutes=10 + 7 * (number * 11 % 30)))
    found: list[bytes] = []
    oldest = Oldest(4)
    for start in range(0, 30, 3):
        oldest.add(each for each in _objects(there)[start : start + 3])
        assert len(oldest.files()) <= 8
    first = [each.key for each in oldest.files()]
    by_time = sorted(there.objects, key=lambda each: there.objects[each][0])
    assert len(first) >= 4
    assert first == by_time[: len(first)]
    found = bodies(asked.once())
    assert len(found) == 30


def _objects(there: Bucket) -> list[Object]:
    return [Object(modified, name, len(body)) for name, (modified, body) in there.objects.items()]


def test_a_first_poll_reaches_back_a_day_or_as_far_as_it_is_told() -> None:
    for settings, count in (({}, 1), ({"since": "2026-11-15"}, 2)):
        there, asked = _both(**settings)
        there.put(key("a", day="2026/11/16"), packed("a"), ago=timedelta(days=6))
        there.put(key("b"), packed("b"), ago=timedelta(hours=1))
        assert len(bodies(asked.once())) == count


def test_a_file_that_comes_late_into_its_day_s_folder_is_fetched(both: tuple[Bucket, Poll]) -> None:
    there, asked = both
    there.put(key("a"), packed("a"), ago=timedelta(hours=1))
    asked.once()
    there.put(key("b", day="2026/11/20"), packed("b"), ago=timedelta(minutes=2))
    assert len(bodies(asked.once())) == 1


def test_what_can_not_be_had_is_told_and_holds_up_nothing(both: tuple[Bucket, Poll]) -> None:
    there, asked = both
    there.put(key("bad"), b"no gzip", ago=timedelta(hours=3))
    there.put(key("large"), packed("large"), ago=timedelta(hours=2))
    there.sizes[key("large")] = FILE_BYTES_MAX + 1
    there.put(key("good"), packed("good"), ago=timedelta(hours=1))
    steps = asked.once()
    assert [code for code, _ in lost(steps)] == ["unreadable", "too-large"]
    assert bodies(steps) == [b'{"Records":["good"]}']
    assert key("large") not in there.fetched


class Says:
    """Always the same answer."""

    def __init__(self, answer: Response) -> None:
        self._answer = answer

    def request(self, _: Request) -> Response:
        return self._answer

    def stream(self, asked: Request) -> AbstractContextManager[Streamed]:
        raise AssertionError("nobody streams a bucket")

    def close(self) -> None: ...


def listed(inner: str) -> Response:
    return Response(200, {}, f"<ListBucketResult>{inner}</ListBucketResult>".encode())


REFUSALS: dict[str, tuple[Response, type[DeploytrailError], str]] = {
    "a key that may not": (Response(403, {}, b"<Error/>"), NotPermitted, "found 403"),
    "no such bucket": (Response(404, {}, b"<Error/>"), NotPermitted, "found 404"),
    "another region": (Response(301, {}, b"<Error/>"), Malformed, "see that its settings"),
    "too often": (Response(503, {}, b"SlowDown"), Unreachable, "found 503"),
    "later": (Response(503, {"retry-after": "9"}, b""), Later, "again in 9 s"),
    "no folder of CloudTrail": (listed(""), Malformed, "see that it is right"),
    "no XML": (Response(200, {}, b"{}"), Malformed, "expected XML"),
    "another document": (Response(200, {}, b"<Error/>"), Malformed, "expected ListBucketResult"),
    "a bomb": (
        Response(200, {}, b'<!DOCTYPE a [<!ENTITY b "bb">]><ListBucketResult/>'),
        Malformed,
        "found a declaration",
    ),
    "other bytes": (Response(200, {}, b"\xff\xfe"), Malformed, "expected UTF-8"),
    "no time": (listed("<Contents><Key>a</Key></Contents>"), Malformed, "expected LastModified"),
    "an end that is none": (listed("<IsTruncated>true</IsTruncated>"), Malformed, "goes on"),
    "levels without an end": (
        Response(200, {}, b"<a>" * 100_000), Malformed, "expected XML",
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSALS)
def test_an_answer_that_is_none_is_told_without_the_key(why: str) -> None:
    answer, error, expected = REFUSALS[why]
    asked = Poll(POLLER, SETTINGS, TOKEN, http=Says(answer))
    with pytest.raises(error, match=expected) as refused:
        asked.once()
    assert KEYS.secret not in str(refused.value)


@pytest.mark.parametrize("token", ["", "AAAA", "AAAA:", ":BBBB", "AAAA:sécret", "AAAA:BBBB:"])
def test_a_token_of_another_form_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(Misconfigured, match="expected KEY_ID:SECRET") as refused:
        Poll(POLLER, SETTINGS, token, http=Says(listed(""))).once()
    assert not token or token not in str(refused.value)


ADDRESSES = {
    "a bucket": ({}, "https://acme-cloudtrail.s3.eu-central-1.amazonaws.com/?"),
    "a name that no certificate covers": (
        {"bucket": "logs.acme"}, "https://s3.eu-central-1.amazonaws.com/logs.acme?",
    ),
    "China": ({"region": "cn-north-1"}, "https://acme-cloudtrail.s3.cn-north-1.amazonaws.com.cn/?"),
    "another server": (
        {"endpoint": "https://s3.acme.example:9000/"},
        "https://s3.acme.example:9000/acme-cloudtrail?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", ADDRESSES)
def test_a_bucket_is_asked_where_it_is(why: str) -> None:
    settings, expected = ADDRESSES[why]
    seen: list[str] = []

    class Sees(Says):
        def request(self, asked: Request) -> Response:
            seen.append(asked.url)
            return super().request(asked)

    with pytest.raises(NotPermitted):
        Poll(POLLER, SETTINGS | settings, TOKEN, http=Sees(Response(403, {}, b""))).once()
    assert seen[0].startswith(expected)


def test_examples_have_the_form_of_their_setting() -> None:
    for name, one in POLLER.settings.items():
        assert re.fullmatch(one.form, one.example), name


@contextmanager
def real(folder: Path, token: str = TOKEN) -> Iterator[tuple[Poll, list[str]]]:
    """A bucket of a real server, with three files in it."""
    now = SystemClock().now()
    names = [key(name, day=f"{now:%Y/%m/%d}") for name in ("a", "b", "c")]
    with s3_server(folder) as server:
        assert server.put("/acme-cloudtrail").status == 200
        for name in names:
            assert server.put(f"/acme-cloudtrail/{name}", packed(name[-9:-8])).status == 200
        # Nobody waits for a minute.
        ready = msgspec.structs.replace(POLLER, poll=partial(poll, hold=-timedelta(minutes=1)))
        asked = Poll(
            ready, {"bucket": "acme-cloudtrail", "region": REGION, "endpoint": server.url}, token
        )
        asked.now = now
        yield asked, names


def test_a_real_server_takes_our_signatures_and_no_others(tmp_path: Path) -> None:
    with real(tmp_path) as (asked, names):
        assert sorted(bodies(asked.once())) == [
            f'{{"Records":["{name[-9:-8]}"]}}'.encode() for name in names
        ]
        assert bodies(asked.once()) == []
        forged = Poll(POLLER, asked.settings, f"{KEYS.id}:another")
        forged.now = asked.now
        with pytest.raises(NotPermitted, match="found 403"):
            forged.once()

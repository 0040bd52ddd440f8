"""What CloudTrail signed is held against what stands in the bucket."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deploytrail.clock import SystemClock
from deploytrail.errors import Unreachable
from deploytrail.formats import sigv4
from deploytrail.formats.cloudtrail_digest import SIGNATURE_METADATA, parse, signing_string
from deploytrail.kit.answer import NotSent, Request, Response, Streamed
from deploytrail.kit.http import Http
from deploytrail.kit.poller import Polled
from deploytrail.sources.cloudtrail_bucket import POLLER, poll
from deploytrail.sources.cloudtrail_public_keys import PAGES_MAX
from tests.fakes import NOON
from tests.s3_server import KEYS, REGION, s3_server
from tests.sources.asked import Poll, bodies, lost
from tests.sources.test_cloudtrail_bucket import FOLDER, SETTINGS, TOKEN, Bucket, key, packed

DIGESTS = FOLDER.replace("CloudTrail/", "CloudTrail-Digest/")
FINGERPRINT = "0a" * 16
API = "https://cloudtrail.eu-central-1.amazonaws.com/"
PRIVATE = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
FORGED = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
PUBLIC = base64.b64encode(
    PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
).decode()


def listed(**more: object) -> Response:
    one = {"Fingerprint": FINGERPRINT, "Value": PUBLIC, "ValidityStartTime": 1.7e9}
    return Response(200, {}, json.dumps({"PublicKeyList": [one], **more}).encode())


class Aws(Bucket):
    """The bucket, with what stands beside objects, and CloudTrail's own address."""

    def __init__(self, asked: Poll) -> None:
        super().__init__(asked)
        self.asked = asked
        self.signatures: dict[str, str] = {}
        self.keys: Callable[[Request], Response] = lambda _: listed()
        self.times_asked = 0
        self.status: dict[str, int] = {}

    def request(self, asked: Request) -> Response:
        if asked.method == "POST":
            self.times_asked += 1
            prove(asked)
            return self.keys(asked)
        answer = super().request(asked)
        name = urlsplit(asked.url).path[1:]
        if name in self.status:
            return answer._replace(status=self.status[name])
        found = self.signatures.get(name)
        return answer._replace(headers={**answer.headers, SIGNATURE_METADATA: found or ""})

    def log(self, name: str, *, ago: timedelta = timedelta(hours=2)) -> str:
        self.put(key(name), packed(name), ago=ago)
        return key(name)

    def digest(
        self,
        hour: int,
        logs: tuple[str, ...] = (),
        before: str | None = None,
        by: rsa.RSAPrivateKey = PRIVATE,
        **changed: object,
    ) -> str:
        """The digest that ends at that hour; its key."""
        name = digest_key(hour)
        beside = before and (gzip.decompress(self.objects[before][1]), self.signatures[before])
        told = said(hour, {one: self.objects[one][1] for one in logs}, before, beside or None)
        body, self.signatures[name] = signed(told | changed, by)
        self.objects[name] = (NOON.replace(hour=hour, minute=5), body)
        return name


def prove(asked: Request) -> None:
    """As CloudTrail does before it answers."""
    assert asked.url == API
    assert asked.body is not None
    given = dict(asked.headers)
    proof = given.pop("authorization")
    assert given["x-amz-target"].endswith("CloudTrail_20131101.ListPublicKeys")
    stamp = datetime.strptime(given.pop("x-amz-date") + "+0000", "%Y%m%dT%H%M%SZ%z")
    expected = sigv4.signed(
        "POST", "/", "", given, KEYS, sigv4.Scope("eu-central-1", "cloudtrail"),
        at=stamp, body=hashlib.sha256(asked.body).hexdigest(),
    )  # fmt: skip
    assert expected["authorization"] == proof
    times = json.loads(asked.body)
    assert times["StartTime"] < times["EndTime"]


def digest_key(hour: int, *, day: str = "2026/11/22") -> str:
    name = "111122223333_CloudTrail-Digest_eu-central-1_acme_eu-central-1"
    return f"{DIGESTS}{day}/{name}_{day.replace('/', '')}T{hour:02}0131Z.json.gz"


def said(
    hour: int,
    logs: dict[str, bytes],
    before: str | None = None,
    beside: tuple[bytes, str] | None = None,
) -> dict[str, Any]:
    return {
        "awsAccountId": "111122223333",
        "digestStartTime": f"2026-11-22T{hour - 1:02}:01:31Z",
        "digestEndTime": f"2026-11-22T{hour:02}:01:31Z",
        "digestS3Bucket": "acme-cloudtrail",
        "digestS3Object": digest_key(hour),
        "digestPublicKeyFingerprint": FINGERPRINT,
        "digestSignatureAlgorithm": "SHA256withRSA",
        "previousDigestS3Bucket": before and "acme-cloudtrail",
        "previousDigestS3Object": before,
        "previousDigestHashValue": beside and hashlib.sha256(beside[0]).hexdigest(),
        "previousDigestHashAlgorithm": before and "SHA-256",
        "previousDigestSignature": beside and beside[1],
        "logFiles": [
            {
                "s3Bucket": "acme-cloudtrail",
                "s3Object": name,
                "hashValue": hashlib.sha256(gzip.decompress(body)).hexdigest(),
                "hashAlgorithm": "SHA-256",
            }
            for name, body in logs.items()
        ],
    }


def signed(told: dict[str, Any], by: rsa.RSAPrivateKey = PRIVATE) -> tuple[bytes, str]:
    octets = json.dumps(told).encode()
    made = by.sign(signing_string(parse(octets), octets), PKCS1v15(), SHA256())
    return gzip.compress(octets), made.hex()


def verified(steps: list[Polled]) -> list[str]:
    return [one.verified for one in steps if one.verified is not None]


def aws(**settings: str) -> Aws:
    asked = Poll(POLLER, {**SETTINGS, **settings}, TOKEN)
    there = Aws(asked)
    asked.http = there
    return there


def test_a_digest_that_holds_is_told_and_each_file_was_fetched_once() -> None:
    there = aws()
    first = there.digest(9, (there.log("a", ago=timedelta(hours=4)),))
    second = there.digest(11, (there.log("b"),), first)
    steps = there.asked.once()
    assert verified(steps) == [first, second]
    assert lost(steps) == []
    assert len(bodies(steps)) == 2
    assert sorted(there.fetched) == sorted([key("a"), key("b"), first, second])
    assert there.times_asked == 1
    assert verified(there.asked.once()) == []


def test_files_of_an_earlier_poll_are_fetched_once_more() -> None:
    there = aws()
    first = there.digest(9, (there.log("a"),))
    there.asked.once()
    there.log("b", ago=timedelta(minutes=10))
    there.asked.once()
    there.fetched.clear()
    # It is written after the files that it names.
    second = there.digest(11, (key("b"),), first)
    there.objects[second] = (NOON - timedelta(minutes=5), there.objects[second][1])
    steps = there.asked.once()
    assert verified(steps) == [second]
    assert sorted(there.fetched) == sorted([second, first, key("b")])


def _change(there: Aws, _: str) -> None:
    there.put(key("a"), packed("mallory"), ago=timedelta(hours=2))


def _spoil(there: Aws, _: str) -> None:
    there.put(key("a"), b"no gzip", ago=timedelta(days=9))


def _delete(there: Aws, _: str) -> None:
    del there.objects[key("a")]


def _change_digest(there: Aws, name: str) -> None:
    modified, body = there.objects[name]
    body = gzip.compress(gzip.decompress(body) + b" ")
    there.objects[name] = (modified, body)


def _unsign(there: Aws, name: str) -> None:
    del there.signatures[name]


def _forge(there: Aws, _: str) -> None:
    there.digest(10, (key("a"),), by=FORGED)


def _invent_key(there: Aws, _: str) -> None:
    there.digest(10, (key("a"),), digestPublicKeyFingerprint="ff" * 16)


def _move(there: Aws, _: str) -> None:
    there.digest(10, digestS3Object=digest_key(11))


def _fill(there: Aws, name: str) -> None:
    there.objects[name] = (there.objects[name][0], gzip.compress(b"{}"))


def _close(there: Aws, _: str) -> None:
    there.put(key("a"), packed("a"), ago=timedelta(days=9))
    there.status[key("a")] = 403


def _name_elsewhere(there: Aws, _: str) -> None:
    (one,) = said(10, {key("a"): packed("a")})["logFiles"]
    there.digest(10, logFiles=[one | {"s3Bucket": "acme-other"}])


def _hash_otherwise(there: Aws, _: str) -> None:
    (one,) = said(10, {key("a"): packed("a")})["logFiles"]
    there.digest(10, logFiles=[one | {"hashAlgorithm": "MD5"}])


def _blow_up(there: Aws, name: str) -> None:
    there.objects[name] = (there.objects[name][0], gzip.compress(bytes(2**24)))


WRONG: dict[str, tuple[Callable[[Aws, str], None], str, str]] = {
    "a log file was changed": (_change, "tampered", key("a")),
    "a log file is no gzip": (_spoil, "tampered", key("a")),
    "a log file is gone": (_delete, "missing", key("a")),
    "a log file is closed to us": (_close, "unproven", key("a")),
    "a log file is in another bucket": (_name_elsewhere, "unproven", key("a")),
    "a log file has another hash": (_hash_otherwise, "unproven", key("a")),
    "a digest is a bomb": (_blow_up, "unreadable", digest_key(10)),
    "a digest was changed": (_change_digest, "tampered", digest_key(10)),
    "a digest has no signature": (_unsign, "tampered", digest_key(10)),
    "a digest is signed by another": (_forge, "tampered", digest_key(10)),
    "a digest names a key that is none": (_invent_key, "tampered", digest_key(10)),
    "a digest names another place": (_move, "tampered", digest_key(10)),
    "a digest is none": (_fill, "unreadable", digest_key(10)),
}


@pytest.mark.parametrize("why", WRONG)
def test_what_does_not_hold_is_named_and_holds_up_nothing(why: str) -> None:
    does, code, name = WRONG[why]
    there = aws()
    digest = there.digest(10, (there.log("a"),))
    does(there, digest)
    later = there.log("z", ago=timedelta(minutes=20))
    steps = there.asked.once()
    assert lost(steps) == [(code, name)]
    assert verified(steps) == []
    assert bodies(steps)[-1] == gzip.decompress(there.objects[later][1])
    assert lost(there.asked.once()) == []


def test_a_digest_that_was_removed_or_replaced_leaves_a_gap() -> None:
    for is_removed in (True, False):
        there = aws()
        first = there.digest(8)
        second = there.digest(9, (), first)
        third = there.digest(10, (), second)
        if is_removed:
            del there.objects[second]
        else:
            there.digest(9, (), first, digestEndTime="2026-11-22T09:01:32Z")
        assert lost(there.asked.once()) == [("gap", third)]


def test_a_chain_that_begins_anew_leaves_a_gap_and_the_first_of_all_none() -> None:
    there = aws()
    first = there.digest(8)
    assert verified(there.asked.once()) == [first]
    anew = there.digest(11)
    there.objects[anew] = (NOON - timedelta(minutes=5), there.objects[anew][1])
    steps = there.asked.once()
    assert lost(steps) == [("gap", anew)]
    assert "behind" in str([step.lost.text for step in steps if step.lost])


def _unsent(_: Request) -> Response:
    raise NotSent("no such host")


NO_KEYS: dict[str, Callable[[Request], Response]] = {
    "it may not ask": lambda _: Response(400, {}, b'{"__type":"AccessDeniedException"}'),
    "its token is none there": lambda _: Response(403, {}, b"{}"),
    "there is no such region": _unsent,
    "an answer that is none": lambda _: Response(200, {}, b"<html>"),
    "pages without an end": lambda _: listed(NextToken="more"),
}


@pytest.mark.parametrize("why", NO_KEYS)
def test_without_keys_it_is_told_once_a_day_that_nothing_is_checked(why: str) -> None:
    there = aws()
    there.keys = NO_KEYS[why]
    there.digest(10, (there.log("a"),), there.digest(9))
    steps = there.asked.once()
    assert set(lost(steps)) == {("unproven", f"{DIGESTS}2026/11/22")}
    assert verified(steps) == []
    assert len(bodies(steps)) == 1
    assert there.times_asked in {1, PAGES_MAX}


def test_where_keys_may_be_had_later_the_digest_waits() -> None:
    there = aws()
    there.keys = lambda _: Response(503, {}, b"")
    digest = there.digest(10, (there.log("a"),))
    with pytest.raises(Unreachable):
        there.asked.once()
    there.keys = lambda _: listed()
    assert verified(there.asked.once()) == [digest]


def test_digests_can_be_left_alone() -> None:
    there = aws(digests="no")
    there.digest(10, (there.log("a"),))
    assert len(bodies(there.asked.once())) == 1
    assert there.fetched == [key("a")]
    assert there.times_asked == 0


class Both:
    """A real server of S3, and CloudTrail's own address beside it."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def request(self, asked: Request) -> Response:
        if asked.method == "POST":
            prove(asked)
            return listed()
        return self._http.request(asked)

    def stream(self, asked: Request) -> AbstractContextManager[Streamed]:
        raise AssertionError("nobody streams a bucket")

    def close(self) -> None: ...


def test_a_real_server_keeps_signatures_beside_digests(tmp_path: Path) -> None:
    now = SystemClock().now()
    day = f"{now:%Y/%m/%d}"
    log, digest = key("a", day=day), digest_key(10, day=day)
    told = said(10, {log: packed("a")}) | {"digestS3Object": digest}
    body, signature = signed(told)
    with s3_server(tmp_path) as server, Http() as http:
        assert server.put("/acme-cloudtrail").status == 200
        beside = {SIGNATURE_METADATA: signature}
        for name, octets, more in ((log, packed("a"), {}), (digest, body, beside)):
            put = server.put(f"/acme-cloudtrail/{name}", octets, metadata=more)
            assert put.status == 200
        settings = {**SETTINGS, "region": REGION, "endpoint": server.url, "digests": "yes"}
        ready = msgspec.structs.replace(POLLER, poll=partial(poll, hold=-timedelta(minutes=1)))
        asked = Poll(ready, settings, TOKEN, http=Both(http))
        asked.now = now
        # Another server is no part of Amazon: nobody is asked for keys unless it is wanted.
        bare = {name: text for name, text in settings.items() if name != "digests"}
        unset = Poll(ready, bare, TOKEN, http=Both(http))
        unset.now = now
        assert verified(unset.once()) == []
        steps = asked.once()
        assert verified(steps) == [digest]
        assert lost(steps) == []
        server.put(f"/acme-cloudtrail/{log}", packed("mallory"))
        again = Poll(ready, settings, TOKEN, http=Both(http))
        again.now = now
        assert lost(again.once()) == [("tampered", log)]

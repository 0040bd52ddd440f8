"""Whatever a tool answers: a poll gives steps, or raises an error of ours, and ends."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager
from typing import Final

import pytest

from deploytrail.errors import DeploytrailError, Malformed
from deploytrail.kit.answer import Request, Response, Streamed
from deploytrail.kit.poller import Asking, Poller
from deploytrail.sources import cloudtrail_bucket, github_deliveries, hcp_terraform_audit_pages
from tests.fakes import NOON
from tests.sources.test_fuzzing import harmed

ANSWERS_MAX: Final = 40
POLLS: Final = 5_000
FOLDER: Final = "AWSLogs/111122223333/CloudTrail/eu-central-1/"
FILE: Final = "2026/11/22/111122223333_CloudTrail_eu-central-1_20261122T1000Z_ab.json.gz"
DIGESTS: Final = "AWSLogs/111122223333/CloudTrail-Digest/eu-central-1/"
DIGEST: Final = (
    "2026/11/22/111122223333_CloudTrail-Digest_eu-central-1_acme_eu-central-1_"
    "20261122T100131Z.json.gz"
)
BODIES: Final[dict[str, tuple[Poller, dict[str, str], bytes]]] = {
    "github": (
        github_deliveries.POLLER,
        {"repository": "acme/infra", "hook": "7"},
        b'[{"id":1,"guid":"a","delivered_at":"2026-11-22T00:57:16Z","status_code":502},'
        b'{"id":2,"guid":"b","delivered_at":"2026-11-22T10:57:16Z","status_code":200}]',
    ),
    "hcp-terraform-audit": (
        hcp_terraform_audit_pages.POLLER,
        {},
        b'{"data":[{"id":"a"}],"pagination":{"current_page":1,"next_page":null}}',
    ),
    "cloudtrail": (
        cloudtrail_bucket.POLLER,
        {"bucket": "acme-cloudtrail", "region": "eu-central-1"},
        (
            "<ListBucketResult><IsTruncated>false</IsTruncated>"
            "<CommonPrefixes><Prefix>AWSLogs/111122223333/</Prefix></CommonPrefixes>"
            "<CommonPrefixes><Prefix>AWSLogs/111122223333/CloudTrail/</Prefix></CommonPrefixes>"
            f"<CommonPrefixes><Prefix>{FOLDER}</Prefix></CommonPrefixes>"
            f"<CommonPrefixes><Prefix>{DIGESTS.rsplit('/', 2)[0]}/</Prefix></CommonPrefixes>"
            f"<CommonPrefixes><Prefix>{DIGESTS}</Prefix></CommonPrefixes>"
            f"<Contents><Key>{DIGESTS}{DIGEST}</Key><Size>12</Size>"
            "<LastModified>2026-11-22T10:00:00.000Z</LastModified></Contents>"
            f"<Contents><Key>{FOLDER}{FILE}</Key><Size>12</Size>"
            "<LastModified>2026-11-22T10:00:00.000Z</LastModified></Contents></ListBucketResult>"
        ).encode(),
    ),
}
HEADERS: Final = (
    ("date", "Sun, 22 Nov 2026 12:00:00 GMT"), ("date", "Sun, 99 Nov 99999 12:00:00 GMT"),
    ("date", "Sun, 22 Nov 2026 12:00:00 +9999"), ("link", '<https://x?cursor=v1_2>; rel="next"'),
    ("link", "<" * 5_000), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9" * 12),
    ("x-ratelimit-reset", "9" * 400), ("retry-after", "9" * 9), ("retry-after", "-1"),
)  # fmt: skip
STATUSES: Final = (200,) * 12 + (202, 301, 403, 404, 429, 500)


class Odd:
    """Answers mostly as it should, now and then with something wrong; after a while with nothing,
    since a server may go on for ever.
    """

    def __init__(self, body: bytes, dice: random.Random) -> None:
        self._body = body
        self._dice = dice
        self._asked = 0

    def request(self, _: Request) -> Response:
        self._asked += 1
        if self._asked > ANSWERS_MAX:
            raise Malformed("a test has seen enough")
        dice = self._dice
        headers = dict(dice.sample(HEADERS, dice.randint(0, 3)))
        body = harmed(self._body, dice) if dice.random() < 0.4 else self._body
        return Response(dice.choice(STATUSES), headers, body)

    def stream(self, asked: Request) -> AbstractContextManager[Streamed]:
        raise AssertionError("nobody streams")

    def close(self) -> None: ...


@pytest.mark.parametrize("name", BODIES)
def test_whatever_is_answered_a_poll_ends(name: str) -> None:
    poller, settings, body = BODIES[name]
    dice = random.Random(name)
    ended = {"whole": 0, "refused": 0}
    said: set[str] = set()
    for _ in range(POLLS):
        place = dice.choice((None, 1, 1_795_300_000_000_000))
        before = place or 0
        try:
            for step in poller.poll(Asking(Odd(body, dice), settings, "KEY:SECRET", place, NOON)):
                assert step.place >= before
                before = step.place
            ended["whole"] += 1
        except DeploytrailError as error:
            ended["refused"] += 1
            said.add(str(error))
    assert min(ended.values()) > 0, ended
    assert not [each for each in said if "SECRET" in each]

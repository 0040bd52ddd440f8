"""CloudTrail's bucket: its log files are fetched as they come, and held against its digests.

Source: AWS CloudTrail User Guide, "CloudTrail log file examples: log file name format" and "Finding
your CloudTrail log files"; Amazon S3 API Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import groupby
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from deploytrail.clock import microseconds
from deploytrail.errors import Malformed, Misconfigured, TooLarge
from deploytrail.formats import sigv4
from deploytrail.formats.s3_listing import Object, Page, page
from deploytrail.gzipped import unpacked
from deploytrail.kit.answer import Limits, Request, Response
from deploytrail.kit.poller import Asking, Lost, Polled, Poller, Setting, accepted
from deploytrail.sources import cloudtrail_digests
from deploytrail.sources.cloudtrail_digests import Digests, is_digest
from deploytrail.sources.cloudtrail_public_keys import PublicKeys

EVERY_SECONDS: Final = 300
FIRST: Final = timedelta(days=1)
"""So far back reaches a first poll, unless a setting says otherwise: history is for `import`."""
LOOKBACK: Final = timedelta(days=3)
"""How late a file may come into the folder of its day."""
HOLD: Final = timedelta(minutes=1)
"""Younger files wait: what is written in the same second may be listed a moment later."""
FILES_MAX: Final = 20_000
"""Of one poll, the oldest: the next goes on from there."""
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
UNPACKED_BYTES_MAX: Final = 96 * 1024 * 1024
_AHEAD: Final = timedelta(days=1)
PAGES_MAX: Final = 100_000
DEPTH_MAX: Final = 4
_FOLDERS: Final = frozenset({"CloudTrail", "CloudTrail-Insight"})
_LIMITS: Final = Limits(
    connect_seconds=5.0, read_seconds=15.0, total_seconds=60.0, bytes_max=FILE_BYTES_MAX
)
_WHOM: Final = "S3"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_is_on_the_way: Final = re.compile(r"AWSLogs|[0-9]{12}|o-[a-z0-9]{10,32}").fullmatch
_is_region: Final = re.compile(r"[a-z0-9-]{2,40}").fullmatch
_is_file: Final = re.compile(
    r"[0-9]{4}/[0-9]{2}/[0-9]{2}/"
    r"[0-9]{12}_CloudTrail(-Insight)?_[a-z0-9-]{2,40}_[0-9]{8}T[0-9]{4}Z_[A-Za-z0-9]{1,64}\.json\.gz"
).fullmatch


def poll(asking: Asking, *, hold: timedelta = HOLD) -> Iterator[Polled]:
    """The place is the time, in microseconds, at which the last file was written that was fetched:
    files are fetched in the order of these times, those of the same together.
    """
    bucket = _Bucket(asking, hold)
    place, since = asking.place or 0, _since(asking)
    oldest = Oldest(FILES_MAX)
    region = None
    for region in bucket.regions(asking.settings.get("prefix", "AWSLogs").strip("/") + "/", 0):
        for some in bucket.files(region, since):
            oldest.add(some)
            # Between any two pages others may be asked.
            yield Polled(place)
    if region is None:
        raise Malformed(
            f"{_WHOM}: expected folders called CloudTrail below the prefix, found none; see that "
            "it is right, and that the trail has written a file"
        )
    for modified, group in groupby(oldest.files(), key=lambda one: one.modified):
        for each in group:
            for step in bucket.taken(each):
                yield step._replace(place=place)
        # All that was written in this second is in the log before the place moves on.
        place = max(place, microseconds(modified))
        yield Polled(place)


class Oldest:
    """So many of the oldest files, or somewhat more; none is older than one that was left out."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._found: list[Object] = []
        self._until: datetime | None = None

    def add(self, some: Iterable[Object]) -> None:
        until = self._until
        self._found += [each for each in some if until is None or each.modified < until]
        if len(self._found) <= 2 * self._count:
            return
        self._found.sort()
        until = self._found[self._count].modified
        if until > self._found[0].modified:
            self._until = until
            self._found = [each for each in self._found if each.modified < until]

    def files(self) -> list[Object]:
        return sorted(self._found)


def _since(asking: Asking) -> datetime:
    if asking.place is not None:
        return _EPOCH + timedelta(microseconds=asking.place)
    given = asking.settings.get("since")
    if given is None:
        return asking.now - FIRST
    try:
        return datetime.fromisoformat(given).replace(tzinfo=UTC)
    except ValueError:
        raise Malformed("settings.since: expected a day, such as 2026-11-01") from None


class _Where(NamedTuple):
    """The address of a bucket: `root` begins the paths in it."""

    base: str
    root: str


def _where(asking: Asking) -> _Where:
    settings = asking.settings
    bucket, region = settings["bucket"], settings["region"]
    if "endpoint" in settings:
        return _Where(settings["endpoint"].rstrip("/"), f"/{bucket}")
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    if "." in bucket:
        # No certificate covers such a name below that of S3.
        return _Where(f"https://s3.{region}.{suffix}", f"/{bucket}")
    return _Where(f"https://{bucket}.s3.{region}.{suffix}", "")


def _keys(token: str) -> sigv4.Keys:
    parts = token.strip().split(":", 2)
    if len(parts) < 2 or not all(part and part.isascii() for part in parts):
        raise Misconfigured(
            "token: expected KEY_ID:SECRET, or KEY_ID:SECRET:SESSION, found another text"
        )
    return sigv4.Keys(parts[0], parts[1], parts[2] if len(parts) == 3 else None)


class _Bucket:
    """What is asked of one bucket; every request is signed."""

    def __init__(self, asking: Asking, hold: timedelta) -> None:
        self._asking = asking
        self._hold = hold
        self._where = _where(asking)
        self._keys = _keys(asking.token)
        self._now = asking.now
        """By the server's clock, which says when files were written and whether signatures hold."""
        self._digests = Digests(
            asking.settings["bucket"],
            fetch=lambda key: self._answered(f"/{key}", ""),
            before=self._before,
            keys=PublicKeys(asking.http, self._keys),
            now=lambda: self._now,
        )
        # Another server is no part of Amazon, where the keys of digests are asked for.
        given = asking.settings.get("digests", "no" if "endpoint" in asking.settings else "yes")
        self._folders = _FOLDERS | ({cloudtrail_digests.FOLDER} if given == "yes" else set())

    def regions(self, prefix: str, depth: int) -> Iterator[str]:
        """The folders in which files stand by day, of all accounts and regions."""
        for found in self._listed(prefix, delimiter="/"):
            for folder in found.folders:
                name = folder.removeprefix(prefix).removesuffix("/")
                if name in self._folders:
                    yield from self._regions_in(folder)
                elif _is_on_the_way(name) and folder == f"{prefix}{name}/" and depth < DEPTH_MAX:
                    yield from self.regions(folder, depth + 1)

    def _regions_in(self, prefix: str) -> Iterator[str]:
        for found in self._listed(prefix, delimiter="/"):
            for folder in found.folders:
                if _is_region(folder.removeprefix(prefix).removesuffix("/")):
                    yield folder

    def files(self, region: str, since: datetime) -> Iterator[list[Object]]:
        """Those that were written after that, a page at a time."""
        day = f"{since - LOOKBACK:%Y/%m/%d}"
        is_known = is_digest if f"/{cloudtrail_digests.FOLDER}/" in region else _is_file
        for found in self._listed(region, start=region + day):
            yield [
                each
                for each in found.objects
                if since < each.modified <= self._now - self._hold
                and each.key.startswith(region)
                and is_known(each.key[len(region) :])
            ]

    def _before(self, key: str) -> Iterator[str]:
        """Keys of a digest's region that come before it, of the days for which we look back."""
        region, year, month, day, _ = key.rsplit("/", 4)
        try:
            start = datetime(int(year), int(month), int(day), tzinfo=UTC) - LOOKBACK
        except (ValueError, OverflowError):
            return
        for found in self._listed(f"{region}/", start=f"{region}/{start:%Y/%m/%d}"):
            for each in found.objects:
                if each.key >= key:
                    return
                yield each.key

    def taken(self, one: Object) -> Iterator[Polled]:
        """What comes of a file, or why nothing does; raises what may pass."""
        if f"/{cloudtrail_digests.FOLDER}/" in one.key:
            yield from self._digests.checked(one)
            return
        step = self._fetched(one)
        if step.body is not None:
            self._digests.note(one.key, step.body)
        yield step

    def _fetched(self, one: Object) -> Polled:
        if one.size_bytes > FILE_BYTES_MAX:
            return _lost("too-large", one, f"it has {one.size_bytes} bytes")
        answer = self._answered(f"/{one.key}", "")
        if answer.status == 404:
            return _lost("gone", one, "it was deleted before it was fetched")
        octets = accepted(answer, _WHOM)
        try:
            return Polled(0, unpacked(octets, what="file", bytes_max=UNPACKED_BYTES_MAX))
        except (Malformed, TooLarge) as error:
            return _lost("unreadable", one, str(error))

    def _listed(self, prefix: str, *, delimiter: str = "", start: str = "") -> Iterator[Page]:
        following: str | None = None
        for _ in range(PAGES_MAX):
            given = {
                "list-type": "2", "prefix": prefix, "delimiter": delimiter, "start-after": start,
                "continuation-token": following,
            }  # fmt: skip
            query = sigv4.query([(name, text) for name, text in given.items() if text])
            answer = self._answered("", query)
            found = page(accepted(answer, _WHOM))
            yield found
            following = found.following
            if following is None:
                return
        raise Malformed(f"{_WHOM}: expected at most {PAGES_MAX} pages of a list, found more")

    def _answered(self, path: str, query: str) -> Response:
        asked = sigv4.escaped(self._where.root + path, keeps="/") or "/"
        headers = sigv4.signed(
            "GET",
            asked,
            query,
            {"host": urlsplit(self._where.base).netloc, "x-amz-content-sha256": sigv4.EMPTY},
            self._keys,
            sigv4.Scope(self._asking.settings["region"], "s3"),
            at=self._now,
        )
        url = f"{self._where.base}{asked}" + (f"?{query}" if query else "")
        answer = self._asking.http.request(Request("GET", url, None, headers, _LIMITS))
        self._now = _time(answer, self._now)
        return answer


def _time(answer: Response, now: datetime) -> datetime:
    """When the server says that it answered; what was known where it says none, or nonsense."""
    try:
        found = parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return now
    return found if found.tzinfo is not None and abs(found - now) < _AHEAD else now


def _lost(code: str, one: Object, why: str) -> Polled:
    return Polled(0, lost=Lost(code, one.key[-200:], f"the log file {one.key} is left out: {why}"))


POLLER: Final = Poller(
    every_seconds=EVERY_SECONDS,
    settings={
        "bucket": Setting(
            what="the bucket of the trail",
            example="acme-cloudtrail",
            form="[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        ),
        "region": Setting(
            what="the region of the bucket", example="eu-central-1", form="[a-z0-9-]{2,40}"
        ),
        "prefix": Setting(
            what="the folder that holds accounts or organizations",
            example="trail/AWSLogs",
            form="[A-Za-z0-9!_.*'()/-]{1,512}",
            is_required=False,
        ),
        "since": Setting(
            what="the day with which the first poll begins",
            example="2026-11-01",
            form="20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
            is_required=False,
        ),
        "endpoint": Setting(
            what="the address of another server that speaks S3, without the bucket",
            example="https://s3.acme.example",
            form=r"https?://[^\s?#/]+/?",
            is_required=False,
        ),
        "digests": Setting(
            what="whether log files are held against CloudTrail's digests of them",
            example="no",
            form="yes|no",
            is_required=False,
        ),
    },
    rights="KEY_ID:SECRET of an access key with s3:ListBucket of the bucket and s3:GetObject of "
    "what is below AWSLogs/ in it (and kms:Decrypt, where it is encrypted by a key of yours), and "
    "cloudtrail:ListPublicKeys, for digests",
    poll=poll,
)

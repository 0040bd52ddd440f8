"""A bucket's list is read as it is, and nothing in it is expanded."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deploytrail.errors import Malformed
from deploytrail.formats.s3_listing import Object, page

LIST = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Name>acme-cloudtrail</Name><IsTruncated>true</IsTruncated>
  <NextContinuationToken>a/b==</NextContinuationToken>
  <Contents><Key>logs/a&amp;b.json.gz</Key><LastModified>2026-11-22T10:00:00.000Z</LastModified>
    <ETag>"0"</ETag><Size>12</Size><StorageClass>STANDARD</StorageClass></Contents>
  <CommonPrefixes><Prefix>logs/2026/</Prefix></CommonPrefixes>
</ListBucketResult>"""


def test_objects_folders_and_where_it_goes_on_are_read() -> None:
    found = page(LIST)
    at = datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert found.objects == [Object(at, "logs/a&b.json.gz", 12)]
    assert found.folders == ["logs/2026/"]
    assert found.following == "a/b=="


def test_without_a_namespace_it_is_the_same() -> None:
    assert page(LIST.replace(b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', b"")) == page(
        LIST
    )


def test_behind_the_last_page_nothing_follows() -> None:
    assert page(LIST.replace(b"true", b"false")).following is None


FAULTY: dict[str, bytes] = {
    "nothing": b"",
    "an entity": LIST.replace(b"<ListB", b'<!DOCTYPE x [<!ENTITY a "b">]><ListB', 1),
    "another encoding": LIST.decode().encode("utf-16"),
    "a size that is none": LIST.replace(b"<Size>12", b"<Size>many"),
    "a size of too many digits": LIST.replace(b"<Size>12", b"<Size>" + b"9" * 5_000),
    "a time without a zone": LIST.replace(b"10:00:00.000Z", b"10:00:00.000"),
    "no key": LIST.replace(b"logs/a&amp;b.json.gz", b""),
    "half of it": LIST[:300],
}


@pytest.mark.parametrize("why", FAULTY)
def test_what_is_no_list_is_refused(why: str) -> None:
    with pytest.raises(Malformed, match="bucket's list: expected"):
        page(FAULTY[why])

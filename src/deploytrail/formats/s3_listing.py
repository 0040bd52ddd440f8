"""A page of an S3 bucket's list, as XML from a server that we have no reason to trust.

Pure. Source: Amazon S3 API Reference, "ListObjectsV2".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from xml.etree import ElementTree as Xml

from deploytrail.errors import Malformed

_WHAT = "bucket's list"


class Object(NamedTuple):
    """`modified` is when it was written, to the second as a rule."""

    modified: datetime
    key: str
    size_bytes: int


class Page(NamedTuple):
    """`folders` are what keys begin with, up to the delimiter that was asked for; `following` is
    the token of the next page, None behind the last.
    """

    objects: list[Object]
    folders: list[str]
    following: str | None


def page(octets: bytes) -> Page:
    """Raises Malformed."""
    root = _parsed(octets)
    if _name(root) != "ListBucketResult":
        raise Malformed(f"{_WHAT}: expected ListBucketResult, found something else")
    found = Page([], [], None)
    following, is_cut = "", False
    for each in root:
        name = _name(each)
        if name == "Contents":
            found.objects.append(_object(each))
        elif name == "CommonPrefixes":
            found.folders.extend(text for inner, text in _texts(each) if inner == "Prefix")
        elif name == "NextContinuationToken":
            following = each.text or ""
        elif name == "IsTruncated":
            is_cut = each.text == "true"
    if is_cut and not following:
        raise Malformed(f"{_WHAT}: expected where it goes on, found that it does, and not where")
    return found._replace(following=following if is_cut else None)


def _parsed(octets: bytes) -> Xml.Element:
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(f"{_WHAT}: expected UTF-8, found other bytes") from None
    if "<!" in text:
        # Neither comments nor document types: entities are declared in these.
        raise Malformed(f"{_WHAT}: expected elements alone, found a declaration")
    try:
        return Xml.fromstring(text)  # noqa: S314 (without declarations there is nothing to expand)
    except (Xml.ParseError, ValueError, RecursionError):
        raise Malformed(f"{_WHAT}: expected XML, found something else") from None


def _object(element: Xml.Element) -> Object:
    said = dict(_texts(element))
    try:
        modified = datetime.fromisoformat(said.get("LastModified", ""))
        size_bytes = int(said.get("Size", ""))
    except ValueError:
        raise Malformed(f"{_WHAT}: expected LastModified and Size, found none") from None
    if modified.tzinfo is None or not said.get("Key"):
        raise Malformed(f"{_WHAT}: expected a Key, and a time in UTC, found none")
    return Object(modified, said["Key"], size_bytes)


def _texts(element: Xml.Element) -> Iterator[tuple[str, str]]:
    for each in element:
        yield _name(each), each.text or ""


def _name(element: Xml.Element) -> str:
    """Without its namespace: not every server writes the same."""
    return element.tag.rpartition("}")[2]

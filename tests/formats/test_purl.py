"""Package URLs, as their specification and CDEvents write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from deploytrail.errors import Malformed
from deploytrail.formats.purl import Purl, purl

SHA256 = "0b" * 32

READ: dict[str, Purl] = {
    "pkg:maven/org.acme/shop@1.4.0": Purl("maven", "org.acme", "shop", "1.4.0", {}, None),
    "pkg:GOLANG/git.example.org/acme/shop@v1": Purl(
        "golang", "git.example.org/acme", "shop", "v1", {}, None
    ),
    "pkg://npm/shop": Purl("npm", None, "shop", None, {}, None),
    "pkg:npm/%40acme/shop@1.0": Purl("npm", "@acme", "shop", "1.0", {}, None),
    "pkg:npm/@acme/shop": Purl("npm", "@acme", "shop", None, {}, None),
    "pkg:npm/@acme/shop@1.0": Purl("npm", "@acme", "shop", "1.0", {}, None),
    "pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie#/src//curl": Purl(
        "deb", "debian", "curl", "7.50.3-1", {"arch": "i386", "distro": "jessie"}, "src/curl"
    ),
    f"pkg:oci/shop@sha256%3A{SHA256}?repository_url=ghcr.io/acme/shop&tag=1.4&x=": Purl(
        "oci",
        None,
        "shop",
        f"sha256:{SHA256}",
        {"repository_url": "ghcr.io/acme/shop", "tag": "1.4"},
        None,
    ),
}


@pytest.mark.parametrize("text", READ)
def test_a_purl_is_read_from_the_right(text: str) -> None:
    assert purl(text) == READ[text]


def test_a_package_is_the_same_in_every_version() -> None:
    assert purl("pkg:maven/org.acme/shop@1").package == "pkg:maven/org.acme/shop"
    assert purl("pkg:oci/shop@2").package == "pkg:oci/shop"


DIGESTS = {
    f"pkg:oci/shop@sha256%3A{SHA256.upper()}": f"sha256:{SHA256}",
    f"pkg:npm/shop@1?checksum=sha1:{'0' * 40},sha256:{SHA256}": f"sha256:{SHA256}",
    f"pkg:npm/shop@1?checksum=sha512:{'0' * 128}": f"sha512:{'0' * 128}",
    f"pkg:npm/shop@1?checksum=sha1:{'0' * 40}": None,
    "pkg:npm/shop@1?checksum=sha256:00": None,
    "pkg:npm/shop": None,
}


@pytest.mark.parametrize("text", DIGESTS)
def test_a_digest_is_told_where_there_is_a_sound_one(text: str) -> None:
    assert purl(text).digest == DIGESTS[text]


def test_the_release_of_an_image_is_its_tag() -> None:
    assert purl(f"pkg:oci/shop@sha256%3A{SHA256}?tag=1.4").release == "1.4"
    assert purl(f"pkg:oci/shop@sha256%3A{SHA256}").release is None
    assert purl("pkg:npm/shop@1.4").release == "1.4"


BAD = {
    "nothing": "",
    "no scheme": "npm/shop",
    "another scheme": "https://example.org/shop",
    "no type": "pkg:/",
    "a type of nobody's": "pkg:n%20pm/shop",
    "no name": "pkg:npm/",
    "only a version": "pkg:npm/@",
    "no key": "pkg:npm/shop?=1",
    "a key twice": "pkg:npm/shop?a=1&A=2",
    "too long": "pkg:npm/" + "a" * 5_000,
}


@pytest.mark.parametrize("why", BAD)
def test_what_is_none_is_refused(why: str) -> None:
    with pytest.raises(Malformed, match="purl: expected"):
        purl(BAD[why])


@given(some.text(max_size=100) | some.text(max_size=100).map(lambda text: f"pkg:oci/{text}"))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = purl(text)
    except Malformed:
        return
    assert found.package.startswith("pkg:")
    assert found.digest is None or ":" in found.digest

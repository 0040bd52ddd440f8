"""Package URLs (https://github.com/package-url/purl-spec): what an artifact is called everywhere.

Pure. Read from the right, as the specification says, so that a name may hold what separates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote

from deploytrail.errors import Malformed

_CHARACTERS_MAX: Final = 4_096
_TYPE: Final = re.compile(r"[a-z][a-z0-9.+-]*")
_KEY: Final = re.compile(r"[a-z][a-z0-9._-]*")
_DIGEST: Final = re.compile(r"(sha256|sha384|sha512):([0-9a-f]+)")
_HEX_DIGITS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}


class Purl(NamedTuple):
    """One, decoded. `type` and the keys of `qualifiers` are in lower case."""

    type: str
    namespace: str | None
    name: str
    version: str | None
    qualifiers: Mapping[str, str]
    subpath: str | None

    @property
    def package(self) -> str:
        """Without the version: two versions of a package are of one."""
        within = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"pkg:{self.type}/{within}"

    @property
    def digest(self) -> str | None:
        """`sha256:<hex>`, or a longer one: of the checksums, or the version where that is one."""
        said = self.qualifiers.get("checksum", "").split(",")
        found = dict(map(_digest, [*said, self.version or ""]))
        return found.get("sha256") or found.get("sha384") or found.get("sha512")

    @property
    def release(self) -> str | None:
        """The version; of an image, whose version is a digest, its tag."""
        if self.version is not None and _digest(self.version)[0]:
            return self.qualifiers.get("tag")
        return self.version


def purl(text: str) -> Purl:
    """Raises Malformed for what is none."""
    if len(text) > _CHARACTERS_MAX:
        raise Malformed(f"purl: expected at most {_CHARACTERS_MAX} characters, found {len(text)}")
    rest, _, subpath = _cut(text, "#")
    rest, _, qualifiers = _cut(rest, "?")
    scheme, separator, rest = rest.partition(":")
    if not separator or scheme.lower() != "pkg":
        raise Malformed("purl: expected it to begin with pkg:, found another beginning")
    type_, _, rest = rest.lstrip("/").partition("/")
    if not _TYPE.fullmatch(type_.lower()):
        raise Malformed("purl: expected a type behind pkg:, such as pkg:oci/, found another")
    rest, version = _versioned(rest.strip("/"))
    namespace, _, name = rest.rpartition("/")
    if not name:
        raise Malformed("purl: expected a name behind its type, found none")
    return Purl(
        type_.lower(),
        _path(namespace),
        unquote(name),
        unquote(version) or None,
        _qualifiers(qualifiers),
        _path(subpath),
    )


def _cut(text: str, separator: str) -> tuple[str, str, str]:
    """At its last place; what is left of it is the whole where there is none."""
    left, found, right = text.rpartition(separator)
    return (left, found, right) if found else (text, "", "")


def _versioned(rest: str) -> tuple[str, str]:
    left, found, right = rest.rpartition("@")
    # The scope of an npm package begins with one that should have been encoded.
    is_scope = (not left or left.endswith("/")) and "/" in right
    return (left, right) if found and not is_scope else (rest, "")


def _path(text: str) -> str | None:
    return "/".join(unquote(each) for each in text.split("/") if each) or None


def _qualifiers(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in text.split("&") if text else ():
        key, _, value = pair.partition("=")
        key = key.lower()
        if not _KEY.fullmatch(key):
            raise Malformed("purl: expected qualifiers as key=value, found another key")
        if key in found:
            raise Malformed(f"purl: expected each qualifier once, found {key[:40]} twice")
        if value:
            found[key] = unquote(value)
    return found


def _digest(text: str) -> tuple[str, str]:
    """The algorithm, and the whole; of what is none, nothing."""
    found = _DIGEST.fullmatch(text.strip().lower())
    if found is None or len(found[2]) != _HEX_DIGITS[found[1]]:
        return "", ""
    return found[1], found[0]

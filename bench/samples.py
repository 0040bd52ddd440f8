"""What tools deliver, as often as one likes: the samples of tests/sources with names of their own.

A sample of which a thousand copies came would be known by its places and names; so each copy has
other people, organisations and ids.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

import msgspec

FOLDER: Final = Path(__file__).resolve().parent.parent / "tests" / "sources"
_PEOPLE: Final = 5_000
_THINGS: Final = 50_000
_IDS: Final = re.compile(rb'"eventID":"[^"]*"')


class Sample(msgspec.Struct):
    """One delivery of a tool, as its file has it."""

    headers: dict[str, str] = {}
    body: msgspec.Raw = msgspec.Raw()
    text: str | None = None

    def octets(self) -> bytes:
        if self.text is not None:
            return self.text.encode()
        # Without the spaces of a file that is made for reading, as tools send it.
        return msgspec.json.encode(msgspec.json.decode(self.body)) if bytes(self.body) else b""


def samples(source: str) -> list[Sample]:
    """Those of one source, in the order of their names; none where it has none."""
    files = sorted((FOLDER / source.replace("-", "_")).glob("*.json"))
    found = [msgspec.json.decode(file.read_bytes(), type=Sample) for file in files]
    return [one for one in found if one.octets()]


def varied(octets: bytes, random: Random) -> bytes:
    """The same of somebody else, in another organisation: few people do most, things differ."""
    person = int(_PEOPLE * random.random() ** 3)
    thing = random.randrange(_THINGS)
    return octets.replace(b"alice", b"alice%d" % person).replace(b"acme", b"acme%d" % thing)


def log_files(directory: Path, *, size_bytes: int, seed: int = 1) -> list[Path]:
    """Log files of CloudTrail, unpacked, of 5 MB each, that are so large together."""
    calls = [msgspec.json.encode(one) for one in _calls()]
    random = Random(seed)
    directory.mkdir(parents=True, exist_ok=True)
    written, files = 0, list[Path]()
    while written < size_bytes:
        path = directory / f"111122223333_CloudTrail_eu-central-1_{len(files):05}.json"
        path.write_bytes(b'{"Records":[' + b",".join(_fresh(calls, random)) + b"]}")
        written += path.stat().st_size
        files.append(path)
    return files


def _calls() -> Iterator[object]:
    for sample in samples("cloudtrail"):
        if sample.text is None:
            body = msgspec.json.decode(sample.body)
            found = body.get("Records", [body]) if isinstance(body, dict) else body
            yield from (one for one in found if isinstance(one, dict) and "eventVersion" in one)


def _fresh(calls: list[bytes], random: Random) -> Iterator[bytes]:
    size = 0
    while size < 5_000_000:
        call = varied(random.choice(calls), random)
        id_ = uuid.UUID(int=random.getrandbits(128))
        call = _IDS.sub(b'"eventID":"%s"' % str(id_).encode(), call)
        size += len(call)
        yield call

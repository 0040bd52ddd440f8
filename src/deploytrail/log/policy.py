"""Whose signatures make a checkpoint acceptable (c2sp.org/tlog-policy).

Pure: a policy file's bytes in, a `Policy` out, and its answer to a note. While a log's key is
rotated, its policy has two log lines with one name and different keys; either signature will do.

Names of witnesses and groups are octets without a meaning of their own. We refuse what the
specification doesn't name: comments at the end of a line (also in the place of a URL), numbers
with leading zeros, a last line without its newline, and key types of another role.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from deploytrail.errors import Malformed, PolicyUnmet
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log import strict
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.note import COSIGNATURE_V1, ED25519, ML_DSA_44, Note, VerifierKey

POLICY_BYTES_MAX = 1_000_000
NO_QUORUM = b"none"

_LOG_ALGORITHMS = frozenset({ED25519, ML_DSA_44})
_WITNESS_ALGORITHMS = frozenset({COSIGNATURE_V1, ML_DSA_44})
_FORBIDDEN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")


class Log(Struct, frozen=True):
    """A log whose origin is its key's name."""

    key: VerifierKey
    url: bytes | None = None


class Witness(Struct, frozen=True):
    key: VerifierKey
    url: bytes | None = None


class Group(Struct, frozen=True):
    """Witnesses a checkpoint if at least `threshold` of its members (witnesses, groups) do."""

    threshold: int
    members: tuple[bytes, ...]


class Evaluation(NamedTuple):
    """What a note was found to carry: the log keys that signed and each witness's time.

    `witnesses` has those outside the quorum too; the time is POSIX seconds, the latest where one
    cosigned twice, None where it states none.
    """

    checkpoint: Checkpoint
    logs: tuple[VerifierKey, ...]
    witnesses: Mapping[bytes, int | None]


class Policy(Struct, frozen=True):
    """Logs, witnesses and groups by name, in the file's order, and the quorum's name.

    A group's members stand before it. The quorum is a witness, a group or `NO_QUORUM`.
    """

    logs: tuple[Log, ...]
    witnesses: Mapping[bytes, Witness]
    groups: Mapping[bytes, Group]
    quorum: bytes

    def evaluate(self, note: Note) -> Evaluation:
        """Who signed. Raises PolicyUnmet, saying who is missing, if that isn't enough.

        Raises Tampered if a signature by a key of the policy is wrong, Malformed if the note is no
        checkpoint.
        """
        keys = dict.fromkeys(
            [*(log.key for log in self.logs), *(one.key for one in self.witnesses.values())]
        )
        checkpoint, signed = checkpoints.verified(note, keys)
        times: dict[VerifierKey, int | None] = {}
        # A key may have cosigned twice, as the log's own does while it is idle: the latest counts.
        for key, timestamp in signed:
            times[key] = max(times.get(key) or 0, timestamp or 0) or timestamp
        logs = tuple(
            log.key for log in self.logs if log.key in times and log.key.name == checkpoint.origin
        )
        if not logs:
            raise PolicyUnmet(self._log_missing(checkpoint))
        witnesses = {n: times[one.key] for n, one in self.witnesses.items() if one.key in times}
        if not self.is_met(witnesses):
            raise PolicyUnmet(self._quorum_missing(witnesses))
        return Evaluation(checkpoint, logs, witnesses)

    def is_met(self, witnesses: Iterable[bytes]) -> bool:
        """Whether cosignatures by these witnesses, by name, make the quorum."""
        met = {NO_QUORUM, *witnesses}
        # Members stand before their group, so one pass settles groups of groups.
        for name, group in self.groups.items():
            if len(met.intersection(group.members)) >= group.threshold:
                met.add(name)
        return self.quorum in met

    def _log_missing(self, checkpoint: Checkpoint) -> str:
        names = ", ".join(
            sorted({f"{strict.shown(log.key.name)} key {log.key.id.hex()}" for log in self.logs})
        )
        return (
            f"policy: expected a signature by a listed log ({names or 'none is listed'}),"
            f" found none for origin {strict.shown(checkpoint.origin)}"
        )

    def _quorum_missing(self, witnesses: Iterable[bytes]) -> str:
        found = set(witnesses)
        missing = [_shown(name) for name in self.witnesses if name not in found]
        return (
            f"policy: expected cosignatures for quorum {_shown(self.quorum)},"
            f" found {len(found)}; missing: {', '.join(missing)}"
        )


def encode(policy: Policy) -> bytes:
    """A policy file; raises Malformed if `decode` wouldn't give the same policy."""
    lines = [_line(b"log", _vkey(log.key), log.url) for log in policy.logs]
    for name, witness in policy.witnesses.items():
        lines.append(_line(b"witness", name, _vkey(witness.key), witness.url))
    for name, group in policy.groups.items():
        lines.append(_line(b"group", name, str(group.threshold).encode(), *group.members))
    lines.append(_line(b"quorum", policy.quorum))
    data = b"".join(lines)
    if decode(data) != policy:
        raise Malformed("policy: expected names and URLs without spaces, found others")
    return data


def _line(*fields: bytes | None) -> bytes:
    return b" ".join(each for each in fields if each is not None) + b"\n"


def _vkey(key: VerifierKey) -> bytes:
    return notes.encode_vkey(key).encode()


def decode(data: bytes) -> Policy:
    """Raises Malformed, naming the line, unless `data` is a policy file with one quorum line."""
    if len(data) > POLICY_BYTES_MAX:
        raise Malformed(f"policy: expected at most {POLICY_BYTES_MAX} bytes, found {len(data)}")
    forbidden = _FORBIDDEN.search(data)
    if forbidden is not None:
        raise Malformed(
            f"policy: expected no control character but tab and newline, found"
            f" {forbidden.group()!r} at byte {forbidden.start()}"
        )
    if not data.endswith(b"\n"):
        raise Malformed("policy: expected a newline at the end of the last line, found none")
    draft = _Draft()
    for number, line in enumerate(data[:-1].split(b"\n"), 1):
        fields = [each for each in re.split(rb"[ \t]+", line) if each]
        if fields and not fields[0].startswith(b"#"):
            draft.take(fields, f"policy line {number}")
    return draft.finish()


class _Draft(Struct):
    """A policy of which some lines were read."""

    logs: list[Log] = []
    witnesses: dict[bytes, Witness] = {}
    groups: dict[bytes, Group] = {}
    quorum: bytes | None = None
    members: set[bytes] = set()

    def take(self, fields: list[bytes], what: str) -> None:
        match fields:
            case [b"log", vkey]:
                self._take_log(vkey, None, what)
            case [b"log", vkey, url]:
                self._take_log(vkey, url, what)
            case [b"witness", name, vkey]:
                self._take_witness(name, vkey, None, what)
            case [b"witness", name, vkey, url]:
                self._take_witness(name, vkey, url, what)
            case [b"group", name, threshold, *members]:
                self._take_group(name, threshold, members, what)
            case [b"quorum", name]:
                self._take_quorum(name, what)
            case _:
                raise Malformed(
                    f"{what}: expected a log, witness, group or quorum line,"
                    f" found {_shown(b' '.join(fields))}"
                )

    def finish(self) -> Policy:
        if self.quorum is None:
            raise Malformed(
                "policy: expected a quorum line, found none; `quorum none` asks nothing"
            )
        return Policy(tuple(self.logs), self.witnesses, self.groups, self.quorum)

    def _take_log(self, vkey: bytes, url: bytes | None, what: str) -> None:
        key = _key(vkey, _LOG_ALGORITHMS, what)
        if any(log.key.public == key.public for log in self.logs):
            raise Malformed(f"{what}: expected a key listed once, found another log with it")
        self.logs.append(Log(key, _url(url, what)))

    def _take_witness(self, name: bytes, vkey: bytes, url: bytes | None, what: str) -> None:
        self._check_new(name, what)
        key = _key(vkey, _WITNESS_ALGORITHMS, what)
        if any(one.key.public == key.public for one in self.witnesses.values()):
            raise Malformed(f"{what}: expected a key listed once, found another witness with it")
        self.witnesses[name] = Witness(key, _url(url, what))

    def _take_group(self, name: bytes, threshold: bytes, members: list[bytes], what: str) -> None:
        self._check_new(name, what)
        for member in members:
            self._check_defined(member, what)
            if member in self.members:
                raise Malformed(f"{what}: expected members of no group, found {_shown(member)}")
            self.members.add(member)
        self.groups[name] = Group(_threshold(threshold, len(members), what), tuple(members))

    def _take_quorum(self, name: bytes, what: str) -> None:
        if self.quorum is not None:
            raise Malformed(f"{what}: expected one quorum line, found another")
        if name != NO_QUORUM:
            self._check_defined(name, what)
        self.quorum = name

    def _check_new(self, name: bytes, what: str) -> None:
        if name == NO_QUORUM or name in self.witnesses or name in self.groups:
            raise Malformed(f"{what}: expected a new name, found {_shown(name)}")

    def _check_defined(self, name: bytes, what: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise Malformed(f"{what}: expected a name defined above, found {_shown(name)}")


def _key(vkey: bytes, algorithms: frozenset[int], what: str) -> VerifierKey:
    try:
        key = notes.decode_vkey(vkey.decode("utf-8"))
    except UnicodeDecodeError:
        raise Malformed(f"{what}: expected a vkey in UTF-8, found {_shown(vkey)}") from None
    except Malformed as error:
        raise Malformed(f"{what}: {error}") from None
    if key.algorithm not in algorithms:
        expected = " or ".join(f"{each:02x}" for each in sorted(algorithms))
        raise Malformed(f"{what}: expected a key of type {expected}, found {key.algorithm:02x}")
    return key


def _url(url: bytes | None, what: str) -> bytes | None:
    if url is not None and url.startswith(b"#"):
        raise Malformed(f"{what}: expected a URL or nothing, found a comment; give it its own line")
    return url


def _threshold(text: bytes, count: int, what: str) -> int:
    if text == b"all":
        threshold = count
    elif text == b"any":
        threshold = 1
    else:
        threshold = strict.decimal(text.decode("latin-1"), what=f"{what}, threshold")
    if not 1 <= threshold <= count:
        raise Malformed(f"{what}: expected a threshold from 1 to {count}, found {_shown(text)}")
    return threshold


def _shown(octets: bytes) -> str:
    return strict.shown(octets.decode("utf-8", "backslashreplace"))

"""Who is to cosign a trail: the policy in force, and how its operator changes it.

Pure but for reading state. The policy is state, set in the commit of the event that tells of it;
the file `policy` beside a log is a copy, for those who verify. Every witness of a policy made here
is a member of one group, whose threshold is the quorum; the log's own cosigner is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from deploytrail.errors import Conflict, Malformed, NotFound, PolicyUnmet, Tampered
from deploytrail.log import note as notes
from deploytrail.log import policy as policies
from deploytrail.log import strict
from deploytrail.log.note import COSIGNATURE_V1, ML_DSA_44, VerifierKey
from deploytrail.log.policy import NO_QUORUM, Group, Policy, Witness
from deploytrail.log.reading import whole_note
from deploytrail.log.store import Reader

KIND: Final = "policy"
ID: Final = "log"
GROUP: Final = b"witnesses"
CHECKPOINTS_MAX: Final = 1024
"""In how many of the newest checkpoints cosignatures are looked for."""
WITNESSES_MAX: Final = 16
"""Readers of checkpoints refuse more signatures than so many, some of them."""
_KEY_NAME_CHARACTERS_MAX: Final = 200
_ALGORITHMS: Final = frozenset({COSIGNATURE_V1, ML_DSA_44})
_is_url: Final = re.compile(r"https?://[!-~]+").fullmatch
_is_name: Final = re.compile(r"(?!#)[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}").fullmatch
"""What stands in a policy's lines, and begins none of its comments."""


def in_force(reader: Reader, own: Policy) -> Policy:
    """What was set last, or the log's own, which asks for nobody else."""
    return stated(reader) or own


def stated(reader: Reader) -> Policy | None:
    """What was set last, None where nothing ever was."""
    octets = reader.state(KIND).get(ID)
    return None if octets is None else policies.decode(octets)


def outside(policy: Policy) -> dict[bytes, Witness]:
    """The witnesses who are not the log itself."""
    own = {log.key.name for log in policy.logs}
    return {name: one for name, one in policy.witnesses.items() if one.key.name not in own}


def threshold(policy: Policy) -> int:
    """How many of them must cosign; 0 where nobody must."""
    group = policy.groups.get(policy.quorum)
    return group.threshold if group is not None else int(policy.quorum != NO_QUORUM)


def witness(vkey: str, url: str) -> Witness:
    """Raises Malformed for what can't be asked."""
    key = notes.decode_vkey(vkey)
    if key.algorithm not in _ALGORITHMS:
        raise Malformed(
            f"VKEY: expected the key of a witness (04 or 06), found one of type "
            f"{key.algorithm:02x}; 'deploytrail witness key' prints that of one of yours"
        )
    if len(key.name) > _KEY_NAME_CHARACTERS_MAX:
        raise Malformed(
            f"VKEY: expected a name of at most {_KEY_NAME_CHARACTERS_MAX} characters, found one of "
            f"{len(key.name)}"
        )
    if not _is_url(url) or "@" in url:
        raise Malformed(
            f"URL: expected http:// or https://, a host and maybe a path, without spaces and "
            f"without a password, found {strict.shown(url)}"
        )
    return Witness(key, url.rstrip("/").encode())


def added(policy: Policy, name: bytes, new: Witness) -> Policy:
    """With one witness more; the first one makes the quorum, each further one leaves it as it is.

    Raises Malformed for a name that can't be one, Conflict where its name or key is taken.
    """
    if not _is_name(name.decode("utf-8", "surrogateescape")):
        raise Malformed(
            f"NAME: expected up to 200 letters, digits and marks without spaces, found "
            f"{_shown(name)}; give another by --name"
        )
    if name in policy.witnesses or name in policy.groups or name == NO_QUORUM:
        raise Conflict(
            f"NAME: expected one that no witness has, found {_shown(name)}; give another by --name"
        )
    if len(outside(policy)) >= WITNESSES_MAX:
        raise Conflict(
            f"witnesses: expected at most {WITNESSES_MAX}, as many as every reader of a checkpoint "
            "takes, found one more; remove one first"
        )
    _refuse_known(policy, new.key)
    witnesses = {**policy.witnesses, name: new}
    return _with(policy, witnesses, max(1, threshold(policy)))


def removed(policy: Policy, name: bytes) -> Policy:
    """Without a witness; the quorum shrinks where too few are left. Raises NotFound."""
    there = outside(policy)
    if name not in there:
        known = ", ".join(_shown(each) for each in there) or "it has none"
        raise NotFound(f"NAME: expected a witness of this trail ({known}), found {_shown(name)}")
    left = {each: one for each, one in policy.witnesses.items() if each != name}
    return _with(policy, left, min(threshold(policy), len(there) - 1))


def with_quorum(policy: Policy, text: str) -> Policy:
    """With a quorum of `all`, `any`, `none` or a number; raises Malformed for another."""
    count = len(outside(policy))
    words = {"none": 0, "any": min(1, count), "all": count}
    words |= {str(number): number for number in range(count + 1)}
    number = words.get(text)
    if number is None:
        raise Malformed(
            f"--quorum: expected all, any, none or a number up to {count}, as many as there are "
            f"witnesses, found {strict.shown(text)}"
        )
    return _with(policy, policy.witnesses, number)


def accepted_note(reader: Reader, policy: Policy, *, above: int) -> bytes | None:
    """The newest published checkpoint larger than `above` that the policy accepts.

    With its cosignatures; None where it accepts none of the newest ones, which others may cosign
    yet, or asks for nobody.
    """
    if policy.quorum == NO_QUORUM:
        return None
    newest = reader.checkpoint()
    if newest is None:
        return None
    for size, octets in newest_first(reader, newest.size, above=above):
        whole = whole_note(reader, size, octets)
        if _is_accepted(whole, policy):
            return whole
    return None


def _is_accepted(note: bytes, policy: Policy) -> bool:
    try:
        policy.evaluate(notes.decode(note))
    except (PolicyUnmet, Tampered):
        return False
    return True


def newest_first(reader: Reader, newest: int, *, above: int = -1) -> list[tuple[int, bytes]]:
    """The newest published checkpoints larger than `above`, at most 1,024, the newest first.

    Rows are only read upwards, so it is looked for from ever further below.
    """
    distance = CHECKPOINTS_MAX
    while True:
        at = max(newest - distance, above)
        is_all = at == above
        rows: list[tuple[int, bytes]] = []
        while page := reader.notes(after=at, count=256):
            rows = (rows + page)[-CHECKPOINTS_MAX:]
            at = page[-1][0]
        if len(rows) >= CHECKPOINTS_MAX or is_all:
            return rows[::-1]
        distance *= 4


def _with(policy: Policy, witnesses: Mapping[bytes, Witness], number: int) -> Policy:
    bare = Policy(policy.logs, witnesses, {}, NO_QUORUM)
    members = tuple(outside(bare))
    if not members or not number:
        return _checked(bare)
    return _checked(Policy(policy.logs, witnesses, {GROUP: Group(number, members)}, GROUP))


def _checked(policy: Policy) -> Policy:
    """Raises Malformed for names and URLs that a policy can't carry."""
    policies.encode(policy)
    return policy


def _refuse_known(policy: Policy, new: VerifierKey) -> None:
    if new.name in {log.key.name for log in policy.logs}:
        raise Conflict(
            "VKEY: expected somebody else's, found one under this log's own name; who cosigns "
            "oneself is no witness"
        )
    for name, known in policy.witnesses.items():
        # The store tells cosignatures apart by these ids alone.
        if known.key.id == new.id:
            raise Conflict(f"VKEY: expected one that is not known, found that of {_shown(name)}")


def _shown(name: bytes) -> str:
    return strict.shown(name.decode("utf-8", "backslashreplace"))

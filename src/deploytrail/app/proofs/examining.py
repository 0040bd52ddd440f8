"""The deeper check on real evidence: where disclosures, deliveries and keys are found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple, Protocol, TypeVar

from deploytrail.app.proofs.evidence import ExaminedLog
from deploytrail.app.proofs.exported import ExportedEvidence
from deploytrail.app.proofs.stated import Rows
from deploytrail.entry import unbase64url
from deploytrail.errors import DeploytrailError, Tampered
from deploytrail.log.evidence import Evidence
from deploytrail.log.replay import Finding, State
from deploytrail.log.store import VaultRow
from deploytrail.sentence import counted
from deploytrail.stores.sqlite.examined import unreadable
from deploytrail.vault import attachment, disclosure
from deploytrail.vault.check import DeepCheck, Looked
from deploytrail.vault.keys import Secrets
from deploytrail.vault.subject import SUBJECT_BYTES, Subject


class ListedEvidence(Evidence, Protocol):
    """Evidence that can also tell what it holds too much or too little for its size.

    `newest` is its newest checkpoint with its cosignatures, empty where there is none.
    """

    @property
    def newest(self) -> bytes: ...
    def unaccounted(self) -> Iterator[tuple[State, str]]: ...
    @property
    def state(self) -> Rows | None:
        """What was set beside the log; None for evidence that has none of it."""
        ...


class Deep(Protocol):
    """A deeper check: fed each bundle, then asked."""

    @property
    def disclosures(self) -> int: ...
    def each(self, first: int, entries: list[bytes]) -> None: ...
    def findings(self, erased: set[str]) -> list[Finding]: ...


class Examination(NamedTuple):
    """Evidence, the policy that came with it, its origin, and how to look deeper."""

    evidence: ListedEvidence
    policy: bytes | None
    origin: str
    deep: Callable[[], Deep]
    deep_checks: tuple[str, ...] = ("every disclosure, delivery and attachment",)


class ExaminedKeys(Protocol):
    """A keyring as an engine lets it be examined. Raises Tampered where a key does not unwrap."""

    secrets: Secrets

    def subject(self, id: bytes) -> Subject | None: ...
    def identities_checked(self) -> int: ...


def deep_of_log(
    log: ExaminedLog, keys: Callable[[], ExaminedKeys], *, log_name: str, keys_name: str
) -> Callable[[], Deep]:
    """How to look deeper into stored rows; the keys are opened only then."""
    return lambda: _LogDeep(log, keys(), log_name, keys_name)


def deep_of_export(export: ExportedEvidence) -> Callable[[], Deep]:
    return lambda: _ExportDeep(export)


class _LogDeep:
    """Rows and keys of a store. Broken pages and rows are findings, wherever they lie."""

    def __init__(
        self, log: ExaminedLog, keyring: ExaminedKeys, log_name: str, keys_name: str
    ) -> None:
        self._log = log
        self._keyring = keyring
        self._log_name = log_name
        self._keys_name = keys_name
        self._origin = log.tree().origin
        self._check = DeepCheck(self._origin)
        self._own: list[Finding] = []
        self._attachments_gone: list[tuple[int, str, frozenset[str]]] = []
        """(index, what is gone, whose it was)."""
        self._size = 0

    @property
    def disclosures(self) -> int:
        return self._check.disclosures

    def each(self, first: int, entries: list[bytes]) -> None:
        self._size = first + len(entries)
        looked = self._check.look(first, entries)
        known = [one for one in looked if one is not None]
        keys = {key: digest for one in known for key, digest in one.listed.keys.items()}
        deliveries, lost = readable_rows(
            "delivery", self._log.deliveries, [one.key for one in known]
        )
        disclosures, unread = readable_rows("disclosure", self._log.disclosures, keys)
        by_digest: dict[bytes, VaultRow | Tampered] = {
            **{keys[key]: error for key, error in unread.items()},
            # A broken page may give a row that was not asked for.
            **{keys[key]: row for key, row in disclosures.items() if key in keys},
        }
        for at, one in enumerate(looked, first):
            if one is None:
                continue
            if one.key in lost:
                self._own.append(Finding("CORRUPT", at, at + 1, str(lost[one.key])))
            known_here = None if one.key in lost else deliveries
            self._check.check(at, one, known_here, lambda digest: self._opened(by_digest, digest))
            self._check_attachments(at, one)

    def findings(self, erased: set[str]) -> list[Finding]:
        self._check.judge(erased, absent="MISSING")
        for index, what, owners in self._attachments_gone:
            state: State = "REDACTED" if owners & erased else "MISSING"
            self._own.append(Finding(state, index, index + 1, what))
        for what in self._log.structure():
            self._own.append(Finding("CORRUPT", 0, self._size, f"{self._log_name}: {what}"))
        try:
            self._keyring.identities_checked()
        except DeploytrailError as error:
            self._own.append(Finding("CORRUPT", 0, self._size, f"{self._keys_name}: {error}"))
        return [*self._check.findings, *self._own]

    def _opened(self, rows: Mapping[bytes, VaultRow | Tampered], digest: bytes) -> bytes | None:
        row = rows.get(digest)
        if row is None:
            return None
        if isinstance(row, Tampered):
            raise row
        subject = self._keyring.subject(row.key[:SUBJECT_BYTES])
        if subject is None:
            return None
        return disclosure.unseal(subject, row.sealed, origin=self._origin, digest_expected=digest)

    def _check_attachments(self, index: int, one: Looked) -> None:
        # The entry may be a changed one, with anything where its evidence was.
        try:
            with unreadable(f"entry {index}: its attachments"):
                owners = frozenset(one.listed.owners.values())
                for each in one.fields.get("evidence", ()):
                    self._check_attachment(index, each["id"], each["digest"], owners)
        except (DeploytrailError, LookupError, AttributeError) as error:
            self._own.append(Finding("CORRUPT", index, index + 1, str(error)))

    def _check_attachment(self, index: int, id: str, digest: str, owners: frozenset[str]) -> None:
        row = self._log.attachment(unbase64url(id))
        if row is None:
            gone = (index, f"attachment {id}: it is not there", owners)
            self._attachments_gone.append(gone)
            return
        named = {unbase64url(owner) for owner in owners}
        places = range(0, len(row.subjects), SUBJECT_BYTES)
        if not named <= {row.subjects[at : at + SUBJECT_BYTES] for at in places}:
            # Erasing finds its attachments by these.
            what = f"attachment {id}: it is not kept for everybody whom its entry names"
            self._own.append(Finding("CORRUPT", index, index + 1, what))
        try:
            attachment.unseal(
                row.id,
                row.wrapped_key,
                row.sealed,
                wrapping_key=self._keyring.secrets.attachment,
                digest=digest,
            )
        except DeploytrailError as error:
            # The part behind the last colon: before it, bytes may stand that are no text.
            what = f"attachment {id}: {str(error).rpartition(': ')[2]}"
            self._own.append(Finding("CORRUPT", index, index + 1, what))


_Row = TypeVar("_Row")


def readable_rows(
    table: str,
    fetch: Callable[[Iterable[bytes]], dict[bytes, _Row]],
    keys: Collection[bytes],
) -> tuple[dict[bytes, _Row], dict[bytes, Tampered]]:
    """Rows by their keys, and of each that can't be read, why not."""
    with suppress(Tampered), unreadable(table):
        return fetch(keys), {}
    # One page that is broken doesn't keep the rows of the others from being checked.
    found: dict[bytes, _Row] = {}
    broken: dict[bytes, Tampered] = {}
    for key in keys:
        try:
            with unreadable(table):
                found |= fetch([key])
        except Tampered as error:
            broken[key] = error
    return found, broken


class _ExportDeep:
    """An export's own disclosures: all that the vault had, unless it says that it has none."""

    def __init__(self, export: ExportedEvidence) -> None:
        self._absent: State = "WITHHELD" if export.is_concealed else "MISSING"
        self._own: list[Finding] = []
        self._size = export.size
        self._disclosures, broken = export.disclosures()
        self._own += [Finding("CORRUPT", 0, 0, what) for what in broken]
        self._check = DeepCheck(export.origin)

    @property
    def disclosures(self) -> int:
        return self._check.disclosures

    def each(self, first: int, entries: list[bytes]) -> None:
        for at, one in enumerate(self._check.look(first, entries), first):
            if one is not None:
                self._check.check(at, one, None, self._disclosures.get)

    def findings(self, erased: set[str]) -> list[Finding]:
        self._check.judge(erased, absent=self._absent)
        found = [one for one in self._check.findings if one.state != "WITHHELD"]
        withheld = len(self._check.findings) - len(found)
        if withheld:
            what = f"{counted(withheld, 'disclosure')}, left out on purpose"
            found.append(Finding("WITHHELD", 0, self._size, what))
        return [*found, *self._own]

"""Verify a log: every entry hashed once, every tile and checkpoint held against it.

Pure: evidence comes through a contract, policies and claims are values, the time is nobody's
business here. Nothing that is stored is believed: what is signed decides, and what is missing is
named. One hash per entry and one scan per bundle; only bundles with an `audit.` action are parsed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import chain
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from deploytrail import entry
from deploytrail.errors import DeploytrailError, Malformed, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log.merkle import HASH_BYTES, Frontier, leaf_hash
from deploytrail.log.note import VerifierKey
from deploytrail.log.replay import Finding, Replay, State
from deploytrail.log.tiles import WIDTH, decode_bundle

_AUDIT: Final = b'"action":"audit.'
_ERASED: Final = "audit.subject.erased"
_PRUNED: Final = "audit.retention.executed"


class Evidence(Protocol):
    """A copy of a log, as it says it is. Reads may raise Tampered or Malformed for what is broken.

    `size` is how many entries it says to have; `root` what it says their root is, None where it
    says nothing. `bundle` gives bundle framing of exactly `width` entries, or None. `tile` gives
    the stored hashes of level and number, possibly fewer than 256 where partial, or None.
    """

    @property
    def size(self) -> int: ...
    @property
    def root(self) -> bytes | None: ...
    @property
    def has_partial_tiles(self) -> bool:
        """Whether tiles that are not full are stored, too."""
        ...

    def bundle(self, number: int, width: int) -> bytes | None: ...
    def tile(self, level: int, number: int) -> bytes | None: ...
    def notes(self) -> Iterator[bytes]:
        """Every published checkpoint with its cosignatures, ascending by size, read as it goes."""
        ...


class Claim(NamedTuple):
    """Somebody holds that the first `size` entries have this root: a note, a kept state.

    `is_own` says that it is a checkpoint of the evidence itself, found well signed.
    """

    size: int
    root: bytes
    whose: str
    is_own: bool = False


class LeafClaim(NamedTuple):
    """Somebody holds that this leaf stands at this index: a receipt, a proof."""

    entry_index: int
    leaf: bytes
    whose: str


class Outcome(Struct):
    """What verification found. `size_signed` is how far the newest good checkpoint goes."""

    size: int = 0
    root: bytes = b""
    size_signed: int = 0
    checkpoints: int = 0
    strangers: int = 0
    """Signatures of checkpoints by keys that nobody told us."""
    findings: list[Finding] = []
    erased: set[str] = set()
    pruned: set[int] = set()
    not_checked: list[str] = []

    def find(self, finding: Finding) -> None:
        self.findings.append(finding)


Each = Callable[[int, list[bytes]], None]
"""Called with the first index and the entries of each bundle, for checks of a deeper kind."""
Told = Callable[[int], None]
"""Called with the number of entries done so far."""


def verify(
    evidence: Evidence,
    *,
    origin: str,
    keys: Sequence[VerifierKey],
    claims: Sequence[Claim] = (),
    leaves: Sequence[LeafClaim] = (),
    each: Each | None = None,
    told: Told | None = None,
) -> Outcome:
    """Everything that contradicts the log `origin` as signed by `keys`; no findings is a yes.

    Memory does not grow with the log. Raises nothing for bad evidence: it is in the findings.
    """
    outcome = Outcome(size=evidence.size)
    signed = _signed(evidence, origin, keys, outcome)
    ascending = merge(signed, sorted(claims), key=attrgetter("size"))
    walk = _Walk(evidence, outcome, ascending, leaves, each, told)
    walk.run()
    _judge_missing(outcome, walk.missing)
    outcome.findings.sort(key=lambda finding: (finding.first, finding.until))
    return outcome


def _signed(
    evidence: Evidence, origin: str, keys: Sequence[VerifierKey], outcome: Outcome
) -> Iterator[Claim]:
    """The claims of the evidence's own checkpoints, as far as their signatures are good."""
    known = {(key.name, key.id) for key in keys}
    size = -1
    for number, octets in enumerate(_readable(evidence, outcome)):
        try:
            note = notes.decode(octets)
            outcome.strangers += sum((one.name, one.key_id) not in known for one in note.signatures)
            parsed, verified = checkpoints.verified(note, keys)
            if parsed.origin != origin:
                raise Tampered(f"expected origin {origin}, found {parsed.origin}")
            if not any(one.timestamp is None for one in verified):
                raise Tampered("expected a signature by the log's key, found none")
            if parsed.size <= size:
                raise Tampered(f"expected a size above {size}, found {parsed.size}")
        except DeploytrailError as error:
            outcome.find(Finding("CORRUPT", 0, 0, f"checkpoint {number}: {error}"))
            continue
        outcome.checkpoints += 1
        size = parsed.size
        yield Claim(parsed.size, parsed.root, f"checkpoint {parsed.size}", is_own=True)


def _readable(evidence: Evidence, outcome: Outcome) -> Iterator[bytes]:
    """The evidence's checkpoints, up to where they can't be read any more."""
    try:
        yield from evidence.notes()
    except DeploytrailError as error:
        outcome.find(Finding("CORRUPT", 0, 0, f"checkpoints: {error}"))


class _Walk:
    """One pass over the entries, from 0 to the evidence's size."""

    def __init__(
        self,
        evidence: Evidence,
        outcome: Outcome,
        claims: Iterator[Claim],
        leaves: Sequence[LeafClaim],
        each: Each | None,
        told: Told | None,
    ) -> None:
        self._evidence = evidence
        self._outcome = outcome
        self._claims_to_come = claims
        self._claims: deque[Claim] = deque()
        """Those that lie in the bundle at hand, and one behind it; ascending."""
        self._leaves = sorted(leaves, reverse=True)
        self._each = each
        self._told = told
        self._replay = Replay(Frontier.empty())
        self._good_upto = 0
        self._is_contradicted = False
        self._tiles_seen: dict[int, int] = {}
        self.missing: list[tuple[int, int]] = []

    def run(self) -> None:
        size = self._evidence.size
        self._settle_claims()
        for number in range(-(-size // WIDTH)):
            if not self._bundle(number, min(WIDTH, size - number * WIDTH)):
                break
            self._check_raised()
            if self._told is not None:
                self._told(self._replay.frontier.size)
        self._finish(size)

    def _bundle(self, number: int, width: int) -> bool:
        """One bundle; False where nothing behind it can be tied to a root any more."""
        first = number * WIDTH
        tile = self._stored_tile(number, width)
        entries = self._entries(number, width)
        if entries is None and (tile is None or len(tile) != HASH_BYTES * width):
            what = "entries and their hashes are gone; nothing behind them can be checked"
            self._outcome.find(Finding("MISSING", first, self._evidence.size, what))
            return False
        at = 0
        # Claims inside the bundle cut it, so that the root of exactly their size is seen.
        for cut in [*self._cuts(first, width), width]:
            part = None if tile is None else tile[HASH_BYTES * at : HASH_BYTES * cut]
            if entries is not None:
                self._feed(first + at, entries[at:cut], part)
            elif part is not None:
                self._replay.feed_missing(part)
            at = cut
            self._settle_claims()
        if entries is not None and self._each is not None:
            self._each(first, entries)
        return True

    def _feed(self, first: int, entries: list[bytes], tile: bytes | None) -> None:
        if self._leaves and self._leaves[-1].entry_index < first + len(entries):
            self._settle_leaves(first, entries)
        self._replay.feed(entries, tile)

    def _stored_tile(self, number: int, width: int) -> bytes | None:
        try:
            tile = self._evidence.tile(0, number)
        except DeploytrailError as error:
            self._tile_finding(0, number, str(error))
            return None
        if tile is None and width == WIDTH:
            self._tile_finding(0, number, "expected it, found nothing", "MISSING")
        if tile is not None and len(tile) != HASH_BYTES * width:
            self._tile_finding(0, number, f"expected {width} hashes, found {len(tile)} bytes")
            return None
        return tile

    def _entries(self, number: int, width: int) -> list[bytes] | None:
        """A bundle's entries, or None after a finding."""
        first = number * WIDTH
        try:
            data = self._evidence.bundle(number, width)
            if data is None:
                self.missing.append((first, first + width))
                return None
            entries = decode_bundle(data, width=width)
        except DeploytrailError as error:
            what = f"bundle {number}: {error}"
            self._outcome.find(Finding("CORRUPT", first, first + width, what))
            return None
        if _AUDIT in data:
            _note_audit(entries, self._outcome)
        return entries

    def _cuts(self, first: int, width: int) -> list[int]:
        """Offsets at which a claim is to be held against the root, ascending."""
        self._look_ahead(first + width)
        sizes = {claim.size - first for claim in self._claims}
        return sorted(offset for offset in sizes if 0 < offset < width)

    def _look_ahead(self, size: int) -> None:
        """Take up claims as far as the first one above a size."""
        while not self._claims or self._claims[-1].size <= size:
            claim = next(self._claims_to_come, None)
            if claim is None:
                return
            self._claims.append(claim)

    def _settle_claims(self) -> None:
        size = self._replay.frontier.size
        self._look_ahead(size)
        while self._claims and self._claims[0].size <= size:
            claim = self._claims.popleft()
            if claim.root == self._replay.frontier.root():
                self._good_upto = max(self._good_upto, claim.size)
                if claim.is_own:
                    self._outcome.size_signed = max(self._outcome.size_signed, claim.size)
            else:
                self._contradicted(claim)

    def _contradicted(self, claim: Claim) -> None:
        """The entries don't give a claimed root: say which, as closely as tiles can tell."""
        if self._is_contradicted:
            return
        self._is_contradicted = True
        if claim.root == self._replay.by_tiles.root() and self._replay.differing:
            for at in self._replay.differing:
                what = "its bytes are not those that were logged (the stored hash is)"
                self._outcome.find(Finding("CORRUPT", at, at + 1, what))
            return
        suspects = [at for at in self._replay.differing if at >= self._good_upto]
        first, until = (
            (suspects[0], suspects[-1] + 1) if suspects else (self._good_upto, claim.size)
        )
        what = f"these entries don't give the root of {claim.whose}"
        self._outcome.find(Finding("CORRUPT", first, until, what))

    def _settle_leaves(self, first: int, entries: list[bytes]) -> None:
        while self._leaves and self._leaves[-1].entry_index < first + len(entries):
            claim = self._leaves.pop()
            at = claim.entry_index
            if leaf_hash(entries[at - first]) != claim.leaf:
                what = f"another entry stands where {claim.whose} says"
                self._outcome.find(Finding("CORRUPT", at, at + 1, what))

    def _check_raised(self) -> None:
        """Tiles above the first level, as soon as the entries below them are hashed."""
        for level in range(1, self._replay.levels + 1):
            hashes = self._replay.take_raised(level)
            for at in range(0, len(hashes), WIDTH):
                number = self._tiles_seen.get(level, 0)
                self._tiles_seen[level] = number + 1
                self._hold_tile(level, number, b"".join(hashes[at : at + WIDTH]))

    def _hold_tile(self, level: int, number: int, expected: bytes) -> None:
        try:
            stored = self._evidence.tile(level, number)
        except DeploytrailError as error:
            self._tile_finding(level, number, str(error))
            return
        if stored is None:
            self._tile_finding(level, number, "expected it, found nothing", "MISSING")
        elif stored != expected and not self._is_contradicted:
            self._tile_finding(level, number, "its hashes are not those of the tiles below it")

    def _tile_finding(self, level: int, number: int, what: str, state: State = "CORRUPT") -> None:
        span = WIDTH ** (level + 1)
        first, until = number * span, min((number + 1) * span, self._evidence.size)
        what = f"tile {level}/{number}: {what}"
        self._outcome.find(Finding(state, first, until, what))

    def _finish(self, size: int) -> None:
        outcome, replay = self._outcome, self._replay
        outcome.root = replay.frontier.root()
        root = self._evidence.root
        is_through = replay.frontier.size == size
        if is_through and root is not None and root != outcome.root and not self._is_contradicted:
            self._contradicted(Claim(size, root, "the log's own last row"))
        if is_through and self._evidence.has_partial_tiles:
            for level in range(1, replay.levels + 1):
                rest = b"".join(replay.rest(level))
                if rest:
                    self._hold_tile(level, self._tiles_seen.get(level, 0), rest)
        if replay.differing and not self._is_contradicted:
            for number in sorted({at // WIDTH for at in replay.differing}):
                self._tile_finding(0, number, "its hashes are not those of the entries")
        self._settle_unreached(size, is_through=is_through)
        for leaf in reversed(self._leaves):
            at = leaf.entry_index
            what = f"no entry stands where {leaf.whose} says"
            outcome.find(Finding("MISSING", at, at + 1, what))

    def _settle_unreached(self, size: int, *, is_through: bool) -> None:
        """Claims behind the log's end; of its own checkpoints, the last says it all."""
        last_own: Claim | None = None
        for claim in chain(self._claims, self._claims_to_come):
            if claim.is_own:
                last_own = claim
            elif is_through:
                self._unreached(size, claim)
        if is_through and last_own is not None:
            self._unreached(size, last_own)

    def _unreached(self, size: int, claim: Claim) -> None:
        what = f"the log ends at {size}, but {claim.whose} goes to {claim.size}"
        self._outcome.find(Finding("MISSING", size, claim.size, what))


def _note_audit(entries: list[bytes], outcome: Outcome) -> None:
    """What the log says of itself: who was erased, what was pruned."""
    for octets in entries:
        if _AUDIT not in octets:
            continue
        try:
            fields = entry.fields(octets)
        except Malformed:
            continue
        ids = [each.get("id") for each in fields.get("targets", ()) if isinstance(each, dict)]
        if fields.get("action") == _ERASED:
            outcome.erased |= {id for id in ids if isinstance(id, str)}
        if fields.get("action") == _PRUNED:
            outcome.pruned |= {int(id) for id in ids if isinstance(id, str) and _is_number(id)}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and str(int(text)) == text


def _judge_missing(outcome: Outcome, missing: Sequence[tuple[int, int]]) -> None:
    """A bundle that is gone was pruned if the log says so, else it is missing."""
    for first, until in missing:
        if first // WIDTH in outcome.pruned:
            what = "pruned, as an audit.retention.executed entry says"
            outcome.find(Finding("PRUNED", first, until, what))
        else:
            outcome.find(Finding("MISSING", first, until, "the entries are gone"))

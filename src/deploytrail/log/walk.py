"""One pass over a log's entries, from the first to the last, holding everything against them.

Pure, and the memory that it takes does not grow with the log. `verify` says what is read and why.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain

from deploytrail.errors import DeploytrailError, Incomplete
from deploytrail.log import accounts
from deploytrail.log.accounts import Accounts
from deploytrail.log.evidence import Claim, Each, Evidence, LeafClaim, Outcome, Told
from deploytrail.log.merkle import HASH_BYTES, Frontier, leaf_hashes
from deploytrail.log.replay import Finding, Replay, State
from deploytrail.log.tiles import WIDTH, decode_bundle


class Walk:
    """`claims` ascend by size; `run` is called once, then `outcome` has all findings but those of
    what is missing, which is judged by what the log says of itself.
    """

    def __init__(
        self,
        evidence: Evidence,
        outcome: Outcome,
        claims: Iterator[Claim],
        leaves: Sequence[LeafClaim],
        each: Each | None,
        told: Told | None,
        kinds: frozenset[str] = frozenset(),
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
        """Whether no stored hash explains what was found: then nothing more is located."""
        self._located = 0
        self._tiles_seen: dict[int, int] = {}
        self._missing: list[tuple[int, int]] = []
        self._accounts = Accounts(kinds)

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
        self._judge()

    def _bundle(self, number: int, width: int) -> bool:
        """One bundle; False where nothing behind it can be tied to a root any more."""
        first = number * WIDTH
        tile = self._stored_tile(number, width)
        entries = self._entries(number, width)
        if entries is not None:
            leaves = leaf_hashes(entries)
        elif tile is not None:
            # The entries are gone, but their stored hashes lead on.
            leaves, tile = _hashes(tile), None
        else:
            what = "entries and their hashes are gone; nothing behind them can be checked"
            self._outcome.find(Finding("MISSING", first, self._evidence.size, what))
            return False
        self._settle_leaves(first, leaves, entries)
        at = 0
        # Claims inside the bundle cut it, so that the root of exactly their size is seen.
        for cut in [*self._cuts(first, width), width]:
            part = None if tile is None else tile[HASH_BYTES * at : HASH_BYTES * cut]
            self._replay.feed_hashes(leaves[at:cut], part)
            at = cut
            self._settle_claims()
        if entries is not None and self._each is not None:
            self._look_deeper(self._each, first, entries)
        return True

    def _look_deeper(self, each: Each, first: int, entries: list[bytes]) -> None:
        try:
            each(first, entries)
        except Exception as error:  # noqa: BLE001 (bad evidence is a finding, whatever it breaks)
            until = first + len(entries)
            what = f"could not be looked into: {type(error).__name__}: {error}"
            self._outcome.find(Finding("CORRUPT", first, until, what))

    def _stored_tile(self, number: int, width: int) -> bytes | None:
        """The stored hashes of a bundle's entries; None where there are none."""
        try:
            tile = self._evidence.tile(0, number)
        except DeploytrailError as error:
            self._tile_finding(0, number, str(error))
            return None
        if tile is None and (width == WIDTH or self._evidence.has_partial_tiles):
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
                self._missing.append((first, first + width))
                return None
            entries = decode_bundle(data, width=width)
        except DeploytrailError as error:
            what = _named(f"bundle {number}", str(error))
            state: State = "MISSING" if isinstance(error, Incomplete) else "CORRUPT"
            self._outcome.find(Finding(state, first, first + width, what))
            return None
        if accounts.IN_BUNDLE in data:
            self._accounts.gather(first, entries)
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
                self._hold_good(claim)
            else:
                self._contradicted(claim)

    def _hold_good(self, claim: Claim) -> None:
        self._good_upto = max(self._good_upto, claim.size)
        if claim.is_own:
            self._outcome.size_signed = max(self._outcome.size_signed, claim.size)

    def _contradicted(self, claim: Claim) -> None:
        """The entries don't give a claimed root: say which, as closely as tiles can tell."""
        if self._is_contradicted:
            return
        if claim.root == self._replay.by_tiles.root() and self._replay.differing:
            for at in self._replay.differing:
                what = "its bytes are not those that were logged (the stored hash is)"
                self._outcome.find(Finding("CORRUPT", at, at + 1, what))
            self._located += len(self._replay.differing)
            # What lies behind is held against the right hashes, so that it is located as well.
            self._replay.trust_tiles()
            self._hold_good(claim)
            return
        self._is_contradicted = True
        what = f"the bytes there don't give the root of {claim.whose}"
        # Of two signed roots that contradict each other, nothing tells which is the right one.
        for first, until in self._suspected(claim) or [(self._good_upto, claim.size)]:
            self._outcome.find(Finding("CORRUPT", first, until, what))

    def _suspected(self, claim: Claim) -> list[tuple[int, int]]:
        """Where the entries may lie that don't give a claimed root, as [first, until) each."""
        ours, known = self._replay.frontier, self._evidence.frontier(claim.size)
        if known is not None and known.size == ours.size and known.root() == claim.root:
            # The root proves these peaks, so that each tells of the entries below it.
            peaks = zip(_spans(ours.size), ours.peaks, known.peaks, strict=True)
            differing = [span for span, found, expected in peaks if found != expected]
        else:
            differing = [(0, claim.size)]
        # An older checkpoint may have proven the first entries of one.
        starts = [(max(first, self._good_upto), until) for first, until in differing]
        return [self._narrowed(first, until) for first, until in starts if first < until]

    def _narrowed(self, first: int, until: int) -> tuple[int, int]:
        """A range, or of it what lies between entries that differ from their stored hashes."""
        suspects = [at for at in self._replay.differing if first <= at < until]
        return (suspects[0], suspects[-1] + 1) if suspects else (first, until)

    def _settle_leaves(self, first: int, leaves: list[bytes], entries: list[bytes] | None) -> None:
        while self._leaves and self._leaves[-1].entry_index < first + len(leaves):
            claim = self._leaves.pop()
            at = claim.entry_index
            if leaves[at - first] != claim.leaf:
                what = f"another entry stands where {claim.whose} says"
                self._outcome.find(Finding("CORRUPT", at, at + 1, what))
            elif entries is not None and not claim.fits(entries[at - first]):
                what = f"{claim.whose} tells another id or time than the entry"
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
        # Above entries that were changed, a right tile is not theirs.
        is_explained = self._is_contradicted or self._located or self._replay.differing
        if stored is None:
            self._tile_finding(level, number, "expected it, found nothing", "MISSING")
        elif stored != expected and not is_explained:
            self._tile_finding(level, number, "its hashes are not those of the tiles below it")

    def _tile_finding(self, level: int, number: int, what: str, state: State = "CORRUPT") -> None:
        span = WIDTH ** (level + 1)
        first, until = number * span, min((number + 1) * span, self._evidence.size)
        what = _named(f"tile {level}/{number}", what)
        self._outcome.find(Finding(state, first, until, what))

    def _finish(self, size: int) -> None:
        outcome, replay = self._outcome, self._replay
        root = self._evidence.root
        is_through = replay.frontier.size == size
        if is_through and root is not None and root != replay.frontier.root():
            self._contradicted(Claim(size, root, "the log's own last row"))
        outcome.root = replay.frontier.root()
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

    def _judge(self) -> None:
        """A bundle that is gone was pruned if signed entries say so, else it is missing."""
        outcome = self._outcome
        outcome.named = self._accounts.named
        outcome.erased = self._accounts.erased(outcome.size_signed)
        pruned = self._accounts.pruned(outcome.size_signed)
        for first, until in self._missing:
            if first // WIDTH in pruned:
                what = "pruned, as an audit.retention.executed entry says"
                outcome.find(Finding("PRUNED", first, until, what))
            else:
                outcome.find(Finding("MISSING", first, until, "the entries are gone"))


def _named(name: str, what: str) -> str:
    """What was found behind the name of where it was, once."""
    return what if what.startswith(f"{name}: ") else f"{name}: {what}"


def _spans(size: int) -> Iterator[tuple[int, int]]:
    """The ranges of entries below the peaks of a tree, the largest first."""
    first = 0
    for bit in reversed(range(size.bit_length())):
        if size >> bit & 1:
            yield first, first + (1 << bit)
            first += 1 << bit


def _hashes(tile: bytes) -> list[bytes]:
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]

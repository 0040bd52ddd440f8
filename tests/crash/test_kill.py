"""Eight writers of one log, killed at any moment: nothing acknowledged is lost, nobody starves."""

from __future__ import annotations

import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

from deploytrail.app.home import Home
from deploytrail.trail import Receipt
from tests.crash import oracle
from tests.crash.figures import Figures, Tally
from tests.crash.form import SEED, chosen
from tests.crash.harmed import wrong
from tests.crash.strace import Writer
from tests.crash.writing import Place, filled

WRITERS = 8
WAIT_SECONDS_MAX = 10.0


class Crowd:
    """Writers that are started again whenever they were killed, until told to stop."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.writers = [Writer(place.base) for _ in range(WRITERS)]
        self.ended: list[tuple[int, int]] = []
        self.receipts: list[Receipt] = []
        self.published: set[int] = set()
        self.longest = 0.0
        self.refused: list[str] = []
        self.is_over = threading.Event()

    def write(self, writer: Writer) -> None:
        while not self.is_over.is_set():
            ran = writer.run("many", self._place)
            # Counted by how they ended: a signal may come to one that is dead already.
            self.ended.append((ran.status, len(ran.receipts)))
            self.receipts += ran.receipts
            self.published |= {*ran.published}
            waits = [float(line.split()[1]) for line in ran.said if line.startswith("waited")]
            self.longest = max([self.longest, *waits])
            self.refused += [line for line in ran.said if not line.startswith("waited")]

    @property
    def kills(self) -> int:
        return sum(status == -signal.SIGKILL for status, _ in self.ended)

    def kill(self, writer: Writer) -> None:
        child = writer.child
        if child is not None:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def stop(self) -> None:
        self.is_over.set()
        for writer in self.writers:
            self.kill(writer)


def test_killed_writers_lose_nothing_that_was_acknowledged(
    tmp_path: Path, figures: Figures
) -> None:
    place = Place(tmp_path / "place")
    first = filled(place, 3)
    crowd, rng = Crowd(place), random.Random(SEED)
    with ThreadPoolExecutor(WRITERS) as threads:
        running = [threads.submit(crowd.write, writer) for writer in crowd.writers]
        while crowd.kills < chosen(16, 300) and not any(each.done() for each in running):
            # The moment is random, nothing is waited for.
            crowd.is_over.wait(rng.uniform(0.005, 0.08))
            crowd.kill(rng.choice(crowd.writers))
        # One may have been about to start when the others were stopped.
        while any(not each.done() for each in running):
            crowd.stop()
            wait(running, timeout=0.1)
    for each in running:
        each.result()
    for writer in crowd.writers:
        writer.close()
    receipts = [*first, *crowd.receipts]
    tally = Tally()
    with tally.checking("after all kills"):
        found = oracle.whole(Home(place.home).log, receipts)
        for size in crowd.published:
            oracle.check_published(size, found)
        with place.open() as trail:
            trail.publish()
        said = wrong(place, is_deep=False)
        oracle.expect(not said, f"verify: {said}")
    figures.tell(
        "kills",
        kills=crowd.kills,
        after_an_acknowledgement=sum(count > 0 for _, count in crowd.ended),
        acknowledged=len(crowd.receipts),
        published=len(crowd.published),
        lost=tally.lost,
        inconsistent=tally.inconsistent,
        seconds_waited_max=crowd.longest,
    )
    assert tally.objections == []
    assert crowd.refused == []
    assert crowd.kills >= chosen(16, 300)
    assert len(crowd.receipts) > crowd.kills // 4
    assert crowd.longest < WAIT_SECONDS_MAX
    assert not Home(place.home).fence.exists()

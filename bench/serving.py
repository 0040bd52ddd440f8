"""The server under load, as its users have it: real processes, HTTP, every commit synced.

wrk and what watches run on the same cores; the processor seconds that they take are told beside
each figure. Each figure has a trail of its own, which took 20,000 events before it is measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from bench import typical
from bench.figure import Figure
from bench.load import Load, Loaded, write_bodies
from bench.server import Server, running
from bench.watching import Probes, Seen, Standings, Tailed, found, signed

NAMES: Final = (
    "http.burst", "http.sustained", "http.ingest.single", "http.ack", "search.fresh", "tail.fresh",
    "checkpoint.fresh", "server.rss_mb",
)  # fmt: skip
_BATCH: Final = 1_000
_EVENTS: Final = 720_000
_SINGLES: Final = 120_000
_WARMING_SECONDS: Final = 5
_BURST_SECONDS: Final = 60
_CAUGHT_UP_SECONDS_MAX: Final = 180
_STEP_SECONDS: Final = 25
_SETTLED_SECONDS: Final = 8
_LAG_SECONDS_MAX: Final = 1.0
_FRESH_PER_SECOND: Final = 5_000
_FRESH_SECONDS: Final = 60
_SINGLE_SECONDS: Final = 30
_OVERLOAD_SECONDS: Final = 120
_TAILS: Final = 200
_TAILS_STUCK: Final = 20


class _Bench:
    """Where servers stand, and what is sent to them."""

    def __init__(self, directory: Path, bodies: Path) -> None:
        self._directory = directory
        self._bodies = bodies
        self.carried: float | None = None
        """Events a second, once a burst has told it."""

    def batches(self) -> Path:
        return self._made("batches", 3, _EVENTS, _BATCH)

    def singles(self) -> Path:
        return self._made("singles", 4, _SINGLES, 1)

    def _made(self, name: str, seed: int, events: int, size: int) -> Path:
        path = self._bodies / f"{name}-{events}"
        if not path.exists():
            self._bodies.mkdir(parents=True, exist_ok=True)
            print(f"  making {events:,} events to be sent", flush=True)
            write_bodies(path, _in_batches(typical.events(events, seed=seed), size))
        return path

    def running(self) -> _Warm:
        return _Warm(self)

    @property
    def directory(self) -> Path:
        return self._directory


class _Warm:
    """A server that knows most of the actors, and whose followers have everything."""

    def __init__(self, bench: _Bench) -> None:
        self._running = running(bench.directory)
        self._bench = bench

    def __enter__(self) -> Server:
        server = self._running.__enter__()
        try:
            client = server.client()
            for batch in _in_batches(typical.events(20_000, seed=2), _BATCH):
                client.post("/v1/events", batch)
            client.close()
            caught_up(server)
        except BaseException:
            self._running.__exit__(None, None, None)
            raise
        return server

    def __exit__(self, *raised: object) -> None:
        self._running.__exit__(None, None, None)


def figures(directory: Path, bodies: Path, wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Those whose name, or its beginning, is wanted."""
    bench = _Bench(directory, bodies)
    if any(map(wanted, ("http.burst", "server.rss_mb"))):
        yield from _burst(bench)
    if wanted("http.sustained"):
        yield _sustained(bench)
    if wanted("http.ingest.single"):
        yield _single(bench)
    if wanted("http.ack.p99_ms"):
        yield _acknowledged(bench)
    if any(map(wanted, ("search.fresh.p99_ms", "tail.fresh.p99_ms", "checkpoint.fresh.p99_ms"))):
        yield from _fresh(bench)
    if wanted("server.rss_mb"):
        yield _overloaded(bench)


def caught_up(server: Server) -> float:
    """Waits until followers and publisher have all that is in the log now; the seconds it took."""
    client = server.client()
    started = time.monotonic()
    size = client.json("/v1/stats")["size"]
    while time.monotonic() < started + _CAUGHT_UP_SECONDS_MAX:
        stats = client.json("/v1/stats")
        if min(stats["size_signed"], *stats["followers"].values()) >= size:
            break
        time.sleep(0.05)
    client.close()
    return time.monotonic() - started


def _burst(bench: _Bench) -> Iterator[Figure]:
    """20,000 a second are asked for; what is refused or not taken in time is not counted."""
    with bench.running() as server:
        before = server.processor_seconds()
        load = Load(
            f"{server.url}/v1/events", bench.batches(), token=server.token,
            seconds=_BURST_SECONDS, connections=16, per_second=20_000 / _BATCH,
        )  # fmt: skip
        done = load.ended()
        spent = _spent(server, before)
        behind = caught_up(server)
    bench.carried = done.accepted_per_second * _BATCH
    yield Figure(
        name="http.burst", value=round(bench.carried), unit="events/s", n=done.answers * _BATCH,
        note=f"{_cost(done)}; {spent}; {done.refused} of {done.answers} requests refused",
    )  # fmt: skip
    yield Figure(
        name="http.burst.caught_up_s", value=round(behind, 1), unit="s", n=done.answers * _BATCH
    )


def _sustained(bench: _Bench) -> Figure:
    """The highest of some rates: doubled until it is too much, then halved three times between."""
    with bench.running() as server:
        low, high = 0, 0
        step = 2_000
        tried = []
        while high == 0 or high - low > 500:
            rate = step if high == 0 else (low + high) // 2
            lag, done = _kept_up(bench, server, rate)
            reached = done.accepted_per_second * _BATCH
            # A few requests are still under way at the end.
            is_taken = done.answers - done.refused >= 0.97 * rate * done.seconds / _BATCH - 3
            is_kept = lag <= _LAG_SECONDS_MAX and is_taken
            tried.append(f"{rate}: {reached:.0f}/s, {lag:.1f} s")
            print(f"  {rate} events/s: took {reached:.0f}, lag {lag:.2f} s", flush=True)
            low, high = (rate, high) if is_kept else (low, rate)
            step = rate * 2 if high == 0 else step
            caught_up(server)
    return Figure(
        name="http.sustained", value=low, unit="events/s", n=len(tried), note="; ".join(tried)
    )


def _kept_up(bench: _Bench, server: Server, rate: int) -> tuple[float, Loaded]:
    with Standings(server) as standings:
        since = time.monotonic() + _SETTLED_SECONDS
        load = Load(
            f"{server.url}/v1/events", bench.batches(), token=server.token, seconds=_STEP_SECONDS,
            connections=8, per_second=rate / _BATCH,
        )  # fmt: skip
        done = load.ended()
    return standings.lag_seconds("index", since=since), done


def _single(bench: _Bench) -> Figure:
    with bench.running() as server:
        before = server.processor_seconds()
        load = Load(
            f"{server.url}/v1/events", bench.singles(), token=server.token,
            seconds=_SINGLE_SECONDS, connections=32,
        )  # fmt: skip
        done = load.ended()
        spent = _spent(server, before)
    return Figure(
        name="http.ingest.single", value=round(done.accepted_per_second), unit="requests/s",
        n=done.answers, note=f"{_cost(done)}; {spent}; p99 {done.p99_ms:.0f} ms",
    )  # fmt: skip


def _acknowledged(bench: _Bench) -> Figure:
    """Single events, a thousand a second."""
    with bench.running() as server:
        load = Load(
            f"{server.url}/v1/events", bench.singles(), token=server.token,
            seconds=_SINGLE_SECONDS, connections=64, per_second=1_000,
        )  # fmt: skip
        done = load.ended()
    return Figure(
        name="http.ack.p99_ms", value=round(done.p99_ms, 1), unit="ms", n=done.answers,
        note=f"{_cost(done)}; p50 {done.p50_ms:.1f} ms, at {done.accepted_per_second:.0f}/s",
    )  # fmt: skip


def _fresh(bench: _Bench) -> Iterator[Figure]:
    """From when a request is begun until its event is seen, with 5,000 others a second."""
    with bench.running() as server, Probes(server) as probes:
        spent = time.process_time()
        searching = Seen(server, probes, found(probes))
        signing = Seen(server, probes, signed(probes))
        with Tailed(server, probes) as tailing, searching, signing:
            load = Load(
                f"{server.url}/v1/events", bench.batches(), token=server.token,
                seconds=_FRESH_SECONDS, connections=8, per_second=_FRESH_PER_SECOND / _BATCH,
            )  # fmt: skip
            done = load.ended()
            probes.end()
            _await([searching.after_seconds, tailing.after_seconds, signing.after_seconds], probes)
        spent = time.process_time() - spent
    note = (
        f"{_cost(done)}, watching {spent:.0f} s; at {done.accepted_per_second * _BATCH:.0f} "
        "events/s"
    )
    seen = {
        "search.fresh.p99_ms": searching.after_seconds,
        "tail.fresh.p99_ms": tailing.after_seconds,
        "checkpoint.fresh.p99_ms": signing.after_seconds,
    }
    for name, taken in seen.items():
        whole = f"{note}; p50 {_percentile_ms(taken, 0.5):.0f} ms, {len(taken)} probes"
        yield Figure(
            name=name, value=_percentile_ms(taken, 0.99), unit="ms", n=len(taken), note=whole
        )


def _await(seen: Sequence[list[float]], probes: Probes) -> None:
    """Until all probes were seen. Raises TimeoutError where that takes too long."""
    until = time.monotonic() + _CAUGHT_UP_SECONDS_MAX
    while min(map(len, seen)) < len(probes.indexes):
        if time.monotonic() > until:
            raise TimeoutError(
                f"probes: expected {len(probes.indexes)}, saw {list(map(len, seen))}"
            )
        time.sleep(0.05)


def _overloaded(bench: _Bench) -> Figure:
    assert bench.carried is not None
    asked = 10 * bench.carried
    with bench.running() as server, Standings(server) as standings:
        tails = _Tails(server)
        load = Load(
            f"{server.url}/v1/events", bench.batches(), token=server.token,
            seconds=_OVERLOAD_SECONDS, connections=128, per_second=asked / _BATCH,
        )  # fmt: skip
        done = load.ended()
        heard = tails.ended()
    each = ", ".join(f"{name} {mb:.0f}" for name, mb in standings.rss_mb.items())
    return Figure(
        name="server.rss_mb", value=round(standings.rss_mb_together), unit="MB", n=_TAILS,
        note=f"{each}; {asked:.0f} events/s asked, {done.accepted_per_second * _BATCH:.0f} taken, "
        f"{done.refused} of {done.answers} requests refused, {done.broken} broken; {_cost(done)}; "
        f"{heard}",
    )  # fmt: skip


class _Tails:
    """Those who listen, in a process of their own; some never read."""

    def __init__(self, server: Server) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.tails", server.address, str(_TAILS), str(_TAILS_STUCK)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "DEPLOYTRAIL_TOKEN": server.token},
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "listening\n"

    def ended(self) -> str:
        """What they have to say."""
        said, _ = self._process.communicate("")
        return said.strip()


def _in_batches(events: Iterator[bytes], size: int) -> Iterator[bytes]:
    while batch := list(islice(events, size)):
        yield batch[0] if size == 1 else b"[" + b",".join(batch) + b"]"


def _percentile_ms(taken: Sequence[float], part: float) -> float:
    ordered = sorted(taken)
    return round(1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))], 1)


def _cost(done: Loaded) -> str:
    return f"wrk took {done.processor_seconds:.1f} processor seconds of {done.seconds:.0f}"


def _spent(server: Server, before: dict[str, float]) -> str:
    after = server.processor_seconds()
    each = (f"{name} {after[name] - before.get(name, 0):.0f}" for name in after)
    return f"the server's {', '.join(each)}"

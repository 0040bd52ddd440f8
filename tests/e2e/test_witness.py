"""A witness as a process: asked over HTTP, stopped, killed, asked again."""

from __future__ import annotations

import json
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploytrail.kit.answer import Response
from deploytrail.kit.http import Http
from deploytrail.log import note as notes
from deploytrail.log import witnessing
from deploytrail.witness.serving import LIMITS
from tests.e2e.witness_process import WitnessProcess
from tests.log.signers import LOG, ORIGIN
from tests.witness.requests import (
    SCRIPTED_WITNESS,
    SCRIPTS,
    branch,
    is_cosigned,
    request,
    scripted,
    scripted_log,
    signed,
)

LOG_VKEY = notes.encode_vkey(LOG.key)


@pytest.fixture
def bob(tmp_path: Path) -> WitnessProcess:
    return WitnessProcess(tmp_path / "bob")


def ask(witness: WitnessProcess, body: bytes) -> Response:
    with Http() as http:
        return http.post(f"{witness.url}{witnessing.PATH}", body)


def heard(connection: socket.socket) -> bytes:
    """What came until the other side let go."""
    try:
        return connection.recv(1_000)
    except ConnectionResetError:
        return b""


def get(witness: WitnessProcess, path: str = "") -> Response:
    with Http() as http:
        return http.get(f"{witness.url}{path}")


def test_a_witness_cosigns_over_http_and_tells_what_it_saw(bob: WitnessProcess) -> None:
    with bob.up("--log", LOG_VKEY):
        found = ask(bob, request(branch(5), 0))
        assert found.status == 200
        assert is_cosigned(found.body, signed(branch(5)).text, notes.decode_vkey(bob.vkey))
        found = ask(bob, request(branch(7), 0))
        assert (found.status, found.body) == (409, b"5\n")
        assert found.headers["content-type"] == "text/x.tlog.size"
        assert get(bob, "/healthz").body == b"ok\n"
        metrics = get(bob, "/metrics").body.decode()
        assert 'deploytrail_witness_answers_total{status="409"} 1' in metrics
        assert get(bob, f"/cosigned?origin={ORIGIN}").body.startswith(
            signed(branch(5)).text.encode()
        )
        assert get(bob, "/cosigned?origin=another").status == 404
        assert get(bob, "/cosigned").status == 404
        index = get(bob).body.decode()
        assert bob.vkey in index
        assert ORIGIN in index
    (one,) = bob("status", "--log", LOG_VKEY, "--json").out.splitlines()
    assert json.loads(one)["size"] == 5


def test_every_scripted_request_gets_its_status_over_http(tmp_path: Path, vectors: Path) -> None:
    script = vectors / SCRIPTS / "litewitness.txt"
    ((log,),) = scripted_log(script).values()
    steps = scripted(script)
    assert len(steps) == 11
    witness = WitnessProcess(tmp_path / "example", SCRIPTED_WITNESS)
    with witness.up("--log", notes.encode_vkey(log)):
        for step in steps:
            found = ask(witness, step.body)
            assert found.status == step.status, (found.body, step.asserted)
            assert step.is_met(found.body.decode()), (found.body, step.asserted)


def test_what_can_t_be_read_is_refused_over_http_too(bob: WitnessProcess) -> None:
    with bob.up("--log", LOG_VKEY):
        assert ask(bob, b"nothing").status == 400
        assert ask(bob, b"x" * (witnessing.REQUEST_BYTES_MAX + 1)).status == 413
        assert get(bob, witnessing.PATH).status == 405
        assert get(bob, "/other").status == 404


def test_a_fork_is_refused_told_and_seen_in_the_status(bob: WitnessProcess) -> None:
    with bob.up("--log", LOG_VKEY):
        assert ask(bob, request(branch(6), 0)).status == 200
        assert ask(bob, request(branch(6, name="other", fork_at=2), 6)).status == 422
        assert b"contradicted_logs 1" in get(bob, "/metrics").body
    (refusal,) = bob.refusals()
    assert (refusal["refused"], refusal["size"], refusal["proven"]) == (ORIGIN, 6, True)
    done = bob("status", "--log", LOG_VKEY)
    assert done.code == 1
    assert "two histories of size 6" in done.out


def test_a_killed_witness_never_tells_two_histories(bob: WitnessProcess) -> None:
    cosigned: list[tuple[int, str]] = []

    def ask_both(at: int) -> None:
        for name in ("main", "other"):
            hashes = branch(at + 5, name=name, fork_at=4)
            for old in (4, at + 4):
                try:
                    found = ask(bob, request(hashes, min(old, at + 5)))
                except OSError:
                    return
                except Exception:  # noqa: BLE001 (it was killed while it was asked)
                    return
                if found.status == 200:
                    cosigned.append((at + 5, name))

    with bob.up("--log", LOG_VKEY):
        assert ask(bob, request(branch(4), 0)).status == 200
    for at in range(6):
        bob.start("--log", LOG_VKEY)
        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask_both, at) for _ in range(4)]
            bob.kill()
            for one in asking:
                one.result()
    bob.start("--log", LOG_VKEY)
    for at in range(8):
        ask_both(at)
    bob.stop()
    assert len({name for _, name in cosigned}) == 1, cosigned
    assert bob("status", "--log", LOG_VKEY).code in {0, 1}


def test_it_stops_in_good_order_and_only_one_runs(bob: WitnessProcess) -> None:
    with bob.up("--log", LOG_VKEY):
        done = bob("up", "--listen", "127.0.0.1:0", "--log", LOG_VKEY)
        assert done.code == 75
        assert "runs already" in done.err
    bob.start("--log", LOG_VKEY)
    assert bob.stop() == 0


def test_its_key_is_made_once_and_for_its_owner_alone(bob: WitnessProcess) -> None:
    assert bob("key").out == f"{bob.vkey}\n"
    assert bob("init", "--json").json()["vkey"] == bob.vkey
    assert stat.S_IMODE((bob.home / "key").stat().st_mode) == 0o600
    assert "witness.test/bob" in (bob.home / "key").read_text()
    assert bob("init", "--name", "witness.test/carol").code == 2


BAD_STARTS = {
    "no log": ((), "expected the key of at least one log"),
    "a cosigner's key": (("--log", "{vkey}"), "not the log's own"),
    "what is no vkey": (("--log", "x"), "vkey"),
    "a list that is none": (("--logs", "{home}/key"), "logs/v0"),
    "a list that is not there": (("--logs", "{home}/none"), "none that can be read"),
    "no port": (("--log", LOG_VKEY, "--listen", "127.0.0.1"), "expected HOST:PORT"),
    "an address of others": (("--log", LOG_VKEY, "--listen", "192.0.2.1:1"), "expected to listen"),
    "a certificate that is none": (
        ("--log", LOG_VKEY, "--tls-certificate", "{home}/key", "--tls-key", "{home}/key"),
        "expected a certificate chain",
    ),
    "half a certificate": (("--log", LOG_VKEY, "--tls-key", "x"), "together"),
}


@pytest.mark.parametrize("reason", BAD_STARTS)
def test_it_does_not_start_with(reason: str, bob: WitnessProcess) -> None:
    words, said = BAD_STARTS[reason]
    done = bob("up", *(word.format(vkey=bob.vkey, home=bob.home) for word in words))
    assert done.code == 2, done.err
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_list_of_logs_in_its_home_is_read(bob: WitnessProcess) -> None:
    (bob.home / "logs").write_text(f"# ours\nlogs/v0\n\nvkey {LOG_VKEY}\nqpd 86400\ncontact bob\n")
    with bob.up():
        assert ask(bob, request(branch(1), 0)).status == 200


def test_who_takes_connections_and_asks_nothing_keeps_nobody_out(bob: WitnessProcess) -> None:
    with bob.up("--log", LOG_VKEY), ExitStack() as stack:
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", bob.port), 30))
            for _ in range(LIMITS.connections_max + 10)
        ]
        for at, one in enumerate(idle):
            one.sendall((b"", b"POST ", b"GET / HTTP/1.1\r\nhost: x\r\n")[at % 3])
        assert get(bob, "/healthz").status == 503
        # Each is cut off in time, whatever it has begun to say.
        for one in idle:
            assert heard(one) == b""
        assert get(bob, "/healthz").status == 200


def test_a_header_without_an_end_is_cut_off(bob: WitnessProcess) -> None:
    with (
        bob.up("--log", LOG_VKEY),
        socket.create_connection(("127.0.0.1", bob.port), 30) as endless,
        pytest.raises(OSError, match=r"reset|Broken pipe"),
    ):
        endless.sendall(b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 10_000_000)


def test_a_body_that_never_ends_is_given_up(bob: WitnessProcess) -> None:
    with (
        bob.up("--log", LOG_VKEY),
        socket.create_connection(("127.0.0.1", bob.port), 30) as slow,
    ):
        head = f"POST {witnessing.PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nold 0"
        slow.sendall(head.encode())
        assert ask(bob, request(branch(2), 0)).status == 200
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")

"""Where everybody on the way could read tokens, a server speaks TLS or sits behind who does."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
import trustme

from deploytrail.errors import EXIT_USAGE
from tests.events import body
from tests.web.running import PROGRAM, Running, running


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certified(authority: trustme.CA, tmp_path: Path) -> tuple[str, ...]:
    """The words that let a server use a certificate of ours."""
    made = authority.issue_cert("127.0.0.1", "localhost")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
    key.write_bytes(made.private_key_pem.bytes())
    return "--tls-certificate", str(certificate), "--tls-key", str(key)


def asked(server: Running, context: ssl.SSLContext, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPSConnection(server.host, server.port, context=context, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("strict-transport-security", "")
    finally:
        connection.close()


def test_a_server_with_a_certificate_speaks_tls_and_nothing_else(
    authority: trustme.CA, certified: tuple[str, ...], tmp_path: Path
) -> None:
    trusting, doubting = ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(trusting)
    with running(tmp_path / "home", *certified) as server:
        assert server.url.startswith("https://127.0.0.1:")
        token = {"Authorization": f"Bearer {server.token}"}
        assert asked(server, trusting, "/v1/stats", **token) == (200, "max-age=31536000")
        # Its names are those of the certificate, which the client holds against them.
        assert asked(server, trusting, "/healthz", Host="trail.example")[0] == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            asked(server, doubting, "/healthz")
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(old)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, OSError)):
            asked(server, old, "/healthz")
        plain = socket.create_connection((server.host, server.port), timeout=10)
        with plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert not plain.recv(4_096).startswith(b"HTTP/")
        assert asked(server, trusting, "/healthz")[0] == 200
        assert server.stop() == 0


def test_a_port_that_somebody_has_is_no_fault_of_ours(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        ran = subprocess.run(
            [*PROGRAM, "up", "--listen", f"127.0.0.1:{other.getsockname()[1]}"], timeout=60,
            capture_output=True, text=True, check=False,
            env={**os.environ, "DEPLOYTRAIL_HOME": str(tmp_path / "home")},
        )  # fmt: skip
    assert ran.returncode == EXIT_USAGE, ran.stderr
    assert "expected to listen" in ran.stderr
    assert ran.stdout == "", "the first secret is shown once, and by a server that is there"


def test_who_can_keep_nothing_outside_of_the_log_is_told_before_anything_is_served(
    tmp_path: Path,
) -> None:
    ran = subprocess.run(
        [*PROGRAM, "up", "--listen", "127.0.0.1:0"], timeout=60,
        capture_output=True, text=True, check=False,
        env={
            **os.environ, "DEPLOYTRAIL_HOME": str(tmp_path / "home"), "XDG_STATE_HOME": "/proc/none"
        },
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (EXIT_USAGE, ""), ran.stderr
    assert "Set XDG_STATE_HOME" in ran.stderr


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "all addresses": (("--listen", "0.0.0.0:0"), "--tls-certificate"),
    "all addresses of both kinds": (("--listen", "[::]:0"), "--tls-certificate"),
    "another machine's name": (("--listen", "trail.example:8420"), "--behind-proxy"),
    "a certificate without its key": (("--tls-certificate", "/nowhere.pem"), "tls_key"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_it_does_not_listen_where_tokens_would_be_read(reason: str, tmp_path: Path) -> None:
    words, taught = REFUSED[reason]
    ran = subprocess.run(
        [*PROGRAM, "up", *words], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "DEPLOYTRAIL_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert ran.returncode == EXIT_USAGE, ran.stderr
    assert taught in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_certificate_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("nothing of the kind\n")
    words = ("--tls-certificate", str(tmp_path / "c.pem"), "--tls-key", str(tmp_path / "c.pem"))
    ran = subprocess.run(
        [*PROGRAM, "up", "--listen", "127.0.0.1:0", *words], capture_output=True, text=True,
        timeout=60, check=False, env={**os.environ, "DEPLOYTRAIL_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert ran.returncode == EXIT_USAGE, ran.stderr
    assert "certificate" in ran.stderr
    assert "Traceback" not in ran.stderr


FORWARDED = {
    "X_Forwarded_For": "127.0.0.1",
    "X_Forwarded_Proto": "https",
    "X_Forwarded_Host": "evil.example",
    "X_Forwarded_Prefix": "/v1",
    "X_Forwarded_User": "github:alice",
    "Forwarded": "for=127.0.0.1;proto=https;host=evil.example",
    "X_Original_URL": "/v1/stats",
    "X_Rewrite_URL": "/v1/stats",
    "X_HTTP_Method_Override": "POST",
    "X_Real_IP": "127.0.0.1",
}


@pytest.mark.parametrize("words", [(), ("--behind-proxy",)], ids=["alone", "behind a proxy"])
def test_what_is_forwarded_opens_nothing_and_changes_nothing(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    with running(tmp_path / "home", *words) as server:
        nobody = server.ask("GET", "/v1/stats", None, **FORWARDED | {"Authorization": ""})
        assert nobody.status == 401
        assert server.ask("GET", "/healthz", None, **FORWARDED).json() == {"status": "up"}
        answer = server.ask(
            "POST", "/v1/events", body(), **FORWARDED | {"Content_Type": "application/json"}
        )
        assert answer.status == 201
        id = json.loads(answer.body)["receipt"]["id"]
        shown = server.ask("GET", f"/v1/events/{id}", None, **FORWARDED)
        assert "evil.example" not in shown.body.decode()
        assert "127.0.0.1" not in shown.body.decode()
        assert not [one for one in shown.headers.values() if "evil" in one or "https" in one]
        # Names are the proxy's affair; without one, only those of this machine are ours.
        named = server.ask("GET", "/healthz", Host="trail.example")
        assert named.status == (200 if words else 400)
        assert "strict-transport-security" not in named.headers
        assert server.stop() == 0

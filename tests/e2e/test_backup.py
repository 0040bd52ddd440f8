"""`deploytrail backup --url https://…`: a server's trail as two files, which restore."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Program, error_of
from tests.kit.servers import Handler, answer, says, serving
from tests.web.running import Running, running


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def server(program: Program) -> Iterator[Running]:
    with running(program.home) as found:
        # As one who has nothing of the trail but its address and a token.
        program.environ |= {"DEPLOYTRAIL_URL": found.url, "DEPLOYTRAIL_TOKEN": found.token}
        del program.environ["DEPLOYTRAIL_HOME"]
        yield found


def test_a_server_s_trail_is_backed_up_and_restores(program: Program, server: Running) -> None:
    for reason in ("the first", "the second"):
        program("record", "deployment.succeeded", "--environment", "prod", "--reason", reason)
    done = program("backup", "b.tar")
    assert (done.returncode, done.stdout) == (0, "")
    assert "entries to b.tar\n" in done.stderr
    assert "to b.tar.keys; remove it after thirty days" in done.stderr
    files = [program.folder / name for name in ("b.tar", "b.tar.keys")]
    assert [one.stat().st_mode & 0o777 for one in files] == [0o600, 0o600]
    key = shutil.copy(program.home / "key", program.folder / "key")
    del program.environ["DEPLOYTRAIL_URL"]
    again = program("restore", "b.tar", "--key", key, "--home", "again")
    assert again.returncode == 0, again.stderr
    assert "\nverified\n" in again.stdout
    found = program.lines("log", "--json", "--home", "again")
    assert [one["event"].get("reason", {}).get("text") for one in found][:2] == [
        "the second", "the first",
    ]  # fmt: skip
    assert server.stop() == 0


def test_no_file_is_replaced_and_nothing_is_asked_then(program: Program, server: Running) -> None:
    (program.folder / "b.tar.keys").write_text("mine")
    done = program("backup", "b.tar")
    assert done.returncode == 2
    assert "it is there already" in error_of(done)
    assert not (program.folder / "b.tar").exists()
    assert all(line.get("route") != "/v1/backup" for line in server.journal())


@pytest.mark.usefixtures("server")
def test_a_backup_is_for_who_may_have_the_whole_trail(program: Program) -> None:
    for words, why in {
        ("viewer",): "trail.operate",
        ("operator", "--scope", "env:prod"): "without a scope",
    }.items():
        made = program(
            "token", "create", f"t{len(words)}", "--role", *words, "--home", program.home,
            environ={"DEPLOYTRAIL_URL": ""},
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        done = program("backup", "b.tar", environ={"DEPLOYTRAIL_TOKEN": made.stdout.strip()})
        assert done.returncode == 77
        assert why in error_of(done)
    assert not list(program.folder.glob("b.tar*"))


def _cut(connection: socket.socket, _: bytes) -> None:
    octets = answer(body=bytes(100_000))
    connection.sendall(octets[:50_000])


STRANGE: dict[str, tuple[Handler, str]] = {
    "it is cut off": (_cut, "ended too early"),
    "it is empty": (says(answer()), "ended too early"),
    "it is something else": (says(answer(body=b"<html>" * 200)), "ended too early"),
    "it is refused by something between": (says(answer("502 Bad Gateway")), "answered with 502"),
}


@pytest.mark.parametrize("reason", STRANGE)
def test_what_is_not_whole_leaves_no_file(program: Program, reason: str) -> None:
    handle, said = STRANGE[reason]
    with serving(handle) as other:
        done = program("backup", "b.tar", "--url", other.url().removesuffix("/"))
    assert done.returncode != 0
    assert said in error_of(done)
    assert [one.name for one in program.folder.iterdir() if one.is_file()] == []

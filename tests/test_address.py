"""An address means one place, and tells no password."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.address import Database, Directory, Host, Server, address, database, host
from deploytrail.errors import Malformed

ADDRESSES = {
    "/var/lib/deploytrail": Directory(Path("/var/lib/deploytrail")),
    "trail": Directory(Path("trail")),
    "./a:b": Directory(Path("./a:b")),
    "sqlite:///var/lib/deploytrail": Directory(Path("/var/lib/deploytrail")),
    "SQLite:///srv/a%20b/%C3%A9": Directory(Path("/srv/a b/é")),
    "https://trail.example.org": Server(Host("trail.example.org", 443), is_tls=True),
    "https://Trail.Example.ORG./": Server(Host("trail.example.org", 443), is_tls=True),
    "https://10.1.2.3:8420": Server(Host("10.1.2.3", 8420), is_tls=True),
    "https://[2001:DB8::1]:8420/": Server(Host("2001:db8::1", 8420), is_tls=True),
    "http://127.0.0.1:8420": Server(Host("127.0.0.1", 8420), is_tls=False),
    "http://127.8.9.1": Server(Host("127.8.9.1", 80), is_tls=False),
    "http://localhost:8420": Server(Host("localhost", 8420), is_tls=False),
    "http://[::1]:8420": Server(Host("::1", 8420), is_tls=False),
}
DATABASES = {
    "postgresql://db.example.org/trail": "postgresql://db.example.org/trail",
    "postgres://alice@db:5433/trail": "postgresql://alice@db:5433/trail",
    "postgresql://alice:hunter2@db/trail": "postgresql://alice:***@db/trail",
    "postgresql://:hunter2@db/trail": "postgresql://:***@db/trail",
    "postgresql://alice:hunter2%40%2F@a,b:5433/trail?sslmode=verify-full": (
        "postgresql://alice:***@a,b:5433/trail?sslmode=verify-full"
    ),
    "postgresql:///trail?host=/run/postgresql&password=hunter2&user=alice": (
        "postgresql:///trail?host=/run/postgresql&password=***&user=alice"
    ),
    "postgresql://%2Frun%2Fpostgresql/trail": "postgresql://%2Frun%2Fpostgresql/trail",
    "postgresql://[::1]:5433/trail?Password=hunter2&passfile&x=hunter2": (
        "postgresql://[::1]:5433/trail?Password=***&passfile=***&x=***"
    ),
}
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 (it is only read)
BAD = {
    "nothing": "",
    "another scheme": "mysql://db/trail",
    "a path as a host": "sqlite://var/lib/deploytrail",
    "a scheme with one slash": "sqlite:/var/lib/deploytrail",
    "a server with one slash": "https:/trail.example.org",
    "options of a file": "sqlite:///trail?mode=ro",
    "a zero byte": "/trail\x00",
    "an escaped zero byte": "sqlite:///trail%00",
    "half an escape": "sqlite:///trail%2",
    "an escape of no digits": "sqlite:///trail%zz",
    "escapes that are no UTF-8": "sqlite:///%ff",
    "a blank": "https://trail.example.org /",
    "a newline": "https://trail.example.org\n",
    "other letters": "https://trаil.example.org",
    "no host": "https://",
    "no host but a port": "https://:8420",
    "a port of no digits": "https://trail:http",
    "a port that is too high": "https://trail:65536",
    "a port of zero": "https://trail:0",
    "a port with a zero before it": "https://trail:08420",
    "a port with a sign": "https://trail:+80",
    "an empty port": "https://trail:",
    "a number that is no address": "https://1.2.3",
    "an octal number": "https://127.0.0.010",
    "v6 without brackets": "https://::1:8420",
    "v4 in brackets": "https://[127.0.0.1]",
    "half a bracket": "https://[::1",
    "a name in brackets": "https://[trail]",
    "an empty label": "https://trail..example.org",
    "a label that begins with a dash": "https://-trail.example.org",
    "a name that is too long": f"https://{'a.' * 127}example",
    "a path behind the host": "https://trail.example.org/audit",
    "a question": "https://trail.example.org?x",
    "a fragment": "https://trail.example.org#x",
    "two slashes behind the host": "https://trail.example.org//",
    "a token in it": "https://hunter2@trail.example.org",
    "a password in it": "https://alice:hunter2@trail.example.org",
    "http to others": "http://trail.example.org",
    "http to everybody": "http://0.0.0.0:8420",
    "http to what only begins like us": "http://127.0.0.1.example.org",
    "http to what only looks like us": "http://localhost.example.org",
    "no database": "postgresql://db",
    "an empty database": "postgresql://db/",
    "a slash in a password": "postgresql://alice:hunter2/x@db/trail",
    "an at sign in a password": "postgresql://alice:hunter2@x@db/trail",
    "a colon in a password": "postgresql://alice:hunter2:x@db/trail",
    "a question mark in a password": "postgresql://alice:hunter2?x@db/trail",
    "a hash in a password": "postgresql://alice:hunter2#x@db/trail",
    "an at sign in an option": "postgresql://db/trail?password=hunter2@x",
    "a port of a database that is none": "postgresql://alice:hunter2@db:x/trail",
    "a percent sign in a password": "postgresql://alice:hunter2%x@db/trail",
}
HOSTS = {
    "127.0.0.1:8420": (Host("127.0.0.1", 8420), True),
    "[::1]:8420": (Host("::1", 8420), True),
    "localhost:0": (Host("localhost", 0), True),
    "127.255.0.1:1": (Host("127.255.0.1", 1), True),
    "0.0.0.0:8420": (Host(EVERY_ADDRESS, 8420), False),
    "[::]:8420": (Host("::", 8420), False),
    "[2001:db8::1]:1": (Host("2001:db8::1", 1), False),
    "[fe80::1%eth0]:1": (Host("fe80::1%eth0", 1), False),
    "10.0.0.1:65535": (Host("10.0.0.1", 65535), False),
    "trail.example.org:443": (Host("trail.example.org", 443), False),
    "localhost.example.org:1": (Host("localhost.example.org", 1), False),
    "0x7f.1:80": (Host("0x7f.1", 80), False),
}


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_means_one_place(text: str) -> None:
    assert address(text) == ADDRESSES[text]


@pytest.mark.parametrize("text", DATABASES)
def test_a_database_is_shown_without_its_password(text: str) -> None:
    found = address(text)
    assert isinstance(found, Database)
    assert found.url.removeprefix("postgresql://") == text.partition("://")[2]
    assert str(found) == DATABASES[text]
    assert "hunter2" not in f"{found} {found!r} {[found]} {(found,)}"


@pytest.mark.parametrize(
    "text", ["/srv/trail", "https://trail.example.org", "mysql://a:hunter2@b/c"]
)
def test_what_is_no_database_is_told(text: str) -> None:
    with pytest.raises(Malformed, match=r"^URL: expected ") as caught:
        database(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("reason", BAD)
def test_what_is_no_address_is_told_without_what_may_be_secret(reason: str) -> None:
    with pytest.raises(Malformed, match=r"^DEPLOYTRAIL_URL: expected ") as caught:
        address(BAD[reason], what="DEPLOYTRAIL_URL")
    assert "hunter2" not in str(caught.value)


def test_plain_http_to_others_has_to_be_asked_for() -> None:
    found = address("http://trail.example.org", plain_http=True)
    assert found == Server(Host("trail.example.org", 80), is_tls=False)


@pytest.mark.parametrize("text", [text for text in ADDRESSES if text.startswith("http")])
def test_a_server_reads_back_from_its_url(text: str) -> None:
    found = address(text)
    assert isinstance(found, Server)
    assert not found.url.endswith("/")
    assert address(found.url) == found


@pytest.mark.parametrize("text", HOSTS)
def test_a_host_is_known_to_be_this_machine_or_not(text: str) -> None:
    found, is_loopback = HOSTS[text]
    assert host(text, what="listen") == found
    assert found.is_loopback is is_loopback
    assert host(str(found), what="listen") == found


@pytest.mark.parametrize("text", ["", ":8420", "8420", "127.0.0.1", "::1:8420", "*:80", "a b:1"])
def test_what_is_no_host_and_port_is_told(text: str) -> None:
    with pytest.raises(Malformed, match=r"^listen: expected "):
        host(text, what="listen")


@given(st.text(max_size=60) | st.text("aA0:/@?#[]%.\x00\n é", max_size=40))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    for scheme in ("", "https://", "http://", "sqlite://", "postgresql://"):
        try:
            found = address(scheme + text)
        except Malformed:
            continue
        assert str(found)

"""Settings say where things are: flag before environment before file, and nothing by mistake."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.address import Database, Directory, Host
from deploytrail.app.settings import Given, Settings, Tls, line_of, parsed, settings
from deploytrail.errors import Misconfigured, NotFound, NotPermitted
from tests.conftest import ROOT

WHOLE = """\
# Where things are.
[trail]
log = "sqlite:///var/lib/deploytrail"
key = "file:/etc/deploytrail/key"
listen = "10.0.0.1:8420"
tls_certificate = "/etc/deploytrail/chain.pem"
tls_key = "/etc/deploytrail/key.pem"
behind_proxy = false
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """A user's environment with nothing of ours in it."""
    return {"HOME": str(tmp_path)}


def read(text: str, folder: Path, environment: dict[str, str], **given: Any) -> Settings:
    file = folder / "deploytrail.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    return settings(Given(config=file, **given), environment)


def test_a_file_says_where_everything_is(tmp_path: Path, home: dict[str, str]) -> None:
    assert read(WHOLE, tmp_path, home) == Settings(
        log=Directory(Path("/var/lib/deploytrail")),
        key="file:/etc/deploytrail/key",
        listen=Host("10.0.0.1", 8420),
        tls=Tls(Path("/etc/deploytrail/chain.pem"), Path("/etc/deploytrail/key.pem")),
        behind_proxy=False,
        file=tmp_path / "deploytrail.toml",
    )


@pytest.mark.parametrize("text", ["", "[trail]", "trail = {}", "\r\n[trail]\r\n"])
def test_what_is_not_said_is_what_suits_a_laptop(
    text: str, tmp_path: Path, home: dict[str, str]
) -> None:
    assert read(text, tmp_path, home) == Settings(
        log=Directory(tmp_path / ".local/share/deploytrail"),
        key=None,
        listen=Host("127.0.0.1", 8420),
        tls=None,
        behind_proxy=False,
        file=tmp_path / "deploytrail.toml",
    )


def test_without_any_file_there_are_settings(home: dict[str, str]) -> None:
    assert settings(Given(), home).file in {None, Path("/etc/deploytrail/deploytrail.toml")}


def test_files_are_looked_for_in_order(tmp_path: Path, home: dict[str, str]) -> None:
    named, own, usual = tmp_path / "named.toml", tmp_path / "xdg", tmp_path / ".config"
    for path, port in ((named, 1), (own / "deploytrail/deploytrail.toml", 2),
                       (usual / "deploytrail/deploytrail.toml", 3)):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'[trail]\nlisten = "127.0.0.1:{port}"\n')
    assert settings(Given(), home).listen.port == 3
    environment = home | {"XDG_CONFIG_HOME": str(own)}
    assert settings(Given(), environment).listen.port == 2
    environment |= {"DEPLOYTRAIL_CONFIG": str(named)}
    assert settings(Given(), environment).listen.port == 1
    path = usual / "deploytrail/deploytrail.toml"
    assert settings(Given(config=path), environment).listen.port == 3


def test_a_file_that_was_named_must_be_there(tmp_path: Path, home: dict[str, str]) -> None:
    with pytest.raises(NotFound, match="--config or DEPLOYTRAIL_CONFIG"):
        settings(Given(), home | {"DEPLOYTRAIL_CONFIG": str(tmp_path / "none")})
    with pytest.raises(NotFound, match="Is a directory"):
        settings(Given(config=tmp_path), home)


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, home: dict[str, str]) -> None:
    file = tmp_path / "deploytrail.toml"
    file.write_text(WHOLE)
    file.chmod(0)
    if os.access(file, os.R_OK):
        # Who may read everything is told of nothing.
        assert settings(Given(config=file), home).file == file
        return
    with pytest.raises(NotPermitted, match="run as one who may"):
        settings(Given(config=file), home)


def test_a_flag_goes_before_the_environment_and_that_before_the_file(
    tmp_path: Path, home: dict[str, str]
) -> None:
    environment = home | {"DEPLOYTRAIL_HOME": "/srv/trail", "DEPLOYTRAIL_KEY": "env:KEY"}
    found = read(WHOLE, tmp_path, environment)
    assert (found.log, found.key) == (Directory(Path("/srv/trail")), "env:KEY")
    found = read(
        WHOLE,
        tmp_path,
        environment,
        log="postgresql://db/trail",
        listen="[::1]:1",
        tls_certificate=Path("c"),
        tls_key=Path("k"),
        behind_proxy=True,
    )
    assert found.log == Database("postgresql://db/trail")
    assert (found.listen, found.tls) == (Host("::1", 1), Tls(Path("c"), Path("k")))
    assert found.behind_proxy


def test_a_url_names_the_store_unless_it_is_a_servers(home: dict[str, str]) -> None:
    environment = home | {"DEPLOYTRAIL_URL": "postgresql://db/trail"}
    assert settings(Given(), environment).log == Database("postgresql://db/trail")
    environment = home | {
        "DEPLOYTRAIL_URL": "https://trail.example.org",
        "DEPLOYTRAIL_HOME": "/srv/trail",
    }
    assert settings(Given(), environment).log == Directory(Path("/srv/trail"))
    environment = home | {
        "DEPLOYTRAIL_URL": "sqlite:///srv/trail",
        "DEPLOYTRAIL_HOME": "/srv/trail",
    }
    assert settings(Given(), environment).log == Directory(Path("/srv/trail"))


def test_two_stores_in_the_environment_are_one_too_many(home: dict[str, str]) -> None:
    environment = home | {
        "DEPLOYTRAIL_URL": "sqlite:///srv/other",
        "DEPLOYTRAIL_HOME": "/srv/trail",
    }
    with pytest.raises(Misconfigured, match="unset one of them"):
        settings(Given(), environment)


def test_beside_a_database_the_home_is_where_the_key_is(home: dict[str, str]) -> None:
    url = "postgresql://alice:hunter2@db/trail"
    environment = home | {"DEPLOYTRAIL_URL": url, "DEPLOYTRAIL_HOME": "/srv/trail"}
    assert settings(Given(), environment).log == Database(url)


OPEN = {
    "every address": 'listen = "0.0.0.0:8420"',
    "every v6 address": 'listen = "[::]:8420"',
    "one of a network": 'listen = "10.0.0.1:8420"',
    "a name": 'listen = "trail.example.org:8420"',
}


@pytest.mark.parametrize("reason", OPEN)
def test_beyond_this_machine_it_takes_tls_or_a_proxy(
    reason: str, tmp_path: Path, home: dict[str, str]
) -> None:
    text = f"[trail]\n{OPEN[reason]}\n"
    with pytest.raises(Misconfigured, match=r"--tls-certificate .* or say --behind-proxy"):
        read(text, tmp_path, home)
    assert read(f"{text}behind_proxy = true\n", tmp_path, home).behind_proxy
    assert read(f'{text}tls_certificate = "/c"\ntls_key = "/k"\n', tmp_path, home).tls


def test_settings_are_shown_without_what_may_be_secret(
    tmp_path: Path, home: dict[str, str]
) -> None:
    text = '[trail]\nlog = "postgresql://a:hunter2@db/t"\nkey = "command:vault -p hunter2"\n'
    found = read(text, tmp_path, home)
    assert found.key == "command:vault -p hunter2"
    assert "hunter2" not in f"{found} {found!r} {[found]}"


BAD = {
    "no TOML": ("[trail\n", "at line 1, column 7"),
    "a value without end": ('[trail]\nlog = "x\n', "at line 2"),
    "a setting twice": ('[trail]\nlog = "/a"\nlog = "/b"\n', "at line 3"),
    "a table twice": ("[trail]\n[trail]\n", "at line 2"),
    "no UTF-8": ("[trail]\nlog = '\udcff'\n", "expected UTF-8"),
    "UTF-16": ("\udcff\udcfe[\x00t\x00", "expected UTF-8"),
    "a zero byte": ("[trail]\nlog = '\x00'\n", "expected TOML"),
    "a byte order mark": ("\ufeff[trail]\n", "expected TOML"),
    "too many levels": (f"x = {'[' * 30_000}", "too many levels"),
    "a number of very many digits": (f"x = {'9' * 5000}", "expected TOML"),
    "a day that is none": ("x = 2026-02-30", "expected TOML"),
    "too much": ("#" * 65_537, "expected at most 65536 bytes"),
    "a mistyped setting": ('[trail]\nlog = "/a"\nlistne = "x"\n', "line 3: "),
    "its right name": ('[trail]\nlistne = "x"\n', "did you mean listen?"),
    "a mistyped table": ("\n[trial]\nlog = '/a'\n", "line 2: "),
    "the table's right name": ("[trial]\n", "did you mean trail?"),
    "a setting without its table": ('log = "/a"\n', "it belongs below [trail]"),
    "a setting that nobody knows": ("[trail]\nworkers = 4\n", "there is log, key, listen, "),
    "a setting in a table of its own": ("[trail]\n[trail.tls]\nkey = 1\n", "line 2: "),
    "a dotted setting": ("trail.workers = 4\n", "line 1: "),
    "an empty name": ("[trail]\n'' = 4\n", "found ''"),
    "a name of other letters": ("[trail]\n\"l\\u043eg\" = '/a'\n", "found 'l\\u043eg'"),
    "a value as the table": ("trail = 1\n", "expected the table [trail]"),
    "a list of tables": ("[[trail]]\n", "expected the table [trail]"),
    "a number as a path": ("[trail]\nlog = 1\n", "line 2: log: expected text"),
    "text as a flag": ("[trail]\nbehind_proxy = 'yes'\n", "line 2: behind_proxy: expected true"),
    "a number as a flag": ("[trail]\nbehind_proxy = 1\n", "expected true or false"),
    "a flag as text": ("[trail]\nlisten = true\n", "line 2: listen: expected text"),
    "a list of hosts": ("[trail]\nlisten = ['127.0.0.1:1']\n", "listen: expected text"),
    "an empty log": ("[trail]\nlog = ''\n", "line 2: log: expected sqlite:///"),
    "a relative log": ("[trail]\nlog = 'trail'\n", "line 2: log: expected an absolute path"),
    "a log of a user's home": ("[trail]\nlog = '~/trail'\n", "expected an absolute path"),
    "a log behind a server": ("[trail]\nlog = 'https://a'\n", "name its store"),
    "a log of another database": ("[trail]\nlog = 'mysql://a'\n", "line 2: log: expected"),
    "a relative certificate": ("[trail]\ntls_certificate = 'c'\n", "line 2: tls_certificate: "),
    "a policy": ("[trail]\nwitnesses = '/etc/policy'\n", "witnesses"),
    "a zero byte in a path": ('[trail]\ntls_key = "/a\\u0000"\n', "expected an absolute path"),
    "a certificate alone": ("[trail]\ntls_certificate = '/c'\n", "tls_key: is missing beside"),
    "a certificate's key alone": ("[trail]\ntls_key = '/k'\n", "tls_certificate: is missing"),
    "no port": ("[trail]\nlisten = '127.0.0.1'\n", "line 2: listen: expected HOST:PORT"),
    "a host of nothing": ("[trail]\nlisten = ':8420'\n", "0.0.0.0 or [::]"),
    "a port too high": ("[trail]\nlisten = '[::1]:65536'\n", "a port of at most 65535"),
    "the key itself": ("[trail]\nkey = 'hunter2'\n", "never the key itself"),
    "a key from nowhere": ("[trail]\nkey = 'file:'\n", "expected file:PATH"),
    "a relative key": ("[trail]\nkey = 'file:key'\n", "absolute path behind file:"),
    "a name in a text of many lines": (
        "[trail]\nkey = '''\nworkers = 1\n'''\nworkers = 2\n",
        "line 5: ",
    ),
    "a name in a remark": ("[trail]\n# workers = 1\nworkers = 2\n", "line 3: "),
}


@pytest.mark.parametrize("reason", BAD)
def test_bad_settings_are_refused_with_where_and_what(
    reason: str, tmp_path: Path, home: dict[str, str]
) -> None:
    text, told = BAD[reason]
    with pytest.raises(Misconfigured) as caught:
        read(text, tmp_path, home)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 600
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"log": "https://a"}, "--url: expected where the log is kept"),
        ({"log": ""}, "--url: expected"),
        ({"listen": "x"}, "--listen: expected"),
        ({"tls_key": Path("k")}, "tls_certificate: is missing"),
    ],
)
def test_a_bad_flag_is_named(
    given: dict[str, object], told: str, tmp_path: Path, home: dict[str, str]
) -> None:
    with pytest.raises(Misconfigured) as caught:
        read("", tmp_path, home, **given)
    assert told in str(caught.value)


@given(
    st.binary(max_size=200)
    | st.lists(
        st.sampled_from(
            [
                "[trail]",
                "'/a'",
                "'''",
                "log",
                "listen",
                "key",
                "behind_proxy",
                "true",
                *'=[]{}#.,1"\n',
            ]
        ),
        max_size=30,
    ).map(lambda words: " ".join(words).encode())
)
def test_no_bytes_do_more_than_be_refused(octets: bytes) -> None:
    try:
        found = parsed(octets, Path("f"))
    except Misconfigured:
        return
    assert set(found.values) <= {"log", "key", "listen", "behind_proxy"}


def test_a_name_that_is_said_very_often_has_no_line() -> None:
    text = "x = '''\n" + "a = 1\n" * 1000 + "'''\na = 1\n"
    assert line_of(text, "a") is None
    assert line_of("x = 1\na = 1\n", "a") == 2
    assert line_of("x = 1\n", "a") is None


def test_the_documented_settings_are_settings(tmp_path: Path, home: dict[str, str]) -> None:
    page = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
    text = page.partition("```toml\n")[2].partition("```")[0]
    found = read(text, tmp_path, home)
    assert found.listen == Host("127.0.0.1", 8420)
    assert [name for name in _SETTINGS if f"\n{name} = " not in text] == []


_SETTINGS = ("log", "key", "listen", "tls_certificate", "tls_key", "behind_proxy")

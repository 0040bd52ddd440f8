"""The settings of a server: where things are, and nothing else (`deploytrail.toml`).

A flag goes before the environment, and that before the file. Pure but for reading the file: what
it names may not be there. An address that could tell a password is only ever shown without it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import Struct

from deploytrail.address import Address, Database, Directory, Host, Server, address, host
from deploytrail.errors import Malformed, Misconfigured, NotFound, NotPermitted
from deploytrail.xdg import config_directory, data_directory

FILE_BYTES_MAX: Final = 65_536
LISTEN: Final = Host("127.0.0.1", 8420)
SYSTEM_FILE: Final = Path("/etc/deploytrail/deploytrail.toml")
_NAME: Final = "deploytrail.toml"
_KEY_FORMS: Final = "file:PATH, env:NAME or command:COMMAND"

Store = Directory | Database


class Tls(NamedTuple):
    """The files of a certificate chain and its key, in PEM."""

    certificate: Path
    key: Path


class Given(Struct, frozen=True, kw_only=True):
    """What the command line says; None is what it leaves to others."""

    config: Path | None = None
    log: str | None = None
    listen: str | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool | None = None


class Settings(NamedTuple):
    """Where things are. `key` is as DEPLOYTRAIL_KEY has it; None is the file beside the log.

    `file` is where settings were read, None where there was none.
    """

    log: Store
    key: str | None
    listen: Host
    tls: Tls | None
    behind_proxy: bool
    file: Path | None

    def __repr__(self) -> str:
        # A key's command may hold a password, too.
        key = None if self.key is None else self.key.partition(":")[0]
        return f"Settings(log={str(self.log)!r}, key={key}, listen={self.listen}, file={self.file})"


def settings(given: Given, environment: Mapping[str, str]) -> Settings:
    """The settings in force.

    Raises Misconfigured, naming where the value stands, and NotFound or NotPermitted for a file
    that was named and can't be read.
    """
    path = _file(given, environment)
    read = _Read(path, {}, "") if path is None else _read(path)
    found = Settings(
        log=_log(given, environment, read),
        key=environment.get("DEPLOYTRAIL_KEY") or read.key(),
        listen=_listen(given, read),
        tls=_tls(given, read),
        behind_proxy=_first(given.behind_proxy, read.flag("behind_proxy"), default=False),
        file=path,
    )
    if found.tls is None and not found.behind_proxy and not found.listen.is_loopback:
        raise Misconfigured(
            f"listen: expected an address of this machine alone such as {LISTEN}, found "
            f"{found.listen}, where everybody on the way would read tokens; give it "
            "--tls-certificate and --tls-key (tls_certificate, tls_key in the settings), or say "
            "--behind-proxy (behind_proxy) where a proxy before it speaks TLS"
        )
    return found


def _first(*found: Any, default: Any) -> Any:
    return next((one for one in found if one is not None), default)


def _file(given: Given, environment: Mapping[str, str]) -> Path | None:
    """The file that was named, or the first of the usual ones that is there."""
    if given.config is not None:
        return given.config
    named = environment.get("DEPLOYTRAIL_CONFIG")
    if named:
        return Path(named)
    own = config_directory(environment)
    usual = [SYSTEM_FILE] if own is None else [own / _NAME, SYSTEM_FILE]
    return next((path for path in usual if _is_there(path)), None)


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # It may be; who reads it next says why that can't be.
        return True
    return True


def _log(given: Given, environment: Mapping[str, str], read: _Read) -> Store:
    if given.log is not None:
        return _store(_addressed(given.log, "--url"), "--url")
    variable = environment.get("DEPLOYTRAIL_URL")
    url = _addressed(variable, "DEPLOYTRAIL_URL") if variable else None
    named = environment.get("DEPLOYTRAIL_HOME")
    home = Directory(Path(named)) if named else None
    # An address of a server is for its clients, among whom we are not.
    if url is not None and not isinstance(url, Server):
        # Beside a database, DEPLOYTRAIL_HOME says where the key is.
        if isinstance(url, Directory) and home not in {None, url}:
            raise Misconfigured(
                f"DEPLOYTRAIL_URL: expected the trail of DEPLOYTRAIL_HOME ({home}), found another "
                f"({url}); unset one of them"
            )
        return url
    return home or read.log() or Directory(data_directory(environment))


def _addressed(text: str, what: str) -> Address:
    try:
        return address(text, what=what)
    except Malformed as error:
        raise Misconfigured(str(error)) from None


def _store(found: Address, what: str) -> Store:
    if isinstance(found, Server):
        raise Misconfigured(
            f"{what}: expected where the log is kept, as sqlite:///DIRECTORY or "
            f"postgresql://HOST/DATABASE, found the server {found}; name its store"
        )
    return found


def _listen(given: Given, read: _Read) -> Host:
    text, what = given.listen, "--listen"
    if text is None:
        text, what = read.text("listen"), read.where("listen")
    try:
        return LISTEN if text is None else host(text, what=what)
    except Malformed as error:
        raise Misconfigured(str(error)) from None


def _tls(given: Given, read: _Read) -> Tls | None:
    certificate = _first(given.tls_certificate, read.path("tls_certificate"), default=None)
    key = _first(given.tls_key, read.path("tls_key"), default=None)
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        there, missing = ("tls_certificate", "tls_key") if key is None else _TLS[::-1]
        raise Misconfigured(f"{missing}: is missing beside {there}; set both, or neither")
    return Tls(certificate, key)


_TLS: Final = ("tls_certificate", "tls_key")


def _read(path: Path) -> _Read:
    try:
        with path.open("rb") as file:
            octets = file.read(FILE_BYTES_MAX + 1)
    except PermissionError:
        raise NotPermitted(
            f"{path}: expected to read these settings, but you may not; name others with --config, "
            "or run as one who may"
        ) from None
    except OSError as error:
        raise NotFound(
            f"{path}: expected settings, found none that can be read ({error.strerror}); name them "
            "with --config or DEPLOYTRAIL_CONFIG"
        ) from None
    return parsed(octets, path)


def parsed(octets: bytes, path: Path) -> _Read:
    """The settings of a file's bytes, all of known names and types; raises Misconfigured."""
    if len(octets) > FILE_BYTES_MAX:
        raise Misconfigured(
            f"{path}: expected at most {FILE_BYTES_MAX} bytes, found more; settings say only "
            "where things are"
        )
    try:
        text = octets.decode("utf-8")
        tables = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path}: expected UTF-8, found other bytes at {error.start}") from None
    except (ValueError, RecursionError) as error:
        # What the parser cites of the file is one character at most.
        why = "too many levels" if isinstance(error, RecursionError) else str(error)
        raise Misconfigured(f"{path}: expected TOML; {why}; mend its syntax") from None
    read = _Read(path, tables.get("trail", {}), text)
    _refuse_unknown(tables, ("trail",), read)
    if not isinstance(read.values, dict):
        raise Misconfigured(f"{read.where('trail')}: expected the table [trail], found a value")
    _refuse_unknown(read.values, tuple(_TYPES), read)
    for name, value in read.values.items():
        # A boolean is no number here, and no text is a path.
        if type(value) is not _TYPES[name][0]:
            raise Misconfigured(f"{read.where(name)}: expected {_TYPES[name][1]}; mend its value")
    return read


_TYPES: Final[Mapping[str, tuple[type, str]]] = {
    "log": (str, 'text such as "sqlite:///var/lib/deploytrail"'),
    "key": (str, 'text such as "file:/etc/deploytrail/key"'),
    "listen": (str, f'text such as "{LISTEN}"'),
    "tls_certificate": (str, "the path of a file as text"),
    "tls_key": (str, "the path of a file as text"),
    "behind_proxy": (bool, "true or false, without quotes"),
}


class _Read(NamedTuple):
    """A file of settings; `values` are those of its one table."""

    file: Path | None
    values: Mapping[str, Any]
    whole: str

    def where(self, name: str) -> str:
        """How an error about a name begins: file, line and name."""
        at = line_of(self.whole, name)
        return f"{self.file}{'' if at is None else f' line {at}'}: {name}"

    def text(self, name: str) -> str | None:
        return self.values.get(name)

    def flag(self, name: str) -> bool | None:
        return self.values.get(name)

    def path(self, name: str) -> Path | None:
        """An absolute one: nobody knows from where a server is started."""
        text = self.text(name)
        if text is None:
            return None
        if not text.startswith("/") or "\x00" in text:
            raise Misconfigured(
                f"{self.where(name)}: expected an absolute path, found {text[:60]!a}; write it "
                "from / on"
            )
        return Path(text)

    def key(self) -> str | None:
        text = self.text("key")
        if text is None:
            return None
        kind, _, value = text.partition(":")
        if kind not in {"file", "env", "command"} or not value:
            raise Misconfigured(
                f"{self.where('key')}: expected {_KEY_FORMS}, found another form; never the key "
                "itself"
            )
        if kind == "file" and not value.startswith("/"):
            raise Misconfigured(f"{self.where('key')}: expected an absolute path behind file:")
        return text

    def log(self) -> Store | None:
        text = self.text("log")
        if text is None:
            return None
        what = self.where("log")
        found = _store(_addressed(text, what), what)
        if isinstance(found, Directory) and not found.path.is_absolute():
            raise Misconfigured(
                f"{what}: expected an absolute path, found {text[:60]!a}; write it from / on"
            )
        return found


def _refuse_unknown(found: Mapping[str, Any], known: Sequence[str], read: _Read) -> None:
    unknown = next((name for name in found if name not in known), None)
    if unknown is None:
        return
    from difflib import get_close_matches

    near = get_close_matches(unknown, [*known, *_TYPES], n=1, cutoff=0.6)
    if near and near[0] in known:
        advice = f"did you mean {near[0]}?"
    elif unknown in _TYPES:
        advice = "it belongs below [trail]"
    else:
        advice = f"there is {', '.join(known)}"
    at = line_of(read.whole, unknown)
    line = "" if at is None else f" line {at}"
    raise Misconfigured(
        f"{read.file}{line}: expected a setting that we know, found {unknown[:60]!a}; {advice}"
    )


def line_of(text: str, name: str) -> int | None:
    """The line, from 1, at which a TOML text first says a name; None where that can't be told.

    The parser tells no places. What stands before the line must be TOML by itself, without that
    name: so a name within a text of several lines is none.
    """
    lines = text.split("\n")
    wanted = re.compile(rf"[\s\[\"']*(?:trail[\s\"'.]+)?{re.escape(name)}[\s\]\"'.=]")
    asked = 0
    for at, line in enumerate(lines):
        if not wanted.match(f"{line} "):
            continue
        asked += 1
        if asked > _LINES_ASKED_MAX:
            return None
        if _stands_alone("\n".join(lines[:at])):
            return at + 1
    return None


_LINES_ASKED_MAX: Final = 20


def _stands_alone(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):
        return False
    return True

"""A trail's address: a directory, a database, or a server; what `DEPLOYTRAIL_URL` may say.

Values only. One spelling each, read strictly; what may be secret in an address (a database's
password) is never in its text, its `repr` or an error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from deploytrail.errors import Malformed

FORMS: Final = "sqlite:///DIRECTORY, postgresql://HOST/DATABASE or https://HOST"
HIDDEN: Final = "***"

_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL).fullmatch
_label: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_is_name = re.compile(rf"{_label}(?:\.{_label})*\.?").fullmatch
_authority = re.compile(r"(?:\[([^\[\]]*)\]|([^\[\]:]*))(?::(0|[1-9][0-9]{0,4}))?").fullmatch
_is_v6 = re.compile(r"[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?").fullmatch
_is_numeric = re.compile(r"[0-9.]+").fullmatch
_foreign = re.compile(r"[^!-~]")
_is_socket = re.compile(r"%2[Ff]").match
# What stands before, in and behind the @ of a database's URL; RFC 3986 has the rest escaped.
_database = re.compile(
    r"(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^:@/?#]*))?@)?"
    r"(?P<hosts>[^@/?#]*)/(?P<name>[^@/?#]+)(?:\?(?P<options>[^@#]*))?"
).fullmatch
_OPTIONS_SHOWN: Final = frozenset(
    {"host", "port", "sslmode", "sslrootcert", "connect_timeout", "application_name", "user"}
    | {"target_session_attrs", "channel_binding", "gssencmode", "sslcert", "sslkey"}
)
"""Of a database's URL: those that can't hold a secret. What is not among them is hidden."""


class Directory(NamedTuple):
    """A trail in the files of a directory."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


class Database(NamedTuple):
    """A trail in PostgreSQL. `url` is whole, with its password: for the driver alone."""

    url: str

    def __str__(self) -> str:
        return _redacted(self.url)

    def __repr__(self) -> str:
        return f"Database({_redacted(self.url)!r})"


class Host(NamedTuple):
    """Where something listens: a name or a number without brackets, and a port."""

    name: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine gets there. Of names, that is true of localhost alone."""
        from ipaddress import ip_address

        try:
            return ip_address(self.name).is_loopback
        except ValueError:
            return self.name == "localhost"

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


class Server(NamedTuple):
    """A trail behind HTTP. Its `url` has no slash at the end."""

    host: Host
    is_tls: bool

    @property
    def url(self) -> str:
        scheme, usual = ("https", 443) if self.is_tls else ("http", 80)
        whole = str(self.host)
        return f"{scheme}://{whole.removesuffix(f':{usual}')}"

    def __str__(self) -> str:
        return self.url


Address: TypeAlias = Directory | Database | Server


def address(text: str, *, what: str = "URL", plain_http: bool = False) -> Address:
    """The address that a text means; a path is that of a directory.

    `what` begins the errors. `plain_http` allows http to other machines, over which everybody on
    the way reads the token. Raises Malformed.
    """
    if not text:
        raise Malformed(f"{what}: expected {FORMS}, or a path, found nothing; say where it is")
    found = _scheme(text)
    if found is None:
        return Directory(_path(text, what))
    scheme, rest = found[1].lower(), found[2]
    foreign = _foreign.search(rest)
    if foreign is not None:
        raise Malformed(
            f"{what}: expected no blanks and nothing but ASCII, found U+{ord(foreign[0]):04X}; "
            "write it as % and two hex digits per byte"
        )
    if scheme == "sqlite":
        return Directory(_sqlite_path(rest, what))
    if scheme in {"postgresql", "postgres"}:
        return _postgres(rest, what)
    if scheme in {"https", "http"}:
        return _server(rest, what, is_tls=scheme == "https", plain_http=plain_http)
    raise Malformed(f"{what}: expected {FORMS}, found {scheme[:20]}://; name one of these")


def database(text: str, *, what: str = "URL") -> Database:
    """As `address`, of a database; raises Malformed for every other one."""
    found = address(text, what=what)
    if not isinstance(found, Database):
        raise Malformed(f"{what}: expected postgresql://HOST/DATABASE, found {found}; name one")
    return found


def host(text: str, *, what: str, port: int | None = None) -> Host:
    """`host:port` or `[v6]:port`, from 0; without a port where one is given. Raises Malformed."""
    found = _authority(text)
    if found is None or (found[3] is None and port is None):
        form = "HOST:PORT such as 127.0.0.1:8420 or [::1]:8420"
        raise Malformed(f"{what}: expected {form}, found {text[:60]!a}; write it so")
    number = int(found[3]) if found[3] is not None else port or 0
    if number > 65_535:
        raise Malformed(f"{what}: expected a port of at most 65535, found {number}; name another")
    return Host(_host_name(found[1], found[2], what), number)


def _host_name(number: str | None, name: str | None, what: str) -> str:
    from ipaddress import ip_address

    try:
        if number is not None:
            if _is_v6(number) and ip_address(number).version == 6:
                return str(ip_address(number))
        elif name and not _is_numeric(name):
            if _is_name(name) and len(name) <= 253:
                return name.lower().removesuffix(".")
        elif name:
            return str(ip_address(name))
    except ValueError:
        pass
    shown = f"[{number}]" if number is not None else name
    advice = "every address of this machine is 0.0.0.0 or [::]" if not shown else "mend it"
    raise Malformed(
        f"{what}: expected a host's name, 127.0.0.1 or [::1], "
        f"found {f'{shown[:60]!a}' if shown else 'none'}; {advice}"
    )


def _path(text: str, what: str) -> Path:
    scheme = text.partition(":")[0].lower()
    # Somebody who forgot a slash would else find a directory of that name made.
    if scheme in {"sqlite", "postgresql", "postgres", "http", "https"} and ":" in text:
        raise Malformed(f"{what}: expected {FORMS}, found {scheme}: without //; write it so")
    if "\x00" in text:
        raise Malformed(f"{what}: expected a path, found a zero byte in it; name another")
    return Path(text)


def _sqlite_path(rest: str, what: str) -> Path:
    if not rest.startswith("/") or "?" in rest or "#" in rest:
        raise Malformed(
            f"{what}: expected sqlite:/// and the absolute path of the trail's directory, such as "
            "sqlite:///var/lib/deploytrail, found another form; write it so"
        )
    return _path(_unquoted(rest, what), what)


def _unquoted(text: str, what: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise Malformed(f"{what}: expected two hex digits behind each %; a % itself is %25")
    octets = re.sub(rb"%(..)", lambda found: bytes.fromhex(found[1].decode()), text.encode("ascii"))
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(f"{what}: expected escapes that are UTF-8, found other bytes") from None


def _postgres(rest: str, what: str) -> Database:
    found = _database(rest)
    if found is None:
        raise Malformed(
            f"{what}: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, found another form; "
            "name the database, and write / : @ ? # in a password as %2F %3A %40 %3F %23"
        )
    for part in found.groupdict(default="").values():
        _unquoted(part, what)
    for one in filter(None, found["hosts"].split(",")):
        # libpq takes a directory of sockets for a host, too.
        if not _is_socket(one):
            host(one, what=what, port=5432)
    return Database(f"postgresql://{rest}")


def _redacted(url: str) -> str:
    found = _database(url.removeprefix("postgresql://"))
    assert found is not None, "made by `address` alone"
    user, password = found["user"], found["password"]
    whose = "" if user is None else f"{user}{'' if password is None else f':{HIDDEN}'}@"
    shown = f"postgresql://{whose}{found['hosts']}/{found['name']}"
    if found["options"] is None:
        return shown
    return f"{shown}?{'&'.join(map(_redacted_option, found['options'].split('&')))}"


def _redacted_option(option: str) -> str:
    name, _, _ = option.partition("=")
    return option if name in _OPTIONS_SHOWN else f"{name}={HIDDEN}"


def _server(rest: str, what: str, *, is_tls: bool, plain_http: bool) -> Server:
    if "@" in rest:
        raise Malformed(
            f"{what}: expected no user or password, found one; the token goes into "
            "DEPLOYTRAIL_TOKEN"
        )
    authority = rest.removesuffix("/")
    if re.search("[/?#]", authority):
        raise Malformed(
            f"{what}: expected https://HOST or https://HOST:PORT and nothing behind it, found more;"
            " leave that out"
        )
    found = host(authority, what=what, port=443 if is_tls else 80)
    if found.port == 0:
        raise Malformed(f"{what}: expected a port from 1 on, found 0; name the server's")
    if not (is_tls or found.is_loopback or plain_http):
        raise Malformed(
            f"{what}: expected https://, found http:// to {found}: everybody on the way would read "
            "the token; use https, or ask for plain http where the network is your own"
        )
    return Server(found, is_tls)

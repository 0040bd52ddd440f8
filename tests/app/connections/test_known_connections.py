"""Which connections there are is known at once, and changes within two seconds of its event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploytrail.app.connections.configuring import applied, apply
from deploytrail.app.connections.known_connections import KnownConnections, offers, to_import
from deploytrail.app.connections.references import resolved
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.errors import Misconfigured, NotFound
from deploytrail.event import Actor, Raw
from deploytrail.intake import declared
from deploytrail.kit.draft import Place as Told
from tests.app.places import Place, place

FILES = {
    "environments.toml": b'[prod]\nclass = "prod"\naliases = ["live"]\n',
    "connections.toml": b'[opa]\nsource = "opa"\nsecrets = ["env:A", "file:/FILE"]\n',
}


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return place(tmp_path)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("the secret in a file\n")
    return path


def put(
    trail: StoredTrail, there: Place, secret: Path, *, end: bytes = b"", keep: bool = True
) -> None:
    files = {name: text.replace(b"/FILE", str(secret).encode()) for name, text in FILES.items()}
    files["connections.toml"] = files["connections.toml"] + end if keep else b""
    before = applied(trail.store.reading, offers())
    by = Actor(type="user", id="os:bob")
    new = declared.read(files, offers())
    apply(trail.recorder, before, new, clock=there.clock, by=by)


def known(trail: StoredTrail, there: Place) -> KnownConnections:
    given = {"A": "the secret in a variable"}
    return KnownConnections(trail.store.reading, there.clock, given)


def test_a_connection_is_known_with_its_secrets(there: Place, secret: Path) -> None:
    with there.opened() as trail:
        put(trail, there, secret)
        of = known(trail, there)
        assert of.at_hand("opa") is None
        found = of.find("opa")
        assert found.secrets == ["the secret in a variable", "the secret in a file"]
        assert of.at_hand("opa") == found
        assert "secret in" not in repr(found)


def test_where_it_belongs_is_by_the_mapping(there: Place, secret: Path) -> None:
    with there.opened() as trail:
        put(trail, there, secret)
        placed = known(trail, there).find("opa").placed
        where: Any = placed(Told(raw=Raw(cluster="a"), environment="live", unit="shop"))
        assert (where.environment, where.environment_class, where.unit) == ("prod", "prod", "shop")


def test_one_that_was_removed_takes_nothing_after_two_seconds(there: Place, secret: Path) -> None:
    with there.opened() as trail:
        put(trail, there, secret)
        of = known(trail, there)
        of.find("opa")
        put(trail, there, secret, keep=False)
        there.clock.advance(seconds=2)
        assert of.at_hand("opa") is None
        with pytest.raises(NotFound, match="none yet"):
            of.find("opa")


def test_one_that_was_declared_a_moment_ago_is_known(there: Place, secret: Path) -> None:
    with there.opened() as trail:
        of = known(trail, there)
        with pytest.raises(NotFound):
            of.find("opa")
        put(trail, there, secret)
        there.clock.advance(seconds=0.3)
        assert of.find("opa").name == "opa"


def test_one_that_is_paused_says_so(there: Place, secret: Path) -> None:
    with there.opened() as trail:
        put(trail, there, secret, end=b"enabled = false\n")
        with pytest.raises(NotFound, match="which is paused"):
            known(trail, there).find("opa")


def test_a_secret_that_is_gone_proves_for_a_minute(there: Place, secret: Path) -> None:
    with there.opened() as trail:
        put(trail, there, secret)
        of = known(trail, there)
        of.find("opa")
        secret.unlink()
        there.clock.advance(seconds=30)
        assert of.find("opa").secrets[1] == "the secret in a file"
        there.clock.advance(seconds=31)
        with pytest.raises(Misconfigured, match="expected a secret, found none that can be read"):
            of.find("opa")


def test_a_secret_that_was_changed_is_read_anew(there: Place, secret: Path) -> None:
    with there.opened() as trail:
        put(trail, there, secret)
        of = known(trail, there)
        of.find("opa")
        secret.write_text("another secret in it\n")
        there.clock.advance(seconds=0.3)
        assert of.find("opa").secrets[1] == "the secret in a file"
        assert of.renewed("opa").secrets[1] == "another secret in it"


REFUSED: dict[str, tuple[str, str]] = {
    "no variable": ("env:NONE", "variable NONE: expected a secret, found nothing"),
    "no file": ("file:/nowhere/at/all", "/nowhere/at/all: expected a secret"),
    "a command that fails": ("command:false --token correct-horse", "command false: expected it"),
    "a command that prints nothing": ("command:true", "command true: expected a secret, found"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_secret_that_can_not_be_had_is_told_without_it(why: str) -> None:
    reference, expected = REFUSED[why]
    with pytest.raises(Misconfigured, match=expected) as refused:
        resolved(reference, {})
    assert "correct-horse" not in str(refused.value)


def test_a_command_prints_a_secret() -> None:
    assert resolved("command:printf 'a b\\n'", {}) == "a b"


def test_files_are_read_as_of_a_source_or_of_a_connection(there: Place, secret: Path) -> None:
    with there.opened() as trail:
        put(trail, there, secret)
        reading = trail.store.reading
        assert to_import(reading, source="opa", connection=None).instance == "import:opa"
        assert to_import(reading, source=None, connection="opa").instance == "opa"
        with pytest.raises(Misconfigured, match="--source: is missing"):
            to_import(reading, source=None, connection=None)
        with pytest.raises(Misconfigured, match="expected opa, as opa is declared"):
            to_import(reading, source="github", connection="opa")

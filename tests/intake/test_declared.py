"""What is declared is read from files as a whole, or refused as a whole; and compared by value."""

from __future__ import annotations

import pytest

from deploytrail.event import Change
from deploytrail.intake import declared
from deploytrail.intake.connections import Offer, Stanza, written
from deploytrail.intake.declared import NOTHING, changes, decode, encode
from deploytrail.intake.edited import edited
from deploytrail.intake.tables import Misdeclared
from deploytrail.kit.poller import Setting

ASKED = {
    "repository": Setting(
        what="the repository", example="acme/infra", form="[^/]+/[^/]+", unless="organization"
    ),
    "organization": Setting(what="its owner", example="acme", is_required=False),
    "hook": Setting(what="the webhook's number", example="12345", form="[0-9]+"),
}
OFFERS = {
    "github": Offer(("github",), ASKED),
    "gitlab": Offer(("gitlab-signing", "gitlab-token")),
    "otlp": Offer(("nothing",), {}),
}
ENVIRONMENTS = b'[prod]\nclass = "prod"\n'
CONNECTIONS = b'[github-acme]\nsource = "github"\nsecrets = ["env:GH_NEW", "env:GH_OLD"]\n'
FILES = {"environments.toml": ENVIRONMENTS, "connections.toml": CONNECTIONS}


def test_files_declare_environments_and_connections() -> None:
    found = declared.read(FILES, OFFERS)
    assert found.connections == {
        "github-acme": Stanza(
            source="github", credential="github", secrets=("env:GH_NEW", "env:GH_OLD")
        )
    }
    assert list(found.places.environments) == ["prod"]


def test_no_files_declare_nothing() -> None:
    assert declared.read({}, OFFERS) == NOTHING


def test_what_was_applied_is_read_again() -> None:
    found = declared.read(FILES, OFFERS)
    assert decode(encode(found), OFFERS).tables() == found.tables()


def test_settings_that_a_source_has_no_more_are_kept() -> None:
    text = (
        '[a]\nsource = "github"\nsecrets = ["env:A"]\ntoken = "env:T"\n'
        'settings = { organization = "acme", hook = "7" }\n'
    )
    found = declared.read({"connections.toml": text.encode()}, OFFERS)
    assert (
        decode(encode(found), {"github": Offer(("github",), {})}).connections == found.connections
    )


def test_a_connection_whose_source_is_gone_is_kept() -> None:
    found = declared.read(FILES, OFFERS)
    assert decode(encode(found), {}).connections == found.connections


FAULTY: dict[str, tuple[str, str]] = {
    "no source": ('[a]\nsecrets = ["env:A"]\n', "line 1: a.source: is missing"),
    "another source": (
        '[a]\nsource = "gitub"\nsecrets = ["env:A"]\n',
        "line 2: a.source: expected a source that is known, found 'gitub'; did you mean github?",
    ),
    "another scheme": (
        '[a]\nsource = "gitlab"\ncredential = "gitlab"\nsecrets = ["env:A"]\n',
        "line 3: a.credential: expected a scheme of gitlab",
    ),
    "no secret": ('[a]\nsource = "github"\n', "a.secrets: is missing"),
    "the secret itself": (
        '[a]\nsource = "github"\nsecrets = ["correct horse battery"]\n',
        "line 3: a.secrets[0]: expected where a secret is, as env:NAME, file:/PATH",
    ),
    "the token itself": (
        '[a]\nsource = "github"\nsecrets = ["env:A"]\ntoken = "correct horse"\n',
        "line 4: a.token: expected where the token is",
    ),
    "a relative file": (
        '[a]\nsource = "github"\nsecrets = ["file:secret"]\n',
        "expected where a secret is",
    ),
    "a secret of nobody": (
        '[a]\nsource = "otlp"\nsecrets = ["env:A"]\n',
        "a.secrets: expected none, since nothing proves this sender",
    ),
    "the trail's own name": (
        '[local]\nsource = "github"\nsecrets = ["env:A"]\n',
        "expected the name of a connection",
    ),
    "capitals": ('[GitHub]\nsource = "github"\nsecrets = ["env:A"]\n', "found 'GitHub'"),
    "a number": ("a = 1\n", "line 1: a: expected a table such as [github-acme], found 1"),
    "a token for a source that is never asked": (
        '[a]\nsource = "otlp"\ntoken = "env:T"\n',
        "line 3: a.token: expected none, since otlp sends by itself",
    ),
    "a setting of a source that is never asked": (
        '[a]\nsource = "otlp"\nsettings = { hook = "1" }\n',
        "line 3: a.settings.hook: expected none, since its source has none",
    ),
    "a token without what asking needs": (
        '[a]\nsource = "github"\nsecrets = ["env:A"]\ntoken = "env:T"\n',
        "a.settings.hook: is missing, which asking with a token needs; expected the webhook's",
    ),
    "neither of two": (
        '[a]\nsource = "github"\nsecrets = ["env:A"]\ntoken = "env:T"\n',
        "a.settings.repository: is missing, which asking with a token needs, or organization",
    ),
    "both of two": (
        '[a]\nsource = "github"\nsecrets = ["env:A"]\n[a.settings]\norganization = "acme"\n'
        'repository = "acme/infra"\n',
        "line 6: a.settings.repository: expected it only without organization",
    ),
    "an unknown setting": (
        '[a]\nsource = "github"\nsecrets = ["env:A"]\nsettings = { hok = "1" }\n',
        "line 4: a.settings.hok: expected a setting that its source has, found 'hok'; did you mean",
    ),
    "a setting of another form": (
        '[a]\nsource = "github"\nsecrets = ["env:A"]\nsettings = { hook = "x" }\n',
        "line 4: a.settings.hook: expected the webhook's number, such as 12345, found 'x'",
    ),
    "no TOML": ("[a\n", "expected TOML"),
    "too many secrets": (
        '[a]\nsource = "github"\nsecrets = ["env:A", "env:B", "env:C", "env:D", "env:E"]\n',
        "expected a list of at most 4, found 5",
    ),
}


@pytest.mark.parametrize("why", FAULTY)
def test_what_is_wrong_is_told_without_what_may_be_a_secret(why: str) -> None:
    text, expected = FAULTY[why]
    with pytest.raises(Misdeclared) as refused:
        declared.read({"connections.toml": text.encode()}, OFFERS)
    assert any(expected in each for each in refused.value.faults), refused.value.faults
    assert "correct horse" not in str(refused.value.faults)


def test_all_faults_of_all_files_are_told() -> None:
    bad = {"environments.toml": b"[prod]\n[dev]\n", "connections.toml": b"[a]\n"}
    with pytest.raises(Misdeclared) as refused:
        declared.read(bad, OFFERS)
    assert len(refused.value.faults) == 4


def test_a_difference_is_told_value_by_value() -> None:
    old = declared.read(FILES, OFFERS)
    new = declared.read(
        {
            "connections.toml": CONNECTIONS.replace(b'"env:GH_NEW", ', b"")
            + b'[lab]\nsource = "gitlab"\nsecrets = ["env:LAB"]\n'
        },
        OFFERS,
    )
    assert changes(old, new) == (
        Change(path="environments.prod.class", op="remove", old='"prod"'),
        Change(path="environments.prod.mode", op="remove", old='"guarded"'),
        Change(path="environments.prod.gate", op="remove", old='"off"'),
        Change(
            path="connections.github-acme.secrets",
            op="update",
            old='["env:GH_NEW","env:GH_OLD"]',
            new='["env:GH_OLD"]',
        ),
        Change(path="connections.lab.source", op="add", new='"gitlab"'),
        Change(path="connections.lab.credential", op="add", new='"gitlab-signing"'),
        Change(path="connections.lab.secrets", op="add", new='["env:LAB"]'),
        Change(path="connections.lab.enabled", op="add", new="true"),
    )


def test_what_is_the_same_has_no_difference() -> None:
    other = b'# a remark\n[github-acme]\ncredential = "github"\n' + CONNECTIONS.split(b"\n", 1)[1]
    found = declared.read(FILES | {"connections.toml": other}, OFFERS)
    assert changes(declared.read(FILES, OFFERS), found) == ()


def test_a_stanza_that_is_written_is_read_the_same() -> None:
    stanza = Stanza(
        source="gitlab",
        credential="gitlab-token",
        secrets=('command:pass show "a b"',),
        token="env:LAB",
        settings={"group": "acme"},
    )
    found = declared.read({"connections.toml": written("lab", stanza).encode()}, OFFERS)
    assert found.connections == {"lab": stanza}


def test_a_value_is_changed_in_place() -> None:
    text = (
        '# ours\n[a]\nsource = "github" # of acme\nsecrets = [\n  "env:A", # old\n]\n\n[b]\nx = 1\n'
    )
    assert edited(text, ("a", "secrets"), '["env:B"]') == (
        '# ours\n[a]\nsource = "github" # of acme\nsecrets = ["env:B"]\n\n[b]\nx = 1\n'
    )

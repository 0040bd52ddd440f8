"""What others say of an event, without the secrets that they say with it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, get_args

import msgspec
import pytest

from deploytrail.event import ConcealedText, Event
from deploytrail.redact import fingerprint
from deploytrail.redacted_event import FREE_TEXT, redacted
from tests.events import body, event

TOKEN = "ghp" + "_16C7e42F292c6912E7710c838347Ae178B4a"
SECRET = "hunter2-correct-horse"
KEY = b"k" * 32
SECRET_CHANGES: dict[str, dict[str, Any]] = {
    "it is marked": {"path": "value", "sensitive": True, "new": f'"{SECRET}"'},
    "its name says so": {"path": "db.password", "new": f'"{SECRET}"'},
    "a name in brackets says so": {"path": 'tags["api_key"]', "old": f'"{SECRET}"'},
    "a name before a position says so": {"path": "passwords[0]", "new": f'"{SECRET}"'},
    "its inner name says so": {"path": "config", "new": f'{{"password": "{SECRET}", "port": 1}}'},
    "it is a token": {"path": "url", "new": f'"https://example.test/{TOKEN}"'},
    "it stands in a URL": {"path": "url", "new": f'"https://alice:{SECRET}@example.test"'},
    "it is no JSON": {"path": "text", "new": f"password={SECRET}"},
}


def redact(**said: Any) -> dict[str, Any]:
    read = msgspec.json.decode(body(**said), type=Event)
    clean = redacted(read, partial(fingerprint, KEY))
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(clean))
    return found


def free_texts(struct: type[msgspec.Struct], pointer: str = "") -> Iterator[str]:
    """The pointers of all fields of `ConcealedText`, read off the types."""
    for field in msgspec.structs.fields(struct):
        own = f"{pointer}/{field.encode_name}"
        for hint in parts(struct.__annotations__[field.name]):
            if hint == ConcealedText:
                yield own
            elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
                yield from free_texts(hint, own)


def parts(hint: Any) -> Iterator[Any]:
    """A type, and all that it is made of."""
    yield hint
    for inner in get_args(hint):
        yield from parts(inner)


def test_every_field_of_free_text_is_masked() -> None:
    rest = {"/changes/old", "/changes/new", "/command/arguments"}
    assert set(free_texts(Event)) == FREE_TEXT | rest


def test_an_event_without_secrets_stays_the_same() -> None:
    said = event()
    assert redacted(said, partial(fingerprint, KEY)) is said


def test_a_password_in_free_text_is_masked() -> None:
    found = redact(
        reason={"from": "stated", "text": f"with password={SECRET}"},
        error={"code": "1", "text": f"login failed: token: {SECRET}"},
        vcs={"message": f"key {TOKEN}"},
        policy={
            "engine": "opa",
            "decision": "deny",
            "violations": [{"rule": "r", "text": f"api_key={SECRET}"}],
        },
    )
    text = msgspec.json.encode(found)
    assert SECRET.encode() not in text
    assert TOKEN.encode() not in text
    assert found["reason"]["text"] == "with password=[masked:value]"


def test_a_token_in_a_name_is_masked_and_an_address_stays() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf"
    found = redact(
        targets=[{"type": "resource", "id": arn}, {"type": "resource", "id": TOKEN}],
        links={"repository": f"https://alice:{SECRET}@git.example.test/acme/infra"},
    )
    assert [target["id"] for target in found["targets"]] == [arn, "[masked:github-token]"]
    assert found["links"]["repository"] == "https://[masked:userinfo]@git.example.test/acme/infra"


def test_arguments_and_variables_are_shown_as_those_of_a_run() -> None:
    command = {
        "tool": "terraform",
        "arguments": ["apply", "-var", f"password={SECRET}"],
        "variables": {"AWS_SECRET_ACCESS_KEY": SECRET, "TF_WORKSPACE": "blue"},
    }
    found = redact(command=command)["command"]
    assert found["arguments"] == ["apply", "-var", "password=[masked:value]"]
    assert found["variables"] == {"AWS_SECRET_ACCESS_KEY": "[masked:value]", "TF_WORKSPACE": "blue"}


@pytest.mark.parametrize("case", SECRET_CHANGES)
def test_a_secret_that_changed_is_dropped(case: str) -> None:
    (change,) = redact(changes=[{"op": "update"} | SECRET_CHANGES[case]])["changes"]
    text = msgspec.json.encode(change)
    assert SECRET.encode() not in text
    assert TOKEN.encode() not in text


def test_of_a_dropped_value_a_fingerprint_remains() -> None:
    change = {"path": "db.password", "op": "update", "old": '"a-long-one"', "new": f'"{SECRET}"'}
    (kept,) = redact(changes=[change])["changes"]
    assert kept == {
        "path": "db.password",
        "op": "update",
        "sensitive": True,
        "old_fingerprint": fingerprint(KEY, "db.password", '"a-long-one"'),
        "new_fingerprint": fingerprint(KEY, "db.password", f'"{SECRET}"'),
    }


def test_what_is_no_secret_in_a_change_stays_as_it_came() -> None:
    change = {"path": "size", "op": "update", "old": '{ "a" : 1.50 }', "new": "null"}
    assert redact(changes=[change])["changes"] == [change]

"""What others say of an event, without the secrets that they say with it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from deploytrail import redacted_event
from deploytrail.errors import Malformed
from deploytrail.event import (
    EVENT_BYTES_MAX,
    Change,
    Client,
    Command,
    ConcealedText,
    Event,
    Reason,
    Target,
    Vcs,
)
from deploytrail.redact import fingerprint, mask
from deploytrail.redacted_event import FREE_TEXT, cut, masked, redacted
from tests.events import body, event, events
from tests.searching import examples

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


def test_what_a_mask_makes_too_long_is_cut_and_the_mask_stays_whole() -> None:
    name = f"acme/{'x' * 480}://a:b@example.test"
    said = event(targets=(Target(type="repository", id="x", name=name.ljust(512, "y")),))
    with pytest.raises(Malformed, match="targets"):
        redacted(said, partial(fingerprint, KEY))

    found = masked(said, partial(fingerprint, KEY)).targets[0].name

    assert found is not None
    assert len(found) == 512
    assert "://[masked:userinfo]@" in found


CUTS = {
    "it fits": ("ab[masked:value]", 16, "ab[masked:value]"),
    "its end goes": ("[masked:value]abcdef", 16, "[masked:value]ab"),
    "what stands before the mask goes": ("abcdef[masked:value]", 16, "ab[masked:value]"),
    "the mask before is not cut": ("[masked:jwt]a[masked:value]", 20, "[masked:value]"),
    "a mask and no more": ("abc[masked:value]", 14, "[masked:value]"),
}


@pytest.mark.parametrize("case", CUTS)
def test_a_masked_text_is_cut_where(case: str) -> None:
    text, length_max, expected = CUTS[case]
    assert cut(text, length_max) == expected


@given(st.text("ab://@pw=x [masked:value]", max_size=2000))
def test_no_text_is_too_long_after_its_mask(text: str) -> None:
    said = event(targets=(Target(type="x", name=text[:512] or None, id=text[-1024:] or None),))

    clean = masked(said, partial(fingerprint, KEY))

    assert msgspec.convert(msgspec.to_builtins(clean), Event, strict=False) == clean


def test_an_event_of_short_secrets_is_no_larger_than_an_event_may_be() -> None:
    text = ("https://a:b@c " * 1200)[:16_384]
    said = event(
        reason=Reason(from_="stated", text=text),
        vcs=Vcs(message=text),
        client=Client(user_agent=text),
        targets=tuple(Target(type="x", id="https://a:b@c/" * 4) for _ in range(100)),
    )
    assert len(msgspec.json.encode(said)) <= EVENT_BYTES_MAX

    clean = masked(said, partial(fingerprint, KEY))

    assert len(msgspec.json.encode(clean)) <= EVENT_BYTES_MAX
    assert b"a:b" not in msgspec.json.encode(clean)


def test_free_text_that_a_source_allows_passes_the_masks_of_shapes_only() -> None:
    said = event(client=Client(user_agent=f"token=acme-12 {TOKEN}"))
    allowed = masked(said, partial(fingerprint, KEY), allow=frozenset({"/client/user_agent"}))
    usual = masked(said, partial(fingerprint, KEY))

    assert usual.client == Client(user_agent="token=[masked:value] [masked:github-token]")
    assert allowed.client == Client(user_agent="token=acme-12 [masked:github-token]")


def test_a_secret_as_the_name_of_a_variable_or_a_key_is_masked() -> None:
    said = event(
        command=Command(tool="x", variables={TOKEN: "1"}),
        changes=(Change(path="x", op="update", new=f'{{"{TOKEN}": 1}}'),),
    )
    assert TOKEN.encode() not in msgspec.json.encode(masked(said, partial(fingerprint, KEY)))


_WORDS = st.sampled_from(
    [
        *("pass", "word", "token", "key", "auth", "pin", "Authorization", "Cookie", "bearer ", "x"),
        *(
            "=",
            ":",
            ": ",
            " ",
            "\n",
            "\t",
            '"',
            "\\",
            "'",
            "?",
            "&",
            "@",
            "://",
            "-",
            "--",
            "<",
            ">",
        ),
        *(
            "1234",
            "hunter2",
            "A" * 16,
            "ghp" + "_",
            "sk" + "-",
            "eyJ" + "hbGciOi",
            ".",
            "é",
            "ſ",
            "\x01",
        ),
        *(
            "hooks.slack" + ".com/",
            "AKIA" + "IOSFODNN7EXAMPLE",
            "whsec" + "_",
            "0" * 40,
            "curl -u ",
        ),
    ]
)


@given(events(), st.lists(_WORDS, max_size=12).map("".join))
@examples(300)
def test_an_event_that_is_passed_over_as_a_whole_has_nothing_to_mask(
    said: Event, text: str
) -> None:
    said = structs.replace(said, reason=Reason(from_="stated", text=text), command=None, changes=())
    said = structs.replace(said, targets=(Target(type="x", id=text[:1024] or None),))
    slow = redacted_event._Masking(partial(fingerprint, KEY), b"", is_cutting=True).of(said)

    assert masked(said, partial(fingerprint, KEY)) == slow


@given(_WORDS, st.lists(_WORDS, max_size=12).map("".join))
@examples(300)
def test_a_changed_value_is_hidden_by_its_name_or_not_whether_masks_look_at_it(
    key: str, value: str
) -> None:
    named = f'{key}="{value}"'
    is_masked = mask(named) not in (named, f'{key}="{mask(value)}"')

    assert redacted_event._is_given_away(key, value) == (is_masked and bool(value))


@given(events())
def test_masking_an_event_twice_is_masking_it_once(said: Event) -> None:
    once = masked(said, partial(fingerprint, KEY))
    assert masked(once, partial(fingerprint, KEY)) == once


def test_a_lone_surrogate_of_a_program_does_not_stop_the_masks() -> None:
    said = event(reason=Reason(from_="stated", text=f"\ud800 {TOKEN}"))
    clean = masked(said, partial(fingerprint, KEY))
    assert clean.reason == Reason(from_="stated", text="\ud800 [masked:github-token]")

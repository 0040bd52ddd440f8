"""Random filters and random events that have something to do with each other.

Both draw from one small vocabulary, so that filters match, and from its awkward values: what SQL
takes for a wildcard, quotes, other scripts, case. A person has one name, as the log knows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from deploytrail.clock import microseconds, rfc3339
from deploytrail.event import Event
from deploytrail.query.fields import FIELDS, Field, Kind, folded
from deploytrail.query.tree import (
    And,
    Between,
    Exists,
    Filter,
    Is,
    Leaf,
    Not,
    Or,
    StartsWith,
    Within,
    Words,
)
from deploytrail.query.words import words
from tests.events import new_id
from tests.fakes import NOON

PERSONS: Final = (
    ("github:alice", "Alice Example", "YWxpY2UtYWxpY2UtYWxpYw"),
    ("github:bob", "Bob", "Ym9iLWJvYi1ib2ItYm9iLQ"),
    ("gitlab:alice", "Älice 100%", "YWxpY2UtZ2l0bGFiLWFsaQ"),
    ("oidc:a:b_c*", None, "b2lkYy1hLWItYy1vaWRjLQ"),
    ("Mallory", "Mallory 'or' \"1\"=1", "bWFsbG9yeS1tYWxsb3J5LQ"),
)
"""Id, name and pseudonym."""
WORDS: Final = (
    "prod", "Prod", "production", "staging", "dev", "payments", "pay_ments", "100%", "a\\b", "it's",
    'say "no"', "straße", "STRASSE", "é", "e\u0301", "東京", "plan.*", "acme/infra", "a b", "*",
    "-x", "OR", "x,y", "(z)", "😀", "sha256:0a1b", "0a1b", "1.5", "..", "a..b", ">=2",
    "field:value",
)  # fmt: skip
"""Whatever a clear word may be."""
ACTIONS: Final = (
    "deployment.started", "deployment.succeeded", "build.finished", "code.pushed", "plan.created",
)  # fmt: skip
TEXTS: Final = (
    "the read replica lags", "Read-Replica", "replica read", "hotfix for JIRA-7: 100% CPU",
    "", "é1 ünïcode 東京 straße", "a\nb\tc", "<script>alert('x')</script>", "read", "re ad", "  ",
    "aws_instance.web[0]", "x" * 70, "e\u0301te\u0301", "'; DROP TABLE events; --", '{"old":1}',
)  # fmt: skip
"""Whatever a concealed text may be; some are empty of words."""
CAUSES: Final = tuple(new_id() for _ in range(3))
NUMBERS: Final = (0, 1, 2, 3, 999, 1000, 5000, 2**53 - 1)
MOMENTS: Final = tuple(
    NOON + timedelta(microseconds=one) for one in (0, 1, -1, 10**6, 3_600 * 10**6, -86_400 * 10**6)
)

_word = st.sampled_from(WORDS)
_text = st.sampled_from(TEXTS)
_number = st.sampled_from(NUMBERS)
_moment = st.sampled_from(MOMENTS)
_flag = st.booleans()


def _some(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(inner, min_size=1, max_size=3)


def _choice(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from(next(field.choices for field in FIELDS if field.name == name))


def _block(
    optional: dict[str, st.SearchStrategy[Any]], **required: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


def _all(names: str, values: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return dict.fromkeys(names.split(), values)


def _person(types: Sequence[str], *, has_id: bool) -> st.SearchStrategy[dict[str, Any]]:
    who: st.SearchStrategy[dict[str, Any]] = st.just({})
    if has_id:
        who = st.sampled_from(PERSONS).map(
            lambda one: {"id": one[0]} if one[1] is None else {"id": one[0], "name": one[1]}
        )
    auth = _block({}, method=_word, assurance=st.integers(0, 3))
    rest = _block({"roles": _some(_word), "auth": auth}, type=st.sampled_from(types))
    return st.builds(lambda one, other: {**other, **one}, who, rest)


_SOMEBODY = _person(
    next(field.choices for field in FIELDS if field.name == "actor.type"), has_id=True
)
_ACTOR = _SOMEBODY | _person(["anonymous", "unknown", "system"], has_id=False)
_RAW = _block(_all("repository path workspace account cluster namespace application", _word))
_WHERE = _block(
    {
        **_all("project unit environment", _word),
        "environment_class": _choice("class"),
        "raw": _RAW,
    }
)
_LINKS = _block(
    {
        **_all("deployment run commit repository change_request plan artifact trace ref", _word),
        "caused_by": _some(st.sampled_from(CAUSES)),
    }
)
_REASON = _block(
    {"text": _text, "tickets": _some(_word), "incident": _word, "emergency": _flag},
    **{"from": _choice("reason")},
)
_CHANGE = _block({"old": _text, "new": _text}, path=_word, op=st.just("update"))
_VIOLATION = _block({"text": _text}, rule=_word)
_OPTIONAL: Final[dict[str, st.SearchStrategy[Any]]] = {
    "severity": _choice("severity"),
    "observed": _moment,
    "duration_ms": _number,
    "attempt": _number,
    "error": _block({"code": _word, "text": _text}),
    "on_behalf_of": _SOMEBODY,
    "client": _block({"address": _word, "user_agent": _text, "runner": _word}),
    "trigger": _choice("trigger"),
    "where": _WHERE,
    "targets": _some(_block(_all("id name", _word), type=_word)),
    "changes": _some(_CHANGE),
    "reason": _REASON,
    "links": _LINKS,
    "plan": _block({"content_digest": _word}, tool=_word),
    "policy": _block({"violations": _some(_VIOLATION)}, engine=_word, decision=_choice("policy")),
    "approval": _block({}, decision=_choice("approval")),
    "vcs": _block({"message": _text}),
    "artifact": _block({"digest": _word}, type=_word),
    "access": _block({}, permission=_word),
    "command": _block(
        {
            "arguments": _some(_text),
            "variables": st.dictionaries(st.sampled_from(["TF_LOG", "REPLICA"]), _text),
            "directory": _text,
            "exit_code": st.sampled_from([0, 1, 2, 255]),
        },
        tool=_word,
    ),
}  # fmt: skip


def happenings() -> st.SearchStrategy[Event]:
    """Events made of the vocabulary, each with an id of its own.

    Of the types of `event.py`; what `actions.check` knows beyond them is not heeded.
    """
    source = _block({"imported": _flag, "url": _text}, tool=_word, instance=_word)
    whole = _block(
        _OPTIONAL,
        id=st.builds(new_id),
        action=st.sampled_from(ACTIONS),
        outcome=_choice("outcome"),
        time=_moment,
        actor=_ACTOR,
        source=source,
    )
    return whole.map(lambda fields: msgspec.convert(fields, Event))


def shown(event: Event, *, index: int = 0, logged: datetime = NOON) -> dict[str, Any]:
    """An event as a predicate sees it: as `trail.Shown.event`, with index and pseudonyms."""
    plain: dict[str, Any] = msgspec.to_builtins(event)
    for name in ("time", "observed"):
        if name in plain:
            plain[name] = rfc3339(getattr(event, name))
    known = {id: pseudonym for id, _, pseudonym in PERSONS}
    subjects = {
        f"/{name}": known[plain[name]["id"]]
        for name in ("actor", "on_behalf_of")
        if "id" in plain.get(name, ())
    }
    return {**plain, "logged": rfc3339(logged), "index": index, "subjects": subjects}


def shown_events() -> st.SearchStrategy[dict[str, Any]]:
    """As `shown`, at any index and time."""
    return st.builds(
        lambda event, index, logged: shown(event, index=index, logged=logged),
        happenings(),
        _number,
        _moment,
    )


def vocabulary(field: Field) -> Sequence[str]:
    """Folded values that events of the vocabulary have in a field of words or persons."""
    found: set[str]
    if field.kind is Kind.PERSON:
        names = [text for person in PERSONS for text in person if text]
        found = {*names, *(name.partition(":")[2] for name in names)}
    elif field.name in ("action", "caused_by"):
        found = {*(ACTIONS if field.name == "action" else CAUSES)}
    else:
        found = {*(field.choices or WORDS)}
    return sorted({folded(one) for one in found if one})


def filters(
    *, fields: Sequence[Field] = FIELDS, has_words: bool = True, max_leaves: int = 12
) -> st.SearchStrategy[Filter]:
    """Any tree over these fields and the vocabulary; not simplified, and without `Within`."""
    kinds: list[st.SearchStrategy[Leaf]] = [
        st.builds(Exists, st.sampled_from(list(fields))),
        *(leaves(field) for field in fields),
    ]
    if has_words:
        # As often as all fields together.
        kinds += [_phrases(_text | _word)] * len(fields)
    return _trees(st.one_of(kinds), max_leaves)


def any_filters(*, max_leaves: int = 12) -> st.SearchStrategy[Filter]:
    """Any tree at all, with words that no event has and with `Within`."""
    text = st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
    )
    named = [field for field in FIELDS if field.kind in (Kind.WORD, Kind.PERSON)]
    free = [field for field in named if not field.choices]
    value = text.map(folded).filter(bool)
    kinds: list[st.SearchStrategy[Leaf]] = [
        st.builds(Is, st.sampled_from(free), value),
        st.builds(StartsWith, st.sampled_from(free), value),
        st.builds(Within, st.sampled_from(["deployment"]), value),
        _phrases(text),
    ]
    return _trees(st.one_of(kinds) | filters(max_leaves=1), max_leaves)


def leaves(field: Field) -> st.SearchStrategy[Leaf]:
    """A leaf about one field, of a form that its kind allows."""
    if field.kind in (Kind.WORD, Kind.PERSON):
        value = st.sampled_from(vocabulary(field))
        beginning = st.builds(lambda text, length: text[:length], value, st.integers(1, 8))
        return st.builds(Is, st.just(field), value) | st.builds(
            StartsWith, st.just(field), beginning
        )
    if field.kind is Kind.FLAG:
        return st.just(Exists(field))
    edge = _number if field.kind is Kind.NUMBER else _moment.map(microseconds)
    bounds = st.tuples(st.none() | edge, st.none() | edge).filter(lambda both: both != (None, None))
    return bounds.map(lambda both: Between(field, *both))


def _phrases(text: st.SearchStrategy[str]) -> st.SearchStrategy[Words]:
    def cut(found: list[str], first: int, count: int, length: int | None) -> Words:
        first %= len(found)
        some = found[first : first + count]
        if length is None:
            return Words(tuple(some))
        return Words((*some[:-1], some[-1][:length]), is_prefix=True)

    return st.builds(
        cut,
        text.map(words).filter(bool),
        st.integers(0, 5),
        st.integers(1, 3),
        st.none() | st.integers(1, 4),
    )


def _trees(leaf: st.SearchStrategy[Any], max_leaves: int) -> st.SearchStrategy[Filter]:
    def branches(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
        several = st.lists(inner, max_size=4).map(tuple)
        return st.builds(Not, inner) | st.builds(And, several) | st.builds(Or, several)

    return st.recursive(leaf, branches, max_leaves=max_leaves)

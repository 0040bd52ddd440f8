"""The catalogue is complete and consistent, and what doesn't fit it is refused by name."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec import structs

from deploytrail import actions, event
from deploytrail.actions import CATALOGUE, check, find, parse
from deploytrail.errors import Malformed
from deploytrail.event import Event
from deploytrail.sentence import FIELDS
from tools import event_docs

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ID = event.EventId("019ab2f0-7c3e-7a51-8d0e-3f1b2c4d5e6f")
FAMILIES = (
    "code build plan policy approval deployment resource state config secret environment drift "
    "access breakglass runtime incident identity integration agent audit"
)
GOOD = Event(
    id=ID,
    action="resource.updated",
    outcome="success",
    time=datetime(2026, 11, 22, 10, 11, 12, 123456, tzinfo=UTC),
    observed=datetime(2026, 11, 22, 10, 11, 13, tzinfo=UTC),
    actor=event.Actor(type="user", id="github:alice"),
    source=event.Source(tool="terraform", instance="local"),
    where=event.Where(unit="network", environment="prod"),
    targets=(event.Target(type="aws_instance", id="aws_instance.web"),),
)


def _with(**fields: Any) -> Event:
    return structs.replace(GOOD, **fields)


# The catalogue


def test_the_families_are_those_of_the_design() -> None:
    found = dict.fromkeys(action.family for action in CATALOGUE.values())

    assert list(found) == FAMILIES.split(" ")
    assert len(CATALOGUE) > 200


def test_every_name_is_a_family_perhaps_an_object_and_a_verb() -> None:
    name = re.compile(r"[a-z]+(\.[a-z_]+){1,2}")

    assert [action for action in CATALOGUE if not name.fullmatch(action)] == []
    assert max(map(len, CATALOGUE)) <= 64


def test_no_verb_is_in_the_present_tense() -> None:
    verbs = {name.rpartition(".")[2] for name in CATALOGUE}
    # What is past without ending in "ed": irregular, or a state that was noticed.
    others = {
        "behind", "broken", "forgotten", "found", "hidden", "left", "made", "overdue", "overridden",
        "read", "rebuilt", "rerun", "reset", "rolled_back", "sent", "set_aside", "signed_in",
        "signed_out", "silent", "undecided", "unknown", "withdrawn", "handed_over",
    }  # fmt: skip

    assert {verb for verb in verbs if not verb.endswith("ed")} <= others


def test_every_block_is_an_optional_field_of_the_event() -> None:
    optional = {field.name for field in structs.fields(Event) if not field.required}

    assert {block for action in CATALOGUE.values() for block in action.blocks} <= optional


def test_every_sentence_speaks_of_known_fields_only() -> None:
    spoken = {
        field
        for action in CATALOGUE.values()
        for blank in re.findall(r"\{([^}|]*)", action.sentence)
        for field in blank.split(",")
    }

    assert spoken == set(FIELDS)


def test_what_stands_outside_of_brackets_has_words_for_its_absence() -> None:
    bare = {
        name: blank
        for name, action in CATALOGUE.items()
        for blank in re.findall(r"\{[^}]*\}", re.sub(r"\[[^\]]*\]", "", action.sentence))
        if "|" not in blank and blank != "{actor}"
    }

    assert bare == {}


def test_every_meaning_is_a_sentence_of_its_own() -> None:
    meanings = [action.meaning for action in CATALOGUE.values()]

    assert len(set(meanings)) == len(meanings)
    assert [meaning for meaning in meanings if not re.fullmatch(r"[\"A-Z].*\.", meaning)] == []


def test_a_successor_is_an_action_that_is_not_deprecated() -> None:
    successors = {action.successor for action in CATALOGUE.values()} - {None}

    assert {name for name in successors if name not in CATALOGUE} == set()
    assert {name for name in successors if name and CATALOGUE[name].successor} == set()


@pytest.mark.parametrize(
    "name",
    [
        "code.push.forced", "code.merge.bypassed", "build.artifact.signed", "plan.created",
        "policy.check.failed", "approval.granted", "approval.outdated", "deployment.started",
        "deployment.succeeded", "deployment.failed", "deployment.verified", "resource.replaced",
        "state.lock.broken", "config.flag.enabled", "secret.rotated", "drift.detected",
        "environment.protection.bypassed", "breakglass.opened", "runtime.exec.started",
        "runtime.command.started", "runtime.command.finished", "identity.role.assumed",
        "integration.delivery.unrecognised", "agent.tool.called", "audit.clock.behind",
        "audit.clock.accepted", "audit.key.rotated", "audit.subject.erased",
        "audit.retention.planned", "audit.retention.executed", "audit.trail.created",
        "audit.trail.continued", "audit.fence.cleared", "audit.delivery.conflicted",
        "audit.gap.noticed", "audit.checkpoint.witnessed", "audit.hold.placed",
        "audit.export.made", "audit.search.made", "audit.token.created",
    ],
)  # fmt: skip
def test_what_others_rely_on_is_there(name: str) -> None:
    action = find(name)

    assert action is not None
    assert action.name == name


def test_what_is_not_in_the_catalogue_is_not_found() -> None:
    assert find("deployment.exploded") is None


ROW = "plan.created | info | plan | {actor} planned | A plan is there."


def test_a_row_is_read_with_all_its_columns() -> None:
    found = parse(f"# a remark\n\n{ROW} | plan.made\n")["plan.created"]

    assert (found.family, found.severity, found.blocks) == ("plan", "info", ("plan",))
    assert (found.sentence, found.meaning) == ("{actor} planned", "A plan is there.")
    assert found.successor == "plan.made"


BAD_ROWS = {
    "a column too few": "plan.created | info | plan | A plan is there.",
    "a column too many": f"{ROW} | a | b",
    "another severity": ROW.replace("info", "grave"),
    "a name twice": f"{ROW}\n{ROW}",
}


@pytest.mark.parametrize("table", BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_row_is_refused_with_its_line(table: str) -> None:
    with pytest.raises(Malformed, match=r"actions\.txt line \d: expected"):
        parse(table)


def test_the_page_about_the_event_is_current() -> None:
    assert event_docs.main(["--check"]) == 0


# Checking


def test_a_good_event_passes_as_it_is() -> None:
    assert check(GOOD, NOW) is GOOD


def _sensitive(**values: str) -> tuple[event.Change, ...]:
    change = event.Change(path="/password", op="update", sensitive=True, **values)
    return (event.Change(path="/a", op="update", old="1", new="2"), change)


def _command(name: str) -> event.Command:
    return event.Command(tool="terraform", variables={name: "x"})


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown action": ({"action": "deployment.start"}, "action: expected .* deployment.start"),
    "an empty action": ({"action": ""}, "action: expected a name of the catalogue"),
    "what only the trail says": ({"action": "audit.subject.erased"}, "action: .* the trail itself"),
    "an id in capitals": ({"id": ID.upper()}, "id: expected a UUIDv7"),
    "an id without dashes": ({"id": ID.replace("-", "")}, "id: expected a UUIDv7"),
    "an id of version 4": ({"id": ID[:14] + "4" + ID[15:]}, "id: expected a UUIDv7"),
    "an id of another variant": ({"id": ID[:19] + "c" + ID[20:]}, "id: expected a UUIDv7"),
    "an id with a line feed": ({"id": ID + "\n"}, "id: expected a UUIDv7"),
    "a user without a name": ({"actor": event.Actor(type="user")}, "actor.id: is missing"),
    "an agent without a name": ({"actor": event.Actor(type="agent")}, "actor.id: is missing"),
    "for nobody": ({"on_behalf_of": event.Actor(type="anonymous")}, "on_behalf_of.type: expected"),
    "for somebody unnamed": ({"on_behalf_of": event.Actor(type="user")}, "on_behalf_of.id: is"),
    "before the century": (
        {"time": datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)},
        "time: .* 2000",
    ),
    "far ahead": ({"time": NOW + timedelta(hours=24, seconds=1)}, "time: .* 24 hours ahead"),
    "heard far ahead": ({"observed": NOW + timedelta(days=2)}, "observed: .* 24 hours ahead"),
    "a time without its zone": ({"time": datetime(2026, 1, 1)}, "time: .* zone"),  # noqa: DTZ001
    "an old value of a secret": ({"changes": _sensitive(old='"x"')}, r"changes\[1\]: .*password"),
    "a new value of a secret": ({"changes": _sensitive(new='"x"')}, r"changes\[1\]: .*password"),
    "a variable beyond ASCII": ({"command": _command("TF_VAR_ü")}, "command.variables: expected"),
    "a cause that is no id": (
        {"links": event.Links(caused_by=(ID, event.EventId("run-1")))},
        r"links.caused_by\[1\]: expected a UUIDv7",
    ),
    "a decision against the action": (
        {"action": "approval.granted", "approval": event.Approval(decision="rejected")},
        "approval.decision: expected granted .* found rejected",
    ),
    "a right that ends beyond all time": (
        {
            "access": event.Access(
                permission="admin",
                expires=datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
            )
        },
        "access.expires: expected",
    ),
}


@pytest.mark.parametrize(("fields", "message"), BAD.values(), ids=BAD.keys())
def test_it_is_refused_with_its_field_and_what_to_do(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(Malformed, match=message) as refused:
        check(_with(**fields), NOW)

    assert "found" in str(refused.value) or "missing" in str(refused.value)
    assert "; " in str(refused.value)


def test_an_unknown_action_is_answered_with_the_nearest() -> None:
    with pytest.raises(Malformed, match=r"did you mean .*deployment\.started"):
        check(_with(action="deployment.start"), NOW)
    with pytest.raises(Malformed, match=r"'deploytrail actions' lists them"):
        check(_with(action="x" * 64), NOW)


FINE: dict[str, dict[str, Any]] = {
    "nobody known": {"actor": event.Actor(type="anonymous")},
    "the system": {"actor": event.Actor(type="system")},
    "an agent for somebody": {
        "actor": event.Actor(type="agent", id="agent:deployer"),
        "on_behalf_of": event.Actor(type="user", id="github:alice"),
    },
    "the first moment": {"time": datetime(2000, 1, 1, tzinfo=UTC)},
    "the last moment": {"time": NOW + timedelta(hours=24)},
    "a secret without values": {"changes": _sensitive(old_fingerprint="0" * 24)},
    "a variable": {"command": _command("TF_WORKSPACE")},
    "causes": {"links": event.Links(caused_by=(ID,))},
    "a decision as the action says": {
        "action": "approval.granted",
        "approval": event.Approval(decision="granted"),
    },
    "what the trail says": {
        "action": "audit.trail.created",
        "source": event.Source(tool="deploytrail", instance="local"),
    },
}


@pytest.mark.parametrize("fields", FINE.values(), ids=FINE.keys())
def test_it_passes_as_it_is(fields: dict[str, Any]) -> None:
    good = _with(**fields)

    assert check(good, NOW) is good


def test_times_with_an_offset_become_the_same_moments_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    sent = _with(
        time=GOOD.time.astimezone(zone),
        observed=NOW.astimezone(zone),
        access=event.Access(permission="admin", expires=NOW.astimezone(zone)),
    )

    kept = check(sent, NOW)

    assert kept == sent
    assert kept.access is not None
    assert kept.access.expires is not None
    assert kept.observed is not None
    assert {kept.time.tzinfo, kept.observed.tzinfo, kept.access.expires.tzinfo} == {UTC}


def test_the_trails_own_words_are_closed_to_others_in_the_whole_family() -> None:
    for name in CATALOGUE:
        if name.startswith("audit."):
            with pytest.raises(Malformed, match="only the trail itself"):
                check(_with(action=name), NOW)

    assert actions.OWN_TOOL == "deploytrail"

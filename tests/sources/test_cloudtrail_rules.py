"""The rules of security groups, as CloudTrail writes their requests."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from deploytrail.sources.cloudtrail_request import parameters
from deploytrail.sources.cloudtrail_rules import rules

ADD = "ec2:AuthorizeSecurityGroupIngress"


def asked(*some: Any) -> dict[str, msgspec.Raw]:
    body = {"groupId": "sg-1", "ipPermissions": {"items": some}}
    return parameters(msgspec.Raw(msgspec.json.encode(body)))


def permission(protocol: str, ports: tuple[int, int] | None, **ranges: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"ipProtocol": protocol}
    if ports is not None:
        found |= {"fromPort": ports[0], "toPort": ports[1]}
    return found | {name: {"items": items} for name, items in ranges.items()}


RULES: dict[str, tuple[dict[str, Any], list[str], bool]] = {
    "one port to the world": (
        permission("tcp", (22, 22), ipRanges=[{"cidrIp": "0.0.0.0/0"}]),
        ['"tcp 22 0.0.0.0/0"'],
        True,
    ),
    "the world by its newer name": (
        permission("-1", None, ipv6Ranges=[{"cidrIpv6": "::/0"}]),
        ['"all ::/0"'],
        True,
    ),
    "some ports to some": (
        permission("tcp", (80, 90), ipRanges=[{"cidrIp": "10.0.0.0/8"}], groups=[{"groupId": "g"}]),
        ['"tcp 80-90 10.0.0.0/8"', '"tcp 80-90 g"'],
        False,
    ),
    "nobody": (permission("tcp", (80, 80)), [], False),
}


@pytest.mark.parametrize("why", RULES)
def test_a_rule_says_who_may_reach_what(why: str) -> None:
    one, expected, opens = RULES[why]
    found = rules(ADD, asked(one))
    assert ([change.new for change in found.changes], found.opens) == (expected, opens)
    assert {change.path for change in found.changes} <= {"ingress"}


def test_what_is_taken_away_or_leads_out_opens_nothing() -> None:
    one = permission("-1", None, ipRanges=[{"cidrIp": "0.0.0.0/0"}])
    gone = rules("ec2:RevokeSecurityGroupIngress", asked(one))
    out = rules("ec2:AuthorizeSecurityGroupEgress", asked(one))
    assert not gone.opens
    assert not out.opens
    assert [(change.op, change.old) for change in gone.changes] == [("remove", '"all 0.0.0.0/0"')]
    assert [(change.path, change.op) for change in out.changes] == [("egress", "add")]


@pytest.mark.parametrize("odd", [None, 1, "x", [], {"ipProtocol": 1}, {"ipRanges": "x"}])
def test_another_shape_tells_nothing_and_does_no_harm(odd: Any) -> None:
    assert rules(ADD, asked(odd)).changes == ()


def test_another_call_has_no_rules() -> None:
    one = permission("tcp", (22, 22), ipRanges=[{"cidrIp": "0.0.0.0/0"}])
    assert rules("ec2:RunInstances", asked(one)).changes == ()


def test_rules_without_end_are_cut() -> None:
    one = permission("tcp", (1, 1), ipRanges=[{"cidrIp": "10.0.0.1/32"}] * 5_000)
    assert len(rules(ADD, asked(*([one] * 500))).changes) == 64

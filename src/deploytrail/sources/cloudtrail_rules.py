"""The rules of a security group that a call added or took away: who may reach what.

Pure. Source: Amazon EC2 API Reference, "AuthorizeSecurityGroupIngress" and its kin, in the form in
which CloudTrail writes their requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

import msgspec

from deploytrail.event import Change
from deploytrail.kit.shape import Shape
from deploytrail.sources.cloudtrail_request import Parameters

_RULES_MAX: Final = 64
_WORLD: Final = frozenset({"0.0.0.0/0", "::/0"})
_CALLS: Final[dict[str, tuple[str, Literal["add", "remove"]]]] = {
    "ec2:AuthorizeSecurityGroupIngress": ("ingress", "add"),
    "ec2:AuthorizeSecurityGroupEgress": ("egress", "add"),
    "ec2:RevokeSecurityGroupIngress": ("ingress", "remove"),
    "ec2:RevokeSecurityGroupEgress": ("egress", "remove"),
}


class _Range(Shape, frozen=True, rename="camel"):
    cidr_ip: str | None = None
    cidr_ipv6: str | None = None
    group_id: str | None = None
    prefix_list_id: str | None = None


class _Ranges(Shape, frozen=True):
    items: list[_Range] | None = None


class _Permission(Shape, frozen=True, rename="camel"):
    ip_protocol: str | None = None
    from_port: int | None = None
    to_port: int | None = None
    ip_ranges: _Ranges | None = None
    ipv6_ranges: _Ranges | None = None
    groups: _Ranges | None = None
    prefix_list_ids: _Ranges | None = None


class _Permissions(Shape, frozen=True):
    items: list[_Permission] | None = None


class Rules(NamedTuple):
    """`opens` says that anybody in the world may now reach something."""

    changes: tuple[Change, ...] = ()
    opens: bool = False


_decode: Final = msgspec.json.Decoder(_Permissions).decode
_NONE: Final = Rules()


def rules(call: str, asked: Parameters) -> Rules:
    """None of any other call, or of a request of another shape."""
    how = _CALLS.get(call)
    if how is None or "ipPermissions" not in asked:
        return _NONE
    try:
        said: Any = _decode(asked["ipPermissions"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NONE
    path, op = how
    found = [
        (_words(one), source)
        for one in (said.items or [])[:_RULES_MAX]
        for source in list(_sources(one))[:_RULES_MAX]
    ][:_RULES_MAX]
    opens = how == ("ingress", "add") and any(source in _WORLD for _, source in found)
    return Rules(tuple(_change(path, op, f"{ports} {source}") for ports, source in found), opens)


def _change(path: str, op: Literal["add", "remove"], text: str) -> Change:
    said = msgspec.json.encode(text).decode()
    return Change(path=path, op=op, new=said) if op == "add" else Change(path=path, op=op, old=said)


def _words(one: _Permission) -> str:
    """`tcp 443`, `tcp 8000-8100`, or `all`, which AWS writes as -1."""
    protocol = "all" if one.ip_protocol in {None, "-1"} else one.ip_protocol
    if one.from_port is None or one.from_port < 0:
        return f"{protocol}"
    is_one = one.to_port in {None, one.from_port}
    return f"{protocol} {one.from_port}" + ("" if is_one else f"-{one.to_port}")


def _sources(one: _Permission) -> Iterator[str]:
    for ranges in (one.ip_ranges, one.ipv6_ranges, one.groups, one.prefix_list_ids):
        for each in (ranges.items if ranges else None) or ():
            said = each.cidr_ip or each.cidr_ipv6 or each.group_id or each.prefix_list_id
            if said:
                yield said

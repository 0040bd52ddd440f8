"""What a policy answered, read from the result of a decision: yes, no, or nobody can tell.

Pure. A result is whatever the author of a policy made it. Read are only the forms that OPA's own
documentation uses: `allow` and `deny` rules, lists of violations, and answers to Kubernetes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

Said = Literal["allow", "deny", "warn", "error", "unknown"]

_ALLOWING: Final = ("allow", "allowed", "permit", "permitted", "authorized", "authz")
_DENYING: Final = ("deny", "denied", "violation", "violations", "block", "blocked")
_WARNING: Final = ("warn", "warnings")
_TEXTS: Final = ("msg", "message", "reason")
_RULES: Final = ("rule", "code", "id")
_VIOLATIONS_MAX: Final = 256


class Broken(NamedTuple):
    """One broken rule, as far as the policy names it."""

    text: str | None = None
    rule: str | None = None
    severity: str | None = None


class Answer(NamedTuple):
    """`unclear` says why a decision is unknown; `is_admission`: Kubernetes asked."""

    decision: Said = "unknown"
    violations: tuple[Broken, ...] = ()
    is_admission: bool = False
    unclear: str | None = None


def answered(result: Any, rule: str) -> Answer:
    """`rule` is the last part of the path that was asked for: it says what a bare value means."""
    if isinstance(result, str) and result in ("true", "false"):
        result = result == "true"
    if rule in _ALLOWING and isinstance(result, bool):
        return Answer("allow" if result else "deny")
    if rule in _DENYING:
        return _listed(result, "deny")
    if rule in _WARNING:
        return _listed(result, "warn")
    if isinstance(result, Mapping):
        return _object(result)
    words = f"{', '.join(_ALLOWING)}, or {', '.join(_DENYING)}"
    return Answer(unclear=f"body.result: expected the value of a rule in body.path named {words}")


def _object(result: Mapping[str, Any]) -> Answer:
    response = result.get("response")
    if isinstance(response, Mapping) and isinstance(response.get("allowed"), bool):
        return _admission(response)
    denying = next((result[name] for name in _DENYING if name in result), None)
    allowing = next((result[name] for name in _ALLOWING if name in result), None)
    refused = _listed(denying, "deny")
    if isinstance(allowing, bool):
        return Answer("allow" if allowing else "deny", refused.violations)
    if denying is not None:
        return refused
    return Answer(
        unclear="body.result: expected response with allowed, or one of "
        f"{', '.join((*_ALLOWING, *_DENYING))}, found none of them"
    )


def _admission(response: Mapping[str, Any]) -> Answer:
    status = response.get("status")
    texts = _broken(status) if isinstance(status, Mapping) else Broken()
    if response["allowed"]:
        return Answer("allow", is_admission=True)
    return Answer("deny", (texts._replace(rule=None),) if texts.text else (), is_admission=True)


def _listed(result: Any, found: Said) -> Answer:
    """What a rule says that lists what is wrong: nothing listed is nothing wrong."""
    if isinstance(result, bool):
        return Answer(found if result else "allow")
    if isinstance(result, Mapping):
        result = list(result.values()) or None
    elif not isinstance(result, Sequence) or isinstance(result, str):
        return Answer(unclear="body.result: expected a list or true or false")
    if not result:
        return Answer("allow")
    return Answer(found, tuple(_broken(each) for each in result[: _VIOLATIONS_MAX + 1]))


def _broken(said: Any) -> Broken:
    if isinstance(said, str):
        return Broken(said)
    if not isinstance(said, Mapping):
        return Broken()
    severity = said.get("severity")
    return Broken(
        _first(said, _TEXTS),
        _first(said, _RULES),
        severity if isinstance(severity, str) and severity else None,
    )


def _first(said: Mapping[str, Any], names: Sequence[str]) -> str | None:
    found = (said.get(name) for name in names)
    return next((each for each in found if isinstance(each, str) and each), None)

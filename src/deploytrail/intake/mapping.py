"""Where something happened in our words: the rules of `environments.toml` over a tool's own words.

Pure. The first rule that matches places it; what none does is `unknown`, unless its source says
something, and has no `mapping`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct

from deploytrail.errors import Malformed
from deploytrail.event import UNKNOWN_PLACE, Raw, Where
from deploytrail.intake import pattern as patterns
from deploytrail.intake.pattern import NAME, Pattern
from deploytrail.intake.tables import Faults, Table, advised, is_text, shown

ENVIRONMENTS_MAX: Final = 100
RULES_MAX: Final = 1_000
ALIASES_MAX: Final = 50
FIELDS: Final = tuple(Raw.__struct_fields__)
"""What a rule may look at: the tool's words for the place."""
CLASSES: Final = ("dev", "test", "staging", "prod")
MODES: Final = ("strict", "guarded", "async")
GATES: Final = ("off", "observe", "enforce")
_RULES: Final = "where"
_OUR_WORDS: Final = ("project", "unit", "environment")
_LENGTHS_MAX: Final = {"project": 64, "unit": 512, "environment": 64}
_is_name: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}").fullmatch
_is_alias: Final = re.compile(r".{1,64}").fullmatch
_is_rule: Final = re.compile(r"(?!where-[0-9])[a-z0-9][a-z0-9-]{0,62}").fullmatch
_any_text: Final = re.compile(r".{1,4096}").fullmatch
_word: Final = re.compile(
    r'\s*(?P<field>[a-z]+):(?:"(?P<quoted>[^"]+)"|(?P<plain>[^\s"]+))(?=\s|$)'
)
_hole: Final = re.compile(rf"\{{({NAME})\}}")

EnvironmentClass = Literal["dev", "test", "staging", "prod"]


class Environment(Struct, frozen=True, kw_only=True):
    """One that is declared. `aliases` are other names that tools use for it."""

    name: str
    class_: str
    mode: str = "guarded"
    gate: str = "off"
    aliases: tuple[str, ...] = ()


class Rule(Struct, frozen=True, kw_only=True):
    """Whose fields all match, happened there. `place` has what it says in our words; in these,
    `{name}` stands for what the pattern captured.
    """

    name: str
    is_named: bool
    match: str
    fields: tuple[tuple[str, Pattern], ...]
    place: Mapping[str, str]

    def placed(self, raw: Raw) -> Mapping[str, str] | None:
        """None where it does not match, or says more than an event can hold."""
        captured: dict[str, str] = {}
        for field, one in self.fields:
            text = getattr(raw, field)
            found = None if text is None else one.captured(text)
            if found is None:
                return None
            captured |= found
        said = {
            word: _hole.sub(lambda hole: captured[hole[1]], text)
            for word, text in self.place.items()
        }
        return said if all(len(text) <= _LENGTHS_MAX[word] for word, text in said.items()) else None


class Places(NamedTuple):
    """What `environments.toml` declares. `names` leads from every name of an environment, in lower
    case, to the environment.
    """

    environments: Mapping[str, Environment]
    rules: Sequence[Rule]
    names: Mapping[str, Environment]

    def placed(self, raw: Raw | None, claimed: Where | None = None) -> Where:
        """Where that is. A rule goes before what the source claims, and that before `unknown`."""
        said: Mapping[str, str] | None = None
        rule: Rule | None = None
        for rule in self.rules if raw is not None else ():
            said = rule.placed(raw) if raw is not None else None
            if said is not None:
                break
        claims = claimed or Where()
        project, unit, environment = (
            (said or {}).get(word) or getattr(claims, word) or UNKNOWN_PLACE for word in _OUR_WORDS
        )
        known = self.environment(environment)
        return Where(
            project=project,
            unit=unit,
            environment=environment if known is None else known.name,
            environment_class=(
                claims.environment_class if known is None else _CLASSES[known.class_]
            ),
            raw=raw,
            mapping=rule.name if rule is not None and said is not None else None,
        )

    def environment(self, name: str) -> Environment | None:
        """The one that a tool calls so."""
        return self.names.get(name.casefold())


_CLASSES: Final[Mapping[str, EnvironmentClass]] = {
    "dev": "dev",
    "test": "test",
    "staging": "staging",
    "prod": "prod",
}
NOWHERE: Final = Places({}, (), {})
"""Where nothing is declared."""


def places(tables: Mapping[str, Any], faults: Faults) -> Places:
    """What a file declares; what is wrong with it is added to `faults`."""
    environments = {
        name: _environment(name, Table(value, (name,), faults))
        for name, value in _tables(tables, faults)
    }
    names = _names(environments.values(), faults)
    rules = tuple(_rules(tables.get(_RULES, []), names, faults))
    return Places(environments, rules, names)


def _tables(tables: Mapping[str, Any], faults: Faults) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in tables.items():
        if name == _RULES:
            continue
        if not isinstance(value, dict):
            faults.add((name,), f"expected a table such as [prod], found {shown(value)}")
        elif not _is_name(name):
            faults.add(
                (name,),
                "expected the name of an environment of at most 63 of a-z, 0-9, '.', '_' and '-', "
                f"such as prod, found {shown(name)}; let tools' names be its aliases",
            )
        else:
            yield name, value
    if len(tables) > ENVIRONMENTS_MAX:
        faults.add((), f"expected at most {ENVIRONMENTS_MAX} environments, found {len(tables)}")


def _environment(name: str, table: Table) -> Environment:
    table.refuse_unknown(("class", "mode", "gate", "aliases"))
    aliases = []
    expected = "another name of it, of at most 64 characters"
    for at, alias in table.each("aliases", expected, count_max=ALIASES_MAX):
        if _is_alias(alias):
            aliases.append(alias)
        else:
            table.faults.add((name, "aliases", at), f"expected {expected}, found {shown(alias)}")
    return Environment(
        name=name,
        class_=table.word("class", CLASSES),
        mode=table.word("mode", MODES, default="guarded"),
        gate=table.word("gate", GATES, default="off"),
        aliases=tuple(aliases),
    )


def _names(environments: Any, faults: Faults) -> Mapping[str, Environment]:
    names: dict[str, Environment] = {}
    there = list(environments)
    names |= {one.name: one for one in there}
    for one in there:
        for at, alias in enumerate(one.aliases):
            other = names.setdefault(alias.casefold(), one)
            if other is not one:
                faults.add(
                    (one.name, "aliases", at),
                    f"expected a name that no other environment has, found {shown(alias)}, which "
                    f"is {other.name}; leave it with one of them",
                )
    return names


def _rules(found: Any, names: Mapping[str, Environment], faults: Faults) -> Iterator[Rule]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        faults.add((_RULES,), f"expected tables such as [[where]], found {shown(found)}")
        return
    if len(found) > RULES_MAX:
        faults.add((_RULES,), f"expected at most {RULES_MAX} rules, found {len(found)}")
        return
    seen: set[str] = set()
    for at, values in enumerate(found):
        table = Table(values, (_RULES, at), faults)
        rule = _rule(at, table, names)
        if rule.name in seen:
            table.add("name", f"expected a name that no other rule has, found {shown(rule.name)}")
        seen.add(rule.name)
        yield rule


def _rule(at: int, table: Table, names: Mapping[str, Environment]) -> Rule:
    table.refuse_unknown(("name", "match", *_OUR_WORDS))
    name = f"where-{at + 1}"
    is_named = "name" in table.values
    if is_named:
        name = table.text(
            "name", "at most 63 of a-z, 0-9 and '-', not where- and a number", _is_rule
        )
    match = table.text("match", "text such as 'repository:acme/infra path:live/**'", _any_text)
    fields = _fields(match, table) if match else ()
    captures = [one for _, each in fields for one in each.captures]
    place: dict[str, str] = {word: f"{{{word}}}" for word in _OUR_WORDS if word in captures}
    for word in _OUR_WORDS:
        if word in table.values:
            place[word] = _said(word, table, captures, names)
    if match and fields and not any(place.values()):
        table.add("match", "expected a project, a unit or an environment beside it, found none")
    return Rule(name=name, is_named=is_named, match=match, fields=fields, place=place)


def _said(
    word: str, table: Table, captures: Sequence[str], names: Mapping[str, Environment]
) -> str:
    most = _LENGTHS_MAX[word]
    expected = f"1 to {most} characters, in which {{name}} stands for what was captured"
    text = table.text(word, expected, lambda text: 0 < len(text) <= most)
    for name in _hole.findall(text):
        if name not in captures:
            known = ", ".join(captures) or "nothing"
            table.add(word, f"expected what its match captures ({known}), found {{{name}}}")
    if set("{}") & set(_hole.sub("", text)):
        table.add(word, "expected { and } around the name of a capture only")
    elif word == "environment" and text and not _hole.search(text):
        environment = names.get(text.casefold())
        if environment is not None:
            return environment.name
        known_names = sorted({one.name for one in names.values()})
        table.add(word, f"expected an environment of this file, {advised(text, known_names)}")
    return text


def _fields(match: str, table: Table) -> tuple[tuple[str, Pattern], ...]:
    """The patterns of a match, by the fields that they are held against."""
    found: dict[str, Pattern] = {}
    at = 0
    while match[at:].strip():
        word = _word.match(match, at)
        if word is None:
            table.add("match", f"expected FIELD:PATTERN, found {shown(match[at:].strip())}")
            return ()
        at = word.end()
        field = word["field"]
        if field not in FIELDS:
            table.add("match", f"expected a field of a place, {advised(field, FIELDS)}")
        elif field in found:
            table.add("match", f"expected each field once, found {field} twice; make two rules")
        else:
            try:
                found[field] = patterns.pattern(word["quoted"] or word["plain"])
            except Malformed as error:
                table.add("match", f"{error} in {field}; mend it")
    captures = [one for each in found.values() for one in each.captures]
    twice = next((one for one in captures if captures.count(one) > 1), None)
    if twice is not None:
        table.add("match", f"expected each name once, found {{{twice}}} twice; name one otherwise")
    return tuple(found.items())


def canonical(found: Places) -> dict[str, Any]:
    """The tables that say the same, all of it spelled out."""
    tables: dict[str, Any] = {
        one.name: {
            "class": one.class_,
            "mode": one.mode,
            "gate": one.gate,
            **({"aliases": list(one.aliases)} if one.aliases else {}),
        }
        for one in found.environments.values()
    }
    rules = [
        {**({"name": one.name} if one.is_named else {}), "match": one.match, **one.place}
        for one in found.rules
    ]
    return {**tables, **({_RULES: rules} if rules else {})}


def is_writable(text: str) -> bool:
    """Whether a rule can say it literally."""
    return bool(text) and is_text(text) and not set(text) & set('*{}"\\')

"""Every place of an event that text can stand in, each with what was planted there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from deploytrail.event import (
    Actor,
    Change,
    Client,
    Command,
    Error,
    Event,
    Links,
    Policy,
    Raw,
    Reason,
    Source,
    Target,
    Vcs,
    Violation,
    Where,
)
from tests.events import event
from tests.secrets.planted import Plant

Fields = dict[str, Any]
# Free text: whatever carries the secret is pasted here.
FREE: Final[Mapping[str, Callable[[str], Fields]]] = {
    "a reason": lambda text: {"reason": Reason(from_="stated", text=text)},
    "an error": lambda text: {"error": Error(code="1", text=text)},
    "a commit": lambda text: {"vcs": Vcs(message=text)},
    "a user agent": lambda text: {"client": Client(user_agent=text)},
    "an address": lambda text: {"source": Source(tool="x", instance="local", url=text)},
    "a directory": lambda text: {"command": Command(tool="x", directory=text)},
    "a violation": lambda text: {
        "policy": Policy(
            engine="opa", decision="deny", violations=(Violation(rule="r", text=text),)
        )
    },
    "an old value": lambda text: {
        "changes": (Change(path="x", op="update", old=json.dumps(text)),)
    },
    "a value that is no JSON": lambda text: {"changes": (Change(path="x", op="update", new=text),)},
}
# Names and ids: the secret alone, as far as its own shape gives it away.
NAMED: Final[Mapping[str, Callable[[str], Fields]]] = {
    "a target": lambda text: {"targets": (Target(type="x", id=text),)},
    "a target's name": lambda text: {"targets": (Target(type="x", name=text),)},
    "an actor": lambda text: {"actor": Actor(type="user", id="x:alice", name=text)},
    "a repository": lambda text: {"links": Links(repository=f"acme/{text}")},
    "a path": lambda text: {"where": Where(raw=Raw(path=f"live/{text}"))},
    "a place": lambda text: {"error": Error(location=text)},
}
# By name: a changed value under its path, a variable and a flag of a command.
BY_NAME: Final[Mapping[str, Callable[[str, str], Fields]]] = {
    "a change": lambda name, secret: {
        "changes": (Change(path=f"config.{name}", op="update", new=json.dumps(secret)),)
    },
    "an inner change": lambda name, secret: {
        "changes": (Change(path="config", op="update", old=json.dumps({"a": {name: secret}})),)
    },
    "an argument": lambda name, secret: {
        "command": Command(tool="deploy", arguments=(f"{name}={secret}",))
    },
    "a variable of terraform": lambda name, secret: {
        "command": Command(tool="terraform", arguments=("apply", "-var", f"{name}={secret}"))
    },
    "a variable": lambda name, secret: {"command": Command(tool="x", variables={name: secret})},
}


def placed(plants: Iterator[Plant]) -> Iterator[tuple[Plant, str, Event]]:
    """Each plant at one place of free text, by turns, and where else its kind is to be found."""
    free, named, by_name = list(FREE.items()), list(NAMED.items()), list(BY_NAME.items())
    for turn, plant in enumerate(plants):
        place, fields = free[turn % len(free)]
        yield plant, place, _event(fields(plant.text))
        if plant.carrier == "at the end" and len(plant.text) < 512:
            for place, fields in named:
                yield plant, place, _event(fields(plant.text.removeprefix("please rotate ")))
        if plant.name:
            secret = plant.secret
            place, by = by_name[turn % len(by_name)]
            yield plant, place, _event(by(plant.name, secret))


def _event(fields: Fields) -> Event:
    return event(**({"reason": None} | fields))

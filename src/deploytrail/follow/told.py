"""What is told of followers: lines as they go, and how each stands. Values only."""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

State = Literal["following", "rebuilding", "waiting", "elsewhere", "broken"]
"""`waiting`: what failed is tried again. `elsewhere`: another process moves it. `broken`: what
failed was given up, until a rebuild is begun or the process started anew."""


class Standing(Struct, frozen=True, kw_only=True):
    """How a follower stands: the next entry that it wants, and of its successor while there is one.

    `reason` says what failed, where the state is `waiting` or `broken` or its rebuild is.
    """

    name: str
    state: State
    cursor: int | None
    successor: int | None = None
    reason: str = ""


class Tell(Protocol):
    """Says what happened: a short sentence that is always the same, and what it is about."""

    def __call__(self, said: str, /, **about: str | int | float) -> None: ...

"""Who runs us: the account of the operating system, and whom it says it acts for.

The account is verified by the kernel (assurance 1); `SUDO_USER` is a variable, so it is claimed.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping

from deploytrail.event import Actor, Auth


def account(*, is_ci: bool) -> Actor:
    """`os:<login>@<host>`; the account of a CI runner is a service, not a person."""
    uid = os.getuid()
    try:
        login = pwd.getpwuid(uid).pw_name
    except KeyError:
        # Containers often run under an id that has no name.
        login = f"uid-{uid}"
    return Actor(
        type="service" if is_ci else "user",
        id=_identity(login),
        auth=Auth(method="os_user", assurance=1, verified_by="kernel"),
    )


def sudo_principal(environ: Mapping[str, str]) -> Actor | None:
    """Who called sudo, by its own word."""
    login = environ.get("SUDO_USER")
    if not login:
        return None
    return Actor(type="user", id=_identity(login), auth=Auth(method="sudo", assurance=0))


def _identity(login: str) -> str:
    return f"os:{login}@{os.uname().nodename}"[:512]

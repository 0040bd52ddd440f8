"""A directory has one face: where a server runs over it, everybody else speaks to that.

`server.lock` is held by the server and says where it listens; `server.token`, for the owner alone,
opens it. Both are gone, or held by nobody, once the server is.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path
from threading import Event
from typing import Final

from deploytrail.clock import Clock
from deploytrail.errors import Conflict
from deploytrail.stores.files import replace_file
from deploytrail.stores.sqlite.locks import FileLock

_LOOKERS_MAX: Final = 10
_LOOKER_SECONDS: Final = 0.02
_TOKEN_BYTES: Final = 32
_BEARER: Final = "Bearer "


class Face:
    """Held by a server from before it listens until it has stopped.

    Raises Conflict where another server has the directory.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._lock_path = directory / "server.lock"
        self._token_path = directory / "server.token"
        self._lock = FileLock(self._lock_path)
        if not self._is_ours(clock):
            where = self._lock_path.read_text(encoding="utf-8").strip()
            self._lock.close()
            raise Conflict(
                f"{directory}: expected no server over this trail, found one at "
                f"{where or 'an address that it has not told yet'}; use that one, or stop it first"
            )
        # A server that was killed left its address there, and its token beside it.
        self._tell("")
        self._token = clock.random(_TOKEN_BYTES).hex()
        self._wanted = hashlib.sha256((_BEARER + self._token).encode()).digest()

    def _is_ours(self, clock: Clock) -> bool:
        """Whoever only looks whether a server runs holds the lock for a moment, too."""
        for _ in range(_LOOKERS_MAX):
            if self._lock.try_exclusive():
                return True
            clock.wait(Event(), _LOOKER_SECONDS)
        return False

    def announce(self, url: str) -> None:
        """Says where it listens, and what opens it. Others read the address after the token."""
        replace_file(self._token_path, f"{self._token}\n".encode())
        self._tell(url)

    def is_local(self, authorization: str | None) -> bool:
        """Whether that is the token beside the lock; takes as long for every guess."""
        given = hashlib.sha256((authorization or "").encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(given, self._wanted)

    def close(self) -> None:
        """Nobody is here any more. Stopped before that, the lock is nobody's, which tells it."""
        self._tell("")
        self._token_path.unlink(missing_ok=True)
        self._lock.close()

    def _tell(self, url: str) -> None:
        # In place: a new file under this name would be another lock.
        file = os.open(self._lock_path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(file, f"{url}\n".encode() if url else b"")
        finally:
            os.close(file)


def server_of(directory: Path) -> tuple[str, str] | None:
    """The address and the token of the server over a directory; None where none runs."""
    path = directory / "server.lock"
    try:
        # One that was stopped has taken its address away: nobody needs the lock to see that.
        if not path.read_bytes():
            return None
        lock = FileLock(path)
    except FileNotFoundError:
        return None
    try:
        if lock.try_exclusive():
            return None
        url = path.read_text(encoding="utf-8").strip()
        token = (directory / "server.token").read_text(encoding="utf-8").strip() if url else ""
    except FileNotFoundError:
        return None
    finally:
        lock.close()
    return (url, token) if url and token else None

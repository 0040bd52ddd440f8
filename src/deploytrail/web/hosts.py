"""By which names this server is asked for: a page elsewhere must not reach what listens here.

Pure. On loopback, a name that another resolves to 127.0.0.1 (DNS rebinding) is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from deploytrail.errors import Malformed
from deploytrail.formats.cloudevents import HEADER_PREFIX

ONCE: Final = (
    "host", "authorization", "content-type", "content-encoding", "content-length",
    "transfer-encoding", "last-event-id",
)  # fmt: skip
"""Headers of which a second one would be read by somebody before us, and the first by us.

Those of a CloudEvent are, too, each an attribute of it.
"""
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")


def refuse_repeated(names: Sequence[bytes]) -> None:
    """Raises Malformed for a header that is there twice and may be there once."""
    if len(set(names)) == len(names):
        return
    count = Counter(names)
    for octets, times in count.items():
        name = octets.decode("latin-1")
        if times > 1 and (name in ONCE or name.startswith(HEADER_PREFIX)):
            raise Malformed(f"{name[:60]}: expected once, found it several times; send one")


def refuse_foreign(host: str | None, allowed: frozenset[str] | None) -> None:
    """Raises Malformed for a Host that is none of `allowed`; None allows every name."""
    match = _HOST.fullmatch(host or "")
    if match is None:
        raise Malformed("host: expected the name of this server, found none that is one; send it")
    if allowed is not None and match[1].lower() not in allowed:
        raise Malformed(
            f"host: expected {' or '.join(sorted(allowed))}, found another name; ask for it by "
            "one of these, or start the server with TLS or --behind-proxy"
        )

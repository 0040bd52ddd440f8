"""A log to follow: entries that say what these followers look at, and a vault beside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from deploytrail import canonical, entry
from deploytrail.clock import uuid7
from deploytrail.entry import UNSTAMPED, base64url, stamp_offset, unbase64url
from deploytrail.log import commit
from deploytrail.log.plan import Prepared
from deploytrail.log.store import Store
from tests.log.entries import Told

Disclose = Callable[[Sequence[bytes]], Mapping[bytes, bytes]]
ACTIONS: Final = ("build.started", "deployment.started", "deployment.succeeded")
SUBJECTS: Final = ("alice", "bob", "carol")


class Log:
    """Appends to a store; `texts` is its vault: what subjects said, until they are erased.

    A trail's own log has another, which is asked through `disclosing`.
    """

    def __init__(self, store: Store, disclosing: Disclose | None = None) -> None:
        self.store = store
        self._disclosing = disclosing
        self.texts: dict[bytes, tuple[str, str]] = {}
        self.asked = 0

    @property
    def size(self) -> int:
        with self.store.reading() as reader:
            return reader.tree().size

    def append(self, count: int = 1) -> None:
        first = self.size
        self._commit([self._event(number) for number in range(first, first + count)])

    def erase(self, subject: str, *, action: str = "audit.subject.erased") -> None:
        """Take a subject's texts out of the vault, then say so in the log."""
        self.texts = {digest: said for digest, said in self.texts.items() if said[0] != subject}
        self._commit([{"action": action, "targets": [{"id": subject, "type": "subject"}]}])

    def add(self, *entries: Mapping[str, object]) -> None:
        self._commit(list(entries))

    def disclose(self, entries: Sequence[bytes]) -> Mapping[bytes, bytes]:
        self.asked += 1
        if self._disclosing is not None:
            return self._disclosing(entries)
        listed = (text for octets in entries for text in entry.fields(octets).get("_sd", ()))
        digests = (unbase64url(text) for text in listed)
        return {one: self.texts[one][1].encode() for one in digests if one in self.texts}

    def _event(self, number: int) -> dict[str, object]:
        subject = SUBJECTS[number % len(SUBJECTS)]
        text = f"{subject} said {number}"
        digest = hashlib.sha256(text.encode()).digest()
        self.texts[digest] = (subject, text)
        return {
            "_sd": [base64url(digest)],
            "action": ACTIONS[number % len(ACTIONS)],
            "subjects": {"/actor": subject},
        }

    def _commit(self, events: Sequence[Mapping[str, object]]) -> None:
        size = self.size
        prepared = [_prepared(size + at, event) for at, event in enumerate(events)]
        commit.append(self.store, prepared, epoch=0, notices=Told())


def _prepared(number: int, event: Mapping[str, object]) -> Prepared:
    fields = {
        "id": uuid7(number, b"-" * 10),
        "logged": UNSTAMPED,
        "n": number,
        "source": {"delivery": f"delivery {number}", "instance": "test", "tool": "argocd"},
        "v": entry.FORMAT,
        **event,
    }
    octets = canonical.encode(fields)
    return Prepared(entry.key_of(fields), b"-" * 8, octets, stamp_offset(octets), (), ())

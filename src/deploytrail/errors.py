"""Every error of Deploytrail, in one tree, with its exit code and its HTTP status.

    DeploytrailError
    ├── SenderError            the sender must change something            4xx
    │   ├── Malformed          bytes or values that are not what we read    400 · exit 2
    │   ├── TooLarge           over a stated limit                          413 · exit 2
    │   ├── Conflict           the same delivery id with another body       409 · exit 2
    │   ├── NotFound           no such entry, file or trail                 404 · exit 2
    │   ├── Unknown            nobody that we know: no token, or not a live one 401 · exit 77
    │   ├── TooSlow            a query that took longer than allowed        422 · exit 75
    │   ├── Overloaded         more at once than can be held; send slower   429 · exit 75
    │   └── NotPermitted       known, but not allowed                       403 · exit 77
    ├── EvidenceError          the evidence is wrong: never retried, never softened
    │   ├── Tampered           bytes that contradict a proof                    · exit 1
    │   ├── Incomplete         evidence that should be there is absent          · exit 3
    │   ├── PolicyUnmet        true, but not what the policy asks for           · exit 4
    │   └── Stale              true, but older than asked for                   · exit 5
    └── OwnError               we must change something                     5xx
        ├── Misconfigured      a setting that can't work                    500 · exit 2
        ├── Busy               another writer; try again                    503 · exit 75
        ├── Behind             a view has not read as far as was asked for  503 · exit 75
        ├── Unreachable        a server or database that does not answer    503 · exit 75
        ├── DiskFull           no room; nothing was stored                  507 · exit 75
        ├── CommitUnknown      a commit failed half-way; look it up         503 · exit 75
        ├── ClockSuspect       the clock jumped ahead; appends are refused  503 · exit 75
        ├── Fenced             the log refuses writers until examined       503 · exit 75
        └── StaleEpoch         concealed under an older epoch; do it again  (never leaves the app)

A message says what was expected, what was found and what to do. `EXIT_*` are the exit codes of
every command; `run` returns its child's code instead, and 125 where it refused to start it.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_TAMPERED = 1
EXIT_USAGE = 2
EXIT_INCOMPLETE = 3
EXIT_POLICY_UNMET = 4
EXIT_STALE = 5
EXIT_GATE_REFUSED = 6
EXIT_OUR_FAULT = 70
EXIT_UNDECIDED = 75
EXIT_NOT_PERMITTED = 77
EXIT_NOT_STARTED = 125
EXIT_INTERRUPTED = 130


class DeploytrailError(Exception):
    """Anything that Deploytrail raises on purpose."""

    exit_code: ClassVar[int] = EXIT_OUR_FAULT
    status: ClassVar[int] = 500


class SenderError(DeploytrailError):
    """The sender must change something; the same bytes sent again fail again."""

    exit_code = EXIT_USAGE
    status = 400


class Malformed(SenderError):
    """What was read is not what was expected; the message starts with the field's path."""


class TooLarge(SenderError):
    """Over a stated limit; the message names the limit and the size found."""

    status = 413


class Conflict(SenderError):
    """The same delivery id came before with another body."""

    status = 409


class NotFound(SenderError):
    """What was asked for is not there."""

    status = 404


class NotPermitted(SenderError):
    """The caller is known and may not do this."""

    exit_code = EXIT_NOT_PERMITTED
    status = 403


class Unknown(SenderError):
    """The caller showed nothing that we know: no token, or none that is live."""

    exit_code = EXIT_NOT_PERMITTED
    status = 401


class TooSlow(SenderError):
    """A query took longer than allowed; a narrower one may not."""

    exit_code = EXIT_UNDECIDED
    status = 422


class Overloaded(SenderError):
    """More came in than can be held; nothing was stored, and the same may be sent again later."""

    exit_code = EXIT_UNDECIDED
    status = 429


class EvidenceError(DeploytrailError):
    """The evidence is wrong. Never retried and never softened to a warning."""

    exit_code = EXIT_TAMPERED


class Tampered(EvidenceError):
    """Bytes contradict a hash, a signature or a proof."""


class Incomplete(EvidenceError):
    """Evidence that should be there is absent."""

    exit_code = EXIT_INCOMPLETE


class PolicyUnmet(EvidenceError):
    """Sound, but without the signatures that the policy asks for."""

    exit_code = EXIT_POLICY_UNMET


class Stale(EvidenceError):
    """Sound, but older than what was asked for."""

    exit_code = EXIT_STALE


class OwnError(DeploytrailError):
    """We, or the operator, must change something; the sender may send the same again."""


class Misconfigured(OwnError):
    """A setting that can't work."""

    exit_code = EXIT_USAGE


class Busy(OwnError):
    """Somebody else holds the lock; nothing was stored."""

    exit_code = EXIT_UNDECIDED
    status = 503


class Behind(OwnError):
    """A view has not read as far as was asked for in the time allowed."""

    exit_code = EXIT_UNDECIDED
    status = 503


class Unreachable(OwnError):
    """A server or a database does not answer; what was sent may or may not have arrived."""

    exit_code = EXIT_UNDECIDED
    status = 503


class DiskFull(OwnError):
    """No room on the disk; nothing was stored."""

    exit_code = EXIT_UNDECIDED
    status = 507


class CommitUnknown(OwnError):
    """A commit failed at a point where it may or may not be durable; look the deliveries up."""

    exit_code = EXIT_UNDECIDED
    status = 503


class ClockSuspect(OwnError):
    """The clock jumped ahead of the time since boot; one bad clock would freeze the log's time."""

    exit_code = EXIT_UNDECIDED
    status = 503


class Fenced(OwnError):
    """The log was fenced: its files may not be what we wrote. `deploytrail doctor` examines it."""

    exit_code = EXIT_UNDECIDED
    status = 503


class StaleEpoch(OwnError):
    """Entries were concealed before an erasure; the caller conceals them again and repeats."""

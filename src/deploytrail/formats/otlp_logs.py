"""Logs of OTLP (https://opentelemetry.io/docs/specs/otlp/), whichever way they were encoded.

Pure. `otlp_json` and `otlp_protobuf` read an export into these; what both check stands here,
so that the same content is the same value or the same refusal.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from msgspec import Struct

from deploytrail.errors import Malformed, TooLarge

EXPORT_BYTES_MAX: Final = 4 * 1024 * 1024
"""As much as gRPC takes by default, so exporters and collectors send no more at once."""
LOGS_MAX: Final = 10_000
ATTRIBUTES_MAX: Final = 1_024
VALUE_DEPTH_MAX: Final = 16
TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
INT64: Final = (-(1 << 63), (1 << 63) - 1)
UINT64: Final = (0, (1 << 64) - 1)
UINT32: Final = (0, (1 << 32) - 1)
SEVERITY: Final = (0, (1 << 31) - 1)

Value: TypeAlias = "str | bool | int | float | list[Value] | dict[str, Value] | None"
"""As JSON has it: octets are base64, and what JSON has no number for is its name."""


class Log(Struct, frozen=True, kw_only=True):
    """One LogRecord with the resource and the scope that it came under.

    Times are nanoseconds since 1970, None where unknown; ids are lower-case hexadecimal, None where
    absent or all zero; a `dropped` says how many attributes the sender left out.
    """

    resource: dict[str, Value]
    resource_dropped: int = 0
    scope_name: str = ""
    scope_version: str = ""
    scope: dict[str, Value] = {}
    scope_dropped: int = 0
    time_unix_nano: int | None = None
    observed_unix_nano: int | None = None
    severity_number: int = 0
    severity_text: str = ""
    event_name: str = ""
    body: Value = None
    attributes: dict[str, Value] = {}
    attributes_dropped: int = 0
    trace_id: str | None = None
    span_id: str | None = None

    @property
    def text(self) -> str:
        """The body as text: what is not text is compact JSON, and nothing is empty."""
        if isinstance(self.body, str):
            return self.body
        if self.body is None:
            return ""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":"))


class Origin(Struct, frozen=True, kw_only=True):
    """What all logs of one scope have in common."""

    resource: dict[str, Value]
    resource_dropped: int
    scope_name: str
    scope_version: str
    scope: dict[str, Value]
    scope_dropped: int


def log(origin: Origin, **fields: Any) -> Log:
    return Log(
        resource=origin.resource,
        resource_dropped=origin.resource_dropped,
        scope_name=origin.scope_name,
        scope_version=origin.scope_version,
        scope=origin.scope,
        scope_dropped=origin.scope_dropped,
        **fields,
    )


def mapping(pairs: Iterable[tuple[str, Value]], path: str) -> dict[str, Value]:
    """Raises Malformed for a key that is there twice, TooLarge for more than 1,024 of them."""
    found: dict[str, Value] = {}
    for at, (key, value) in enumerate(pairs):
        if key in found:
            raise Malformed(f"{path}[{at}].key: expected each key once, found it twice; send one")
        if at >= ATTRIBUTES_MAX:
            raise TooLarge(f"{path}: expected at most {ATTRIBUTES_MAX} of them, found more")
        found[key] = value
    return found


def deeper(depth: int, path: str) -> int:
    """The depth of what stands in an array or a list of pairs. Raises Malformed beyond 16."""
    if depth >= VALUE_DEPTH_MAX:
        raise Malformed(
            f"{path}: expected at most {VALUE_DEPTH_MAX} levels, found more; flatten it"
        )
    return depth + 1


def only(kinds: list[Any], path: str) -> Any:
    """The one kind of an AnyValue, or None where it is empty; its definition says `oneof`."""
    if len(kinds) > 1:
        raise Malformed(f"{path}: expected a value of one kind, found {len(kinds)}; send one")
    return kinds[0] if kinds else None


def within(number: int, bounds: tuple[int, int], path: str) -> int:
    low, high = bounds
    if not low <= number <= high:
        raise Malformed(f"{path}: expected a number from {low} to {high}, found another; mend it")
    return number


def decimal(number: float) -> Value:
    """JSON has no name for three doubles; protobuf's mapping to JSON has."""
    if math.isfinite(number):
        return number
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def octets_text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def identifier(octets: bytes, size: int, path: str) -> str | None:
    """Raises Malformed for one that has another size than `size` bytes and is not absent."""
    if not any(octets) and len(octets) in {0, size}:
        return None
    if len(octets) != size:
        raise Malformed(
            f"{path}: expected {size} bytes, found {len(octets)}; send all of it or none"
        )
    return octets.hex()


def refuse_many(count: int, path: str) -> None:
    """Raises TooLarge where an export has more logs than we take at once."""
    if count > LOGS_MAX:
        raise TooLarge(
            f"{path}: expected at most {LOGS_MAX} logs, found more; send smaller batches"
        )

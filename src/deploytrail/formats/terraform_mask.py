"""Values of Terraform's JSON along the masks that it lays beside them.

Pure. A secret never leaves `masked`: what remains is that one was there, and a keyed fingerprint
where the caller gave a way to make one.
"""

from __future__ import annotations

from typing import Any

from deploytrail.errors import Malformed
from deploytrail.formats.terraform_secrets import Secrets
from deploytrail.formats.terraform_value import UNKNOWN, Value, step


def masked(
    value: Value, masks: tuple[Any, ...], unknown: Any, *, path: str, secrets: Secrets
) -> Value:
    """`value` with each leaf dropped that any of `masks` marks, and what is unknown marked.

    A mask is true, false, or an object or array that lies over the value. Where its shape doesn't
    fit and it marks anything, the whole value is dropped. Unknown wins over sensitive: an unknown
    value isn't there yet. Raises Malformed for a mask of another kind.
    """
    marking = tuple(mask for mask in masks if marks(mask, path))
    has_unknown = marks(unknown, path)
    if not marking and not has_unknown:
        return value
    if unknown is True:
        return UNKNOWN
    if value is None and has_unknown:
        value = type(unknown)()
    if True in marking or not all(type(mask) is type(value) for mask in marking):
        return None if value is None else secrets.drop(path, value)
    fitting = unknown if type(unknown) is type(value) else None
    if isinstance(value, dict):
        return _masked_object(value, marking, fitting or {}, path, secrets)
    if isinstance(value, list):
        return _masked_array(value, marking, fitting or [], path, secrets)
    # A scalar that only a misfit mask calls unknown.
    return value


def marks(mask: Any, path: str) -> bool:
    """Whether a mask marks anything at all."""
    if mask is None or isinstance(mask, bool):
        return mask is True
    if isinstance(mask, dict):
        return any(marks(below, path) for below in mask.values())
    if isinstance(mask, list):
        return any(marks(below, path) for below in mask)
    raise Malformed(f"{path}: expected a mask of true, false, object or array, found a scalar")


def _masked_object(
    value: dict[str, Value], masks: tuple[Any, ...], unknown: Any, path: str, secrets: Secrets
) -> Value:
    keys = [*value, *(key for key in unknown if key not in value and marks(unknown[key], path))]
    return {
        key: masked(
            value.get(key),
            tuple(mask.get(key) for mask in masks),
            unknown.get(key),
            path=step(path, key),
            secrets=secrets,
        )
        for key in keys
    }


def _masked_array(
    value: list[Value], masks: tuple[Any, ...], unknown: Any, path: str, secrets: Secrets
) -> Value:
    return [
        masked(
            value[at] if at < len(value) else None,
            tuple(mask[at] if at < len(mask) else None for mask in masks),
            unknown[at] if at < len(unknown) else None,
            path=f"{path}[{at}]",
            secrets=secrets,
        )
        for at in range(max(len(value), len(unknown)))
    ]

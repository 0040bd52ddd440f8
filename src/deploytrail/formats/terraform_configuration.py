"""The configuration that a plan carries: which provider acts for what, and what is secret in it.

Pure. Of a configuration only that is read; expressions of resources stand in the plan's values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from deploytrail.formats.terraform_secrets import Secrets
from deploytrail.formats.terraform_value import Number, Value, step
from deploytrail.untrusted import Untrusted

_KEY: Final = re.compile(r'\[(?:[0-9]+|"(?:[^"\\]|\\.)*")\]', re.ASCII)
_VARIABLE: Final = re.compile(r"var\.([A-Za-z0-9_-]+)", re.ASCII)
# docs/sources/terraform.md, "Secrets of providers": the digest depends on these words.
_SECRET_WORDS: Final = (
    "accesskey", "accountkey", "apikey", "authorization", "clientkey", "connectionstring",
    "cookie", "credential", "encryptionkey", "licensekey", "masterkey", "passphrase", "passwd",
    "password", "privatekey", "pwd", "secret", "sharedkey", "signingkey", "sshkey", "storagekey",
    "token",
)  # fmt: skip
_SECRET_ENDS: Final = ("pass", "pin", "pw")
_PLACES: Final = ("endpoint", "file", "files", "path", "paths", "uri", "url")
_NO_LETTER: Final = re.compile(r"[^a-z0-9]+")


class Provider(Struct, frozen=True, kw_only=True):
    """One configuration of a provider: where it acts, as the literals and references that say so.

    `variables` are the root variables that its expressions refer to by name. Literals whose name
    says that they are secrets are dropped.
    """

    key: str
    name: str
    module: str | None = None
    expressions: Value = None
    variables: frozenset[str] = frozenset()


def providers(configuration: Untrusted | None, secrets: Secrets) -> Iterator[Provider]:
    """The provider configurations, in the document's order.

    Terraform marks nothing in them, so names decide what is remembered as a secret.
    """
    block = configuration.optional_block("provider_config") if configuration else None
    for key in block.names() if block else ():
        assert block is not None
        body = block.block(key)
        expressions = body.raw("expressions")
        yield Provider(
            key=key,
            name=body.optional_text("full_name") or body.text("name"),
            module=body.optional_text("module_address"),
            expressions=_without_secrets(expressions, f"provider.{key}", secrets),
            variables=frozenset(_variables(expressions)),
        )


def secret_variables(configuration: Untrusted | None) -> frozenset[str]:
    """The root variables that a provider uses as a secret, by their name or by that of the use."""
    block = configuration.optional_block("provider_config") if configuration else None
    return frozenset(
        name
        for key in (block.names() if block else ())
        if block is not None
        for name, is_secret in _uses(block.block(key).raw("expressions"))
        if is_secret or is_secret_name(name)
    )


def is_secret_name(name: str) -> bool:
    """Whether a name says that its value is a secret, and not where one is kept."""
    plain = _NO_LETTER.sub("", name.lower())
    if plain.endswith(_PLACES):
        return False
    last = _NO_LETTER.split(name.lower())[-1]
    return last in _SECRET_ENDS or any(word in plain for word in _SECRET_WORDS)


@lru_cache(maxsize=4096)
def is_name_of_secret(name: str) -> bool:
    """As `is_secret_name`, where nothing follows the word: `db_password`, not `password_length`.

    What such a name holds is a secret wherever else it stands; `secret` alone often names one.
    """
    plain = _NO_LETTER.sub("", name.lower())
    return plain != "secret" and plain.endswith(_SECRET_WORDS)


def provider_keys(configuration: Untrusted | None) -> dict[str, str]:
    """The key of the provider configuration of each resource, by its address without keys."""
    root = configuration.optional_block("root_module") if configuration else None
    return dict(_keys(root, "")) if root else {}


def sensitive_variables(configuration: Untrusted | None, secrets: Secrets) -> frozenset[str]:
    """The names of the root module's sensitive variables.

    Literals of a sensitive variable of any module are remembered as secrets: its default, and
    what a call of its module writes down for it.
    """
    root = configuration.optional_block("root_module") if configuration else None
    if root is None:
        return frozenset()
    for call, module in _calls(root):
        given = call.optional_block("expressions")
        for name in _sensitive_names(module, secrets):
            literal = given.optional_block(name) if given and name in given else None
            secrets.add(literal.raw("constant_value") if literal else None)
    return frozenset(_sensitive_names(root, secrets))


def sensitive_outputs(body: Untrusted) -> frozenset[str]:
    """The outputs that the configuration, the plan or the state call sensitive, by any of them.

    Before format 0.2 the change of an output carries no mask of its own.
    """
    prior = body.optional_block("prior_state")
    configuration = body.optional_block("configuration")
    holders = (
        body.optional_block("planned_values"),
        prior.optional_block("values") if prior else None,
        configuration.optional_block("root_module") if configuration else None,
    )
    return frozenset(
        name
        for holder in holders
        for name, output in _members(holder, "outputs")
        if output.optional_boolean("sensitive")
    )


def without_keys(address: str) -> str:
    """An address as the configuration knows it: `module.a[0].b.c["d"]` is `module.a.b.c`."""
    return _KEY.sub("", address) if "[" in address else address


def _sensitive_names(module: Untrusted, secrets: Secrets) -> list[str]:
    names = []
    for name, variable in _members(module, "variables"):
        if variable.optional_boolean("sensitive"):
            secrets.add(variable.raw("default"))
            names.append(name)
    return names


def _members(body: Untrusted | None, name: str) -> Iterator[tuple[str, Untrusted]]:
    block = body.optional_block(name) if body else None
    for key in block.names() if block else ():
        assert block is not None
        yield key, block.block(key)


def _calls(module: Untrusted) -> Iterator[tuple[Untrusted, Untrusted]]:
    for _, call in _members(module, "module_calls"):
        below = call.optional_block("module")
        if below is not None:
            yield call, below
            yield from _calls(below)


def _keys(module: Untrusted, prefix: str) -> Iterator[tuple[str, str]]:
    for resource in module.blocks("resources"):
        key = resource.optional_text("provider_config_key")
        if key is not None:
            yield prefix + resource.text("address"), key
    for name, call in _members(module, "module_calls"):
        below = call.optional_block("module")
        if below is not None:
            yield from _keys(below, f"{prefix}module.{name}.")


def _variables(expressions: Any) -> Iterator[str]:
    return (name for name, _ in _uses(expressions))


def _uses(expressions: Any, is_secret: bool = False) -> Iterator[tuple[str, bool]]:
    """The variables that expressions refer to, and whether one stands below a secret's name."""
    if isinstance(expressions, str):
        found = _VARIABLE.match(expressions)
        if found:
            yield found[1], is_secret
    elif isinstance(expressions, dict):
        for name, below in expressions.items():
            yield from _uses(below, is_secret or is_secret_name(name))
    elif isinstance(expressions, list):
        for below in expressions:
            yield from _uses(below, is_secret)


def _without_secrets(
    value: Value, path: str, secrets: Secrets, *, is_literal: bool = False, is_secret: bool = False
) -> Value:
    """Expressions without the literals below a secret's name; references stay."""
    if isinstance(value, dict):
        return {
            name: _without_secrets(
                below,
                step(path, name),
                secrets,
                is_literal=is_literal or name == "constant_value",
                is_secret=is_secret or is_secret_name(name),
            )
            for name, below in value.items()
        }
    if isinstance(value, list):
        return [
            _without_secrets(one, path, secrets, is_literal=is_literal, is_secret=is_secret)
            for one in value
        ]
    if is_literal and is_secret and isinstance(value, str | Number):
        return secrets.drop(path, value)
    return value

"""The values that a call of terraform was given, so that they can be found in what it prints.

Values of `-var` and `TF_VAR_*` count unless the variable's name is one that is shown among the
arguments; of the files, only values of variables that the root module declares as sensitive. Where
a file of the module can't be understood, all values count. Values are kept in memory only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from deploytrail.errors import Incomplete, Malformed
from deploytrail.masked_command import is_shown_name
from deploytrail.wrapper import regular_file
from deploytrail.wrapper.hcl import statements
from deploytrail.wrapper.terraform import Invocation

FILES_BYTES_MAX: Final = 1024 * 1024
"""Of all files together: a command waits while we read."""
FILES_MAX: Final = 200
_FILES: Final = ("terraform.tfvars", "terraform.tfvars.json", "*.auto.tfvars", "*.auto.tfvars.json")
_MODULES: Final = ("*.tf", "*.tofu", "*.tf.json", "*.tofu.json")
# A quoted text, also one that never ends, and what makes it a key and no value.
_QUOTED: Final = re.compile(r"\"((?:[^\"\\]|\\.)*+)(?:\"|\\?\Z)([ \t]*+(?:=(?!=)|:))?", re.DOTALL)
_OPENS_HEREDOC: Final = re.compile(r"<<-?([^\W\d][\w-]*+)[ \t\r]*+\Z")
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d++(?:\.\d++)?(?![\w.])")


def given_values(call: Invocation, environ: Mapping[str, str]) -> Iterator[str]:
    """Each value that may be secret, and each text within it.

    Raises Incomplete, behind the last one, where there are more than we could read.
    """
    files = _Files()
    hidden = _sensitive_variables(files.contents(_named(call.directory, _MODULES)))
    if files.is_left_out:
        hidden = None
    for name, value in _assigned(call, environ):
        if hidden is None or name in hidden or not is_shown_name(name):
            yield value
            yield from _texts(value)
    for expression in hidden.values() if hidden is not None else ():
        yield from _texts(expression)
    files = _Files()
    for path, content in files.contents(_value_files(call)):
        yield from _hidden_values(path, content, hidden)
    if files.is_left_out:
        raise Incomplete("the files of variables are too many or too large")


class _Files:
    """Contents of files, up to a total; `is_left_out` says that there was more."""

    def __init__(self) -> None:
        self._bytes_left = FILES_BYTES_MAX
        self._left = FILES_MAX
        self.is_left_out = False

    def contents(self, paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
        """What terraform can't read either is passed over: that it will tell itself."""
        for path in paths:
            if self._left == 0 or self._bytes_left <= 0:
                self.is_left_out = True
                return
            self._left -= 1
            content = regular_file.text(path, bytes_max=self._bytes_left + 1)
            if content is None:
                continue
            self._bytes_left -= len(content.encode())
            self.is_left_out = self.is_left_out or self._bytes_left < 0
            yield path, content


def _assigned(call: Invocation, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for assignment in call.assignments:
        name, _, value = assignment.partition("=")
        yield name.strip(), value
    for name, value in environ.items():
        if name.startswith("TF_VAR_"):
            yield name.removeprefix("TF_VAR_"), value


def _sensitive_variables(files: Iterable[tuple[Path, str]]) -> dict[str, str] | None:
    """The sensitive variables of a root module, with the expressions of their defaults.

    None where a file could not be understood: then each may be one.
    """
    hidden: dict[str, str] = {}
    try:
        for path, content in files:
            declared = _declared_in_json if path.suffix == ".json" else _declared
            for name, body in declared(content):
                if any(_is_on(body.get(mark)) for mark in ("sensitive", "ephemeral")):
                    hidden[name] = body.get("default", "")
    except Malformed:
        return None
    return hidden


def _is_on(expression: str | None) -> bool:
    """Whatever isn't plainly off is on."""
    return expression is not None and expression.strip('"() \t') not in ("false", "null")


def _declared(content: str) -> Iterator[tuple[str, dict[str, str]]]:
    if "variable" not in content or not ("sensitive" in content or "ephemeral" in content):
        return
    for block in statements(content):
        if block.names[0] == "variable" and len(block.names) == 2 and block.body is not None:
            body = statements(block.body)
            yield block.names[1], {one.names[0]: one.value for one in body if one.value is not None}


def _declared_in_json(content: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Variables in the JSON syntax, in which any object may be an array of objects."""
    for file in _objects(_json(content)):
        for variables in _objects(file.get("variable")):
            for name, declared in variables.items():
                for body in _objects(declared):
                    yield name, {key: _json_text(value) for key, value in body.items()}


def _objects(value: Any) -> list[dict[str, Any]]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(one, dict) for one in values):
        raise Malformed("expected an object or an array of objects, found another value")
    return values


def _value_files(call: Invocation) -> Iterator[Path]:
    for name in call.var_files:
        yield call.directory / name
    yield from _named(call.directory, _FILES)


def _named(directory: Path, patterns: Iterable[str]) -> Iterator[Path]:
    try:
        for pattern in patterns:
            yield from directory.glob(pattern)
    except OSError:
        return


def _hidden_values(path: Path, content: str, hidden: Mapping[str, str] | None) -> Iterator[str]:
    """The texts of the values of a file of variables that are secret."""
    try:
        values = list(_members(content) if path.suffix == ".json" else _assignments(content))
    except Malformed:
        # Terraform refuses it as well, and shows the line.
        yield from _texts(content)
        for line in content.split("\n"):
            yield from (line.strip(), re.split("[=:]", line, maxsplit=1)[-1].strip("\"', \t\r"))
        return
    for name, value in values:
        if hidden is None or name in hidden:
            yield from _texts(value)


def _assignments(content: str) -> Iterator[tuple[str, str]]:
    for one in statements(content):
        if one.value is None:
            raise Malformed("expected an assignment, found a block")
        yield one.names[0], one.value


def _members(content: str) -> Iterator[tuple[str, str]]:
    for values in _objects(_json(content)):
        for name, value in values.items():
            yield name, _json_text(value)


def _json(content: str) -> Any:
    try:
        return json.loads(content.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        raise Malformed("expected JSON, found something else") from None


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _texts(expression: str) -> Iterator[str]:
    """The texts and numbers of an expression, or else the whole as it stands."""
    quoted = [text for text, key in _QUOTED.findall(expression) if not key]
    documents = list(_heredocs(expression))
    for text in quoted:
        yield text
        if "\\" not in text:
            continue
        try:
            yield json.loads(f'"{text}"', strict=False)
        except ValueError:
            # An escape that only HCL knows; it was given as it stands.
            continue
    for text in documents:
        yield from (text, *(line.strip() for line in text.split("\n")))
    yield from _NUMBER.findall(expression)
    if not quoted and not documents:
        yield expression.strip()


def _heredocs(expression: str) -> Iterator[str]:
    """What stands between `<<NAME` and a line NAME, or the end."""
    marker, kept = "", list[str]()
    for line in expression.split("\n"):
        if not marker:
            opens = _OPENS_HEREDOC.search(line) if "<<" in line else None
            marker = opens[1] if opens else ""
        elif line.strip() == marker:
            yield "".join(kept)
            marker, kept = "", []
        else:
            kept.append(f"{line}\n")
    if marker:
        yield "".join(kept)

"""What may be kept of Terraform's output: its text without secrets.

Pure. Terraform hides the values that it knows to be sensitive, but not the outputs of
`terraform_data` when it is destroyed, nor the command of a provisioner that failed, which it
prints with all that was put in.
"""

from __future__ import annotations

import re
from typing import Final

from deploytrail.formats.terraform_secrets import Secrets

_FAILED: Final = "Error running command '"
# Diagnostics are wrapped at any blank, and each of their lines begins with a bar.
_status: Final = re.compile(
    r"':[\s│]{1,9}(exit[\s│]{1,9}status[\s│]{1,9}[0-9]{1,9}|signal:[\s│]{1,9}\w{1,32})"
).search
# In a line of a stream to the end of the JSON string, else to the end of the diagnostic: its box,
# or before Terraform 0.15, an empty line.
_COMMAND: Final = re.compile(
    rf'(?<="){_FAILED}(?:[^"\\\n]|\\.)*+|{_FAILED}(?s:.*?)(?=\n(?:╵|[ \t\r]*\n)|\Z)'
)


def kept_output(text: str, secrets: Secrets) -> str:
    """The text, its escapes removed before, with secrets and failed commands covered."""
    return _COMMAND.sub(_without_command, secrets.covered(text))


def _without_command(found: re.Match[str]) -> str:
    status = _status(found[0])
    words = " ".join(status[1].replace("│", " ").split()) if status else "(unknown)"
    return f"{_FAILED}[masked:command]': {words}"

"""What an operator does at a vendor to connect it: printed, with the files for it written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from deploytrail.cli.terminal import is_terminal, say, say_json, say_wrapped, styled
from deploytrail.intake.connections import Stanza
from deploytrail.kit.source import Source


class Setup(NamedTuple):
    """What an operator does at the vendor; `made` is the secret, where we made it."""

    source: Source
    name: str
    stanza: Stanza
    made: str | None
    server: str
    folder: Path

    @property
    def address(self) -> str:
        return f"{self.server}/in/{self.name}"

    def done(self, *, is_json: bool) -> None:
        """Of a connection that was just made: its files written, and everything said."""
        self.write_files()
        self.say(is_json=is_json)

    def write_files(self) -> None:
        """What is to be installed at the vendor, beside what is declared; none holds a secret."""
        from deploytrail.app.connections.folder import replaced
        from deploytrail.intake.known import shipped

        for file in self.source.files:
            text = self._filled(shipped(self.source, file))
            replaced(self.folder / f"{self.name}-{file}", text)

    def say(self, *, is_json: bool) -> None:
        secret = self.made
        if secret is None:
            secret = f"(the secret at {', '.join(self.stanza.secrets) or 'hand'})"
        text = self._filled(self.source.setup).replace("{secret}", secret).strip()
        if is_json:
            said = {"name": self.name, "url": self.address, "credential": self.stanza.credential}
            say_json({**said, "secret": self.made, "setup": text})
            return
        head = f"Set {self.source.title} up:"
        say()
        say(styled(head, "bold") if is_terminal(sys.stdout) else head)
        for line in text.split("\n"):
            say(f"  {line}")
        if self.made is not None:
            say()
            say_wrapped(
                f"The secret is shown once; the server reads it at {self.stanza.secrets[0]}."
            )
        say_wrapped(f"Then try it: deploytrail connection test {self.name}")

    def _filled(self, text: str) -> str:
        said = {"url": self.address, "name": self.name, "folder": str(self.folder)}
        for word, value in said.items():
            text = text.replace(f"{{{word}}}", value)
        return text

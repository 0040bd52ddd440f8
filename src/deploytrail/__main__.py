"""The program: `deploytrail VERB …`, and what becomes of whatever its verbs raise.

`run` is dispatched before a terminal framework is imported: a wrapped command waits for us.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn


def main() -> int:
    """The exit code of this process's arguments; see `deploytrail.errors` for what each means."""
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["run"]:
            from deploytrail.cli.run import main as run

            _leave(run(arguments[1:]))
        from deploytrail.cli.program import main as program

        return program(arguments)
    except KeyboardInterrupt:
        # Pressed while we were still loading: later, each verb answers for itself.
        return 130
    except Exception as error:  # noqa: BLE001 (what can't be loaded is our fault, and has its code)
        from deploytrail.cli.fault import report

        return report(error)


def _leave(exit_code: int) -> NoReturn:
    """Ends the process at once: taking the interpreter apart is time that a wrapped command waits.

    Nothing is pending: what was recorded is durable, and every file that matters is closed.
    """
    for stream in (sys.stdout, sys.stderr):
        # None where it was closed before us.
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(exit_code)


if __name__ == "__main__":
    sys.exit(main())

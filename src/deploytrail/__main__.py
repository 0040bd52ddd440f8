"""The program: `deploytrail VERB …`, and what becomes of whatever its verbs raise.

`run` is dispatched before a terminal framework is imported: a wrapped command waits for us.
"""

from __future__ import annotations

import sys


def main() -> int:
    """The exit code of this process's arguments; see `deploytrail.errors` for what each means."""
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["run"]:
            from deploytrail.cli.run import main as run

            return run(arguments[1:])
        from deploytrail.cli.program import main as program

        return program(arguments)
    except KeyboardInterrupt:
        # Pressed while we were still loading: later, each verb answers for itself.
        return 130
    except Exception as error:  # noqa: BLE001 (what can't be loaded is our fault, and has its code)
        from deploytrail.cli.fault import report

        return report(error)


if __name__ == "__main__":
    sys.exit(main())

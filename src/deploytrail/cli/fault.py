"""A fault of ours: told in two lines, with the traceback where that was asked for.

Imports nothing that could be what is broken.
"""

from __future__ import annotations

import os
import sys

EXIT_OUR_FAULT = 70
"""As in `deploytrail.errors`, which may be what can't be imported."""


def report(error: BaseException) -> int:
    """The exit code of an exception that nobody expected, which is told."""
    text = f"{type(error).__name__}: {error}".encode("ascii", "backslashreplace").decode("ascii")
    sys.stderr.write(
        f"error: {' '.join(text.split())}\n"
        "This is a fault of deploytrail, not yours. Please report it with what the same command "
        "prints when DEPLOYTRAIL_DEBUG=1 is set.\n"
    )
    if os.environ.get("DEPLOYTRAIL_DEBUG"):
        import traceback

        traceback.print_exception(error)
    return EXIT_OUR_FAULT

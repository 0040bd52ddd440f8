"""Where a run's events are kept until a trail takes them, and how they outlive the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from deploytrail.sentence import counted
from deploytrail.wrapper.guarded import Tell
from deploytrail.wrapper.request import MODES, Mode
from deploytrail.wrapper.spool_file import FOLDER, is_left, spools

if TYPE_CHECKING:
    from deploytrail.spool.seal import SpoolKey

DRAIN_SECONDS: Final = 10.0
"""For so long at most the end of a run drains what others left."""
CI_DRAIN_SECONDS: Final = 20.0
_KEY_FILE: Final = "spool-key"
_MODES_FILE: Final = "modes"


class Keeping(NamedTuple):
    """Where what can't be recorded is kept: the folder of spools, and what a spool is told.

    `home` may hold what older releases left in `unrecorded/`. `trail` says in a spool for which
    trail it was made, `key` is the one to which it is sealed; `key_file` has the one that the
    trail's server told last. `system` is the CI system whose job we are part of, and `artifact`
    the directory into which its spools are then exported.
    """

    folder: Path
    home: Path
    trail: str | None = None
    key: SpoolKey | None = None
    key_file: Path | None = None
    drain_seconds: float = DRAIN_SECONDS
    system: str | None = None
    artifact: Path | None = None

    def carry_out(self, run: str, tell: Tell) -> None:
        """In a job of CI, exports what waits, and says how the job keeps it."""
        if self.system is None:
            return
        from deploytrail.wrapper.artifact import how_to_keep

        left = [path for path in spools(self.folder) if is_left(path)]
        if not left:
            return
        shown = str(self.folder)
        if self.artifact is not None:
            from deploytrail.wrapper.spool_export import export

            target = self.artifact / f"deploytrail-{run}.spool"
            export(left, target)
            shown = target.name
        tell(f"{counted(len(left), 'spool')} not in the trail yet; with this runner it is gone")
        for line in how_to_keep(self.system, shown):
            tell(line)
        tell("then, where the trail is: deploytrail spool import FILE")

    def mode(self, environment: str) -> Mode | None:
        """What is declared for runs in that environment, as the trail told last."""
        text = _text(self.home / _MODES_FILE)
        if not text:
            return None
        import json

        try:
            found = json.loads(text)
        except ValueError:
            return None
        said = found.get(environment.casefold()) if isinstance(found, dict) else None
        return next((one for one in MODES if one == said), None)

    def learn(self, key: str, modes: Mapping[str, str]) -> None:
        """Keeps what a server said its key is, and which modes hold, for when it is away."""
        if self.key_file is not None:
            _keep(self.key_file, key)
            keep_modes(self.home, modes)


def keep_modes(home: Path, modes: Mapping[str, str]) -> None:
    """Which modes hold for runs that find a trail's leftovers in this home."""
    import json

    _keep(home / _MODES_FILE, json.dumps(dict(modes), sort_keys=True))


def _keep(path: Path, text: str) -> None:
    if _text(path) == text:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text)
    new.replace(path)


def keeping(
    environ: Mapping[str, str],
    *,
    aside: Path | None,
    url: str,
    directory: Path,
    tell: Tell,
) -> Keeping | None:
    """Where a run keeps what its trail does not take; None where no directory is known.

    `aside` is where the trail's own leftovers lie, `directory` where the run's command is.
    """
    from deploytrail.wrapper.ci import ci_context

    given = environ.get("DEPLOYTRAIL_SPOOL")
    if aside is None and not given:
        return None
    home = aside or directory / (given or "")
    is_server = url.lower().startswith(("http:", "https:"))
    key_file = home / _KEY_FILE if is_server else None
    ci = ci_context(environ)
    return Keeping(
        directory / given if given else home / FOLDER,
        home,
        trail=_named(url) or None,
        key=_key(environ, key_file, tell),
        key_file=key_file,
        drain_seconds=_seconds(environ, CI_DRAIN_SECONDS if ci else DRAIN_SECONDS, tell),
        system=ci.system if ci else None,
        artifact=None if given else directory,
    )


def _key(environ: Mapping[str, str], key_file: Path | None, tell: Tell) -> SpoolKey | None:
    text = environ.get("DEPLOYTRAIL_SPOOL_KEY") or (_text(key_file) if key_file else "")
    if not text:
        return None
    from deploytrail.errors import Malformed
    from deploytrail.spool.seal import spool_key

    try:
        return spool_key(text)
    except Malformed as error:
        tell(f"the spool is not sealed, but redacted and for you alone: {error}")
        return None


def _seconds(environ: Mapping[str, str], default: float, tell: Tell) -> float:
    text = environ.get("DEPLOYTRAIL_DRAIN_SECONDS", "")
    if not text:
        return default
    if text.isascii() and text.isdigit() and len(text) < 7:
        return float(text)
    tell(f"DEPLOYTRAIL_DRAIN_SECONDS is not used: expected whole seconds, found {text[:20]!a}")
    return default


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _named(url: str) -> str:
    """Which trail, without what opens it."""
    scheme, mark, rest = url.partition("://")
    if "@" in rest.partition("?")[2]:
        # A password that nobody escaped may hold a question mark.
        return ""
    place = rest.partition("?")[0].rpartition("@")[2]
    return f"{scheme}{mark}{place}"[:512] if mark else ""

"""The git context of a directory: repository, commit, ref, and the path within the work tree.

Read from the files of `.git` (gitrepository-layout(5)), not by `git`: that takes a millisecond,
and reading can't run what a foreign repository configured (hooks, fsmonitor). What can't be read
so (reftable, includes) is absent. Nothing is ever written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from deploytrail.wrapper import regular_file

_FILE_BYTES_MAX: Final = 4 * 1024 * 1024
# Compiled at the first use: outside of git, nobody waits for that.
_COMMIT: Final = r"[0-9a-f]{40}|[0-9a-f]{64}"
_REMOTE: Final = r'\[remote "([^"]+)"\]'
_REPOSITORY: Final = r"(?:\w[\w+.-]*://)?(?:[^@/]*@)?[^/:]+(?::\d+)?[:/]/*(.+)"


class GitContext(Struct, frozen=True, kw_only=True):
    """Where a directory stands in a repository. `path` is relative to `top`, `.` at the top."""

    top: Path
    path: str
    commit: str | None = None
    ref: str | None = None
    repository: str | None = None


def git_context(directory: Path) -> GitContext | None:
    """The context of the work tree around `directory`, or None outside of any."""
    place = directory.resolve()
    for top in (place, *place.parents):
        git = _git_directory(top / ".git")
        if git is not None:
            commit, ref = _head(git)
            return GitContext(
                top=top,
                path=place.relative_to(top).as_posix(),
                commit=commit,
                ref=ref,
                repository=_repository(_text(_shared(git) / "config") or ""),
            )
    return None


def repository_name(url: str) -> str | None:
    """`acme/infra` of a remote's URL, in any of git's notations and without its credentials.

    None for a path of this machine, which says nothing elsewhere.
    """
    found = re.fullmatch(_REPOSITORY, url)
    if found is None or url.startswith(("/", ".", "file:")):
        return None
    return found[1].removesuffix("/").removesuffix(".git") or None


def _git_directory(path: Path) -> Path | None:
    """The directory behind `.git`, which is a file in linked work trees and submodules."""
    if path.is_dir():
        return path
    pointer = _text(path)
    if pointer is None or not pointer.startswith("gitdir: "):
        return None
    return path.parent / pointer.removeprefix("gitdir: ").strip()


def _shared(git: Path) -> Path:
    """Where branches and the configuration are: a linked work tree keeps only its own HEAD."""
    common = _text(git / "commondir")
    return git / common.strip() if common else git


def _head(git: Path) -> tuple[str | None, str | None]:
    head = (_text(git / "HEAD") or "").strip()
    if not head.startswith("ref: "):
        return _commit(head), None
    ref = head.removeprefix("ref: ")
    shared = _shared(git)
    loose = _commit((_text(shared / ref) or "").strip())
    return loose or _packed(_text(shared / "packed-refs") or "", ref), ref


def _packed(refs: str, ref: str) -> str | None:
    before, found, _ = refs.partition(f" {ref}\n")
    return _commit(before.rpartition("\n")[2]) if found else None


def _commit(text: str) -> str | None:
    return text if re.fullmatch(_COMMIT, text) else None


def _repository(config: str) -> str | None:
    """The repository of `origin`, or of the first remote where there is no origin."""
    remotes = dict(reversed(list(_remotes(config))))
    url = remotes.get("origin") or next(reversed(remotes.values()), None)
    return repository_name(url) if url else None


def _remotes(config: str) -> Iterator[tuple[str, str]]:
    """Each remote's name with each of its URLs, by the lines of git-config(1)."""
    remote = ""
    for line in map(str.strip, config.split("\n")):
        if line.startswith("["):
            found = re.fullmatch(_REMOTE, line)
            remote = found[1] if found else ""
        elif remote and line.startswith("url"):
            name, _, url = line.partition("=")
            if name.strip() == "url" and url.strip():
                yield remote, url.strip()


def _text(path: Path) -> str | None:
    return regular_file.text(path, bytes_max=_FILE_BYTES_MAX)

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
_SECTION: Final = r"\[([^\]\"]*)(?:\"((?:[^\"\\]|\\.)*)\"[ \t]*)?\](.*)"
# A value's pieces; what they don't cover begins a comment, or is broken.
_PIECE: Final = r"\"((?:[^\"\\]|\\.)*)\"|\\(.)|([^\"\\#;]+)"
_SCHEME: Final = r"[A-Za-z][A-Za-z0-9+.-]*://"
_HOST: Final = r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])"
# What may hold credentials is no part of either: `@`, `:`, and what stands behind `?` or `#`.
_PATH: Final = r"/*([^\s/@:?#\\][^\s@:?#\\]*)"


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

    None for a path of this machine, which says nothing elsewhere, and for what is written so oddly
    that a part of a password could be taken for a name.
    """
    if url.startswith(("/", ".", "~", "file:")):
        return None
    scheme = re.match(_SCHEME, url)
    if scheme is None:
        # As scp has it: git takes the first colon, so no password has a place before it.
        found = re.fullmatch(rf"(?:[^:/]*@)?{_HOST}:{_PATH}", url)
    else:
        place = re.match(r"[^?#]*", url[scheme.end() :])
        assert place is not None
        user, _, rest = place[0].rpartition("@")
        if "/" in user or "@" in url[scheme.end() + place.end() :]:
            return None
        found = re.fullmatch(rf"{_HOST}(?::\d*)?/{_PATH}", rest)
    if found is None:
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
        found = re.fullmatch(_SECTION, line)
        if found:
            is_remote = found[1].strip().lower() == "remote"
            remote, line = (found[2] or "") if is_remote else "", found[3]
        name, _, value = line.partition("=")
        if remote and name.strip().lower() == "url":
            url = _unquoted(value.strip())
            if url:
                yield remote, url


def _unquoted(value: str) -> str:
    """A value as git reads it: without quotes, escapes and comment; nothing for a broken one."""
    kept, end = [], 0
    for piece in re.finditer(_PIECE, value):
        if piece.start() != end:
            break
        quoted, escaped, plain = piece.groups()
        kept.append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else escaped or plain)
        end = piece.end()
    is_whole = end == len(value) or value[end] in "#;"
    return "".join(kept).strip() if is_whole else ""


def _text(path: Path) -> str | None:
    return regular_file.text(path, bytes_max=_FILE_BYTES_MAX)

"""URLs of forges and CI systems, and what they name: a repository, or a run.

Pure. The names are those that the tools' own sources and the wrapper give.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

_WEB: Final = re.compile(r"https?://(?:[^/@\s]*@)?([^/\s]+)/([^?#\s]+)")
_SSH: Final = re.compile(r"(?:ssh://)?[^@/\s]+@([^:/\s]+)(?::\d+/|[:/])([^?#\s]+)")
_RUNS: Final = (
    (re.compile(r"([^/]+/[^/]+)/actions/runs/(\d+)(?:/.*)?"), "github:{}/actions/runs/{}"),
    (re.compile(r"(.+?)/-/pipelines/(\d+)(?:/.*)?"), "gitlab:{}/pipelines/{}"),
    (re.compile(r"app/.+/runs/(run-[0-9A-Za-z]+)(?:/.*)?"), "hcp_terraform:{}"),
)
_URL_CHARACTERS_MAX: Final = 2_048


def repository(url: str | None) -> str | None:
    """`OWNER/REPO` of a clone's URL, as https, ssh or git's short form; None for what is none."""
    path = _path(url)
    return None if path is None else path.strip("/").removesuffix(".git") or None


def run(url: str | None) -> str | None:
    """A run of GitHub Actions, GitLab or HCP Terraform; None for any other URL."""
    path = _path(url)
    for pattern, form in _RUNS if path is not None else ():
        found = pattern.fullmatch(path or "")
        if found is not None:
            return form.format(*found.groups())
    return None


def _path(url: str | None) -> str | None:
    if url is None or len(url) > _URL_CHARACTERS_MAX:
        return None
    found = _WEB.match(url) or _SSH.fullmatch(url)
    return unquote(found[2]) if found else None

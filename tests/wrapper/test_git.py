"""The git context, against repositories that git itself made."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from deploytrail.wrapper.git import git_context, repository_name
from tests.conftest import tool

URLS = {
    "https": ("https://github.com/acme/infra.git", "acme/infra"),
    "https with credentials": ("https://alice:hunter2@github.com/acme/infra", "acme/infra"),
    "ssh": ("ssh://git@git.example.test:2222/acme/infra.git", "acme/infra"),
    "scp": ("git@github.com:acme/infra.git", "acme/infra"),
    "scp without a user": ("github.com:acme/infra", "acme/infra"),
    "a deeper group": ("https://gitlab.com/acme/platform/infra.git", "acme/platform/infra"),
    "a path of this machine": ("/srv/git/infra.git", None),
    "a relative path": ("../infra", None),
    "a file URL": ("file:///srv/git/infra.git", None),
}


@pytest.mark.parametrize("case", URLS)
def test_a_repository_is_named_without_host_and_credentials(case: str) -> None:
    url, name = URLS[case]
    assert repository_name(url) == name


class Git:
    """A repository with one commit, as Alice makes it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        top.mkdir()
        self("init", "--quiet", "--initial-branch=main")
        (top / "live").mkdir()
        (top / "live" / "main.tf").write_text("# nothing\n")
        self("add", ".")
        self("commit", "--quiet", "--message", "first")

    def __call__(self, *arguments: str, cwd: Path | None = None) -> str:
        identity = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        for role in ("AUTHOR", "COMMITTER"):
            identity |= {f"GIT_{role}_NAME": "Alice", f"GIT_{role}_EMAIL": "alice@example.test"}
        command = [tool("git"), *arguments]
        environ = os.environ | identity
        done = subprocess.run(command, cwd=cwd or self.top, env=environ, check=True, stdout=-1)
        return done.stdout.decode().strip()

    @property
    def commit(self) -> str:
        return self("rev-parse", "HEAD")


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path / "infra")


def test_a_directory_below_the_top_tells_its_path(git: Git) -> None:
    found = git_context(git.top / "live")
    assert found is not None
    assert (found.path, found.commit, found.ref) == ("live", git.commit, "refs/heads/main")
    assert found.repository is None


def test_packed_refs_are_read(git: Git) -> None:
    git("pack-refs", "--all")
    found = git_context(git.top)
    assert found is not None
    assert (found.path, found.commit) == (".", git.commit)


def test_a_detached_head_has_a_commit_and_no_ref(git: Git) -> None:
    git("checkout", "--quiet", "--detach")
    found = git_context(git.top)
    assert found is not None
    assert (found.commit, found.ref) == (git.commit, None)


def test_a_linked_work_tree_has_its_own_head_and_the_shared_remote(git: Git) -> None:
    git("remote", "add", "origin", "git@github.com:acme/infra.git")
    git("worktree", "add", "--quiet", "-b", "wider", "../wider")
    found = git_context(git.top.parent / "wider" / "live")
    assert found is not None
    assert (found.commit, found.ref) == (git.commit, "refs/heads/wider")
    assert (found.repository, found.path) == ("acme/infra", "live")


def test_origin_goes_before_other_remotes(git: Git) -> None:
    git("remote", "add", "fork", "git@github.com:alice/infra.git")
    first = git_context(git.top)
    git("remote", "add", "origin", "git@github.com:acme/infra.git")
    second = git_context(git.top)
    assert first is not None
    assert second is not None
    assert (first.repository, second.repository) == ("alice/infra", "acme/infra")


def test_a_repository_without_a_commit_has_none(tmp_path: Path) -> None:
    subprocess.run([tool("git"), "init", "--quiet", str(tmp_path)], check=True)
    found = git_context(tmp_path)
    assert found is not None
    assert found.commit is None


def test_a_broken_repository_is_no_error(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_bytes(b"ref: \xff\0/..\n")
    found = git_context(tmp_path)
    assert found is not None
    assert found.commit is None


def test_outside_of_a_repository_there_is_no_context(tmp_path: Path) -> None:
    assert git_context(tmp_path) is None

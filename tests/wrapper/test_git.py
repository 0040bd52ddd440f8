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
    "https with several @": ("https://alice:hun@ter2@github.com/acme/infra", "acme/infra"),
    "https with a token alone": ("https://hunter2@github.com/acme/infra", "acme/infra"),
    "a token behind it": ("https://github.com/acme/infra.git?private_token=hunter2", "acme/infra"),
    "a fragment": ("https://github.com/acme/infra#hunter2", "acme/infra"),
    "a port": ("https://alice:hunter2@github.com:8443/acme/infra/", "acme/infra"),
    "an address of IPv6": ("ssh://git@[2001:db8::1]:22/acme/infra", "acme/infra"),
    "a slash in a password": ("https://alice:hun/ter2@github.com/acme/infra", None),
    "a number and a slash": ("https://alice:22/hunter2@github.com/acme/infra", None),
    "a hash in a password": ("https://alice:1/hun#ter2@github.com/acme/infra", None),
    "a question mark in a password": ("https://alice:1/hun?ter2@github.com/acme/infra", None),
    "an @ in a query": ("https://github.com/acme/infra?token=a@hunter2/x", None),
    "a word for a port": ("ssh://alice:hunter2/acme/infra", None),
    "a password without a scheme": ("alice:hunter2@github.com:acme/infra", None),
    "a helper": ("ext::ssh -i hunter2 github.com acme/infra", None),
    "a path of another system": ("C:\\git\\infra", None),
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


CONFIGS = {
    "quoted": '\turl = "https://bob:hun;ter2@example.test/acme/infra.git"',
    "quoted in part": '\turl = https://bob:"hun;ter2"@example.test/acme/infra.git',
    "escaped": '\tURL=https://bob:hun\\"ter2@example.test/acme/infra.git',
    "with a comment": "\turl = https://bob:hunter2@example.test/acme/infra.git ; hunter2",
}


@pytest.mark.parametrize("line", CONFIGS.values(), ids=CONFIGS.keys())
def test_a_configured_url_is_read_as_git_reads_it(git: Git, line: str) -> None:
    with (git.top / ".git" / "config").open("a") as file:
        file.write(f'[remote "origin"]\n{line}\n')
    assert "hun" in git("remote", "get-url", "origin")
    found = git_context(git.top)
    assert found is not None
    assert found.repository == "acme/infra"


@pytest.mark.parametrize("line", ['url = "https://bob:hunter2@', "url = https://bob:hunter2\\"])
def test_a_broken_line_names_no_repository(git: Git, line: str) -> None:
    with (git.top / ".git" / "config").open("a") as file:
        file.write(f'[remote "origin"]\n{line}\n')
    found = git_context(git.top)
    assert found is not None
    assert found.repository is None


def test_a_section_and_its_url_may_share_a_line(git: Git) -> None:
    with (git.top / ".git" / "config").open("a") as file:
        file.write('[Remote "origin"] url = git@example.test:acme/infra\n')
    found = git_context(git.top)
    assert found is not None
    assert found.repository == "acme/infra"


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

"""What a URL of a forge names."""

from __future__ import annotations

import pytest

from deploytrail.formats import forge_url

RUNS = {
    "https://github.com/acme/infra/actions/runs/12/job/3": "github:acme/infra/actions/runs/12",
    "https://git.example.org/acme/live/infra/-/pipelines/9": "gitlab:acme/live/infra/pipelines/9",
    "https://app.terraform.io/app/acme/workspaces/shop/runs/run-Ab1": "hcp_terraform:run-Ab1",
    "https://github.com/acme/infra/actions/runs/12?pr=7": "github:acme/infra/actions/runs/12",
    "https://ci.example.org/12": None,
    "no url": None,
}


@pytest.mark.parametrize("url", RUNS)
def test_a_run_is_named_as_its_tool_names_it(url: str) -> None:
    assert forge_url.run(url) == RUNS[url]


REPOSITORIES = {
    "https://github.com/acme/infra": "acme/infra",
    "https://github.com/acme/infra.git": "acme/infra",
    "https://github.com/acme/infra/?tab=readme#top": "acme/infra",
    "https://alice@git.example.org/acme/live/infra": "acme/live/infra",
    "git@github.com:acme/infra.git": "acme/infra",
    "ssh://git@github.com/acme/infra.git": "acme/infra",
    "ssh://git@git.example.org:2222/acme/infra": "acme/infra",
    "https://github.com/": None,
    "no url": None,
    "https://github.com/" + "a" * 9_000: None,
}


@pytest.mark.parametrize("url", REPOSITORIES)
def test_a_repository_is_named_by_its_path(url: str) -> None:
    assert forge_url.repository(url) == REPOSITORIES[url]


def test_nothing_names_nothing() -> None:
    assert forge_url.run(None) is None
    assert forge_url.repository(None) is None

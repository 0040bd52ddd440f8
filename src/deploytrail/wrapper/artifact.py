"""How a job's file outlives its runner, by CI system. Pure.

Each as the system's own documentation has it; the key is `ci.System.name`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_KEPT: Final[Mapping[str, str]] = {
    # github.com/actions/upload-artifact
    "github": """\
- if: always()
  uses: actions/upload-artifact@v4
  with: {{name: deploytrail-spool, path: "{path}"}}""",
    # docs.gitlab.com/ci/yaml/#artifactswhen
    "gitlab": """\
artifacts:
  when: always
  paths: ["{path}"]""",
    # jenkins.io/doc/pipeline/steps/core/#archiveartifacts
    "jenkins": "post {{ always {{ archiveArtifacts artifacts: '{path}' }} }}",
    # learn.microsoft.com/azure/devops/pipelines/tasks/reference/publish-pipeline-artifact-v1
    "azure": """\
- task: PublishPipelineArtifact@1
  condition: always()
  inputs: {{targetPath: "{path}", artifact: deploytrail-spool}}""",
    # buildkite.com/docs/agent/v3/cli-artifact
    "buildkite": 'buildkite-agent artifact upload "{path}"',
    # circleci.com/docs/configuration-reference/#storeartifacts
    "circleci": """\
- store_artifacts:
    path: "{path}\"""",
}


def how_to_keep(system: str, path: str) -> list[str]:
    """Lines that say how the job keeps a file; general words for a system that isn't known."""
    written = _KEPT.get(system)
    if written is None:
        return [f"keep {path} as an artifact of this job"]
    return [f"keep {path} as an artifact of this job:", *written.format(path=path).splitlines()]

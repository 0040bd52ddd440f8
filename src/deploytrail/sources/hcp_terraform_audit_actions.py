"""What each event of HCP Terraform's audit trail is called here.

Data only. developer.hashicorp.com/terraform/cloud-docs/api-docs/audit-trails lists the types of
resources and their actions. Of those types, a few plain verbs that the page does not list are read
too: what `workspace.lock` means leaves no doubt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TABLE: Final = """
agent                       destroy=build.runner.removed
authentication_token        create=identity.token.created destroy=identity.token.revoked
configuration_version       show=config.read download=config.exported
data_retention_policy       destroy=config.deleted
notification_configuration  create=integration.webhook.created update=integration.webhook.updated \
  destroy=integration.webhook.deleted enable=integration.webhook.updated
oauth_client                create=integration.connection.created \
  update=integration.connection.updated destroy=integration.connection.removed
oauth_token                 index=secret.listed show=secret.read update=secret.updated \
  destroy=secret.deleted
organization                create=environment.account.created update=environment.account.updated \
  destroy=environment.account.closed
organization_user           create=access.member.added update=access.member.updated \
  destroy=access.member.removed
policy                      create=policy.created update=policy.updated destroy=policy.deleted
policy_check                override=policy.check.overridden
policy_config               create=policy.created
policy_set                  create=policy.created update=policy.updated destroy=policy.deleted
policy_version              create=policy.bundle.published
project                     create=environment.created update=environment.updated \
  destroy=environment.deleted add_team=access.granted update_team_permissions=access.updated \
  remove_team=access.revoked
registry_module             create=config.module.published update=config.updated \
  destroy=config.module.deleted destroy_version=config.module.deleted
registry_provider           create=config.module.published destroy=config.module.deleted
registry_provider_platform  create=config.module.published destroy=config.module.deleted
registry_provider_version   create=config.module.published destroy=config.module.deleted
run                         create=deployment.requested apply=approval.granted \
  cancel=deployment.cancelled force_cancel=deployment.cancelled discard=plan.discarded \
  force_execute=environment.lock.broken
run_trigger                 create=config.created destroy=config.deleted
saml_configuration          create=identity.provider.created update=identity.provider.updated \
  destroy=identity.provider.deleted enable=identity.provider.updated \
  disable=identity.provider.updated
ssh_key                     index=secret.listed show=secret.read create=secret.created \
  update=secret.updated destroy=secret.deleted
stack                       create=deployment.unit.created update=deployment.unit.updated \
  destroy=deployment.unit.deleted
state_version               index=state.read show=state.read create=state.updated \
  soft_delete_backing_data=state.deleted restore_backing_data=state.restored \
  permanently_delete_backing_data=state.deleted
task                        create=integration.connection.created \
  update=integration.connection.updated destroy=integration.connection.removed
task_stage                  override=policy.check.overridden
team                        create=access.group.created update=access.group.updated \
  destroy=access.group.deleted add_member=access.group.joined remove_member=access.group.left
var                         index=config.read show=config.read create=config.variable.created \
  update=config.variable.updated destroy=config.variable.deleted
vcs_repo                    create=integration.connection.created
workspace                   create=environment.workspace.created \
  update=environment.workspace.updated destroy=environment.workspace.deleted \
  lock=environment.locked unlock=environment.unlocked force_unlock=environment.lock.broken \
  add_team=access.granted update_team_permissions=access.updated remove_team=access.revoked
workspace_task              create=policy.attached update=policy.enforcement.changed \
  destroy=policy.detached
"""


def _parsed(table: str) -> Mapping[str, str]:
    found = {}
    for line in table.replace("\\\n", "").strip().split("\n"):
        kind, *pairs = line.split()
        for verb, _, action in (pair.partition("=") for pair in pairs):
            found[f"{kind}.{verb}"] = action
    return found


ACTIONS: Final[Mapping[str, str]] = _parsed(_TABLE)
"""By `resource.type` and `resource.action`, joined by a dot."""

SET_ASIDE: Final[Mapping[str, str]] = {
    "authentication_token.show": "a token's description was shown, never the token",
    "user.index": "a list of users was shown",
    "workspace_comment.create": "a remark on a run decides nothing",
}

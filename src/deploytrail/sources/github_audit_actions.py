"""GitHub's audit log: what its actions are in our words.

Data only. docs.github.com/en/enterprise-cloud@latest/admin/monitoring-activity-in-your-enterprise/
reviewing-audit-logs-for-your-enterprise/audit-log-events-for-your-enterprise
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class How(NamedTuple):
    """Our action; the type of its target, and the field of the entry that names it."""

    action: str
    target: str
    field: str


# Ours | target | field | the entry's action. Of several ends, {a,b}, each is an action of its own.
_TABLE: Final = """
access.setting.changed | setting | action | auto_approve_personal_access_token_requests.{disable,
    enable}
access.member.added | user | user | business.add_admin
access.member.removed | user | user | business.remove_admin
environment.account.moved | organization | org | business.add_organization
environment.account.moved | organization | org | business.remove_organization
access.member.updated | user | user | business.add_support_entitlee
environment.account.created | enterprise | business | business.create
environment.account.closed | enterprise | business | business.delete
identity.provider.deleted | identity_provider | business | business.{disable_saml,disable_oidc}
identity.provider.created | identity_provider | business | business.{enable_saml,enable_oidc}
identity.provider.updated | identity_provider | business | business.update_saml_provider_settings
access.setting.changed | setting | action | business.{disable_two_factor_requirement,
    enable_two_factor_requirement}
integration.audit_log.updated | audit_log | business | business.{disable_source_ip_disclosure,
    enable_source_ip_disclosure}
access.invitation.sent | user | user | business.invite_admin
access.invitation.cancelled | user | user | business.cancel_admin_invitation
build.runner.registered | runner | runner_name | business.{register_self_hosted_runner,
    configure_self_hosted_jit_runner}
build.runner.removed | runner | runner_name | business.remove_self_hosted_runner
build.runner.connected | runner | runner_name | business.self_hosted_runner_online
build.runner.disconnected | runner | runner_name | business.self_hosted_runner_offline
access.setting.changed | setting | action | business.set_actions_retention_limit
access.setting.changed | setting | action | business.set_default_workflow_permissions
access.setting.changed | setting | action | business.set_actions_fork_pr_approvals_policy
access.setting.changed | setting | action | business.{update_actions_settings,
    update_default_repository_permission,update_member_repository_creation_permission}
integration.audit_log.exported | audit_log | business | business.audit_log_export
integration.audit_log.exported | audit_log | business | business.audit_log_git_event_export
access.setting.changed | setting | action | business_advanced_security.{enabled,disabled}
build.log.deleted | repository | repo | checks.delete_logs
integration.audit_log.enabled | audit_log | business | audit_log_streaming.create
integration.audit_log.updated | audit_log | business | audit_log_streaming.update
integration.audit_log.disabled | audit_log | business | audit_log_streaming.destroy
build.cache.cleared | repository | repo | actions_cache.delete
build.artifact.deleted | artifact | name | artifact.destroy
code.scanning.enabled | feature | action | dependabot_alerts.enable
code.scanning.disabled | feature | action | dependabot_alerts.disable
access.setting.changed | setting | action | dependabot_alerts_new_repos.{enable,disable}
code.scanning.enabled | feature | action | dependabot_security_updates.enable
code.scanning.disabled | feature | action | dependabot_security_updates.disable
access.setting.changed | setting | action | dependabot_security_updates_new_repos.{enable,
    disable}
access.setting.changed | setting | action | enterprise.config.{disable_anonymous_git_access,
    enable_anonymous_git_access}
environment.created | environment | environment_name | environment.create
environment.deleted | environment | environment_name | environment.delete
environment.protection.created | environment | environment_name | environment.add_protection_rule
environment.protection.updated | environment | environment_name | environment.update_protection_rule
environment.protection.deleted | environment | environment_name | environment.remove_protection_rule
secret.created | secret | key | environment.create_actions_secret
secret.updated | secret | key | environment.update_actions_secret
secret.deleted | secret | key | environment.remove_actions_secret
config.variable.created | variable | key | environment.create_actions_variable
config.variable.updated | variable | key | environment.update_actions_variable
config.variable.deleted | variable | key | environment.remove_actions_variable
code.repository.cloned | repository | repo | git.clone
code.pushed | repository | repo | git.push
integration.webhook.created | webhook | hook_id | hook.create
integration.webhook.updated | webhook | hook_id | hook.{config_changed,events_changed,
    active_changed}
integration.webhook.deleted | webhook | hook_id | hook.destroy
identity.service.created | app | name | integration.create
identity.service.deleted | app | name | integration.destroy
identity.service.updated | app | name | integration.{update,transfer}
identity.key.created | app | name | integration.generate_client_secret
identity.key.deleted | app | name | integration.remove_client_secret
integration.app.installed | app | name | integration_installation.create
integration.app.removed | app | name | integration_installation.destroy
integration.app.updated | app | name | integration_installation.{repositories_added,
    repositories_removed,version_updated}
integration.app.suspended | app | name | integration_installation.suspend
integration.app.resumed | app | name | integration_installation.unsuspend
access.requested | app | name | integration_installation_request.create
approval.withdrawn | app | name | integration_installation_request.close
access.allow_list.updated | allow_list | org | ip_allow_list.enable
access.allow_list.disabled | allow_list | org | ip_allow_list.disable
access.allow_list.updated | allow_list | org | ip_allow_list.{enable_for_installed_apps,
    disable_for_installed_apps}
access.allow_list.updated | allow_list | org | ip_allow_list_entry.{create,update,destroy}
code.repository.updated | repository | repo | merge_queue.update_settings
identity.token.created | app | name | oauth_access.create
identity.token.revoked | app | name | oauth_access.{destroy,revoke}
identity.token.rotated | app | name | oauth_access.regenerate
identity.token.created | app | name | oauth_access.update
identity.service.created | app | name | oauth_application.create
identity.service.deleted | app | name | oauth_application.destroy
identity.service.updated | app | name | oauth_application.{transfer,update}
identity.key.created | app | name | oauth_application.generate_client_secret
identity.key.deleted | app | name | oauth_application.remove_client_secret
identity.key.updated | app | name | oauth_application.reset_secret
identity.token.revoked | app | name | oauth_application.revoke_tokens
identity.app.authorised | app | name | oauth_authorization.create
identity.app.revoked | app | name | oauth_authorization.destroy
environment.account.moved | organization | org | org.accept_business_invitation
access.member.added | user | user | org.add_member
access.collaborator.added | user | user | org.add_outside_collaborator
access.granted | team | team | org.add_security_manager
access.revoked | team | team | org.remove_security_manager
integration.audit_log.exported | audit_log | org | org.audit_log_export
integration.audit_log.exported | audit_log | org | org.audit_log_git_event_export
access.invitation.cancelled | user | user | org.cancel_invitation
build.runner.registered | runner | runner_name | org.{register_self_hosted_runner,
    configure_self_hosted_jit_runner}
build.runner.removed | runner | runner_name | org.remove_self_hosted_runner
build.runner.connected | runner | runner_name | org.self_hosted_runner_online
build.runner.disconnected | runner | runner_name | org.self_hosted_runner_offline
build.runner.updated | runner | runner_name | org.self_hosted_runner_updated
build.runner.updated | runner_group | runner_group_name | org.{runner_group_created,
    runner_group_updated,runner_group_renamed,runner_group_runners_added,
    runner_group_runners_updated,runner_group_runner_removed,runner_group_visiblity_updated,
    runner_group_removed}
environment.account.created | organization | org | org.create
environment.account.closed | organization | org | org.delete
environment.account.updated | organization | org | org.rename
environment.account.updated | organization | org | org.transform
secret.created | secret | key | org.create_actions_secret
secret.updated | secret | key | org.update_actions_secret
secret.deleted | secret | key | org.remove_actions_secret
secret.created | secret | key | org.create_integration_secret
secret.updated | secret | key | org.update_integration_secret
secret.deleted | secret | key | org.remove_integration_secret
config.variable.created | variable | key | org.create_actions_variable
config.variable.updated | variable | key | org.update_actions_variable
config.variable.deleted | variable | key | org.remove_actions_variable
identity.provider.created | identity_provider | org | org.{enable_saml,saml_enabled}
identity.provider.deleted | identity_provider | org | org.{disable_saml,saml_disabled}
identity.provider.updated | identity_provider | org | org.update_saml_provider_settings
access.setting.changed | setting | action | org.{disable_two_factor_requirement,
    enable_two_factor_requirement,disable_oauth_app_restrictions,enable_oauth_app_restrictions,
    disable_member_team_creation_permission,enable_member_team_creation_permission}
integration.audit_log.updated | audit_log | org | org.{disable_source_ip_disclosure,
    enable_source_ip_disclosure}
access.setting.changed | setting | action | org.{update_default_repository_permission,
    update_member_repository_creation_permission,update_member_repository_invitation_permission,
    update_actions_settings,update_actions_secret_settings,set_default_workflow_permissions,
    set_workflow_permission_can_approve_pr,set_actions_fork_pr_approvals_policy,
    set_fork_pr_workflows_policy,set_actions_retention_limit,
    update_default_workflow_permissions}
access.setting.changed | setting | action | org.{members_can_update_protected_branches.disable,
    members_can_update_protected_branches.enable}
access.invitation.sent | user | user | org.{invite_member,invite_user}
access.granted | user | user | org.integration_manager_added
access.revoked | user | user | org.integration_manager_removed
access.granted | app | oauth_application_name | org.oauth_app_access_approved
access.denied | app | oauth_application_name | org.oauth_app_access_denied
access.denied | app | oauth_application_name | org.oauth_app_access_blocked
access.requested | app | oauth_application_name | org.oauth_app_access_requested
access.updated | app | oauth_application_name | org.oauth_app_access_unblocked
secret.read | recovery_codes | org | org.{recovery_codes_downloaded,recovery_codes_generated,
    recovery_codes_printed,recovery_codes_viewed}
identity.mfa.bypassed | organization | org | org.recovery_code_used
access.member.removed | user | user | org.remove_member
access.collaborator.removed | user | user | org.remove_outside_collaborator
policy.created | required_workflow | name | org.required_workflow_create
policy.updated | required_workflow | name | org.required_workflow_update
policy.deleted | required_workflow | name | org.required_workflow_delete
access.member.added | user | user | org.restore_member
identity.unlinked | user | user | org.revoke_external_identity
identity.session.revoked | user | user | org.revoke_sso_session
identity.signed_in | organization | org | org.sso_response
access.member.updated | user | user | org.update_member
access.setting.changed | setting | action | org.{secret_scanning_push_protection_enable,
    secret_scanning_push_protection_disable,
    secret_scanning_custom_pattern_push_protection_enabled,
    secret_scanning_custom_pattern_push_protection_disabled}
identity.app.authorised | credential | org | org_credential_authorization.grant
identity.token.revoked | credential | org | org_credential_authorization.{deauthorize,revoke}
access.setting.changed | setting | action | org_secret_scanning_push_protection_bypass_list.{add,
    remove,enable,disable}
access.setting.changed | setting | action | organization_default_label.create
access.setting.changed | setting | action | organization_moderators.{add_user,add_team,
    remove_user,remove_team}
access.role.created | role | name | organization_role.create
access.role.updated | role | name | organization_role.update
access.role.deleted | role | name | organization_role.destroy
access.granted | role | name | organization_role.assign
access.revoked | role | name | organization_role.revoke
access.role.created | role | name | role.create
access.role.updated | role | name | role.update
access.role.deleted | role | name | role.destroy
access.granted | personal_access_token | user_programmatic_access_name |
    personal_access_token.access_granted
access.requested | personal_access_token | user_programmatic_access_name |
    personal_access_token.request_created
identity.token.revoked | personal_access_token | user_programmatic_access_name |
    personal_access_token.access_revoked
access.setting.changed | setting | action | personal_access_token.{access_restriction_enabled,
    access_restriction_disabled,auto_approve_grant_requests_enabled,
    auto_approve_grant_requests_disabled,expiration_limit_set,expiration_limit_unset}
identity.token.created | personal_access_token | user_programmatic_access_name |
    personal_access_token.create
identity.token.rotated | personal_access_token | user_programmatic_access_name |
    personal_access_token.credential_regenerated
identity.token.revoked | personal_access_token | user_programmatic_access_name |
    personal_access_token.destroy
access.denied | personal_access_token | user_programmatic_access_name |
    personal_access_token.request_denied
approval.withdrawn | personal_access_token | user_programmatic_access_name |
    personal_access_token.request_cancelled
access.updated | personal_access_token | user_programmatic_access_name |
    personal_access_token.update
access.setting.changed | setting | action | private_repository_forking.{clear,disable,enable}
code.protection.created | protection | name | protected_branch.create
code.protection.deleted | protection | name | protected_branch.destroy
code.protection.bypassed | branch | branch | protected_branch.policy_override
code.push.refused | branch | branch | protected_branch.rejected_ref_update
code.protection.updated | protection | name | protected_branch.{authorized_users_teams,
    branch_allowances,dismiss_stale_reviews,dismissal_restricted_users_teams,
    update_admin_enforced,update_allow_deletions_enforcement_level,
    update_allow_force_pushes_enforcement_level,update_ignore_approvals_from_contributors,
    update_linear_history_requirement_enforcement_level,update_lock_allows_fetch_and_merge,
    update_lock_branch_enforcement_level,update_merge_queue_enforcement_level,update_name,
    update_pull_request_reviews_enforcement_level,update_require_code_owner_review,
    update_require_last_push_approval,update_required_approving_review_count,
    update_required_status_checks_enforcement_level,
    update_signature_requirement_enforcement_level,update_strict_required_status_checks_policy}
identity.key.created | key | title | public_key.{create,verify}
identity.key.deleted | key | title | public_key.{delete,unverify}
identity.key.updated | key | title | public_key.update
code.change.created | change_request | pull_request_url | pull_request.create
code.change.abandoned | change_request | pull_request_url | pull_request.close
code.change.merged | change_request | pull_request_url | pull_request.merge
code.change.reopened | change_request | pull_request_url | pull_request.reopen
code.change.drafted | change_request | pull_request_url | pull_request.converted_to_draft
code.change.readied | change_request | pull_request_url | pull_request.ready_for_review
code.review.requested | change_request | pull_request_url | pull_request.create_review_request
code.review.withdrawn | change_request | pull_request_url | pull_request.remove_review_request
code.review.dismissed | change_request | pull_request_url | pull_request_review.dismiss
build.definition.enabled | repository | repo | repo.actions_enabled
access.collaborator.added | user | user | repo.add_member
access.collaborator.removed | user | user | repo.remove_member
access.updated | user | user | repo.update_member
code.repository.updated | repository | repo | repo.add_topic
code.repository.updated | repository | repo | repo.remove_topic
code.repository.archived | repository | repo | repo.archived
code.repository.unarchived | repository | repo | repo.unarchived
code.repository.updated | repository | repo | repo.change_merge_setting
code.repository.created | repository | repo | repo.create
code.repository.deleted | repository | repo | repo.destroy
code.repository.restored | repository | repo | repo.restore
code.repository.renamed | repository | repo | repo.rename
code.repository.transferred | repository | repo | repo.{transfer,transfer_outgoing}
code.repository.updated | repository | repo | repo.transfer_start
code.repository.updated | repository | repo | repo.{disable,enable,update,update_default_branch,
    config.enable_anonymous_git_access,config.disable_anonymous_git_access}
code.repository.exported | repository | repo | repo.download_zip
code.scanning.disabled | repository | repo | repo.{code_scanning_configuration_for_branch_deleted,
    code_scanning_analysis_deleted}
build.runner.registered | runner | runner_name | repo.{register_self_hosted_runner,
    configure_self_hosted_jit_runner}
build.runner.removed | runner | runner_name | repo.remove_self_hosted_runner
build.runner.connected | runner | runner_name | repo.self_hosted_runner_online
build.runner.disconnected | runner | runner_name | repo.self_hosted_runner_offline
secret.created | secret | key | repo.create_actions_secret
secret.updated | secret | key | repo.update_actions_secret
secret.deleted | secret | key | repo.remove_actions_secret
secret.created | secret | key | repo.create_integration_secret
secret.updated | secret | key | repo.update_integration_secret
secret.deleted | secret | key | repo.remove_integration_secret
config.variable.created | variable | key | repo.create_actions_variable
config.variable.updated | variable | key | repo.update_actions_variable
config.variable.deleted | variable | key | repo.remove_actions_variable
access.setting.changed | setting | action | repo.{set_actions_fork_pr_approvals_policy,
    set_fork_pr_workflows_policy,set_default_workflow_permissions,
    set_workflow_permission_can_approve_pr,set_actions_retention_limit,update_actions_settings,
    update_actions_secret_settings,update_actions_access_settings,
    update_default_workflow_permissions}
code.protection.updated | repository | repo | repository_branch_protection_evaluation.disable
code.protection.updated | repository | repo | repository_branch_protection_evaluation.enable
code.ruleset.created | ruleset | ruleset_name | repository_ruleset.create
code.ruleset.updated | ruleset | ruleset_name | repository_ruleset.update
code.ruleset.deleted | ruleset | ruleset_name | repository_ruleset.destroy
code.scanning.enabled | feature | action | repository_secret_scanning.enable
code.scanning.disabled | feature | action | repository_secret_scanning.disable
code.scanning.enabled | feature | action | repository_secret_scanning_push_protection.enable
code.scanning.disabled | feature | action | repository_secret_scanning_push_protection.disable
code.finding.reported | advisory | ghsa_id | repository_vulnerability_alert.create
code.finding.dismissed | advisory | ghsa_id | repository_vulnerability_alert.{dismiss,
    auto_dismiss}
code.finding.reopened | advisory | ghsa_id | repository_vulnerability_alert.{reopen,reintroduce,
    auto_reopen}
code.finding.resolved | advisory | ghsa_id | repository_vulnerability_alert.resolve
code.scanning.enabled | feature | action | secret_scanning.enable
code.scanning.disabled | feature | action | secret_scanning.disable
access.setting.changed | setting | action | secret_scanning_new_repos.{enable,disable}
secret.protection.bypassed | alert | number | secret_scanning_push_protection.bypass
secret.leak.found | alert | number | secret_scanning_alert.create
secret.leak.found | alert | number | secret_scanning_alert.reopen
secret.leak.resolved | alert | number | secret_scanning_alert.{resolve,revoke}
access.trust.created | certificate_authority | org | ssh_certificate_authority.create
access.trust.deleted | certificate_authority | org | ssh_certificate_authority.destroy
access.setting.changed | setting | action | ssh_certificate_requirement.{enable,disable}
access.group.joined | user | user | team.add_member
access.group.left | user | user | team.remove_member
access.granted | team | team | team.add_repository
access.revoked | team | team | team.remove_repository
access.updated | team | team | team.update_repository_permission
access.group.created | team | team | team.create
access.group.deleted | team | team | team.destroy
access.group.updated | team | team | team.{rename,change_parent_team,change_privacy,
    promote_maintainer,demote_maintainer}
identity.mfa.enabled | user | user | two_factor_authentication.enabled
identity.mfa.disabled | user | user | two_factor_authentication.disabled
identity.signed_in | user | user | user.login
identity.signed_in | user | user | user.failed_login
identity.user.suspended | user | user | user.suspend
identity.user.reactivated | user | user | user.unsuspend
access.member.updated | user | user | user.{promote,demote}
approval.granted | environment | environment_name | workflows.approve_workflow_job
approval.rejected | environment | environment_name | workflows.reject_workflow_job
environment.protection.bypassed | environment | environment_name | workflows.bypass_protection_rules
build.pipeline.cancelled | run | workflow_run_id | workflows.cancel_workflow_run
build.pipeline.queued | run | workflow_run_id | workflows.created_workflow_run
build.pipeline.finished | run | workflow_run_id | workflows.completed_workflow_run
build.pipeline.rerun | run | workflow_run_id | workflows.rerun_workflow_run
build.run.deleted | run | workflow_run_id | workflows.delete_workflow_run
build.log.deleted | run | workflow_run_id | workflows.delete_workflow_run_logs
build.definition.disabled | workflow | name | workflows.disable_workflow
build.definition.enabled | workflow | name | workflows.enable_workflow
build.job.started | job | job_name | workflows.prepared_workflow_job
"""


def _rows() -> dict[str, How]:
    found = {}
    for line in _TABLE.strip().replace(",\n    ", ",").replace("|\n    ", "| ").split("\n"):
        ours, target, field, names = line.split(" | ")
        stem, _, ends = names.partition("{")
        for end in ends.removesuffix("}").removeprefix(",").split(","):
            found[stem + end] = How(ours, target, field)
    return found


ACTIONS: Final[Mapping[str, How]] = _rows()
"""By the entry's action. `repo.access` is no row: its visibility decides."""

CATEGORIES_ASIDE: Final[Mapping[str, str]] = {
    "account": "billing",
    "advisory_credit": "advisories",
    "api": "requests to the API, of which the changes have entries of their own",
    "audit_log_streaming.check": "a stream was tested; what becomes of streams is read",
    "billing": "billing",
    "billing_customer": "billing",
    "codespaces": "machines for development",
    "commit_comment": "people talk",
    "copilot": "an assistant for development",
    "discussion_post": "people talk",
    "discussion_post_reply": "people talk",
    "git.fetch": "reading of code that somebody has cloned before",
    "issue": "plans and boards, not what is deployed",
    "issue_comment": "people talk",
    "issues": "plans and boards, not what is deployed",
    "marketplace_agreement_signature": "billing",
    "marketplace_listing": "billing",
    "metered_billing_configuration": "billing",
    "payment_method": "billing",
    "profile_picture": "how an account looks",
    "project": "plans and boards, not what is deployed",
    "project_base_role": "plans and boards, not what is deployed",
    "project_collaborator": "plans and boards, not what is deployed",
    "project_field": "plans and boards, not what is deployed",
    "project_view": "plans and boards, not what is deployed",
    "pull_request_review_comment": "people talk",
    "sponsors": "billing",
    "successor_invitation": "accounts of people who died",
    "user_status": "how an account looks",
}
"""Categories (what stands before the first full stop of an action), or one action."""

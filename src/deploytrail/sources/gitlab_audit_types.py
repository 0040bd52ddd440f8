"""The types of GitLab's audit events: what they mean here, and which of them are set aside.

The table is `gitlab_audit_types.txt`, beside this file. Pure but for reading it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final


def _read() -> Mapping[str, str]:
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    rows = [line.partition("|") for line in text.splitlines() if line and line[0] != "#"]
    return MappingProxyType({name: row[0].strip() for row in rows for name in row[2].split()})


TYPES: Final = _read()
"""What a type means: an action, perhaps with a colon and how it went."""

_PLANS: Final = "work that is planned or talked about deploys nothing"
_PEOPLE: Final = "how people show themselves deploys nothing"
_MODELS: Final = "models and features of AI in GitLab itself deploy nothing"
_LABELS: Final = "how findings and projects are labelled deploys nothing"
_TWICE: Final = "the webhook of the deployment tells it, with what is deployed where"
_COST: Final = "seats, minutes and mails deploy nothing"
_REASONS: Final = {
    _PLANS: (
        "comment_by_project_bot comment_created comment_updated comment_deleted delete_issue "
        "delete_work_item delete_epic test_case_created_by_project_bot "
        "test_case_closed_by_project_bot test_case_reopened_by_project_bot "
        "product_analytics_settings_update"
    ),
    _PEOPLE: (
        "email_confirmation_sent user_profile_visibility_updated user_profile_visiblity_updated "
        "user_records_migrated_to_ghost"
    ),
    _MODELS: (
        "duo_features_enabled_updated lock_duo_features_enabled_updated q_onbarding_updated "
        "experiment_features_enabled_updated ml_model_created ml_model_destroyed "
        "ml_model_version_created ml_model_version_destroyed model_selection_feature_changed "
        "self_hosted_model_created self_hosted_model_destroyed self_hosted_model_updated "
        "self_hosted_model_feature_changed self_hosted_model_terms_accepted "
        "ai_audit_events_storage_enabled_updated duo_cli_session_blocked"
    ),
    _LABELS: (
        "security_attribute_attached_to_project security_attribute_created "
        "security_attribute_deleted security_attribute_detached_from_project "
        "security_attribute_updated security_category_created security_category_deleted "
        "security_category_updated vulnerability_severity_override "
        "update_project_compliance_violation request_to_compliance_external_control_successful"
    ),
    _TWICE: "deployment_started",
    _COST: (
        "seat_control_updated group_shared_runners_minutes_limit_updated usage_billing_updated "
        "group_minimal_access_role_adjusted_seat_limit secrets_manager_instance_trial_start "
        "ci_runner_usage_export manually_trigger_housekeeping emails_enabled_updated "
        "show_diff_preview_in_email_updated group_mentions_disabled_updated "
        "group_lfs_enabled_updated group_repository_size_limit_updated"
    ),
}
SET_ASIDE: Final[Mapping[str, str]] = MappingProxyType(
    {name: reason for reason, names in _REASONS.items() for name in names.split()}
)
"""Types of which the trail does not tell, and why."""

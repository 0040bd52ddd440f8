"""What the calls of AWS mean: which of them is which action, which tell nothing, and which read.

Data only, and its look-up. A call is `<service>:<eventName>`, as a policy of IAM names it; the
names stand in AWS's Service Authorization Reference, those without a call of their own in the
CloudTrail pages of the services. What no table names is told by the first word of its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

_CALLS: Final[Mapping[str, str]] = {
    # Who somebody is.
    "identity.signed_in": "signin:ConsoleLogin signin:UserAuthentication sso:Authenticate",
    "identity.signed_out": "sso:Logout signin:Logout",
    "identity.mfa.challenged": "signin:CheckMfa signin:CredentialChallenge",
    "identity.password.changed": "iam:ChangePassword signin:PasswordUpdated",
    "identity.password.reset": "iam:UpdateLoginProfile signin:PasswordRecoveryCompleted",
    "identity.role.assumed": "sts:AssumeRole sts:AssumeRoleWithSAML sts:AssumeRoleWithWebIdentity "
    "signin:SwitchRole sso:Federate rolesanywhere:CreateSession",
    "identity.root.used": "sts:AssumeRoot",
    "identity.token.created": "sts:GetFederationToken sts:GetSessionToken signin:GetSigninToken "
    "sso:CreateToken",
    "identity.user.created": "iam:CreateUser sso-directory:CreateUser identitystore:CreateUser",
    "identity.user.updated": "iam:UpdateUser iam:DeleteLoginProfile identitystore:UpdateUser "
    "signin:EmailUpdated",
    "identity.user.deleted": "iam:DeleteUser sso-directory:DeleteUser identitystore:DeleteUser",
    "identity.user.suspended": "sso-directory:DisableUser",
    "identity.user.reactivated": "sso-directory:EnableUser",
    "identity.credential.issued": "iam:CreateLoginProfile iam:CreateServiceSpecificCredential "
    "iam:ResetServiceSpecificCredential",
    "identity.key.created": "iam:CreateAccessKey iam:UploadSSHPublicKey "
    "iam:UploadSigningCertificate ec2:CreateKeyPair ec2:ImportKeyPair",
    "identity.key.updated": "iam:UpdateAccessKey iam:UpdateSSHPublicKey "
    "iam:UpdateSigningCertificate",
    "identity.key.deleted": "iam:DeleteAccessKey iam:DeleteSSHPublicKey "
    "iam:DeleteSigningCertificate ec2:DeleteKeyPair",
    "identity.mfa.enabled": "iam:EnableMFADevice",
    "identity.mfa.disabled": "iam:DeactivateMFADevice",
    "identity.device.registered": "iam:CreateVirtualMFADevice",
    "identity.device.removed": "iam:DeleteVirtualMFADevice",
    "identity.provider.created": "iam:CreateOpenIDConnectProvider iam:CreateSAMLProvider "
    "rolesanywhere:CreateTrustAnchor",
    "identity.provider.updated": "iam:UpdateSAMLProvider iam:AddClientIDToOpenIDConnectProvider "
    "iam:RemoveClientIDFromOpenIDConnectProvider iam:UpdateOpenIDConnectProviderThumbprint "
    "rolesanywhere:UpdateTrustAnchor",
    "identity.provider.deleted": "iam:DeleteOpenIDConnectProvider iam:DeleteSAMLProvider "
    "rolesanywhere:DeleteTrustAnchor",
    # What somebody may do.
    "access.role.created": "iam:CreateRole iam:CreateServiceLinkedRole sso:CreatePermissionSet",
    "access.role.updated": "iam:UpdateRole iam:UpdateRoleDescription sso:UpdatePermissionSet",
    "access.role.deleted": "iam:DeleteRole iam:DeleteServiceLinkedRole sso:DeletePermissionSet",
    "access.trust.updated": "iam:UpdateAssumeRolePolicy",
    "access.policy.created": "iam:CreatePolicy",
    "access.policy.updated": "iam:CreatePolicyVersion iam:SetDefaultPolicyVersion "
    "iam:DeletePolicyVersion s3:PutBucketPolicy kms:PutKeyPolicy ecr:SetRepositoryPolicy "
    "ecr:PutRegistryPolicy",
    "access.policy.deleted": "iam:DeletePolicy s3:DeleteBucketPolicy ecr:DeleteRepositoryPolicy "
    "ecr:DeleteRegistryPolicy",
    "access.policy.attached": "iam:AttachRolePolicy iam:AttachUserPolicy iam:AttachGroupPolicy "
    "iam:PutRolePolicy iam:PutUserPolicy iam:PutGroupPolicy iam:PutRolePermissionsBoundary "
    "iam:PutUserPermissionsBoundary sso:AttachManagedPolicyToPermissionSet "
    "sso:PutInlinePolicyToPermissionSet eks:AssociateAccessPolicy",
    "access.policy.detached": "iam:DetachRolePolicy iam:DetachUserPolicy iam:DetachGroupPolicy "
    "iam:DeleteRolePolicy iam:DeleteUserPolicy iam:DeleteGroupPolicy "
    "iam:DeleteRolePermissionsBoundary iam:DeleteUserPermissionsBoundary "
    "sso:DetachManagedPolicyFromPermissionSet sso:DeleteInlinePolicyFromPermissionSet "
    "eks:DisassociateAccessPolicy",
    "access.group.created": "iam:CreateGroup sso-directory:CreateGroup identitystore:CreateGroup",
    "access.group.updated": "iam:UpdateGroup sso-directory:UpdateGroup identitystore:UpdateGroup",
    "access.group.deleted": "iam:DeleteGroup sso-directory:DeleteGroup identitystore:DeleteGroup",
    "access.group.joined": "iam:AddUserToGroup sso-directory:AddMemberToGroup "
    "identitystore:CreateGroupMembership",
    "access.group.left": "iam:RemoveUserFromGroup sso-directory:RemoveMemberFromGroup "
    "identitystore:DeleteGroupMembership",
    "access.binding.created": "iam:AddRoleToInstanceProfile ec2:AssociateIamInstanceProfile "
    "rolesanywhere:CreateProfile",
    "access.binding.updated": "ec2:ReplaceIamInstanceProfileAssociation "
    "rolesanywhere:UpdateProfile",
    "access.binding.deleted": "iam:RemoveRoleFromInstanceProfile "
    "ec2:DisassociateIamInstanceProfile rolesanywhere:DeleteProfile",
    "access.granted": "sso:CreateAccountAssignment lambda:AddPermission "
    "lambda:AddLayerVersionPermission kms:CreateGrant eks:CreateAccessEntry sns:AddPermission "
    "sqs:AddPermission organizations:RegisterDelegatedAdministrator "
    "organizations:EnableAWSServiceAccess",
    "access.revoked": "sso:DeleteAccountAssignment lambda:RemovePermission "
    "lambda:RemoveLayerVersionPermission kms:RevokeGrant kms:RetireGrant eks:DeleteAccessEntry "
    "sns:RemovePermission sqs:RemovePermission organizations:DeregisterDelegatedAdministrator "
    "organizations:DisableAWSServiceAccess",
    "access.updated": "sso:ProvisionPermissionSet eks:UpdateAccessEntry s3:PutBucketAcl "
    "s3:PutObjectAcl ec2:ModifySnapshotAttribute ec2:ModifyImageAttribute "
    "rds:ModifyDBSnapshotAttribute rds:ModifyDBClusterSnapshotAttribute",
    "access.setting.changed": "iam:UpdateAccountPasswordPolicy iam:DeleteAccountPasswordPolicy "
    "s3:PutBucketPublicAccessBlock s3:DeleteBucketPublicAccessBlock "
    "s3:PutAccountPublicAccessBlock s3:DeleteAccountPublicAccessBlock "
    "ec2:EnableSerialConsoleAccess ec2:DisableSerialConsoleAccess "
    "ec2:EnableSnapshotBlockPublicAccess ec2:DisableSnapshotBlockPublicAccess "
    "ec2:EnableImageBlockPublicAccess ec2:DisableImageBlockPublicAccess",
    "access.allow_list.updated": "ec2:AuthorizeSecurityGroupIngress "
    "ec2:AuthorizeSecurityGroupEgress ec2:RevokeSecurityGroupIngress "
    "ec2:RevokeSecurityGroupEgress ec2:ModifySecurityGroupRules ec2:CreateNetworkAclEntry "
    "ec2:ReplaceNetworkAclEntry ec2:DeleteNetworkAclEntry wafv2:UpdateIPSet wafv2:UpdateWebACL",
    "access.session.started": "ssm:StartSession ssm:ResumeSession "
    "ec2-instance-connect:SendSSHPublicKey ec2-instance-connect:SendSerialConsoleSSHPublicKey "
    "ec2-instance-connect:OpenTunnel cloudshell:CreateSession",
    "access.session.ended": "ssm:TerminateSession",
    # Secrets and keys.
    "secret.created": "secretsmanager:CreateSecret",
    "secret.updated": "secretsmanager:PutSecretValue secretsmanager:UpdateSecret "
    "secretsmanager:UpdateSecretVersionStage secretsmanager:ReplicateSecretToRegions "
    "secretsmanager:DeleteResourcePolicy secretsmanager:CancelRotateSecret",
    "secret.rotated": "secretsmanager:RotateSecret secretsmanager:RotationSucceeded "
    "secretsmanager:RotationFailed",
    "secret.read": "secretsmanager:GetSecretValue secretsmanager:BatchGetSecretValue kms:Decrypt "
    "ec2:GetPasswordData acm:ExportCertificate ssm:GetParameter ssm:GetParameters "
    "ssm:GetParametersByPath ssm:GetParameterHistory",
    "secret.listed": "secretsmanager:ListSecrets",
    "secret.deleted": "secretsmanager:DeleteSecret",
    "secret.destroyed": "secretsmanager:EndSecretVersionDelete",
    "secret.restored": "secretsmanager:RestoreSecret",
    "secret.shared": "secretsmanager:PutResourcePolicy",
    "secret.key.created": "kms:CreateKey kms:ReplicateKey",
    "secret.key.imported": "kms:ImportKeyMaterial",
    "secret.key.rotated": "kms:RotateKey kms:RotateKeyOnDemand",
    "secret.key.disabled": "kms:DisableKey",
    "secret.key.enabled": "kms:EnableKey kms:CancelKeyDeletion",
    "secret.key.destroyed": "kms:ScheduleKeyDeletion kms:DeleteKey kms:DeleteImportedKeyMaterial",
    "secret.certificate.issued": "acm:RequestCertificate acm:ImportCertificate "
    "acm-pca:IssueCertificate",
    "secret.certificate.renewed": "acm:RenewCertificate",
    "secret.certificate.revoked": "acm-pca:RevokeCertificate",
    # Code, builds and what comes of them.
    "code.pushed": "codecommit:GitPush codecommit:PutFile codecommit:CreateCommit",
    "code.change.created": "codecommit:CreatePullRequest",
    "code.change.merged": "codecommit:MergePullRequestByFastForward "
    "codecommit:MergePullRequestBySquash codecommit:MergePullRequestByThreeWay",
    "code.repository.created": "codecommit:CreateRepository",
    "code.repository.deleted": "codecommit:DeleteRepository",
    "build.started": "codebuild:StartBuild codebuild:StartBuildBatch",
    "build.cancelled": "codebuild:StopBuild codebuild:StopBuildBatch",
    "build.job.retried": "codebuild:RetryBuild codebuild:RetryBuildBatch",
    "build.run.deleted": "codebuild:BatchDeleteBuilds",
    "build.pipeline.started": "codepipeline:StartPipelineExecution",
    "build.pipeline.cancelled": "codepipeline:StopPipelineExecution",
    "build.pipeline.rerun": "codepipeline:RetryStageExecution",
    "build.pipeline.paused": "codepipeline:DisableStageTransition",
    "build.pipeline.resumed": "codepipeline:EnableStageTransition",
    "build.definition.created": "codepipeline:CreatePipeline codebuild:CreateProject",
    "build.definition.updated": "codepipeline:UpdatePipeline codebuild:UpdateProject",
    "build.definition.deleted": "codepipeline:DeletePipeline codebuild:DeleteProject",
    "build.artifact.published": "ecr:PutImage codeartifact:PublishPackageVersion "
    "elasticbeanstalk:CreateApplicationVersion",
    "build.artifact.deleted": "ecr:BatchDeleteImage codeartifact:DeletePackageVersions "
    "elasticbeanstalk:DeleteApplicationVersion",
    "build.artifact.expired": "ecr:PolicyExecutionEvent",
    "build.registry.created": "ecr:CreateRepository codeartifact:CreateRepository",
    "build.registry.updated": "ecr:PutImageTagMutability ecr:PutLifecyclePolicy "
    "ecr:PutReplicationConfiguration ecr:PutImageScanningConfiguration "
    "ecr:DeleteLifecyclePolicy codeartifact:UpdateRepository",
    "build.registry.deleted": "ecr:DeleteRepository codeartifact:DeleteRepository",
    "approval.granted": "codepipeline:PutApprovalResult",
    "plan.started": "cloudformation:CreateChangeSet",
    "plan.discarded": "cloudformation:DeleteChangeSet",
    "drift.check.started": "cloudformation:DetectStackDrift cloudformation:DetectStackSetDrift "
    "cloudformation:DetectStackResourceDrift",
    # Deployments.
    "deployment.started": "cloudformation:CreateStack cloudformation:UpdateStack "
    "cloudformation:ExecuteChangeSet cloudformation:UpdateStackSet "
    "cloudformation:CreateStackInstances cloudformation:UpdateStackInstances "
    "codedeploy:CreateDeployment ecs:UpdateService elasticbeanstalk:UpdateEnvironment "
    "apprunner:StartDeployment amplify:StartDeployment amplify:StartJob "
    "appconfig:StartDeployment autoscaling:StartInstanceRefresh servicecatalog:ProvisionProduct "
    "servicecatalog:UpdateProvisionedProduct",
    "deployment.succeeded": "lambda:UpdateFunctionCode apigateway:CreateDeployment",
    "deployment.cancelled": "cloudformation:CancelUpdateStack codedeploy:StopDeployment "
    "appconfig:StopDeployment autoscaling:CancelInstanceRefresh",
    "deployment.resumed": "codedeploy:ContinueDeployment",
    "deployment.rollback.started": "cloudformation:RollbackStack "
    "cloudformation:ContinueUpdateRollback autoscaling:RollbackInstanceRefresh "
    "codepipeline:RollbackStage",
    "deployment.removed": "cloudformation:DeleteStack cloudformation:DeleteStackInstances "
    "elasticbeanstalk:TerminateEnvironment servicecatalog:TerminateProvisionedProduct",
    "deployment.traffic.shifted": "lambda:UpdateAlias elasticbeanstalk:SwapEnvironmentCNAMEs",
    "deployment.hook.finished": "codedeploy:PutLifecycleEventHookExecutionStatus",
    "deployment.unit.created": "codedeploy:CreateApplication codedeploy:CreateDeploymentGroup "
    "cloudformation:CreateStackSet ecs:CreateService elasticbeanstalk:CreateEnvironment "
    "elasticbeanstalk:CreateApplication",
    "deployment.unit.updated": "codedeploy:UpdateApplication codedeploy:UpdateDeploymentGroup",
    "deployment.unit.deleted": "codedeploy:DeleteApplication codedeploy:DeleteDeploymentGroup "
    "cloudformation:DeleteStackSet ecs:DeleteService elasticbeanstalk:DeleteApplication",
    # Settings.
    "config.variable.updated": "ssm:PutParameter",
    "config.variable.deleted": "ssm:DeleteParameter ssm:DeleteParameters",
    "config.updated": "lambda:UpdateFunctionConfiguration "
    "lambda:PutFunctionConcurrency elasticbeanstalk:UpdateConfigurationTemplate",
    "config.created": "ssm:CreateDocument appconfig:CreateHostedConfigurationVersion",
    "config.deleted": "ssm:DeleteDocument",
    # What runs.
    "runtime.started": "ec2:StartInstances rds:StartDBInstance rds:StartDBCluster",
    "runtime.stopped": "ec2:StopInstances rds:StopDBInstance rds:StopDBCluster ecs:StopTask "
    "states:StopExecution autoscaling:TerminateInstanceInAutoScalingGroup",
    "runtime.restarted": "ec2:RebootInstances rds:RebootDBInstance rds:RebootDBCluster "
    "elasticbeanstalk:RestartAppServer elasticbeanstalk:RebuildEnvironment",
    "runtime.scaled": "autoscaling:SetDesiredCapacity eks:UpdateNodegroupConfig",
    "runtime.job.started": "ecs:RunTask states:StartExecution batch:SubmitJob glue:StartJobRun",
    "runtime.exec.started": "ecs:ExecuteCommand",
    "runtime.command.started": "ssm:SendCommand",
    "runtime.playbook.started": "ssm:StartAutomationExecution",
    "runtime.failover.started": "rds:FailoverDBCluster rds:FailoverGlobalCluster",
    # Accounts and organisations.
    "environment.account.created": "organizations:CreateAccount organizations:CreateAccountResult",
    "environment.account.moved": "organizations:MoveAccount organizations:LeaveOrganization "
    "organizations:RemoveAccountFromOrganization",
    "environment.account.closed": "organizations:CloseAccount",
    "environment.account.updated": "iam:CreateAccountAlias iam:DeleteAccountAlias "
    "account:PutContactInformation account:EnableRegion account:DisableRegion",
    "environment.cluster.registered": "eks:RegisterCluster",
    "environment.cluster.removed": "eks:DeregisterCluster",
    "policy.created": "organizations:CreatePolicy",
    "policy.updated": "organizations:UpdatePolicy config:PutConfigRule",
    "policy.deleted": "organizations:DeletePolicy config:DeleteConfigRule",
    "policy.attached": "organizations:AttachPolicy",
    "policy.detached": "organizations:DetachPolicy",
    "policy.enforcement.changed": "organizations:EnablePolicyType organizations:DisablePolicyType",
    # What watches the account itself.
    "integration.audit_log.enabled": "cloudtrail:CreateTrail cloudtrail:StartLogging "
    "cloudtrail:CreateEventDataStore cloudtrail:StartEventDataStoreIngestion ec2:CreateFlowLogs",
    "integration.audit_log.updated": "cloudtrail:UpdateTrail cloudtrail:PutEventSelectors "
    "cloudtrail:PutInsightSelectors cloudtrail:UpdateEventDataStore s3:PutBucketLogging "
    "cloudtrail:RegisterOrganizationDelegatedAdmin",
    "integration.audit_log.disabled": "cloudtrail:StopLogging "
    "cloudtrail:StopEventDataStoreIngestion "
    "route53resolver:DisassociateResolverQueryLogConfig wafv2:DeleteLoggingConfiguration",
    "integration.audit_log.deleted": "cloudtrail:DeleteTrail cloudtrail:DeleteEventDataStore "
    "ec2:DeleteFlowLogs route53resolver:DeleteResolverQueryLogConfig",
    "integration.monitor.updated": "guardduty:UpdateDetector guardduty:CreateIPSet "
    "guardduty:CreateFilter guardduty:UpdateFilter config:PutConfigurationRecorder "
    "config:StartConfigurationRecorder securityhub:UpdateStandardsControl "
    "monitoring:PutMetricAlarm monitoring:EnableAlarmActions",
    "integration.monitor.disabled": "guardduty:DeleteDetector guardduty:StopMonitoringMembers "
    "guardduty:DisassociateMembers config:StopConfigurationRecorder "
    "config:DeleteConfigurationRecorder config:DeleteDeliveryChannel "
    "securityhub:DisableSecurityHub securityhub:BatchDisableStandards monitoring:DeleteAlarms "
    "monitoring:DisableAlarmActions events:DisableRule",
    "integration.connection.created": "codestar-connections:CreateConnection "
    "codeconnections:CreateConnection codebuild:ImportSourceCredentials",
    "integration.connection.removed": "codestar-connections:DeleteConnection "
    "codeconnections:DeleteConnection codebuild:DeleteSourceCredentials",
    "integration.webhook.created": "codepipeline:PutWebhook codebuild:CreateWebhook",
    "integration.webhook.updated": "codebuild:UpdateWebhook",
    "integration.webhook.deleted": "codepipeline:DeleteWebhook codebuild:DeleteWebhook",
    # Where the first word of the name would mislead.
    "resource.tagged": "ec2:CreateTags ec2:DeleteTags s3:PutBucketTagging "
    "autoscaling:CreateOrUpdateTags autoscaling:DeleteTags rds:AddTagsToResource "
    "rds:RemoveTagsFromResource elasticloadbalancing:AddTags elasticloadbalancing:RemoveTags",
    "resource.exposed": "ram:CreateResourceShare ram:AssociateResourceShare "
    "lambda:CreateFunctionUrlConfig ssm:ModifyDocumentPermission codebuild:UpdateProjectVisibility",
    "resource.unexposed": "ram:DeleteResourceShare ram:DisassociateResourceShare "
    "lambda:DeleteFunctionUrlConfig",
    "resource.backup.created": "ec2:CreateSnapshot ec2:CreateSnapshots ec2:CreateImage "
    "rds:CreateDBSnapshot rds:CreateDBClusterSnapshot dynamodb:CreateBackup backup:StartBackupJob",
    "resource.backup.deleted": "ec2:DeleteSnapshot ec2:DeregisterImage rds:DeleteDBSnapshot "
    "rds:DeleteDBClusterSnapshot dynamodb:DeleteBackup backup:DeleteRecoveryPoint "
    "backup:DeleteBackupVault",
    "resource.copied": "ec2:SharedSnapshotVolumeCreated ec2:SharedSnapshotCopyInitiated",
    "resource.exported": "ec2:CreateInstanceExportTask rds:StartExportTask",
    "resource.updated": "ecs:UpdateContainerInstancesState",
}
"""Of each action, the calls that are it."""

_ASIDE: Final[Mapping[str, str]] = {
    "heartbeat": "ssm:UpdateInstanceInformation ssm:UpdateInstanceAssociationStatus "
    "ssm:PutInventory ssm:PutComplianceItems ssm:ListInstanceAssociations config:PutEvaluations "
    "securityhub:BatchImportFindings logs:CreateLogStream logs:PutLogEvents "
    "codepipeline:PollForJobs codepipeline:AcknowledgeJob codepipeline:PutJobSuccessResult "
    "codepipeline:PutJobFailureResult cloudformation:SignalResource "
    "ecr:InitiateLayerUpload ecr:UploadLayerPart ecr:CompleteLayerUpload "
    "ecs:SubmitTaskStateChange ecs:SubmitContainerStateChange ecs:DiscoverPollEndpoint "
    "secretsmanager:RotationStarted secretsmanager:StartSecretVersionDelete "
    "secretsmanager:TestRotationStarted states:SendTaskHeartbeat monitoring:PutMetricData "
    "iam:GenerateCredentialReport iam:GenerateServiceLastAccessedDetails signin:RenewRole",
    "use": "kms:Encrypt kms:GenerateDataKey kms:GenerateDataKeyWithoutPlaintext kms:ReEncrypt "
    "kms:GenerateDataKeyPair kms:Sign kms:Verify kms:GenerateMac kms:VerifyMac lambda:Invoke "
    "kms:GenerateRandom",
}
"""Of each kind that is set aside, calls which the vendor does not mark as reading."""

_FIRST_WORDS: Final[Mapping[str, str]] = {
    "resource.created": "Create Run Allocate Register Launch Provision Request Purchase Publish",
    "resource.deleted": "Delete Terminate Deregister Release Destroy Purge",
    "resource.attached": "Attach Associate",
    "resource.detached": "Detach Disassociate",
    "resource.enabled": "Enable Activate",
    "resource.disabled": "Disable Deactivate",
    "resource.tagged": "Tag Untag",
    "resource.copied": "Copy",
    "resource.imported": "Import",
    "resource.exported": "Export",
    "resource.restored": "Restore Recover",
    "runtime.started": "Start Resume",
    "runtime.stopped": "Stop Suspend Pause",
    "runtime.restarted": "Reboot Restart",
    "runtime.api.called": "Invoke Send Execute Signal",
}
"""Of each action, the first words of names; any other that changes something: resource.updated."""
_READING_WORDS: Final = (
    "Get List Describe Head Search Query Scan Lookup Check Test Validate Preview Estimate Simulate "
    "Select View Filter Discover Count Download Read Is Has Can Verify Batch"
)
_READING: Final = frozenset(_READING_WORDS.split())
_VERSION: Final = re.compile(r"_?\d{4}_?\d{2}_?\d{2}(?:v\d)?$")
"""What AWS appends to the names of some calls: `UpdateFunctionCode20150331v2`."""
_word = re.compile(r"[A-Z]?[a-z]+").match


class Meaning(NamedTuple):
    """What a call is: its action or, where `aside` is a kind, that nothing is told of it.

    `is_named` says that a table names it: then the vendor's own mark of reading doesn't count.
    """

    call: str
    action: str
    aside: str | None
    is_named: bool
    reads: bool
    """By its name alone."""


def _inverted(table: Mapping[str, str]) -> dict[str, str]:
    return {call: told for told, calls in table.items() for call in calls.split()}


_ACTIONS: Final = _inverted(_CALLS)
_UNTOLD: Final = _inverted(_ASIDE)
_VERBS: Final = _inverted(_FIRST_WORDS)


def meaning(source: str, name: str) -> Meaning:
    """What `eventSource` and `eventName` say together. Never fails."""
    # What is remembered is bounded in number, and so in size only if each is small.
    is_small = len(source) + len(name) <= _REMEMBERED_CHARACTERS_MAX
    return _meaning(source, name) if is_small else _meaning.__wrapped__(source, name)


_REMEMBERED_CHARACTERS_MAX: Final = 256


@lru_cache(maxsize=4096)
def _meaning(source: str, name: str) -> Meaning:
    name = _VERSION.sub("", name)
    call = f"{service(source)}:{name}"
    action, aside = _ACTIONS.get(call), _UNTOLD.get(call)
    if action or aside:
        return Meaning(call, action or "", aside, is_named=True, reads=False)
    found = _word(name)
    verb = found[0] if found else ""
    action = _VERBS.get(verb, "resource.updated")
    return Meaning(call, action, None, is_named=False, reads=verb in _READING)


def service(source: str) -> str:
    """`iam` of `iam.amazonaws.com`."""
    return source.partition(".")[0]

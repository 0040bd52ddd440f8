"""A command's arguments and environment show what was done, and nothing that opens anything."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail import masked_command
from deploytrail.masked_command import mask_arguments, mask_environment

COMMANDS = {
    "a variable of terraform": "terraform apply -var password=hunter2 plan.out",
    "a joined variable": "terraform apply -var=password=hunter2",
    "a variable without a name": "terraform apply -var hunter2",
    "a secret of a backend": "terraform init -backend-config=secret_key=hunter2",
    "a flag that nobody knows": "deploy --token hunter2 prod",
    "a joined flag that nobody knows": "deploy --anything=hunter2",
    "a short flag": "mysql -p hunter2",
    "a glued flag": "mysql -phunter2 -uroot",
    "a literal of kubectl": "kubectl create secret generic s --from-literal=a=hunter2",
    "a token of kubectl": "kubectl --token=hunter2 get pods",
    "a value of helm": "helm upgrade web . --set a.b=hunter2,c=hunter2",
    "extra variables": "ansible-playbook site.yml -e x=hunter2",
    "extra variables as JSON": 'ansible-playbook site.yml -e {"x":"hunter2"}',
    "credentials of curl": "curl -u alice:hunter2 https://example.org",
    "a header": "curl -H Authorization:hunter2 https://example.org",
    "a URL": "psql postgres://alice:hunter2@db.example.org/x",
    "a word that assigns": "make deploy DB_PASS=hunter2",
    "the environment of a command": "env FOO=hunter2 terraform apply",
    "a system property": "java -Dpassword=hunter2 -jar x.jar",
    "a secret of pulumi": "pulumi config set --secret key hunter2",
    "a secret that is set": "aws configure set aws_secret_access_key hunter2",
    "the tool behind another": "sudo terraform apply -var password=hunter2",
    "a command in a container": "kubectl exec web-0 -- psql --password=hunter2",
    "a password of docker": "docker login -u alice -p hunter2 registry.example.org",
    "a token of oc": "oc login -t hunter2",
    "a patch of kubectl": "kubectl patch secret s -p hunter2",
    "a variable named key": "terraform apply -var key=hunter2",
    "a variable named address": "terraform apply -var=address=hunter2",
    "a literal named key": "kubectl create secret generic s --from-literal=key=hunter2",
    "a literal named region": "kubectl create secret generic s --from-literal region=hunter2",
    "a secret of vault": "vault kv put secret/x key=hunter2",
    "a variable of a container": "docker run -e KEY=hunter2 image",
    "a key of helm": "helm upgrade web . --set key=hunter2",
    "a key of make": "make deploy key=hunter2",
    "an input of aws": 'aws ssm put-parameter --cli-input-json {"Value":"hunter2"}',
    "a flag of a script": "deploy -t hunter2",
    "a variable and its value": "setenv PGPASSWORD hunter2",
    "a variable of a secret's store": "fly secrets set DB_TOKEN hunter2",
    "a value like a flag": "mysql --password -hunter2",
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_no_secret_stays_in(command: str) -> None:
    words = command.split(" ")
    masked = mask_arguments(words)

    assert "hunter2" not in " ".join(masked)
    assert "[masked:" in " ".join(masked)
    assert len(masked) == len(words)
    assert masked[0] == words[0]


@pytest.mark.parametrize(
    "command",
    [
        "terraform -chdir=live/prod apply -auto-approve -input=false -lock-timeout 5s plan.out",
        "terraform plan -out=p -target aws_x.y -var-file secret.tfvars -var-file=prod.tfvars",
        "terraform init -backend-config=bucket=states -backend-config=prod.hcl -upgrade",
        "terraform init -backend-config=key=prod/state -backend-config=region=eu-west-1",
        "terraform apply -var region=eu-west-1 -var environment=prod",
        "tofu apply -parallelism=10 -no-color",
        "kubectl -n prod apply -f web.yaml --server-side --dry-run=server",
        "helm upgrade --install web ./chart -f values.yaml --atomic --wait --timeout 5m",
        "ansible-playbook -i inventory site.yml -l web --tags deploy -e @vars.yml --become",
        "make deploy ENV=prod -j8",
        "./deploy.sh prod",
        "git push origin main",
        "true",
    ],
)
def test_what_tells_what_was_done_stays(command: str) -> None:
    assert " ".join(mask_arguments(command.split(" "))) == command


def test_the_words_of_a_script_are_masked_as_arguments() -> None:
    script = "terraform apply -var 'password=hunter 2' && curl --token hunter2 https://example.org"

    assert mask_arguments(["bash", "-ec", script])[2] == (
        "terraform apply -var password=[masked:value] && "
        "curl --token [masked:value] https://example.org"
    )
    assert mask_arguments(["sh", "-c", "echo 'open"])[2] == "[masked:value]"


@given(st.lists(st.text(max_size=20), max_size=8))
def test_any_arguments_give_as_many_words(argv: list[str]) -> None:
    assert len(mask_arguments(argv)) == len(argv)


def test_of_the_environment_only_what_is_listed_is_shown() -> None:
    environ = {
        "GITHUB_SHA": "abc",
        "GITHUB_TOKEN": "hunter2",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "HOME": "/home/alice",
        "TF_WORKSPACE": "prod",
        "TF_VAR_db_password": "hunter2",
        "TF_VAR_größe": "hunter2",
        "TF_CLI_ARGS_apply": "-auto-approve -var password=hunter2",
        "TF_CLI_ARGS": "'never closed hunter2",
        "CI_JOB_URL": "https://alice:hunter2@example.org/1",
    }

    assert mask_environment(environ) == {
        "CI_JOB_URL": "https://[masked:userinfo]@example.org/1",
        "GITHUB_SHA": "abc",
        "TF_CLI_ARGS": "[masked:value]",
        "TF_CLI_ARGS_apply": "-auto-approve -var password=[masked:value]",
        "TF_VAR_db_password": "[masked:value]",
        "TF_WORKSPACE": "prod",
    }


def test_no_listed_variable_is_named_like_a_secret() -> None:
    words = re.compile("TOKEN|SECRET|KEY|PASS|CREDENTIAL|AUTH(?!OR)")

    assert len(masked_command._VARIABLES) > 100
    assert {name for name in masked_command._VARIABLES if words.search(name)} == set()

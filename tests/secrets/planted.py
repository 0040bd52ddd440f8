"""Secrets of many kinds, made anew at run time, and the texts that people paste them into.

Everything follows from a seed. A template spells a token's shape: `{A36}` are 36 letters and
digits, `h` lower-case hex, `a` lower-case letters and digits, `U` capitals and digits, `w` what
URLs take, `b` base64, `d` digits.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

_SETS: Final = {
    "A": string.ascii_letters + string.digits,
    "h": "0123456789abcdef",
    "a": string.ascii_lowercase + string.digits,
    "U": string.ascii_uppercase + string.digits,
    "w": string.ascii_letters + string.digits + "_-",
    "b": string.ascii_letters + string.digits + "+/",
    "d": string.digits,
}
_DASHES: Final = "-" * 5


class Plant(NamedTuple):
    """One secret in one text: what may nowhere be found afterwards is `secret`."""

    kind: str
    carrier: str
    name: str
    text: str
    secret: str


def made(template: str, chance: random.Random) -> str:
    def piece(found: re.Match[str]) -> str:
        return "".join(chance.choices(_SETS[found[1]], k=int(found[2])))

    return re.sub(r"\{([AhaUwbd])(\d+)\}", piece, template)


_UUID: Final = "{h8}-{h4}-4{h3}-a{h3}-{h12}"
# A token that its own shape gives away, wherever it stands.
SHAPED: Final[Mapping[str, str]] = {
    "deploytrail": "dt_ci-payments_{w43}_{h8}",
    "github personal": "ghp_{A36}",
    "github oauth": "gho_{A36}",
    "github user": "ghu_{A36}",
    "github server": "ghs_{A36}",
    "github stateless": "ghs_eyJ{A30}.eyJ{A60}.{w43}",
    "github refresh": "ghr_{A36}",
    "github fine-grained": "github_pat_{A22}_{A59}",
    "gitlab personal": "glpat-{w20}",
    "gitlab routable": "glpat-{w27}.01.{a9}",
    "gitlab deploy": "gldt-{w20}",
    "gitlab runner": "glrt-{w20}",
    "gitlab trigger": "glptt-{h40}",
    "gitlab job": "glcbt-64_{w20}",
    "gitlab agent": "glagent-{w50}",
    "gitlab scim": "glsoat-{w20}",
    "gitlab feed": "glft-{w20}",
    "gitlab mail": "glimt-{w25}",
    "gitlab oauth": "gloas-{h64}",
    "gitlab registration": "GR1348941{w20}",
    "aws session": "IQoJb3JpZ2luX2Vj{b320}==",
    "aws older session": "FwoGZXIvYXdzE{b300}==",
    "bedrock": "ABSKQmVkcm9ja0FQSUtleS{A100}=",
    "azure ad": "{A3}8Q~{A34}",
    "azure devops": "{A76}AZDO{A4}",
    "azure services": "{A52}JQQJ99{A26}",
    "google api": "AIza{w35}",
    "google access": "ya29.{w100}",
    "google client": "GOCSPX-{w28}",
    "google refresh": "1//0{w40}",
    "slack bot": "xoxb-{d12}-{d13}-{A24}",
    "slack user": "xoxp-{d12}-{d12}-{d13}-{h32}",
    "slack app": "xapp-1-A{U10}-{d13}-{h64}",
    "slack rotated": "xoxe.xoxb-1-{A160}",
    "slack webhook": "https://hooks.slack.com/services/T{U8}/B{U10}/{A24}",
    "discord webhook": "https://discord.com/api/webhooks/{d18}/{w68}",
    "teams webhook": "https://acme.webhook.office.com/webhookb2/{h32}/IncomingWebhook/{h32}/{h12}",
    "discord bot": "M{w23}.{w6}.{w38}",
    "telegram": "{d10}:AA{w33}",
    "stripe secret": "sk_live_{A24}",
    "stripe restricted": "rk_live_{A24}",
    "stripe webhook": "whsec_{A32}",
    "standard webhook": "whsec_{b32}",
    "twilio": "SK{h32}",
    "sendgrid": "SG.{w22}.{w43}",
    "mailgun": "key-{h32}",
    "mailchimp": "{h32}-us12",
    "brevo": "xkeysib-{h64}-{A16}",
    "npm": "npm_{A36}",
    "pypi": "pypi-AgEIcHlwaS5vcmc{w80}",
    "rubygems": "rubygems_{h48}",
    "crates": "cio{A32}",
    "nuget": "oy2{a43}",
    "clojars": "CLOJARS_{a60}",
    "docker": "dckr_pat_{w27}",
    "artifactory": "AKCp{A69}",
    "terraform": "{A14}.atlasv1.{w67}",
    "vault": "hvs.{w95}",
    "vault batch": "hvb.{w140}",
    "vault older": "s.{A24}",
    "pulumi": "pul-{h40}",
    "infracost": "ico-{A32}",
    "databricks": "dapi{h32}",
    "dynatrace": "dt0c01.{U24}.{U64}",
    "new relic": "NRAK-{U27}",
    "new relic license": "{h36}NRAL",
    "grafana": "glsa_{A32}_{h8}",
    "grafana cloud": "glc_eyJ{A60}",
    "grafana older": "eyJrIjoi{A80}==",
    "sentry user": "sntryu_{h64}",
    "sentry org": "sntrys_eyJ{A60}_{A43}",
    "linear": "lin_api_{A40}",
    "notion": "ntn_{d11}{A35}",
    "notion older": "secret_{A43}",
    "atlassian": "ATATT3xFfGF0{w180}={U8}",
    "bitbucket app password": "ATBB{A32}",
    "circleci": "CCIPAT_{A22}_{h40}",
    "buildkite": "bkua_{h40}",
    "harness": "pat.{w22}.{A24}.{A20}",
    "octopus": "API-{U26}",
    "sonar": "squ_{h40}",
    "heroku": "HRKU-AA{w58}",
    "digitalocean": "dop_v1_{h64}",
    "cloudflare origin": "v1.0-{h24}-{h146}",
    "fly": "fo1_{w43}",
    "fly macaroon": "fm2_{b200}",
    "netlify": "nfp_{A36}",
    "vercel blob": "vercel_blob_rw_{A16}_{A30}",
    "supabase": "sbp_{h40}",
    "supabase secret": "sb_secret_{w31}",
    "planetscale": "pscale_tkn_{w43}",
    "neon": "napi_{a64}",
    "neon password": "npg_{A16}",
    "openai": "sk-proj-{w74}T3BlbkFJ{w74}",
    "anthropic": "sk-ant-api03-{w93}AA",
    "hugging face": "hf_{A34}",
    "tailscale": "tskey-auth-{A12}-{A32}",
    "doppler": "dp.pt.{A43}",
    "1password": "ops_eyJ{A250}",
    "1password account": "A3-{U6}-{U11}-{U5}-{U5}-{U5}",
    "shopify": "shpat_{h32}",
    "square": "sq0atp-{w22}",
    "paypal": "access_token$production${a16}${h32}",
    "postman": "PMAK-{h24}-{h34}",
    "launchdarkly": f"sdk-{_UUID}",
    "airtable": "pat{A14}.{h64}",
    "openshift": "sha256~{w43}",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJ{A80}.{w43}",
    "service account of kubernetes": "eyJhbGciOiJSUzI1NiIsImtpZCI6{A40}.eyJ{A200}.{w342}",
    "bedrock for a while": "bedrock-api-key-{A100}=",
    "shippo": "shippo_live_{h40}",
    "duffel": "duffel_live_{w43}",
    "flutterwave": "FLWSECK-{h32}-X",
    "settlemint": "sm_pat_{A16}",
    "scalingo": "tk-us-{w48}",
    "frame.io": "fio-u-{w64}",
    "maxmind": "{A6}_{A29}_mmk",
    "age": "AGE-SECRET-KEY-1{U58}",
}
# A token without a shape: the name before it gives it away (variable, header or none).
NAMED: Final[Mapping[str, tuple[str, str, str]]] = {
    "aws secret": ("AWS_SECRET_ACCESS_KEY", "", "{b40}"),
    "azure storage": ("AZURE_STORAGE_KEY", "", "{b86}=="),
    "azure client": ("ARM_CLIENT_SECRET", "", "{A40}"),
    "azure subscription": ("SUBSCRIPTION_KEY", "Ocp-Apim-Subscription-Key", "{h32}"),
    "twilio auth": ("TWILIO_AUTH_TOKEN", "", "{h32}"),
    "consul": ("CONSUL_HTTP_TOKEN", "X-Consul-Token", _UUID),
    "vault header": ("VAULT_TOKEN", "X-Vault-Token", "{A26}"),
    "spacelift": ("SPACELIFT_API_KEY_SECRET", "", "{h64}"),
    "argo cd": ("ARGOCD_AUTH_TOKEN", "", "{A64}"),
    "snowflake": ("SNOWFLAKE_PASSWORD", "", "{A24}"),
    "datadog": ("DD_API_KEY", "DD-API-KEY", "{h32}"),
    "datadog application": ("DD_APP_KEY", "DD-APPLICATION-KEY", "{h40}"),
    "pagerduty": ("PAGERDUTY_TOKEN", "", "u+{w18}"),
    "pagerduty events": ("routing_key", "", "{h32}"),
    "opsgenie": ("OPSGENIE_API_KEY", "Authorization: GenieKey", _UUID),
    "jenkins": ("JENKINS_API_TOKEN", "", "11{h32}"),
    "heroku older": ("HEROKU_API_KEY", "", _UUID),
    "linode": ("LINODE_TOKEN", "", "{h64}"),
    "hetzner": ("HCLOUD_TOKEN", "", "{A64}"),
    "cloudflare": ("CLOUDFLARE_API_TOKEN", "X-Auth-Key", "{w40}"),
    "fastly": ("FASTLY_API_KEY", "Fastly-Key", "{w32}"),
    "vercel": ("VERCEL_TOKEN", "", "{A24}"),
    "okta": ("OKTA_API_TOKEN", "Authorization: SSWS", "00{w40}"),
    "auth0": ("AUTH0_CLIENT_SECRET", "", "{w64}"),
    "algolia": ("ALGOLIA_ADMIN_KEY", "X-Algolia-API-Key", "{h32}"),
    "confluent": ("CONFLUENT_CLOUD_API_SECRET", "", "{b64}"),
    "gitlab header": ("GITLAB_PRIVATE_TOKEN", "PRIVATE-TOKEN", "{A20}"),
    "circleci older": ("CIRCLE_TOKEN", "Circle-Token", "{h40}"),
    "github older": ("GITHUB_TOKEN", "Authorization: token", "{h40}"),
    "a password": ("DB_PASSWORD", "", "{A16}"),
    "a passphrase": ("SSH_PASSPHRASE", "", "{A20}"),
    "a client's key": ("client_key_data", "", "LS0tLS1CRUdJTiBSU0Eg{b200}"),
    "a bearer": ("ACCESS_TOKEN", "Authorization: Bearer", "{A40}"),
    "basic": ("REGISTRY_PASSWORD", "Authorization: Basic", "{A38}=="),
    "a cookie": ("session_cookie", "Cookie: theme=dark; session", "{h64}"),
    "an encryption key": ("ENCRYPTION_KEY", "", "{b43}="),
}
_PROSE: Final[Mapping[str, str]] = {
    "prose": "the deploy used {secret} and it failed",
    "at the end": "please rotate {secret}",
    "in quotes": 'found "{secret}", see above',
    "in brackets": "a credential ({secret}) was seen",
    "a line of a log": "2026-11-22T10:11:12Z ERROR deploy[12]: refused {secret} for alice",
    "any assignment": "value={secret} x",
    "a path of a URL": "GET https://api.example.org/x/{secret} 401",
    "a line of a file": "first\n{secret}\nlast",
    "escaped lines": "first\\n{secret}\\nlast",
}
_BY_NAME: Final[Mapping[str, str]] = {
    "an assignment": "{name}={secret} make deploy",
    "a quoted assignment": 'export {name}="{secret}"',
    "JSON": '{{"user": "alice", "{name}": "{secret}", "n": 1}}',
    "JSON in a string": '{{\\"{name}\\":\\"{secret}\\"}}',
    "YAML": "env:\n  {name}: {secret}\n  PORT: 80",
    "YAML of a container": '- name: "{name}"\n- {name}: "{secret}"',
    "HCL": '{name} = "{secret}"',
    "a log": "2026-11-22T10:11:12Z DEBUG config {name}={secret} loaded",
    "a variable that is set": "ENV {name} {secret}",
    "a property": "-D{name}={secret} -jar x.jar",
    "a file of dotenv": "PORT=80\n{name}={secret}\nHOST=x",
}


def _whole(kind: str, template: str, chance: random.Random) -> tuple[str, str]:
    """A text with a secret in it: `«` and `»` stand around what may not stay."""
    text = made(template, chance)
    found = re.search("«(.*?)»", text, re.DOTALL)
    assert found is not None, kind
    return text.replace("«", "").replace("»", ""), found[1]


def _pem(label: str) -> str:
    line = "{b64}\n"
    label = f"{label}PRIVATE KEY"
    return f"{_DASHES}BEGIN {label}{_DASHES}\n{line * 3}«{{b64}}»\n{_DASHES}END {label}{_DASHES}"


# Texts whose secret is known by what stands around it.
WHOLE: Final[Mapping[str, str]] = {
    "postgres": "connect postgres://alice:«{A20}»@db.example.org:5432/x failed",
    "mongodb": "mongodb+srv://alice:«{A20}»@c0.example.org/x?retryWrites=true",
    "redis": "redis://:«{A20}»@cache.example.org:6379/0",
    "mysql": "mysql://root:«{w16}»@db.example.org/x",
    "amqp": "amqps://alice:«{A24}»@mq.example.org/vhost",
    "a remote": "git clone https://alice:«{A20}»@git.example.org/acme/infra",
    "a token in a remote": "git push https://«{A40}»@git.example.org/acme/infra",
    "azure sas": "https://acme.blob.core.windows.net/x?sv=2024&se=1&sr=c&sig=«{A43}»%3D",
    "aws presigned": "https://x.s3.amazonaws.com/y?X-Amz-Expires=9&X-Amz-Signature=«{h64}»",
    "google signed": "https://storage.googleapis.com/x/y?X-Goog-Signature=«{h128}»",
    "a query": "https://api.example.org/x?access_token=«{A32}»&page=2",
    "another query": "https://api.example.org/x?page=2&api_key=«{A32}»",
    "azure connection": "Protocol=https;AccountName=a;AccountKey=«{b86}»==;EndpointSuffix=x",
    "service bus": "Endpoint=sb://x/;SharedAccessKeyName=root;SharedAccessKey=«{b43}»=",
    "sql server": "Server=db;User Id=alice;Password=«{A16}»;Encrypt=true",
    "npmrc": "//registry.example.org/:_authToken=«{A36}»",
    "older npmrc": "//registry.example.org/:_auth=«{A36}»==",
    "netrc": "machine git.example.org login alice password «{A20}»",
    "netrc in lines": "machine git.example.org\n  login alice\n  password «{A20}»\n",
    "nuget configuration": '<add key="ClearTextPassword" value="«{A20}»" />',
    "maven settings": "<server><id>x</id><password>«{A20}»</password></server>",
    "curl": "curl -s -u alice:«{A20}» https://api.example.org",
    "a header of curl": "curl -H 'Authorization: Bearer «{A40}»' https://api.example.org",
    "a cookie of curl": "curl -H 'Cookie: a=b; session=«{A40}»' https://api.example.org",
    "set-cookie": "Set-Cookie: session=«{A40}»; Path=/; HttpOnly",
    "sshpass": "sshpass -p «{A16}» ssh deploy@example.org",
    "mysql's flag": "mysql -h db -u root -p«{A16}» x",
    "docker login": "docker login -u alice -p «{A20}» r.example.org",
    "redis-cli": "redis-cli -h cache -a «{A20}» ping",
    "a flag": "deploy --api-token «{A30}» --prod",
    "a joined flag": "deploy --db-password=«{A20}» --prod",
    "credentials file": "[prod]\naws_access_key_id = AKIA{U0}IOSFODNN7EXAMPLE\n"
    "aws_secret_access_key = «{b40}»",
    "aws pair": "AKIA{U0}IOSFODNN7EXAMPLE,«{b40}»",
    "a private key": _pem(""),
    "an RSA key": _pem("RSA "),
    "an EC key": _pem("EC "),
    "an SSH key": _pem("OPENSSH "),
    "an encrypted key": _pem("ENCRYPTED "),
    "a DSA key": _pem("DSA "),
    "a PuTTY key": "PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n«{b48}»",
    "kubeconfig": "users:\n- name: ci\n  user:\n    client-key-data: LS0tLS1CRUdJTiBSU0Eg«{b200}»",
    "kubeconfig's token": "users:\n- name: ci\n  user:\n    token: «{A60}»",
    "lines of YAML": "stringData:\n  password: |\n    «{A20}»\n    {A20}\n  user: alice",
    "folded lines of YAML": "db_password: >-\n  first\n  «{A20}»\n",
    "a one-time password": "npm publish --otp «{d6}»",
    "a seed": "otp: «{U0}JBSWY3DPEHPK3PXPJBSWY3DP»",
}  # fmt: skip


def _wrapped(chance: random.Random) -> Iterator[tuple[str, str, str]]:
    """Kind, text and secret of what vendors themselves keep in base64."""

    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    secret = made("{A24}", chance)
    auth = encoded(f"alice:{secret}")
    auths = json.dumps({"auths": {"r.example.org": {"auth": auth}}}, separators=(",", ":"))
    yield "dockerconfigjson", f".dockerconfigjson: {encoded(auths)}", encoded(auths)[24:]
    yield "dockerconfigjson alone", f"found {encoded(auths)} in a secret", encoded(auths)[24:]
    yield "docker's configuration", auths, auth
    key = made(_pem("RSA "), chance).replace("«", "").replace("»", "")
    yield "a key in base64", f"tls.key {encoded(key)}", encoded(key)[30:]
    account = json.dumps({"type": "service_account", "private_key": key}, separators=(",", ":"))
    yield "service account", account, key.splitlines()[1]
    yield "service account in base64", f"creds: {encoded(account)}", encoded(account)[50:]


def plants(seed: int, rounds: int = 1) -> Iterator[Plant]:
    chance = random.Random(seed)
    for _ in range(rounds):
        for kind, template in SHAPED.items():
            for carrier, text in _PROSE.items():
                secret = made(template, chance)
                yield Plant(kind, carrier, "", text.format(secret=secret), core(secret))
        for kind, (name, header, template) in NAMED.items():
            for carrier, text in _carriers(name, header):
                secret = made(template, chance)
                yield Plant(kind, carrier, name, text.format(name=name, secret=secret), secret)
        for kind, template in WHOLE.items():
            text, secret = _whole(kind, template, chance)
            yield Plant(kind, "itself", "", text, secret)
        for kind, text, secret in _wrapped(chance):
            yield Plant(kind, "itself", "", text, secret)


def _carriers(name: str, header: str) -> Iterator[tuple[str, str]]:
    yield from _BY_NAME.items()
    yield "a flag", f"deploy --{name.lower().replace('_', '-')} {{secret}} --prod"
    if header:
        joint = " " if header.startswith("Authorization: ") else ": "
        joint = "=" if header.startswith("Cookie") else joint
        yield "a header", f"{header}{joint}{{secret}}"
        yield "a header of curl", f"curl -H '{header}{joint}{{secret}}' https://api.example.org"


def core(secret: str) -> str:
    """What opens something: of some tokens only what stands behind an id or an address."""
    for mark in (".atlasv1.", "Q~", "hooks.slack.com/", "webhooks/", ".office.com/"):
        if mark in secret:
            return secret.partition(mark)[2]
    return secret[len(secret) // 3 :]

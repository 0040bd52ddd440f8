"""Secrets that their own shape gives away: patterns, each with what stands in for what it finds.

Values only. The vendors publish these prefixes so that scanners find their tokens; where a vendor's
token has none, its name gives it away (`secret_names.py`). Ids of keys (`AKIA…`, `LTAI…`) are no
secrets and stay: by them a session is linked to who began it.

No pattern can backtrack: each step either has a bound or never gives back what it took, so the time
is linear in the text, whoever wrote it. Classes are spelled out, since `\\w` means all of Unicode.
"""

from __future__ import annotations

from typing import Final

# A token begins where a word begins, also after the `\n` of an escaped line.
START: Final = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))"
_UUID: Final = r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"

# Kind, how it begins, and its shape. What begins a shape stands in a run of at least 16 characters
# of `[A-Za-z0-9_.~-]`: that is what a whole event is looked through for.
TOKENS: Final = (
    ("deploytrail-token", "dt_", r"dt_[a-z0-9-]{1,40}_[A-Za-z0-9_-]{40,}+"),
    ("github-token", "gh[pousr]_", r"gh[pousr]_[A-Za-z0-9_.-]{16,}+"),
    ("github-token", "github_pat_", r"github_pat_[A-Za-z0-9_]{20,}+"),
    (
        "gitlab-token",
        "gl[a-z]{2,5}-",
        r"gl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct|wt)-[A-Za-z0-9_.-]{16,}+",
    ),
    ("gitlab-token", "GR1348941", r"GR1348941[A-Za-z0-9_-]{20,}+"),
    ("slack-token", "xox[a-z]", r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{11,}+"),
    ("slack-token", "xapp-", r"xapp-[A-Za-z0-9-]{11,}+"),
    ("grafana-token", "eyJrIjoi", r"eyJrIjoi[A-Za-z0-9]{60,}+={0,3}"),
    ("docker-auths", "eyJhdXRocyI6ey", r"eyJhdXRocyI6eyJ[A-Za-z0-9][A-Za-z0-9+/]{8,}+={0,2}"),
    (
        "docker-auths",
        "ewo[gJ]",
        r"ewo(?:gICAgImF1dGhzIj|gICJhdXRocyI6|JImF1dGhzIjog)[A-Za-z0-9+/]{8,}+={0,2}",
    ),
    (
        "google-service-account",
        "eyJ0eXBlIjoi|ewogICJ0eXBl",
        r"(?:eyJ0eXBlIjoic2VydmljZV9hY2NvdW50|ewogICJ0eXBlIjogInNlcnZpY2VfYWNjb3VudC)"
        r"[A-Za-z0-9+/]{8,}+={0,2}",
    ),
    ("jwt", "eyJ", r"eyJ[A-Za-z0-9_-]{10,}+\.[A-Za-z0-9_-]{2,}+(?:\.[A-Za-z0-9_-]*+){0,3}+"),
    ("jwt", "ZXlKa", r"ZXlKa[A-Za-z0-9]{16}[A-Za-z0-9+/]{24,}+={0,2}"),
    (
        "private-key",
        "LS0tLS1CRUdJTiB",
        r"LS0tLS1CRUdJTiB(?:SU0Eg|FQyB|PUEVO|QUklW|FTkNS|EU0Eg|QR1Ag)[A-Za-z0-9+/]{8,}+={0,2}",
    ),
    ("private-key", "b3BlbnNzaC1rZXktdjE", r"b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/\\\n]{8,}+={0,2}"),
    ("google-key", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
    ("google-token", r"ya29\.", r"ya29\.[A-Za-z0-9_.-]{20,}+"),
    ("google-client-secret", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{20,}+"),
    ("npm-token", "npm_", r"npm_[A-Za-z0-9]{30,}+"),
    ("pypi-token", "pypi-", r"pypi-[A-Za-z0-9_-]{40,}+"),
    ("rubygems-key", "rubygems_", r"rubygems_[a-f0-9]{48}"),
    ("crates-token", "cio", r"cio[A-Za-z0-9]{32}(?![A-Za-z0-9])"),
    ("nuget-key", "oy2", r"oy2[a-z0-9]{43}(?![A-Za-z0-9])"),
    ("docker-token", "dckr_", r"dckr_[op]at_[A-Za-z0-9_-]{20,}+"),
    ("stripe-key", "[srp]k_", r"[srp]k_(?:live|test|org|prod)_[A-Za-z0-9]{10,}+"),
    ("twilio-key", "SK[0-9a-f]", r"SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    ("sendgrid-key", r"SG\.", r"SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}+"),
    ("mailgun-key", "key-[0-9a-f]", r"key-[0-9a-f]{32}(?![A-Za-z0-9])"),
    ("brevo-key", "xkeysib-", r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    ("vault-token", r"hv[sbr]\.", r"hv[sbr]\.[A-Za-z0-9_-]{20,}+"),
    ("vault-token", r"s\.[A-Za-z0-9]{24}", r"s\.[A-Za-z0-9]{24}(?![A-Za-z0-9_.])"),
    ("age-key", "AGE-", r"AGE-(?:PLUGIN-[A-Z0-9-]{1,40}-|SECRET-KEY-)1[A-Z0-9]{40,}+"),
    ("model-key", "sk-", r"sk-[A-Za-z0-9_-]{20,}+"),
    ("model-key", "hf_", r"hf_[A-Za-z0-9]{30,}+"),
    ("model-key", "api_org_", r"api_org_[A-Za-z0-9]{30,}+"),
    ("model-key", "gsk_", r"gsk_[A-Za-z0-9]{40,}+"),
    ("model-key", "pplx-", r"pplx-[A-Za-z0-9]{40,}+"),
    ("model-key", "r8_", r"r8_[A-Za-z0-9]{37}"),
    ("digitalocean-token", "do[opr]_v1_", r"do[opr]_v1_[a-f0-9]{60,}+"),
    ("databricks-token", "dapi", r"dapi[a-f0-9]{32}(?:-[0-9])?"),
    ("pulumi-token", "pul-", r"pul-[a-f0-9]{40}"),
    ("infracost-key", "ico-", r"ico-[A-Za-z0-9]{32}(?![A-Za-z0-9])"),
    ("grafana-token", "glsa_", r"glsa_[A-Za-z0-9_]{32,}+"),
    ("grafana-token", "glc_", r"glc_[A-Za-z0-9]{12}[A-Za-z0-9+/=]{20,}+"),
    ("atlassian-token", "AT[ACB][TB]", r"AT(?:ATT|CTT|BB)[A-Za-z0-9_-]{20,}+=?[A-F0-9]{0,8}"),
    ("buildkite-token", "bk[a-z]{2}_", r"bk[a-z]{2}_[A-Za-z0-9]{30,}+"),
    ("circleci-token", "CCIP", r"CCIP[A-Z]{2}_[A-Za-z0-9_]{20,}+"),
    ("tailscale-key", "tskey-", r"tskey-[A-Za-z0-9-]{16,}+"),
    ("new-relic-key", "NR[AIJR][KIAS]-", r"NR(?:AK|II|RA|JS)-[A-Za-z0-9_-]{19,}+"),
    ("shopify-token", "shp[a-z]{2}_", r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}"),
    ("square-token", "sq0[a-z]{3}-", r"sq0[a-z]{3}-[A-Za-z0-9_-]{22,}+"),
    ("square-token", "EAAA", r"EAAA[A-Za-z0-9_-]{60}(?![A-Za-z0-9_-])"),
    ("doppler-token", r"dp\.", r"dp\.[a-z]{2,8}\.[A-Za-z0-9_.-]{30,}+"),
    ("sentry-token", "sntry[su]_", r"sntry[su]_[A-Za-z0-9]{10}[A-Za-z0-9+/=_-]{20,}+"),
    ("1password-token", "ops_eyJ", r"ops_eyJ[A-Za-z0-9_-]{20,}+"),
    ("1password-key", "A3-", r"A3-[A-Z0-9]{6}-[A-Z0-9]{6}-?[A-Z0-9]{5}(?:-[A-Z0-9]{5}){3}"),
    ("linear-key", "lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}+"),
    ("notion-token", "ntn_", r"ntn_[A-Za-z0-9]{40,}+"),
    ("notion-token", "secret_", r"secret_[A-Za-z0-9]{43}(?![A-Za-z0-9])"),
    ("heroku-key", "HRKU-", r"HRKU-[A-Za-z0-9_-]{20,}+"),
    ("cloudflare-key", r"v1\.0-", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{100,}+"),
    ("fly-token", "fm1[ar]_", r"fm1[ar]_[A-Za-z0-9]{12}[A-Za-z0-9+/=_-]{60,}+"),
    ("fly-token", "fo1_", r"fo1_[A-Za-z0-9_-]{40,}+"),
    ("netlify-token", "nf[a-z]_", r"nf[pcoub]_[A-Za-z0-9]{30,}+"),
    ("vercel-token", "vercel_blob_", r"vercel_blob_rw_[A-Za-z0-9_]{30,}+"),
    ("supabase-key", "sbp_", r"sbp_[a-f0-9]{40,}+"),
    ("supabase-key", "sb_secret_", r"sb_secret_[A-Za-z0-9_-]{20,}+"),
    ("planetscale-token", "pscale_", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{30,}+"),
    ("neon-key", "napi_", r"napi_[a-z0-9]{40,}+"),
    ("neon-password", "npg_", r"npg_[A-Za-z0-9]{12,}+"),
    (
        "discord-token",
        r"[MNO][A-Za-z0-9_-]{23,25}\.",
        r"[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}+",
    ),
    ("postman-key", "PMA[KT]-", r"PMA[KT]-[A-Za-z0-9-]{24,}+"),
    ("launchdarkly-key", "(?:sdk|api)-[a-f0-9]{8}-", rf"(?:sdk|api)-{_UUID}(?![a-f0-9-])"),
    ("airtable-token", "pat[A-Za-z0-9]{14}", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    ("harness-token", r"[ps]at\.", r"[ps]at\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}"),
    ("dynatrace-token", "dt0", r"dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    ("openshift-token", "sha256~", r"sha256~[A-Za-z0-9_-]{43}"),
    ("octopus-key", "API-", r"API-[A-Z0-9]{26}(?![A-Za-z0-9])"),
    ("artifactory-key", "AKCp", r"AKCp[A-Za-z0-9]{60,}+"),
    ("artifactory-token", "cmVmd", r"cmVmd[A-Za-z0-9]{59}(?![A-Za-z0-9])"),
    ("sonar-token", "sq[upa]_", r"sq[upa]_[a-f0-9]{40}"),
    ("sourcegraph-token", "sgp_", r"sgp_(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}"),
    ("prefect-key", "pn[ub]_", r"pn[ub]_[A-Za-z0-9]{36}"),
    ("typeform-token", "tfp_", r"tfp_[A-Za-z0-9_.-]{40,}+"),
    ("readme-key", "rdme_", r"rdme_[a-z0-9]{60,}+"),
    ("clojars-token", "CLOJARS_", r"CLOJARS_[a-z0-9]{60}"),
    ("aws-session-token", "IQoJb3JpZ2luX2Vj", r"IQoJb3JpZ2luX2Vj[A-Za-z0-9+/]{40,}+={0,2}"),
    ("facebook-token", "EAA[MC]", r"EAA[MC][A-Za-z0-9]{100,}+"),
    ("easypost-key", "EZ[AT]K", r"EZ[AT]K[A-Za-z0-9]{54}"),
    ("bedrock-key", "ABSKQmVkcm9ja", r"ABSKQmVkcm9ja[A-Za-z0-9]{6}[A-Za-z0-9+/]{60,}+={0,2}"),
    (
        "telegram-token",
        "AA[A-Za-z0-9_-]{33}",
        r"(?:bot)?[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])",
    ),
    ("bedrock-key", "bedrock-api-key-", r"bedrock-api-key-[A-Za-z0-9]{20}[A-Za-z0-9+/]{8,}+={0,2}"),
    ("shippo-token", "shippo_", r"shippo_(?:live|test)_[a-fA-F0-9]{40}"),
    ("duffel-token", "duffel_", r"duffel_(?:live|test)_[A-Za-z0-9_-]{40,}+"),
    ("flutterwave-key", "FLWSECK", r"FLWSECK(?:_TEST)?-[A-Za-z0-9]{12,}+(?:-X)?"),
    ("settlemint-token", "sm_[a-z]at_", r"sm_[aps]at_[A-Za-z0-9]{16}"),
    ("scalingo-token", "tk-us-", r"tk-us-[A-Za-z0-9_-]{48}"),
    ("frame-token", "fio-u-", r"fio-u-[A-Za-z0-9_-]{60,}+"),
    ("adobe-secret", "p8e-", r"p8e-[A-Za-z0-9]{32}"),
)  # fmt: skip
# As the above, but the vendor's mark stands behind the secret, or within it.
MARKED: Final = (
    ("azure-devops-token", "AZDO", r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}(?![A-Za-z0-9])"),
    ("azure-key", "JQQJ99", r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}(?![A-Za-z0-9])"),
    ("maxmind-key", "_mmk", r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk(?![A-Za-z0-9])"),
    ("new-relic-key", "NRAL", r"(?:[a-z]{2}[0-9]{2}xx)?[a-f0-9]{30,36}NRAL"),
    ("mailchimp-key", "-us", r"[0-9a-f]{32}-us[0-9]{1,2}(?![A-Za-z0-9])"),
)
# Their bodies may have a `+` or a `/` anywhere, so that they need not be long words: each is looked
# for by a text without which there is none.
WIDE: Final = (
    ("webhook-secret", "whsec_", r"whsec_[A-Za-z0-9+/=_-]{10,}+"),
    ("fly-token", "fm2_", r"fm2_[A-Za-z0-9+/=_-]{60,}+"),
    ("aws-session-token", "oGZXIvYXdz", r"F[wQ]oGZXIvYXdz[A-Za-z0-9+/]{40,}+={0,2}"),
    ("google-refresh-token", "1//0", r"1//0[A-Za-z0-9_-]{30,}+"),
    ("paypal-token", "access_token$", r"access_token\$(?:production|sandbox)\$[a-z0-9$]{30,}+"),
)
PEM: Final = (
    r"-----BEGIN [A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?-----"
    r"[^-]*+(?:-(?!----END)[^-]*+)*+(?:-----END [A-Z0-9 ]{0,60}-----)?"
    # PuTTY's own; the rest of the text is the key.
    r"|PuTTY-User-Key-File-[0-9].*+"
)
# Tokens that are known by their middle only: what stands before it is an id.
TAIL: Final = r"\.atlasv1\.[A-Za-z0-9_=-]{30,}+|[78]Q~[A-Za-z0-9_~.-]{31,40}+"
WEBHOOK: Final = (
    r"(?P<name>hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/|webhook\.office\.com/)"
    r"[^\s\"'<>\\]++"
)
# A password that nobody escaped may hold `/?#`, but what is a port is none.
USERINFO: Final = (
    r"://(?:[^\s/?#\"'<>:@\[]{0,256}+:(?!\d{1,5}(?:[/?#\s\"'<>]|$))[^\s\"'<>]{1,512}@"
    r"|[^\s/?#\"'<>:@]{0,256}+:[^\s/?#\"'<>]{1,512}@"
    r"|[^\s/?#\"'<>:@]{20,512}+@)"
)
SIGNED: Final = (
    r"(?P<name>[?&#](?i:sig|signature|code|x-amz-signature|x-amz-security-token|x-goog-signature"
    r"|key|api_?key|(?:access_|refresh_|id_|private_|auth_?)?token|secret|client_secret|password)=)"
    r"(?!\[masked:[a-z0-9-]{1,32}\](?:[\s&\"'#]|$))[^\s&\"'#]++"
)
BEARER: Final = (
    rf"{START}(?P<name>(?i:bearer[ \t]{{1,8}}+)(?=[A-Za-z0-9+/_.=~-]{{16}})"
    r"|GenieKey[ \t]{1,8}+(?=[A-Za-z0-9_-]{16})"
    r"|(?i:basic)[ \t]{1,8}+(?=[A-Za-z+/]{0,64}[0-9=])(?=[A-Za-z0-9+/]{12}))"
    r"[A-Za-z0-9+/_.=~-]{12,}+"
)
# A secret key of AWS has no shape but forty characters of base64: beside its id that is enough.
AWS_PAIR: Final = (
    r"(?P<name>(?<![A-Z0-9])A[KS]IA[A-Z2-7]{16}(?![A-Z0-9])[^A-Za-z0-9+/\n]{1,8}+\n?"
    r"(?:[A-Za-z_]{3,24}[^A-Za-z0-9+/\n]{1,8}+)?)"
    r"[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/])"
)

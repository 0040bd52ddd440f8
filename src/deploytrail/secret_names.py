"""Secrets that stand behind a name: assignments, JSON, YAML, headers, flags, XML, `.netrc`.

Values only: patterns whose group `name` stays, and whose rest is the value. A vendor's token that
has no shape of its own is caught here. No pattern can backtrack (`secret_shapes.py`).
"""

from __future__ import annotations

from typing import Final

# Words in a name whose value is a secret. The look-ahead spares most positions the alternatives.
_NAMES: Final = (
    r"(?=[pPsStTaAcCeEmMlLbBrRfFgGwWiIhH])"
    # `arn:aws:secretsmanager:eu-west-1:<twelve digits>:secret:<name>` is an address, and
    # `secretsmanager:GetSecretValue` a permission.
    r"(?!secretsmanager:[A-Za-z*]|(?<=[0-9]{12}:)secret:[^\s]|(?<=:[*]:)secret:[^\s])(?i:"
    r"p(?:ass(?:word|wd|phrase|code)|w(?:d|(?![a-z]))|rivate[_.-]?(?:key(?![_-]?id(?![a-z]))|token))"
    # `dbpass`, but no word that ends so.
    r"|(?<!by)(?<!com)(?<!sur)(?<!tres)(?<!over)(?<!under)pass(?![a-z])"
    r"|s(?:ecret|igning[_.-]?key|sh[_.-]?key|torage[_.-]?key|hared[_.-]?(?:access[_.-]?)?key"
    r"|ervice[_.-]?key|ubscription[_.-]?key|ecurity[_.-]?key)"
    r"|token"
    r"|a(?:pi|ccess|ccount|pp|pplication|uth|dmin)[_.-]?key(?![_-]?id(?![a-z]))|authorization"
    # What docker and npm keep: user and password in base64.
    r"|(?<![a-z0-9-])auth(?=\\{0,3}[\"'][ \t]{0,8}:[ \t]{0,8}\\{0,3}[\"'])|(?<=_)auth(?==)"
    r"|c(?:(?<!x-amz-c)redential|ookie|onnection[_-]?string|lient[_-]?key[_-]?data|onsumer[_.-]?key)"
    r"|routing[_.-]?key|fastly[_.-]?key|geniekey|webhook[_.-]?key"
    r"|integration[_.-]?key|hmac[_.-]?key|ingestion[_.-]?key|license[_.-]?key"
    r"|encryption[_.-]?key|master[_.-]?key|b(?:earer|asic)[_-]?auth)"
)
# A value that tells nothing, so that diagnostics stay readable.
_TELLS_NOTHING: Final = (
    # An address or a time, either of which may follow such a name and a colon.
    r"(?!arn:aws[a-z-]{0,12}:[a-z0-9-]{1,40}:|20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:"
    # The value stands in the lines below (BLOCK).
    r"|[|>][+-]?[0-9]?[ \t]{0,8}\n[ \t]"
    r"|\((?:known after apply|sensitive value|sensitive)\)"
    r"|\[masked:[a-z0-9-]{1,32}\](?:[\s\"'&,;)}\]<]|$)"
    r"|(?:null|true|false|None)(?:[\s\"',;&)}\]]|$)"
    r"|(?:Creating|Modifying|Destroying|Reading|Refreshing state|Opening|Closing|Importing)\.\.\."
    r"|Still (?:creating|modifying|destroying|reading)\.\.\."
    r"|(?:Creation|Modifications|Destruction|Read|Import) complete)"
)
# What follows a quotation mark without a blank belongs to the word, as in a shell.
_REST: Final = r"[^\s\"'&,;)}\]<]*+"
_VALUE: Final = (
    rf"(?:\\\"(?:[^\"\\\n]|\\\\\\\"|\\[^\"])*+(?:\\\")?{_REST}"
    rf"|\"(?:[^\"\\]|\\.){{0,16384}}+\"{_REST}|\"[^\n]*+"
    rf"|'[^']{{0,16384}}+'{_REST}|'[^\n]*+"
    r"|(?:(?i:basic|bearer|token|negotiate|digest|apikey|ssws|geniekey|key|snowflake)[ \t]++"
    r"(?:token=)?+)?+[^\s\"'&]++)"
)
ASSIGNMENT: Final = (
    rf"(?P<name>{_NAMES}[A-Za-z0-9_.-]{{0,40}}+(?:\[[^\]\s]{{0,60}}\])?(?:\\{{0,3}}[\"'])?+"
    rf"[ \t]{{0,32}}+(?:=>|:=|[=:])[ \t]{{0,32}}+){_TELLS_NOTHING}{_VALUE}"
)
# `password: correct horse` on a line of its own, as in YAML: the whole line is the value.
LINE: Final = (
    rf"(?P<name>(?m:^)[ \t│|>-]{{0,64}}+[A-Za-z0-9_.-]{{0,40}}?{_NAMES}"
    rf"[A-Za-z0-9_.-]{{0,40}}+:[ \t]{{1,32}}+)"
    rf"{_TELLS_NOTHING}(?![\"'])[^\n]++"
)
# `password: |`, as in YAML: its value are the lines below that are indented like the first.
BLOCK: Final = (
    rf"(?P<name>{_NAMES}[A-Za-z0-9_.-]{{0,40}}+[\"']?:[ \t]{{1,8}}+[|>][+-]?[0-9]?[ \t]{{0,8}}+\n"
    r"(?P<indent>[ \t]{1,64}+))(?!\[masked:[a-z0-9-]{1,32}\](?:\n|$))"
    r"[^\n]++(?:\n(?P=indent)[^\n]*+)*+"
)
# `--password hunter2`, as a command is printed; `--password-stdin` takes no value.
FLAG: Final = (
    rf"(?P<name>(?<![A-Za-z0-9_-])--?[A-Za-z0-9-]{{0,40}}?{_NAMES}"
    rf"(?!-stdin|-file|-path)[A-Za-z0-9-]{{0,40}}+[ \t]{{1,8}}+)"
    rf"{_TELLS_NOTHING}(?!--?[A-Za-z]){_VALUE}"
)
# `auth=…`, unless it says no more than how.
AUTH: Final = (
    r"(?P<name>(?<![A-Za-z0-9-])(?i:auth)[ \t]{0,8}+=(?!=)[ \t]{0,8}+)"
    rf"{_TELLS_NOTHING}(?![\"']?(?i:none|basic|digest|bearer|oauth2?|oidc|sso|saml|ldap|iam|jwt|token"
    r"|kerberos|ntlm|md5|plain|scram-sha-256|password|cert(?:ificate)?|mtls|anonymous|required"
    rf"|optional|enabled|disabled|yes|no|on|off|[01])(?:[\s\"',;&)}}\]]|$)){_VALUE}"
)
# A PIN or a one-time password in digits, or the seed of such: versions and pins of chips are
# shorter or have dots.
CODE: Final = (
    r"(?P<name>(?<![A-Za-z0-9])(?i:pin|t?otp)"
    r"(?:\\{0,3}[\"'])?+[ \t]{0,8}+[=:][ \t]{0,8}+(?:\\{0,3}[\"'])?+"
    r"|(?<![A-Za-z0-9_-])--?(?:[A-Za-z-]{0,40}?-)?(?i:pin|t?otp)[ \t]{1,8}+)"
    r"(?:[0-9]{4,12}(?![\w.])|[A-Z2-7]{16,}+)"
)
# A variable and its value as two words: after what sets one, or where the value has a digit, since
# prose goes on after such a name, too.
VARIABLE: Final = (
    r"(?P<name>"
    r"(?:(?<![A-Za-z0-9_-])(?P<set>ENV|setenv|set[ ]-g?x)[ \t]{1,8}+|(?<![A-Za-z0-9_$%{-]))"
    r"[A-Z0-9_]{0,40}?(?:PASS(?:WORD|WD|PHRASE)?|PWD|TOKEN|SECRET|API_?KEY|ACCESS_?KEY)[ \t]{1,8}+)"
    rf"(?![=:|-]){_TELLS_NOTHING}(?(set)|(?=[^\s]{{0,80}}[0-9])(?=[^\s]{{6}})){_VALUE}"
)
# After what sets a variable, the next word is its value.
SETTING: Final = (
    r"(?P<name>(?<![A-Za-z0-9_-])(?:ENV|setenv|set[ ]-g?x)[ \t]{1,8}+[A-Za-z0-9_]{0,40}?"
    rf"{_NAMES}[A-Za-z0-9_]{{0,40}}+[ \t]{{1,8}}+)(?![=:]){_TELLS_NOTHING}{_VALUE}"
)
# All cookies of a header, not only the first.
COOKIE: Final = (
    rf"(?P<name>(?i:cookie)[ \t]{{0,8}}+:[ \t]{{0,8}}+){_TELLS_NOTHING}(?![\"'\\])[^\n\"'\\]++"
)
XML: Final = (
    rf"(?P<name><[A-Za-z0-9_.:-]{{0,40}}?{_NAMES}[A-Za-z0-9_.:-]{{0,40}}+>[ \t]{{0,8}}+"
    rf"|(?<=[\"'])[A-Za-z0-9_.-]{{0,40}}?{_NAMES}[A-Za-z0-9_.-]{{0,40}}+\\?[\"'][ \t]{{1,8}}+"
    rf"value=\\?[\"']){_TELLS_NOTHING}[^<>\"'\n]++"
)
NETRC: Final = (
    r"(?P<name>\blogin[ \t\n]{1,8}+[^\s]{1,200}+[ \t\n]{1,8}+password[ \t\n]{1,8}+)"
    rf"{_TELLS_NOTHING}[^\s]++"
)
# `curl -u alice:…`, `sshpass -p …`, `mysql -p…`, `docker login -p …`, `redis-cli -a …`.
TOOL: Final = (
    r"(?P<name>\bcurl[ ][^\n]{0,200}?[ ](?:-u|--(?:proxy-)?user)[ =]?[\"']?[^\s:\"']{1,100}+:"
    r"|\b(?:sshpass|(?:mysql|mariadb)(?:dump|admin)?|(?:docker|podman|oc|az|registry)[ ]login)"
    r"\b[^\n]{0,200}?[ ]-p[ ]?[\"']?"
    r"|\bredis-cli\b[^\n]{0,200}?[ ]-a[ ][\"']?)"
    rf"{_TELLS_NOTHING}(?!-)[^\s\"']++"
)

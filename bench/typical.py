"""Typical events as senders post them: JSON of 1,000 ± 50 bytes, from a seed, in the order of time.

Pure: the same seed gives the same bytes. They come in threads of one change each: code, build,
plan, policy, approval, provisioning, deployment, runtime; sixteen threads run at a time.

What decides the cost of the vault is said here, because it is a choice. Of 5,000 actors (users, one
in ten a service account) the index is drawn as 5000·r², so that a tenth of them does a third of the
work. A change comes to 40 events; most are jobs and rollouts of robots. Text that hardly ever
repeats (a commit's message, a reason, changed values, an error) stands in a quarter of the events;
text that repeats (who it was, a branch, the link to a run) in all of them.
The size is met by `targets` with clear ids, as a tool's resource addresses are.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import msgspec

from deploytrail.clock import uuid7


def _words(text: str) -> list[str]:
    return text.split(" ")


ACTORS: Final = 5_000
BYTES: Final = 1_000
BYTES_SLACK: Final = 50
START: Final = datetime(2025, 1, 6, 8, 0, tzinfo=UTC)
"""Long past on every machine, so that no clock refuses it."""
Deliveries = Literal["ordered", "random"]
"""`ordered`: no delivery id, so the key is the event's UUIDv7. `random`: a UUIDv4 of the sender."""

_THREADS: Final = 16
_WITHOUT_REF: Final = frozenset({"argocd", "kubernetes", "opa"})
_encode: Final = msgspec.json.Encoder().encode

_GIVEN: Final = _words("Ada Bela Chiara Dmitri Esra Femi Greta Hugo Ines Jonas Kaya Luca Mira Noor")
_FAMILY: Final = _words("Adeyemi Brandt Costa Duval Eriksen Fischer Garcia Haddad Ito Jansen Kaur")
_SERVICES: Final = _words("payments ledger checkout search identity catalogue shipping billing")
_PARTS: Final = _words("api worker gateway scheduler importer reports")
_RESOURCES: Final = _words(
    "aws_security_group_rule aws_iam_role_policy_attachment aws_lambda_function aws_ecs_service "
    "aws_db_instance aws_s3_bucket_policy aws_route53_record aws_cloudwatch_metric_alarm"
)
_KINDS: Final = _words("Deployment Service ConfigMap HorizontalPodAutoscaler Ingress CronJob")
_AGENTS: Final = (
    "GitHub-Hookshot/044aadd",
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
    "Terraform/1.14.0 (+https://www.terraform.io)",
    "argocd-cli/v3.2.0 (linux/amd64)",
)
_VERBS: Final = _words("fix raise lower move split rename retry drop cache pin rotate document")
_TEXT: Final = _words(
    "the timeout of retries in our connection pool for slow readers when a replica falls behind "
    "and its queue grows past what one worker can take before the next release reaches production"
)


class _Step(NamedTuple):
    """One event of a thread: its action, its tool, who does it, what it carries, how often."""

    action: str
    tool: str
    who: Literal["author", "reviewer", "robot"]
    carries: str
    times: int = 1


_STEPS: Final = (
    _Step("code.pushed", "github", "author", "vcs client", 2),
    _Step("code.change.created", "github", "author", "title url"),
    _Step("build.started", "github-actions", "robot", "run url"),
    _Step("build.job.started", "github-actions", "robot", "run url", 6),
    _Step("build.job.finished", "github-actions", "robot", "run url failing", 6),
    _Step("build.artifact.published", "github-actions", "robot", "run artifact"),
    _Step("code.review.approved", "github", "reviewer", "client url"),
    _Step("code.change.merged", "github", "reviewer", "client url vcs"),
    _Step("plan.created", "terraform", "robot", "plan run"),
    _Step("policy.check.passed", "opa", "robot", "policy plan"),
    _Step("approval.requested", "github-actions", "robot", "approval run"),
    _Step("approval.granted", "github-actions", "reviewer", "approval reason"),
    _Step("resource.updated", "terraform", "robot", "plan changes failing", 4),
    _Step("resource.created", "terraform", "robot", "plan changes", 2),
    _Step("state.updated", "terraform", "robot", "plan run"),
    _Step("deployment.started", "argocd", "robot", "artifact run"),
    _Step("resource.updated", "argocd", "robot", "artifact", 6),
    _Step("deployment.succeeded", "argocd", "robot", "artifact run"),
    _Step("runtime.scaled", "kubernetes", "robot", "changes"),
    _Step("runtime.started", "kubernetes", "robot", "artifact", 4),
    _Step("runtime.exec.started", "kubernetes", "author", "client reason"),
)


class _Thread(NamedTuple):
    """What the events of one change have in common."""

    people: dict[str, dict[str, Any]]
    clients: dict[str, dict[str, str]]
    service: str
    unit: str
    environment: str
    ref: str
    links: dict[str, str]
    url: str


def events(
    count: int, *, seed: int = 1, deliveries: Deliveries = "ordered", start: datetime = START
) -> Iterator[bytes]:
    """`count` events; two seeds share no id, and actors are the same for every seed."""
    chance = random.Random(seed)
    running = [_steps(chance) for _ in range(_THREADS)]
    moment = start
    for _ in range(count):
        moment += timedelta(microseconds=chance.randrange(2_000, 60_000))
        at = chance.randrange(_THREADS)
        found = next(running[at], None)
        if found is None:
            running[at] = _steps(chance)
            found = next(running[at])
        yield _posted(chance, *found, moment, deliveries)


def actor(number: int) -> dict[str, Any]:
    """The actor of a number below 5,000: the same id, name and roles every time."""
    if number % 10 == 9:
        name = f"{_SERVICES[number % 8]}-{_PARTS[number % 6]}-{number}[bot]"
        return {
            "type": "service",
            "id": f"github:{name}",
            "name": name,
            "roles": ["deployer"],
            "auth": {"method": "oidc", "assurance": 3},
        }
    given, family = _GIVEN[number % 14], _FAMILY[number % 11]
    return {
        "type": "user",
        "id": f"github:{given.lower()}-{family.lower()}-{number}",
        "name": f"{given} {family}",
        "roles": ["developer"],
        "auth": {"method": "webhook_signature", "assurance": 1},
    }


def _steps(chance: random.Random) -> Iterator[tuple[_Step, _Thread]]:
    thread = _thread(chance)
    for step in _STEPS:
        for _ in range(step.times):
            yield step, thread


def _thread(chance: random.Random) -> _Thread:
    people = {}
    clients = {}
    for role in ("author", "reviewer", "robot"):
        number = int(ACTORS * chance.random() ** 2)
        number = number - number % 10 + 9 if role == "robot" else number
        people[role] = actor(number)
        address = f"10.{number % 200}.{number // 200}.{number % 250 + 1}"
        clients[role] = {"address": address, "user_agent": _AGENTS[number % len(_AGENTS)]}
    service = chance.choice(_SERVICES)
    part = chance.choice(_PARTS)
    run = str(chance.randrange(10**10, 10**11))
    repository = f"github.com/example/{service}"
    return _Thread(
        people=people,
        clients=clients,
        service=service,
        unit=f"{service}-{part}",
        environment=chance.choice(("prod", "prod", "staging", "dev")),
        ref="refs/heads/main" if chance.random() < 0.6 else _branch(chance),
        links={
            "deployment": f"{part}-{run[-5:]}",
            "run": run,
            "commit": f"{chance.getrandbits(160):040x}",
            "repository": repository,
            "change_request": f"#{chance.randrange(1, 9999)}",
        },
        url=f"https://{repository}/actions/runs/{run}",
    )


def _posted(
    chance: random.Random,
    step: _Step,
    thread: _Thread,
    moment: datetime,
    deliveries: Deliveries,
) -> bytes:
    milliseconds = int(moment.timestamp() * 1000)
    event: dict[str, Any] = {
        "id": uuid7(milliseconds, chance.randbytes(10)),
        "action": step.action,
        "outcome": "success",
        "time": moment,
        "actor": thread.people[step.who],
        "source": {"tool": step.tool, "instance": f"{step.tool}-main"},
        "trigger": "human" if step.who != "robot" else "upstream",
        "where": _where(thread),
        "links": thread.links if step.tool in _WITHOUT_REF else thread.links | {"ref": thread.ref},
    }
    if deliveries == "random":
        event["source"]["delivery"] = _uuid4(chance)
    for name in step.carries.split():
        _BLOCKS[name](chance, event, step, thread)
    return _filled(chance, event, step.tool)


def _where(thread: _Thread) -> dict[str, Any]:
    return {
        "project": thread.service,
        "unit": thread.unit,
        "environment": thread.environment,
        "environment_class": thread.environment,
        "raw": {"workspace": thread.environment},
    }


def _filled(chance: random.Random, event: dict[str, Any], tool: str) -> bytes:
    """The event with as many targets as it takes to its size."""
    missing = BYTES + chance.randrange(-12, 13) - len(_encode(event)) - len(',"targets":[]')
    targets = []
    while missing > 100:
        target = _target(chance, tool)
        targets.append(target)
        missing -= len(_encode(target)) + 1
    if not targets and missing > 0:
        event["where"]["mapping"] = "-".join(chance.choices(_TEXT, k=16))[
            : min(64, max(1, missing))
        ]
    if targets:
        last = targets[-1]
        padding = "-".join(chance.choices(_TEXT, k=20))
        last["id"] += f"-{padding}"[: max(0, missing)]
        event["targets"] = targets
    return _encode(event)


def _target(chance: random.Random, tool: str) -> dict[str, str]:
    service, part = chance.choice(_SERVICES), chance.choice(_PARTS)
    if tool in {"argocd", "kubernetes"}:
        kind = chance.choice(_KINDS)
        return {"type": kind, "id": f"{service}/{service}-{part}-{_hex(chance, 5)}"}
    if tool in {"terraform", "opa"}:
        kind = chance.choice(_RESOURCES)
        return {"type": kind, "id": f"module.{service}.{kind}.{part}[{chance.randrange(20)}]"}
    return {"type": "path", "id": f"services/{service}/{part}/{chance.choice(_TEXT)}.py"}


def _vcs(chance: random.Random, event: dict[str, Any], _: _Step, __: _Thread) -> None:
    event["vcs"] = {
        "message": _sentence(chance, 8),
        "commits": chance.randrange(1, 9),
    }


def _title(chance: random.Random, event: dict[str, Any], _: _Step, __: _Thread) -> None:
    ticket = f"PAY-{chance.randrange(99999)}"
    event["reason"] = {"from": "change_request", "text": _sentence(chance, 7), "tickets": [ticket]}


def _reason(chance: random.Random, event: dict[str, Any], _: _Step, __: _Thread) -> None:
    event["reason"] = {"from": "stated", "text": _sentence(chance, 4)}


def _client(_: random.Random, event: dict[str, Any], step: _Step, thread: _Thread) -> None:
    event["client"] = thread.clients[step.who]


def _url(_: random.Random, event: dict[str, Any], __: _Step, thread: _Thread) -> None:
    event["source"]["url"] = thread.url


def _run(chance: random.Random, event: dict[str, Any], _: _Step, __: _Thread) -> None:
    event["duration_ms"] = chance.randrange(200, 600_000)
    event["attempt"] = 1


def _artifact(_: random.Random, event: dict[str, Any], __: _Step, thread: _Thread) -> None:
    digest = "sha256:" + thread.links["commit"] + thread.links["commit"][:24]
    name = f"registry.example.com/{thread.service}/{thread.unit}"
    event["artifact"] = {"type": "image", "id": name, "digest": digest}


def _plan(_: random.Random, event: dict[str, Any], __: _Step, thread: _Thread) -> None:
    digest = "sha256:" + thread.links["commit"][:24] + thread.links["commit"]
    event["plan"] = {"tool": "terraform", "content_digest": digest, "add": 2, "change": 4}


def _policy(_: random.Random, event: dict[str, Any], __: _Step, ___: _Thread) -> None:
    bundle = "sha256:" + "5f" * 32
    event["policy"] = {"engine": "opa", "decision": "allow", "bundle_digest": bundle}


def _approval(_: random.Random, event: dict[str, Any], step: _Step, thread: _Thread) -> None:
    decision = step.action.removeprefix("approval.")
    approves = {"kind": "plan", "digest": "sha256:" + thread.links["commit"] + "0" * 24}
    event["approval"] = {"decision": decision, "approves": approves, "required": 1}


def _changes(chance: random.Random, event: dict[str, Any], _: _Step, __: _Thread) -> None:
    event["changes"] = [
        {
            "path": chance.choice(("count", "memory", "replicas", "version")),
            "op": "update",
            "old": str(chance.randrange(4096)),
            "new": str(chance.randrange(4096)),
        }
    ]


def _failing(chance: random.Random, event: dict[str, Any], _: _Step, __: _Thread) -> None:
    if chance.random() < 0.06:
        event["outcome"] = "failure"
        event["error"] = {"code": "exit", "text": _sentence(chance, 7)}


_BLOCKS: Final = {
    "vcs": _vcs, "title": _title, "reason": _reason, "client": _client, "url": _url, "run": _run,
    "artifact": _artifact, "plan": _plan, "policy": _policy, "approval": _approval,
    "changes": _changes, "failing": _failing,
}  # fmt: skip


def _sentence(chance: random.Random, words: int) -> str:
    return f"{chance.choice(_VERBS)} {' '.join(chance.choices(_TEXT, k=words))}"


def _branch(chance: random.Random) -> str:
    return f"refs/heads/{chance.choice(_VERBS)}-{chance.choice(_TEXT)}-{chance.randrange(9999)}"


def _hex(chance: random.Random, length: int) -> str:
    return f"{chance.getrandbits(4 * length):0{length}x}"


def _uuid4(chance: random.Random) -> str:
    text = f"{chance.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

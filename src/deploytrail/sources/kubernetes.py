"""Kubernetes audit events: who asked a cluster for what, by webhook, from files or by EKS.

Pure. What a request means stands in `kubernetes_actions`, what of its objects is kept in
`kubernetes_object`. Source: Kubernetes Documentation, "Auditing".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import Raw

from deploytrail.errors import Malformed
from deploytrail.event import (
    Access,
    Actor,
    Auth,
    Client,
    Command,
    Error,
    Links,
    Outcome,
    Policy,
)
from deploytrail.event import Raw as RawPlace
from deploytrail.formats.firehose import bodies, is_request
from deploytrail.kit import firehose
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.documents import one_of_many, tellings
from deploytrail.kit.draft import Draft, Place
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.source import Circumstances, Kind, Source, Telling
from deploytrail.sources.cloudtrail_actor import Work, session_trace, work_of_session
from deploytrail.sources.kubernetes_actions import (
    READS,
    SESSIONS,
    action,
    is_heartbeat,
    is_housekeeping,
    missing,
)
from deploytrail.sources.kubernetes_object import query, told
from deploytrail.sources.kubernetes_shape import Audited, Head, HeadRef, Outer, Status, User

IMPERSONATED: Final = Auth(method="impersonated", assurance=0)
"""Of somebody whom another one chose to be: nothing was proven of them."""
_ARGUMENTS_MAX: Final = 64
_decode_head: Final = msgspec.json.Decoder(Head).decode
_assumed_role = re.compile(r"arn:[^:]+:sts::(\d+):assumed-role/([^/]+)/(.+)", re.DOTALL).fullmatch
_webhook = re.compile(r'admission webhook "([^"]{1,200})" denied the request').search
_policy = re.compile(r"ValidatingAdmissionPolicy '([^']{1,200})'.{0,300}? denied request").search


def tell(delivery: Delivery) -> Iterator[Telling]:
    """The list that the webhook sends, what Firehose delivers of EKS, one event, or an array or
    lines of them.
    """
    body = delivery.body.strip()
    if is_request(body):
        for inner in bodies(body):
            if inner.stream is not None and not inner.stream.startswith(_AUDIT_STREAM):
                yield Telling("log", inner.octets)
            else:
                yield from one_of_many(inner.octets, Outer, _told, faulty="resource")
    else:
        yield from tellings(body, Outer, _told, one=_telling, faulty="resource")


_AUDIT_STREAM: Final = "kube-apiserver-audit"
"""How the names of EKS' streams of audit events begin; others of a cluster's group are logs."""


def _told(octets: bytes, outer: Outer) -> Iterator[Telling]:
    if outer.items is not None:
        for each in outer.items:
            yield _telling(each)
    elif outer.kind == "EventList":
        raise Malformed("body.items: is missing")
    else:
        yield _telling(octets)


def _telling(octets: Raw | bytes) -> Telling:
    try:
        head = _decode_head(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # What is wrong with it is said where it is read.
        return Telling("resource", octets)
    # Whoever asks may choose the auditID (header Audit-ID): it names nothing here.
    return Telling(_kind(head), octets)


def _kind(head: Head) -> str:
    ref = head.object_ref or HeadRef()
    resource, part, group = (_text(one) for one in (ref.resource, ref.subresource, ref.api_group))
    if head.stage == "RequestReceived":
        return "received"
    if not isinstance(head.verb, str) or not isinstance(head.stage, str):
        return "resource"
    if missing(_text(head.request_uri), resource, part, group):
        return "resource"
    is_started = head.stage == "ResponseStarted"
    if is_started and part not in SESSIONS:
        return "started"
    if is_heartbeat(resource, part, group):
        return "heartbeat"
    verb = head.verb.lower()
    if _is_dry(head, verb, part):
        return "dry run"
    done = action(verb, resource, part, group)
    if done is None:
        return "access" if _is_forbidden(head) else "read"
    is_over = not is_started and part in SESSIONS and part != "exec" and not _is_refused(head)
    if is_over:
        return "ended"
    username = _text(head.user.username) if head.user else ""
    if is_housekeeping(username, done) and not _is_forbidden(head):
        return "controller"
    return done.partition(".")[0]


def _is_dry(head: Head, verb: str, part: str) -> bool:
    """Whether nothing could be changed: reads and sessions know no dry run, whoever says it."""
    if verb in READS or part not in {"", "scale"} or _is_forbidden(head):
        return False
    return ("dryRun", "All") in parse_qsl(_text(head.request_uri).partition("?")[2])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _is_forbidden(head: Head) -> bool:
    notes = head.annotations or {}
    code = head.response_status.code if head.response_status else None
    return code in (401, 403) or notes.get("authorization.k8s.io/decision") == "forbid"


def _is_refused(head: Head) -> bool:
    """Whether a session never began; also where nobody says so: its reader asks for the code."""
    code = head.response_status.code if head.response_status else None
    return not isinstance(code, int) or code >= 400


def asked(event: Audited, at: Circumstances) -> Iterator[Draft]:
    """One request, once it was answered or, if it lasts, once its answer began."""
    status = event.response_status or Status()
    outcome = _outcome(event, status)
    done = _action(event, outcome)
    found = told(event)
    ref = event.object_ref
    someone = event.impersonated_user or event.user
    work = _work(event.user)
    yield Draft(
        action=done,
        time=_time(event, at),
        actor=_actor(someone, IMPERSONATED if event.impersonated_user else None),
        on_behalf_of=_actor(event.user, None) if event.impersonated_user else None,
        outcome=outcome,
        duration_ms=_duration(event) if done == "runtime.exec.ended" else None,
        error=_error(status, outcome),
        client=_client(event),
        place=Place(
            raw=RawPlace(
                namespace=ref.namespace if ref else None,
                application=found.application,
                repository=work.repository,
                path=None if ref else (event.request_uri or "").partition("?")[0] or None,
            )
        ),
        targets=found.targets,
        changes=found.changes,
        links=_links(event.user, work, found.digest),
        policy=_admission(status, outcome),
        access=found.access or _access(event, done),
        command=_command(event) if done == "runtime.exec.started" else None,
    )


def _outcome(event: Audited, status: Status) -> Outcome | None:
    """None where it went well. Raises Malformed where nobody says how it went."""
    if event.stage == "Panic":
        return "failure"
    if event.stage not in {"ResponseComplete", "ResponseStarted"}:
        raise Malformed("body.stage: expected one that Kubernetes has, found another")
    if status.code is None:
        raise Malformed("body.responseStatus.code: is missing")
    if status.code in {401, 403}:
        return "denied"
    return "failure" if status.code >= 400 else None


def _action(event: Audited, outcome: Outcome | None) -> str:
    ref = event.object_ref
    resource, part, group = "", "", ""
    if ref is not None:
        resource, part, group = ref.resource or "", ref.subresource or "", ref.api_group or ""
    lacks = missing(event.request_uri or "", resource, part, group)
    if lacks is not None:
        raise Malformed(f"body.{lacks if ref else 'objectRef'}: is missing")
    done = action(event.verb.lower(), resource, part, group)
    if done is None:
        if outcome is None:
            raise Malformed("body.responseStatus.code: expected one that denies, found another")
        return "access.denied"
    is_over = part == "exec" and event.stage == "ResponseComplete" and outcome is None
    return "runtime.exec.ended" if is_over else done


def _time(event: Audited, at: Circumstances) -> datetime:
    told_time = event.stage_time or event.request_received
    return told_time.replace(tzinfo=told_time.tzinfo or UTC) if told_time else at.received


def _duration(event: Audited) -> int | None:
    begun, ended = event.request_received, event.stage_time
    if begun is None or ended is None or (begun.tzinfo is None) != (ended.tzinfo is None):
        return None
    return max(0, int((ended - begun).total_seconds() * 1000))


def _actor(user: User, auth: Auth | None) -> Actor:
    """A person, a service account, a part of the cluster, or nobody known."""
    name, roles = user.username, tuple(one for one in user.groups or () if one)
    if name in {"", "system:anonymous", "system:unauthenticated"}:
        return Actor(type="anonymous", roles=roles, auth=auth)
    identity = f"kubernetes:{name}"
    if name.startswith("system:serviceaccount:"):
        return Actor(type="service", id=identity, name=name, roles=roles, auth=auth)
    if name.startswith("system:") and name != "system:admin":
        return Actor(type="system", id=identity, name=name, roles=roles, auth=auth)
    return Actor(type="user", id=identity, name=name, roles=roles, auth=auth)


def _session(user: User) -> tuple[str, str, str] | None:
    """Account, role and session of AWS, which EKS tells of whoever came by IAM."""
    said = (user.extra or {}).get("arn") or ()
    found = _assumed_role(said[0]) if said else None
    return (found[1], found[2], found[3]) if found else None


def _work(user: User) -> Work:
    session = _session(user)
    return work_of_session(session[2]) if session else Work()


def _links(user: User, work: Work, digest: str | None) -> Links | None:
    session = _session(user)
    trace = session_trace(*session) if session else None
    if not (work.run or digest or trace):
        return None
    return Links(run=work.run, repository=work.repository, artifact=digest, trace=trace)


def _client(event: Audited) -> Client | None:
    addresses = event.source_ips or ()
    pod = (event.user.extra or {}).get("authentication.kubernetes.io/pod-name") or ()
    session = _session(event.user)
    runner = pod[0] if pod else session[2] if session else None
    if not (addresses or event.user_agent or runner):
        return None
    return Client(
        address=addresses[-1] if addresses else None, user_agent=event.user_agent, runner=runner
    )


def _error(status: Status, outcome: Outcome | None) -> Error | None:
    if outcome is None:
        return None
    code = status.reason or (str(status.code) if status.code is not None else "Panic")
    return Error(code=code, text=status.message)


def _admission(status: Status, outcome: Outcome | None) -> Policy | None:
    """What refused an object though its sender was allowed to send it."""
    if outcome is None or not status.message:
        return None
    found = _webhook(status.message) or _policy(status.message)
    return Policy(engine=found[1], decision="deny") if found else None


def _access(event: Audited, done: str) -> Access | None:
    ref = event.object_ref
    if not done.startswith("access."):
        return None
    what = f"{ref.resource}/{ref.subresource}" if ref and ref.subresource else ref and ref.resource
    return Access(permission=f"{event.verb} {what or 'path'}")


def _command(event: Audited) -> Command | None:
    """What was run in a container, argument by argument; what looks like a secret is masked."""
    words = [value for name, value in query(event.request_uri) if name == "command"]
    if not words:
        return None
    return Command(
        tool=words[0].rpartition("/")[2] or "exec", arguments=tuple(words[1:][:_ARGUMENTS_MAX])
    )


_ASKED: Final[Kind[Any]] = Kind(Audited, asked)
_FAMILIES: Final = (
    *("access", "config", "deployment", "identity", "policy", "resource", "runtime", "secret"),
)

SOURCE: Final = Source(
    name="kubernetes",
    title="Kubernetes audit",
    page="https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/",
    schemes=(SCHEMES["bearer"], SCHEMES["basic"], SCHEMES["firehose-key"]),
    tell=tell,
    kinds=dict.fromkeys(_FAMILIES, _ASKED),
    set_aside={
        "read": "it only reads, of nothing sensitive, and was allowed to",
        "received": "the stage before an answer; the answer tells how it went",
        "started": "the answer of a watch or a log begins; its end is told",
        "ended": "a session ends whose begin was told",
        "heartbeat": "how a cluster tells itself that it lives, and asks itself who may do what",
        "controller": "what the cluster does by itself to reach what somebody asked for",
        "dry run": "nothing was changed",
        "log": "another log of the cluster, which holds no audit events",
    },
    is_lines=True,
    setup="""\
1. Two files were just written: {folder}/{name}-audit-policy.yaml,
   to begin with, and {folder}/{name}-audit-webhook.kubeconfig,
   which delivers to {url}
2. Bring both to where kube-apiserver runs, and write the secret, and nothing else, to
   /etc/kubernetes/deploytrail-token there: {secret}
3. Start kube-apiserver with --audit-policy-file and --audit-webhook-config-file naming both, and
   --audit-webhook-mode=batch, which is the default. Keep the stage ResponseStarted in the policy.
4. Connect each cluster by a connection of its own: {name} says which one it was.
5. Or write to files (--audit-log-path) and have them read by deploytrail import.
On EKS, send the log group's audit streams by Amazon Data Firehose over a connection of its own,
made by: deploytrail connection add kubernetes NAME --credential firehose-key
Its HTTP endpoint is that connection's URL, its access key that connection's secret.""",
    files=("audit-policy.yaml", "audit-webhook.kubeconfig"),
    answer=firehose.answer,
    file_names=("*audit*.log*", "*audit*.jsonl*"),
)

"""The event: one immutable record of one action, who did it, when, where and why.

Values only. One envelope serves every action; what only some actions have is an optional block.
Each field is marked clear or concealed: text marked `Concealed…` leaves the entry for the vault
(LOG.md, "Vault"), everything else stands in the log for ever. Fields that are absent are never
written, so an event costs what it says. Annotations are evaluated here, not kept as text: the vault
reads them at every start, and resolving text took longer than opening a log.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, NewType

from msgspec import Meta, Struct, field

EventId = NewType("EventId", str)

EVENT_BYTES_MAX = 60_000
"""An event as sent, in UTF-8 JSON. Larger evidence is an attachment."""
SCHEMA = 1
"""The version of the fields below. Every version ever shipped stays readable."""
UNKNOWN_PLACE = "unknown"
"""The project, unit or environment of what no mapping places."""

_CONCEALED = {"vault": "concealed"}
Word = Annotated[str, Meta(min_length=1, max_length=64)]
Id = Annotated[str, Meta(min_length=1, max_length=512)]
Digest = Annotated[str, Meta(min_length=1, max_length=160)]
"""`<algorithm>:<lower-case hex>`, or a git commit's bare hex."""
Count = Annotated[int, Meta(ge=0, lt=2**53)]
ConcealedName = Annotated[str, Meta(min_length=1, max_length=512, extra=_CONCEALED)]
ConcealedText = Annotated[str, Meta(max_length=16_384, extra=_CONCEALED)]
ConcealedWords = Annotated[tuple[ConcealedText, ...], Meta(max_length=256, extra=_CONCEALED)]
Time = Annotated[datetime, Meta(tz=True)]

Outcome = Literal["success", "failure", "denied", "pending", "partial", "unknown"]
Severity = Literal["info", "low", "medium", "high", "critical"]
ActorType = Literal["user", "service", "agent", "system", "anonymous", "unknown"]
Trigger = Literal["human", "schedule", "webhook", "upstream", "retry", "drift", "agent"]
EnvironmentClass = Literal["dev", "test", "staging", "prod", "unknown"]
ReasonFrom = Literal["stated", "change_request", "commit_trailer", "ticket", "none"]


class Block(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """What every part of an event has in common: frozen, spelled out, nothing unknown.

    Frozen trees have no cycles, so the collector need not walk thousands of them again and again.
    """


class Auth(Block, frozen=True):
    """How the actor proved who it is. `assurance` runs from 0 (claimed) to 3 (vouched for).

    Of what comes as JSON, by `record`, nothing is proven: `method` is `claimed` there.
    """

    method: Word
    assurance: Annotated[int, Meta(ge=0, le=3)]
    verified_by: Word | None = None


class Actor(Block, frozen=True):
    """Who acted. `id` is `<realm>:<name>`, as `github:alice`; absent where nobody is known."""

    type: ActorType
    id: ConcealedName | None = None
    name: ConcealedName | None = None
    roles: Annotated[tuple[Word, ...], Meta(max_length=64)] = ()
    auth: Auth | None = None


class Client(Block, frozen=True):
    """Where the actor sat: an address, a program, the runner of a CI job."""

    address: ConcealedName | None = None
    user_agent: ConcealedText | None = None
    runner: ConcealedName | None = None


class Raw(Block, frozen=True):
    """Where it happened in the words of the tool that told us."""

    repository: Id | None = None
    path: Id | None = None
    workspace: Id | None = None
    account: Id | None = None
    cluster: Id | None = None
    namespace: Id | None = None
    application: Id | None = None


class Where(Block, frozen=True):
    """Where it happened in our words; `mapping` names the rule that placed `raw` there."""

    project: Word | None = None
    unit: Id | None = None
    environment: Word | None = None
    environment_class: EnvironmentClass | None = None
    raw: Raw | None = None
    mapping: Word | None = None


class Target(Block, frozen=True):
    """What was acted upon. `id` is clear: a resource address, a repository, a path."""

    type: Word
    id: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None
    name: ConcealedName | None = None
    digest: Digest | None = None
    change: Word | None = None


class Change(Block, frozen=True):
    """One changed value. `old` and `new` are JSON as text, absent where `sensitive`.

    Of a secret only keyed fingerprints remain, so that equality still shows.
    """

    path: Annotated[str, Meta(min_length=1, max_length=1024)]
    op: Literal["add", "update", "remove", "move", "read"]
    old: ConcealedText | None = None
    new: ConcealedText | None = None
    sensitive: bool = False
    old_fingerprint: Word | None = None
    new_fingerprint: Word | None = None


class Reason(Block, frozen=True):
    """Why. Tickets and incidents are ids without blanks, so they stay clear and can be joined."""

    from_: ReasonFrom = field(name="from")
    text: ConcealedText | None = None
    tickets: Annotated[tuple[Word, ...], Meta(max_length=64)] = ()
    incident: Word | None = None
    emergency: bool = False


class Links(Block, frozen=True):
    """What it belongs to. `ref` is a name that people chose, hence concealed."""

    deployment: Id | None = None
    run: Id | None = None
    commit: Digest | None = None
    previous_commit: Digest | None = None
    repository: Id | None = None
    ref: ConcealedName | None = None
    change_request: Id | None = None
    plan: Digest | None = None
    artifact: Digest | None = None
    trace: Id | None = None
    caused_by: Annotated[tuple[EventId, ...], Meta(max_length=256)] = ()


class Error(Block, frozen=True):
    """What went wrong: a code, the tool's own words, and where in the tool's terms."""

    code: Word | None = None
    text: ConcealedText | None = None
    location: Id | None = None


class Plan(Block, frozen=True):
    """A plan by its content. Approvals bind to `content_digest`, which we compute ourselves."""

    tool: Word
    content_digest: Digest | None = None
    file_digest: Digest | None = None
    add: Count = 0
    change: Count = 0
    destroy: Count = 0
    replace: Count = 0
    import_: Count = field(name="import", default=0)
    move: Count = 0
    forget: Count = 0


class Violation(Block, frozen=True):
    """One broken rule of a policy check."""

    rule: Id
    severity: Word | None = None
    text: ConcealedText | None = None


class Policy(Block, frozen=True):
    """A policy check: which policies saw which input, and what they said."""

    engine: Word
    decision: Literal["allow", "deny", "warn", "error", "unknown"]
    bundle_digest: Digest | None = None
    input_digest: Digest | None = None
    enforcement: Word | None = None
    violations: Annotated[tuple[Violation, ...], Meta(max_length=256)] = ()


class Approves(Block, frozen=True):
    """What exactly was approved; another digest means that the approval is stale."""

    kind: Word
    digest: Digest


class Approval(Block, frozen=True):
    """A request for consent, or the answer to one."""

    decision: Literal["requested", "granted", "rejected", "dismissed", "expired"]
    request: Id | None = None
    approves: Approves | None = None
    required: Count | None = None
    received: Count | None = None


class Vcs(Block, frozen=True):
    """Facts of version control: how much moved, past which protection."""

    message: ConcealedText | None = None
    commits: Count | None = None
    files: Count | None = None
    additions: Count | None = None
    deletions: Count | None = None
    forced: bool = False
    protected: bool | None = None
    signed: bool | None = None


class Artifact(Block, frozen=True):
    """Something built, signed, pushed or deployed."""

    type: Word
    id: Id | None = None
    digest: Digest | None = None
    version: Id | None = None
    registry: Id | None = None


class Drift(Block, frozen=True):
    """How far reality stood from what is declared."""

    added: Count = 0
    changed: Count = 0
    removed: Count = 0


class Access(Block, frozen=True):
    """A right that was used, granted or taken away."""

    permission: Word
    resource: Id | None = None
    expires: Time | None = None


class Agent(Block, frozen=True):
    """The program behind an actor of type agent."""

    tool: Word
    model: Word | None = None
    session: Id | None = None
    version: Word | None = None


class Command(Block, frozen=True):
    """What a wrapper ran. `arguments` and `variables` passed an allow-list and token masks."""

    tool: Word
    version: Word | None = None
    arguments: ConcealedWords = ()
    variables: Annotated[dict[str, str], Meta(max_length=256, extra=_CONCEALED)] = {}
    directory: ConcealedText | None = None
    exit_code: Annotated[int, Meta(ge=0, le=255)] | None = None
    signal: Annotated[int, Meta(ge=1, le=255)] | None = None


class Source(Block, frozen=True):
    """How we know. `instance` comes from the credential, never from the body.

    `part` counts the events of one delivery from 0. `body` is set by the trail: a keyed hash of
    the bytes of that part, no oracle for guesses.
    """

    tool: Word
    instance: Id
    delivery: Id | None = None
    part: Count = 0
    body: Word | None = None
    sequence: Count | None = None
    url: ConcealedText | None = None
    imported: bool = False


class Evidence(Block, frozen=True):
    """An attachment in the vault: `digest` is SHA-256 over a sealed salt and the bytes."""

    id: Word
    type: Word
    size: Count
    digest: Digest


class Event(Block, frozen=True):
    """One action. `time` is claimed by the source; `observed` is when we heard of it."""

    id: EventId
    action: Annotated[str, Meta(min_length=3, max_length=64)]
    outcome: Outcome
    time: Time
    actor: Actor
    source: Source
    schema: Literal[1] = 1
    severity: Severity | None = None
    observed: Time | None = None
    duration_ms: Count | None = None
    attempt: Count | None = None
    error: Error | None = None
    on_behalf_of: Actor | None = None
    client: Client | None = None
    trigger: Trigger | None = None
    where: Where | None = None
    targets: Annotated[tuple[Target, ...], Meta(max_length=256)] = ()
    changes: Annotated[tuple[Change, ...], Meta(max_length=256)] = ()
    reason: Reason | None = None
    links: Links | None = None
    plan: Plan | None = None
    policy: Policy | None = None
    approval: Approval | None = None
    vcs: Vcs | None = None
    artifact: Artifact | None = None
    drift: Drift | None = None
    access: Access | None = None
    agent: Agent | None = None
    command: Command | None = None
    evidence: Annotated[tuple[Evidence, ...], Meta(max_length=64)] = ()


def is_concealed(annotation: Any) -> bool:
    """Whether a field's type says that its text leaves the entry for the vault."""
    for meta in getattr(annotation, "__metadata__", ()):
        if isinstance(meta, Meta) and meta.extra and meta.extra.get("vault") == "concealed":
            return True
    return any(is_concealed(argument) for argument in getattr(annotation, "__args__", ()))

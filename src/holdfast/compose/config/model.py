"""Settings after reading: frozen, checked, in the units of the model; the defaults stand here.

Not here: how they are spelled in YAML (`layout`), how the layers become one session (`resolve`).
"""

import enum
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from holdfast.core.quiet_hours import QuietHours
from holdfast.core.rates import Rates
from holdfast.model.approvals import ReviewRule
from holdfast.model.budgets import Dimension, Window
from holdfast.model.events import Kind
from holdfast.model.principals import TrustLevel
from holdfast.model.sessions import SessionProfile
from holdfast.model.tool_standard import ToolStandard
from holdfast.model.tools import Contract
from holdfast.model.upstreams import Fallback, Retries

AttributeValue = bool | int | Decimal | str | tuple[str, ...]
"""What policy may compare: Cedar's long, decimal, string, bool and set of strings."""


class Auth(enum.StrEnum):
    """How the provider wants its key."""

    X_API_KEY = "x_api_key"
    BEARER = "bearer"
    SIGV4 = "sigv4"


class Vendor(enum.StrEnum):
    """Who carries the Messages API, and so how it is asked."""

    ANTHROPIC = "anthropic"
    BEDROCK = "bedrock"
    VERTEX = "vertex"


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """PEM files, as written in the file (relative to it)."""

    cert: str
    key: str


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where Holdfast listens and keeps its state."""

    host: str = "127.0.0.1"
    port: int = 8787
    public_url: str = ""
    state_dir: str = ".holdfast"
    allow_remote_plaintext: bool = False
    watch_policies: bool = False
    test_project: bool = False
    tls: Tls | None = None
    max_body_bytes: int = 33_554_432


class AdmittedAs(enum.StrEnum):
    """What becomes of what is admitted."""

    INERT = "inert"
    DROPPED = "dropped"


class AfterTaint(enum.StrEnum):
    """What becomes of tools of the provider that may not reach outside after untrusted text."""

    REFUSE = "refuse"
    REMOVE = "remove"


class Untaken(enum.StrEnum):
    """What becomes of what an upstream does not take."""

    DROP = "drop"
    REFUSE = "refuse"


class AdmitSetting(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `gateway.admit`: exactly one of the first five names what it admits.

    `usd_nusd` is per call for a tool, else for each; `tokens` of input, per result for a tool. `at`
    are the places of a block, `fields` the texts and numbers that may stand in it.
    """

    field: str = ""
    block: str = ""
    tool: str = ""
    header: str = ""
    beta: str = ""
    admitted_as: AdmittedAs = AdmittedAs.INERT
    usd_nusd: int = 0
    calls: int = 1
    tokens: int = 0
    at: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which processes serve the model's door (none of its own: the server does), what may pass."""

    processes: int = 0
    port: int = 8788
    admit: tuple[AdmitSetting, ...] = ()
    after_taint: AfterTaint = AfterTaint.REFUSE


class BreakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a key of an upstream is left alone, and for how long."""

    failures: int = 5
    reset_s: float = 60.0


class UpstreamConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A provider of the Messages API; the keys themselves stay in the environment.

    `api_key_envs` stands in place of `api_key_env` where there are several keys. `models` maps the
    names that clients use to the vendor's. `rates` maps models to rates; `*` is shared by the rest.
    `betas` None means those that the vendor is known to take, `fields` are taken beside them.
    """

    name: str = "anthropic"
    vendor: Vendor = Vendor.ANTHROPIC
    base_url: str = "https://api.anthropic.com"
    region: str = ""
    project: str = ""
    models: dict[str, str] = {}
    api_key_env: str = "ANTHROPIC_API_KEY"
    api_key_envs: tuple[str, ...] = ()
    access_key_id_env: str = "AWS_ACCESS_KEY_ID"
    session_token_env: str = "AWS_SESSION_TOKEN"  # noqa: S105 -- the name of a variable
    token_command: str = ""
    auth: Auth = Auth.X_API_KEY
    connect_timeout_s: float = 10.0
    silence_timeout_s: float = 60.0
    max_tokens_per_s: int | None = None
    rates: dict[str, Rates] = {}
    queue_s: float = 30.0
    retries: Retries = Retries()
    breaker: BreakerSettings = BreakerSettings()
    fallbacks: tuple[Fallback, ...] = ()
    betas: tuple[str, ...] | None = None
    fields: tuple[str, ...] = ()
    untaken: Untaken = Untaken.DROP


class PriceOverride(msgspec.Struct, frozen=True, kw_only=True):
    """Prices of one model in nano-dollars per million tokens, exact."""

    input_nusd_per_mtok: int
    output_nusd_per_mtok: int
    cache_read_nusd_per_mtok: int
    cache_write_5m_nusd_per_mtok: int
    cache_write_1h_nusd_per_mtok: int
    context_tokens: int


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """Prices that replace or extend the table that ships.

    `premiums` are by model what a way of being served (`speed.fast`) multiplies its rates by.
    """

    overrides: dict[str, PriceOverride] = {}
    premiums: dict[str, dict[str, float]] = {}


class LimitSetting(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a `limits` mapping.

    `amount` None lifts the limit, over every window when `window` is None too. `alerts` None
    keeps the percents of the layer below.
    """

    dimension: Dimension
    window: Window | None
    amount: int | None
    alerts: tuple[int, ...] | None = None


LimitSettings = tuple[LimitSetting, ...]


class DefaultLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of every owner of a scope that says nothing itself."""

    task: LimitSettings = ()
    session: LimitSettings = ()
    user: LimitSettings = ()
    project: LimitSettings = ()
    tenant: LimitSettings = ()


class LoopSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Overrides of `LoopLimits`; None keeps the layer below."""

    max_turns: int | None = None
    warn_turns: int | None = None
    alert_turns: int | None = None
    max_tool_calls: int | None = None
    turn_timeout_s: int | None = None
    wall_clock_s: int | None = None
    repeat_calls: int | None = None
    repeat_window_s: int | None = None
    stall_window: int | None = None
    stall_distinct: int | None = None
    no_news_alert: int | None = None
    no_news_stop: int | None = None
    query_bytes: int | None = None


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """What holds where nothing more specific is said."""

    limits: DefaultLimits = DefaultLimits()
    loop: LoopSettings = LoopSettings()


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A share of a tenant with its own limits; `max_runs` at work at a time, None any number.

    `approvers` are operators who alone may let go on what waits for a person; without any, all.
    """

    limits: LimitSettings = ()
    max_runs: int | None = None
    approvers: tuple[str, ...] = ()


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person on whose behalf agents act; `*` stands for everyone who is not listed."""

    roles: tuple[str, ...] = ()
    limits: LimitSettings = ()


class OperatorPerson(msgspec.Struct, frozen=True, kw_only=True):
    """Who an operator is among the users: those for whom they open sessions, in which tenants.

    What binds one of them binds the operator, who cannot lift it. `*` stands for every user. None
    is the user of the operator's own name; `tenants` empty means every tenant.
    """

    users: tuple[str, ...] | None = None
    tenants: tuple[str, ...] = ()


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """One customer or department; nothing is shared between tenants.

    `max_decisions_per_s` may be had at once, then evenly; None is 200 beside other tenants, and as
    many as the server makes for one alone. `max_model_calls_per_s` holds only while another tenant
    asks for anything; None is 20, and none where `rates` say what it may send.
    """

    attributes: dict[str, AttributeValue] = {}
    limits: LimitSettings = ()
    rates: Rates | None = None
    max_decisions_per_s: int | None = None
    max_model_calls_per_s: int | None = None
    projects: dict[str, Project] = {}
    users: dict[str, User] = {}
    max_runs: int | None = None
    approvers: tuple[str, ...] = ()


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of work with its own limits; policy sees `attributes` as `task`.

    `scope` are patterns by argument, within which its calls have to stay (`core/scopes`). `chunk`
    is how many records a batch of it works at a time.
    """

    name: str
    chunk: int | None = None
    description: str = ""
    attributes: dict[str, AttributeValue] = {}
    limits: LimitSettings = ()
    done_when: str = ""
    scope: dict[str, tuple[str, ...]] = {}

    def text(self) -> str:
        """The task in words, for the agent's prompt."""
        parts = (f"Task: {self.name}", self.description)
        done = f"Done when: {self.done_when}" if self.done_when else ""
        return "\n".join(part for part in (*parts, done) if part)


class Hooks(msgspec.Struct, frozen=True, kw_only=True):
    """Functions, as `package.module:function`, that run at the four points, in this order.

    `environment` names variables of the server's environment that they get.
    """

    pre_tool: tuple[str, ...] = ()
    post_tool: tuple[str, ...] = ()
    on_context_overflow: tuple[str, ...] = ()
    on_error: tuple[str, ...] = ()
    timeout_s: float = 5.0
    environment: tuple[str, ...] = ()


class HttpTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool behind HTTP. `url` is a template over arguments; the others go as JSON.

    `credential_env` names the variable, in the worker's environment, whose value is sent as a
    bearer token. `probe_url` answers 200 with the result where the effect took, 404 where not.
    `nothing_happened` are statuses by which the service says so.
    """

    url: str
    method: str = "POST"
    credential_env: str = ""
    key_header: str = "Idempotency-Key"
    probe_url: str = ""
    nothing_happened: tuple[int, ...] = ()


class Implementation(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker runs for a tool: a Python function or a request, by tenant where they differ.

    `python` and `probe` are `package.module:function`, of modules beside the settings file.
    """

    python: str = ""
    probe: str = ""
    http: HttpTool | None = None
    tenants: dict[str, HttpTool] = {}


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A Postgres database: its address, or the environment variable that holds it."""

    url: str = ""
    url_env: str = ""


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How runs are handed out. `lease_s` is how long a silent worker keeps a run.

    A run whose worker was lost `max_activations` times in a row goes to the dead-letter queue.
    """

    lease_s: float = 10.0
    max_activations: int = 5


class ApprovalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long a question to a person waits, how many of one session may, and whose yes it takes.

    `wait_s` is how long a door that cannot leave its call (one's own loop, the Agent SDK, Claude
    Code) holds it for the answer; after that the model is told to make it again.
    """

    expires_s: int = 86_400
    wait_s: int = 300
    most_pending: int = 5
    groups: dict[str, tuple[str, ...]] = {}
    rules: dict[str, ReviewRule] = {}


class OwnRoot(msgspec.Struct, frozen=True, kw_only=True):
    """A git checkout whose files are the operator's own as they stand in `refs`.

    `root` is relative to the settings file. A ref that is a whole commit id is trusted from the
    start; a branch or tag is once `holdfast files trust` recorded the commit that it names.
    """

    root: str
    refs: tuple[str, ...] = ()


class FileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Whose files lie here; nobody's own unless said."""

    own: tuple[OwnRoot, ...] = ()


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many days things are kept once they are over; None keeps them. A pass each `every_s`."""

    sessions_days: int | None = None
    effects_days: int | None = None
    conversations_days: int | None = None
    every_s: float = 3_600.0


class Telemetry(msgspec.Struct, frozen=True, kw_only=True):
    """Where spans and gauges go. Addresses are whole; headers stay in the environment."""

    otlp_endpoint: str
    metrics_endpoint: str = ""
    headers_env: str = ""


class AlertFormat(enum.StrEnum):
    """How a receiver wants its messages."""

    SLACK = "slack"
    JSON = "json"
    EMAIL = "email"


class AlertReceiver(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told of alerts; address and signing secret stay in the environment.

    `secret_env` is empty for e-mail, which has a `sender` and whom it goes `to`. The rest says what
    it is told of, and when (`runtime/receivers`).
    """

    url_env: str
    secret_env: str = ""
    format: AlertFormat = AlertFormat.JSON
    sender: str = ""
    to: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    tenants: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    hard_only: bool = False
    quiet: QuietHours | None = None


class SlackSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What comes in from Slack: `people` are operators by `TEAM/USER`; the secret stays outside."""

    signing_secret_env: str
    people: dict[str, str] = {}


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An agent: what it may use and how far it is trusted. No tools unless named.

    `upstream` empty means the only one, or `anthropic`. `models` empty means any model with a
    price. `output`, `context` and `retries` are for runs by the house's own loop (`core/outputs`,
    `core/context`, `integrations/native`). `hooks` None means those of the file. `mcp_servers` is
    passed to the SDK as it stands. `profile` None is what the session is opened for, autonomous
    unless that says otherwise. `session_ttl_s` None lasts as long as the loop guard lets it.
    """

    name: str
    model: str
    description: str = ""
    upstream: str = ""
    trust: TrustLevel = TrustLevel.SEMI_AUTONOMOUS
    tools: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    system_prompt: str = ""
    limits: LimitSettings = ()
    loop: LoopSettings = LoopSettings()
    profile: SessionProfile | None = None
    max_output_tokens: int = 32_000
    session_ttl_s: int | None = None
    hooks: Hooks | None = None
    mcp_servers: dict[str, Any] = {}
    output: dict[str, Any] = {}
    context: dict[str, Any] = {}
    retries: dict[str, Any] = {}
    approvers: tuple[str, ...] = ()


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An issuer of OpenID Connect, and this server as its client; public without a secret."""

    issuer: str
    client_id: str
    client_secret_env: str = ""
    scopes: tuple[str, ...] = ("openid", "email")


class SignInSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How people sign in beside links."""

    oidc: OidcSettings | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The file itself, before references across files are followed."""

    version: int
    server: Server = Server()
    gateway: GatewaySettings = GatewaySettings()
    store: StoreSettings | None = None
    policies: str = "policies"
    upstreams: dict[str, UpstreamConfig] = {}
    prices: Prices = Prices()
    defaults: Defaults = Defaults()
    tenants: dict[str, Tenant] = {}
    operators: dict[str, OperatorPerson] = {}
    tasks: dict[str, Task] = {}
    agents: dict[str, AgentConfig] = {}
    tools: dict[str, Contract] = {}
    hooks: Hooks = Hooks()
    telemetry: Telemetry | None = None
    alerts: dict[str, AlertReceiver] = {}
    slack: SlackSettings | None = None
    tool_modules: tuple[str, ...] = ()
    tool_standard: ToolStandard = ToolStandard()
    implementations: dict[str, Implementation] = {}
    runs: RunSettings = RunSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    retention: RetentionSettings = RetentionSettings()
    files: FileSettings = FileSettings()
    sign_in: SignInSettings = SignInSettings()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the wiring needs.

    `version` is `sha256:` over every file read. `tools` holds the declared contracts laid over
    the built-in ones; `declared_tools` names the declared ones. Paths are absolute. `code` are
    the modules that server and workers load, and `agent_files` the files beside the settings.
    `unread` are modules of tools that nobody loaded: what they bring is not in `tools`.
    """

    path: Path
    version: str
    server: Server
    state_path: Path
    policies_path: Path
    upstreams: dict[str, UpstreamConfig]
    prices: Prices
    defaults: Defaults
    tenants: dict[str, Tenant]
    tasks: dict[str, Task]
    agents: dict[str, AgentConfig]
    tools: dict[str, Contract]
    declared_tools: frozenset[str]
    hooks: Hooks
    telemetry: Telemetry | None = None
    alerts: dict[str, AlertReceiver] = {}
    slack: SlackSettings | None = None
    tool_standard: ToolStandard = ToolStandard()
    implementations: dict[str, Implementation] = {}
    runs: RunSettings = RunSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    retention: RetentionSettings = RetentionSettings()
    operators: dict[str, OperatorPerson] = {}
    store: StoreSettings | None = None
    files: FileSettings = FileSettings()
    sign_in: SignInSettings = SignInSettings()
    gateway: GatewaySettings = GatewaySettings()
    tls_cert_path: Path | None = None
    tls_key_path: Path | None = None
    agent_files: tuple[Path, ...] = ()
    code: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

"""Every key of `holdfast.yaml` and of an agent file, once: shape, one sentence, checks.

The loader, the published JSON Schema and the reference page's test all read this. Defaults stand
in `model`, limits' grammar in `limits`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.compose.config.alert_layout import ALERTS
from holdfast.compose.config.approval_layout import APPROVALS
from holdfast.compose.config.attributes import Attributes
from holdfast.compose.config.file_layout import FILES
from holdfast.compose.config.gateway_layout import GATEWAY
from holdfast.compose.config.limits import LimitsShape
from holdfast.compose.config.loop_layout import LOOP
from holdfast.compose.config.model import (
    AgentConfig,
    DefaultLimits,
    Defaults,
    Hooks,
    HttpTool,
    Implementation,
    PriceOverride,
    Prices,
    Project,
    Server,
    Settings,
    Task,
    Telemetry,
    Tenant,
    Tls,
    User,
)
from holdfast.compose.config.names import (
    ENV_NAME,
    HOOK,
    ID,
    MODEL_NAME,
    MODULE,
    ORIGIN,
    USER_NAME,
    BaseUrl,
    is_loopback,
)
from holdfast.compose.config.nodes import Node, NodeKind
from holdfast.compose.config.operator_layout import OPERATOR, OPERATOR_NAME
from holdfast.compose.config.problems import key_path, quoted, suggestion
from holdfast.compose.config.run_layout import RETENTION, RUNS
from holdfast.compose.config.shapes import (
    INVALID,
    Choice,
    Field,
    Flag,
    Json,
    ListOf,
    MapOf,
    Reading,
    Real,
    Record,
    Text,
    Usd,
    Whole,
)
from holdfast.compose.config.sign_in_layout import SIGN_IN
from holdfast.compose.config.slack_layout import SLACK
from holdfast.compose.config.store_layout import STORE
from holdfast.compose.config.tool_layout import TOOL_STANDARD
from holdfast.compose.config.upstream_layout import RATES, UPSTREAM
from holdfast.core.context import ContextSettings
from holdfast.core.outputs import OutputSettings, settings_fault
from holdfast.core.resources import template_variables
from holdfast.core.runs import RetrySettings
from holdfast.core.schemas import SchemaFault, compile_schema
from holdfast.core.scopes import scope_fault
from holdfast.model.budgets import CONFIGURED, Scope
from holdfast.model.principals import TrustLevel
from holdfast.model.risk import RiskLevel
from holdfast.model.sessions import SessionProfile
from holdfast.model.tools import ArgumentRole, Contract, Effect, EffectKey, Idempotency
from holdfast.model.users import EVERYONE

# `tools` and `unknown_tool` are names of the policy language.
TOOL_PATTERN = r"^(?!(?:tools|unknown_tool)$)[A-Za-z0-9_-]{1,128}$"
VERSION = 1

TOOL_NAME = Text(
    pattern=TOOL_PATTERN,
    says="at most 128 letters, digits, `_` and `-`, and neither `tools` nor `unknown_tool`",
)
ARGUMENT = Text(pattern=r"^[A-Za-z0-9_.$-]{1,128}$", says="the name of an argument")
WORD = Text(pattern=r"^[A-Za-z0-9_.:/-]{1,128}$", says="a word of letters, digits and `_.:/-`")
FILE_PATH = Text(max_chars=1024, says="a path")
PROSE = Text()


def _server_reachable_safely(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    host = values.get("host", "127.0.0.1")
    plain = "tls" not in reading_keys(reading, path) and not values.get("allow_remote_plaintext")
    if plain and not is_loopback(host):
        reading.problem_at(
            f"{path}.host",
            f"{quoted(host)} is reachable from other machines: set `tls`, or say "
            "`allow_remote_plaintext: true`",
        )


def reading_keys(reading: Reading, path: str) -> frozenset[str]:
    """Keys that stand in the file directly below a path, sound or not."""
    start = f"{path}."
    below = (p.removeprefix(start) for p in reading.places if p.startswith(start))
    return frozenset(key for key in below if "." not in key)


def _contract_holds(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    """What the contract book would refuse later is named here, where it stands."""
    schema, output = values.get("input_schema"), values.get("output_schema")
    if output is not None:
        compiled = compile_schema(output, strict=False)
        if isinstance(compiled, SchemaFault):
            reading.problem_at(f"{path}.output_schema", compiled.reason)
    if schema is None:
        return
    compiled = compile_schema(schema, strict=True)
    if isinstance(compiled, SchemaFault):
        reading.problem_at(f"{path}.input_schema", compiled.reason)
        return
    if schema.get("type") != "object":
        reading.problem_at(f"{path}.input_schema", "arguments are an object: say `type: object`")
    used = {key_path(f"{path}.roles", name): name for name in values.get("roles", {})}
    variables = template_variables(values.get("resource", ""))
    if variables is None:
        reading.problem_at(f"{path}.resource", "its braces do not pair around names of arguments")
    used |= {f"{path}.resource": name for name in variables or ()}
    if values.get("shell"):
        used[f"{path}.shell"] = values["shell"]
    arguments = list(schema.get("properties", {}))
    for where, name in used.items():
        if name not in arguments:
            hint = suggestion(name, arguments)
            reading.problem_at(where, f"no argument {quoted(name)} in input_schema{hint}")


def _model_is_listed(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    model, models = values.get("model"), values.get("models")
    if model and models and model not in models:
        where = f"{path}.models" if path else "models"
        reading.problem_at(where, f"the agent's own model {quoted(model)} is not in the list")


def _run_settings_hold(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    """What a worker would stumble over later is named here, where it stands."""
    models = values.get("models")
    for key, kind in (
        ("output", OutputSettings),
        ("context", ContextSettings),
        ("retries", RetrySettings),
    ):
        where = f"{path}.{key}" if path else key
        try:
            found: Any = msgspec.convert(values.get(key, {}), kind)
        except msgspec.ValidationError as fault:
            reading.problem_at(where, _lower(str(fault)))
            continue
        asked = ""
        if isinstance(found, OutputSettings):
            if fault_text := settings_fault(found):
                reading.problem_at(where, fault_text)
            asked = found.judge.model if found.judge is not None else ""
        elif isinstance(found, ContextSettings):
            asked = found.summary_model
        if asked and models and asked not in models:
            reading.problem_at(where, f"the model {quoted(asked)} is not in the agent's `models`")


def _scope_holds(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    if fault := scope_fault(values.get("scope", {})):
        reading.problem_at(f"{path}.scope", fault)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


_SECONDS = Whole(least=1, most=31_536_000)

HOOKS = Record(
    build=Hooks,
    fields={
        "pre_tool": Field(ListOf(item=HOOK), "run before a tool call; may tighten or rewrite"),
        "post_tool": Field(ListOf(item=HOOK), "run after a tool call, whether it failed or not"),
        "on_context_overflow": Field(ListOf(item=HOOK), "run when the context is full"),
        "on_error": Field(ListOf(item=HOOK), "run when a call failed"),
        "timeout_s": Field(Real(least=0.001, most=300), "seconds a hook may take; then deny"),
        "environment": Field(
            ListOf(item=ENV_NAME), "variables of the server's environment that hooks get"
        ),
    },
)

TLS = Record(
    build=Tls,
    fields={
        "cert": Field(FILE_PATH, "PEM file of the certificate chain"),
        "key": Field(FILE_PATH, "PEM file of the private key"),
    },
)

SERVER = Record(
    build=Server,
    fields={
        "host": Field(
            Text(pattern=r"^[A-Za-z0-9.:\[\]_-]{1,255}$", says="a host name or address"),
            "address to listen on",
        ),
        "port": Field(Whole(least=0, most=65535), "port to listen on; 0 takes a free one"),
        "public_url": Field(
            ORIGIN, "address at which people reach the console, where it is not the one listened on"
        ),
        "state_dir": Field(FILE_PATH, "folder of the journal and the sockets"),
        "watch_policies": Field(Flag(), "take policy files as they are written, for development"),
        "test_project": Field(Flag(), "nothing here is real: `up --test-clock` may move its clock"),
        "allow_remote_plaintext": Field(Flag(), "listen off this machine without TLS"),
        "tls": Field(TLS, "certificate and key; required off this machine"),
        "max_body_bytes": Field(Whole(least=1024, most=2**30), "largest request body"),
    },
    checks=(_server_reachable_safely,),
)

TELEMETRY = Record(
    build=Telemetry,
    fields={
        "otlp_endpoint": Field(
            BaseUrl(carries="what the agent did"),
            "address that takes spans over OTLP/HTTP, its path included; needs the extra `otel`",
        ),
        "metrics_endpoint": Field(
            BaseUrl(carries="what the server is at"),
            "address that takes gauges over OTLP/HTTP, its path included; none are sent without it",
        ),
        "headers_env": Field(
            ENV_NAME, "environment variable with headers to send, as `name=value,name=value`"
        ),
    },
)

HTTP_TOOL = Record(
    build=HttpTool,
    fields={
        "url": Field(
            Text(
                pattern=r"^https?://[^\s{}]+(/[^\s]*)?$", says="an address, with arguments in `{}`"
            ),
            "address, a template over arguments after the host",
        ),
        "method": Field(
            Text(pattern="^(GET|POST|PUT|PATCH|DELETE)$", says="a method of HTTP"), "method"
        ),
        "credential_env": Field(
            ENV_NAME, "variable of the worker's environment that holds a bearer token"
        ),
        "key_header": Field(
            Text(pattern=r"^[A-Za-z0-9-]{1,64}$", says="the name of a header"),
            "header that carries the idempotency key",
        ),
        "probe_url": Field(
            Text(
                pattern=r"^https?://[^\s{}]+(/[^\s]*)?$", says="an address, with arguments in `{}`"
            ),
            "address that answers 200 where the effect took, 404 where not",
        ),
        "nothing_happened": Field(
            ListOf(item=Whole(least=400, most=599)), "statuses that say that nothing happened"
        ),
    },
)

IMPLEMENTATION = Record(
    build=Implementation,
    fields={
        "python": Field(HOOK, "the function that is the tool"),
        "probe": Field(HOOK, "the function that says whether an earlier attempt took"),
        "http": Field(HTTP_TOOL, "the request that is the tool"),
        "tenants": Field(MapOf(value=HTTP_TOOL, key=ID), "the request, by tenant"),
    },
)

PRICE = Record(
    build=PriceOverride,
    fields={
        "input": Field(Usd(), "dollars per million input tokens", "input_nusd_per_mtok"),
        "output": Field(Usd(), "dollars per million output tokens", "output_nusd_per_mtok"),
        "cache_read": Field(
            Usd(), "dollars per million tokens read from cache", "cache_read_nusd_per_mtok"
        ),
        "cache_write_5m": Field(
            Usd(), "dollars per million tokens cached for 5 minutes", "cache_write_5m_nusd_per_mtok"
        ),
        "cache_write_1h": Field(
            Usd(), "dollars per million tokens cached for an hour", "cache_write_1h_nusd_per_mtok"
        ),
        "context_tokens": Field(Whole(least=1, most=100_000_000), "size of the context window"),
    },
)

_WAY = Text(
    pattern=r"^(speed|inference_geo|service_tier)\.[a-z0-9_-]{1,64}$",
    says="a way of being served, such as `speed.fast`",
)

PRICES = Record(
    build=Prices,
    fields={
        "overrides": Field(
            MapOf(value=PRICE, key=MODEL_NAME), "prices by model, in place of those that ship"
        ),
        "premiums": Field(
            MapOf(value=MapOf(value=Real(least=0.001, most=1000), key=_WAY), key=MODEL_NAME),
            "what `speed.fast` or `inference_geo.NAME` multiplies a model's rates by",
        ),
    },
)

DEFAULTS = Record(
    build=Defaults,
    fields={
        "limits": Field(
            Record(
                build=DefaultLimits,
                fields={
                    str(scope): Field(LimitsShape(scope), f"limits of every {scope}")
                    for scope in CONFIGURED
                },
            ),
            "limits where an owner says nothing itself",
        ),
        "loop": Field(LOOP, "the loop guard where an agent says nothing itself"),
    },
)

USER = Record(
    build=User,
    fields={
        "roles": Field(ListOf(item=ID), "roles that policy sees"),
        "limits": Field(LimitsShape(Scope.USER), "limits of this user, over windows"),
    },
)

_RUNS_AT_WORK = Whole(least=1, most=100_000)
_APPROVERS = Field(
    ListOf(item=ID), "operators who alone may let go on what waits for a person; empty: any"
)

PROJECT = Record(
    build=Project,
    fields={
        "limits": Field(LimitsShape(Scope.PROJECT), "limits of this project, over windows"),
        "max_runs": Field(_RUNS_AT_WORK, "most runs of it at work at a time"),
        "approvers": _APPROVERS,
    },
)

TENANT = Record(
    build=Tenant,
    fields={
        "attributes": Field(Attributes(), "what policy sees as the tenant"),
        "limits": Field(LimitsShape(Scope.TENANT), "limits of this tenant, over windows"),
        "rates": Field(RATES, "what this tenant may send to all models together"),
        "max_decisions_per_s": Field(
            Whole(least=1, most=100_000),
            "tool calls decided for it a second (200 beside other tenants); more wait, or are 429",
        ),
        "max_model_calls_per_s": Field(
            Whole(least=1, most=100_000),
            "model calls a second while another tenant is about (20 without `rates`); more are 429",
        ),
        "max_runs": Field(_RUNS_AT_WORK, "most runs of it at work at a time"),
        "approvers": _APPROVERS,
        "projects": Field(MapOf(value=PROJECT, key=ID), "projects by name"),
        "users": Field(
            MapOf(value=USER, key=USER_NAME, also=(EVERYONE,)),
            "users by name; `*` is everyone not listed, and without it they are refused",
        ),
    },
)

TASK = Record(
    build=Task,
    named=True,
    fields={
        "description": Field(
            PROSE, "what is to be done, told in each request of a run or of Claude's own CLI"
        ),
        "attributes": Field(Attributes(), "what policy sees as the task"),
        "limits": Field(LimitsShape(Scope.TASK), "limits of one task of this kind"),
        "done_when": Field(PROSE, "how to tell that it is done"),
        "chunk": Field(
            Whole(least=1, most=1000), "records of a batch at a time, where none are said"
        ),
        "scope": Field(
            MapOf(value=ListOf(item=Text(max_chars=512)), key=ARGUMENT),
            "files that its calls may name: patterns by argument, tools by `tool`",
        ),
    },
    checks=(_scope_holds,),
)

CONTRACT = Record(
    build=Contract,
    named=True,
    fields={
        "description": Field(PROSE, "what the tool does, when to use it, its side effects"),
        "effect": Field(Choice(Effect), "what a call does to the world"),
        "risk": Field(Choice(RiskLevel, by_name=True), "how dangerous it is"),
        "risk_reason": Field(PROSE, "why it is that dangerous"),
        "input_schema": Field(Json(), "JSON Schema of the arguments, of type object"),
        "output_schema": Field(Json(), "JSON Schema of the result"),
        "roles": Field(MapOf(value=Choice(ArgumentRole), key=ARGUMENT), "what an argument decides"),
        "idempotency": Field(Choice(Idempotency), "what a second try may do"),
        "effect_key": Field(
            Choice(EffectKey), "what makes two calls one effect: `input`, or each `call` its own"
        ),
        "first_party": Field(Flag(), "the result is the operator's own and does not taint"),
        "records": Field(
            MapOf(value=Choice(ArgumentRole), key=ARGUMENT),
            "fields of a JSON result that are the operator's own, and what they vouch for",
        ),
        "members": Field(
            ListOf(
                item=Text(pattern=r"^(\*|[A-Za-z_][A-Za-z0-9_-]{0,63})$", says="a field, or `*`")
            ),
            "fields of a JSON result that name members of a closed group; `*`: every value",
        ),
        "destinations": Field(
            ListOf(item=Text(max_chars=512, says="a destination")),
            "templates over arguments with a role of where the tool sends: `{user}@{domain}`",
        ),
        "resource": Field(
            Text(max_chars=512, says="a resource"), "template over arguments: `arn:shop:{id}`"
        ),
        "shell": Field(ARGUMENT, "the argument that holds a shell command"),
        "errors": Field(MapOf(value=PROSE, key=WORD), "error codes and what they mean"),
        "timeout_s": Field(Real(least=0.001, most=86_400), "seconds a call may take"),
        "max_output_bytes": Field(Whole(least=1, most=2**30), "largest result"),
        "tags": Field(
            MapOf(value=Text(max_chars=256), key=WORD), "tags of the resource, for policy"
        ),
        "definition_digest": Field(
            Text(pattern=r"^sha256:[0-9a-f]{64}$", says="`sha256:` and 64 hex digits"),
            "pins the definition that the contract was written for",
        ),
    },
    checks=(_contract_holds,),
)

_AGENT_FIELDS = {
    "model": Field(MODEL_NAME, "the model it runs on"),
    "description": Field(PROSE, "what the agent is for"),
    "upstream": Field(Text(reference="upstream"), "the upstream its model calls go to"),
    "trust": Field(Choice(TrustLevel), "how much it may do without a person"),
    "tools": Field(
        ListOf(item=Text(reference="tool")), "the only tools it may call, each with a contract"
    ),
    "models": Field(ListOf(item=MODEL_NAME), "the only models it may call; empty: any priced one"),
    "system_prompt": Field(PROSE, "its system prompt"),
    "limits": Field(LimitsShape(Scope.SESSION), "limits of each of its sessions"),
    "loop": Field(LOOP, "its loop guard"),
    "profile": Field(
        Choice(SessionProfile), "whom the usual caps are for: nobody there, or a person who types"
    ),
    "max_output_tokens": Field(Whole(least=1, most=10_000_000), "most output of one model call"),
    "session_ttl_s": Field(_SECONDS, "seconds until a session's token expires"),
    "hooks": Field(HOOKS, "hooks in place of those of the file"),
    "mcp_servers": Field(Json(), "MCP servers, passed to the agent SDK as they stand"),
    "output": Field(Json(), "what a run's result must be: `schema`, `rules`, `attempts`, `judge`"),
    "context": Field(Json(), "what a run gives up when its context fills: `strategy` and so on"),
    "retries": Field(
        Json(),
        "how a run tries again (`model_attempts` and so on); `on_budget`: what a spent cap does",
    ),
    "approvers": _APPROVERS,
}

AGENT = Record(
    build=AgentConfig,
    named=True,
    fields=_AGENT_FIELDS,
    checks=(_model_is_listed, _run_settings_hold),
)


class AgentPointer(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that stands in a file of its own."""

    file: str


POINTER = Record(
    build=AgentPointer, fields={"file": Field(FILE_PATH, "agent file, relative to this one")}
)


class AgentEntry(msgspec.Struct, frozen=True):
    """An agent, or a pointer to the file that holds it."""

    def read_named(self, node: Node, reading: Reading, path: str, name: str) -> Any:
        """An AgentConfig or an AgentPointer; pointers are noted in `reading.files`."""
        if node.kind is not NodeKind.MAP or "file" not in {key.text for key, _ in node.entries}:
            return AGENT.read_named(node, reading, path, name)
        pointer = POINTER.read(node, reading, path)
        if pointer is not INVALID:
            reading.files[name] = pointer.file
        return pointer

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """As `read_named`, without a name."""
        return self.read_named(node, reading, path, "")

    def schema(self) -> dict[str, Any]:
        """Either form."""
        return {"anyOf": [POINTER.schema(), AGENT.schema()]}


FILE_VERSION = Whole(least=VERSION, most=VERSION)

AGENT_FILE_EXTRA: Mapping[str, Field] = {
    "version": Field(FILE_VERSION, "version of this format"),
    "name": Field(ID, "name of the agent; without it, the file's name"),
}

SETTINGS = Record(
    build=Settings,
    fields={
        "version": Field(FILE_VERSION, "version of this format"),
        "server": Field(SERVER, "where Holdfast listens and keeps its state"),
        "gateway": Field(GATEWAY, "processes of the model's door beside the server"),
        "store": Field(STORE, "a Postgres database; a file in the state folder unless given"),
        "policies": Field(FILE_PATH, "folder of Cedar files, relative to this file"),
        "upstreams": Field(
            MapOf(value=UPSTREAM, key=ID, declares="upstream"), "model providers by name"
        ),
        "prices": Field(PRICES, "prices of models that the shipped table lacks"),
        "defaults": Field(DEFAULTS, "limits and loop guard where nothing more specific is said"),
        "tenants": Field(MapOf(value=TENANT, key=ID, declares="tenant"), "tenants by name"),
        "operators": Field(
            MapOf(value=OPERATOR, key=OPERATOR_NAME),
            "which users the operators are, by their names",
        ),
        "tasks": Field(MapOf(value=TASK, key=ID), "kinds of work by name"),
        "agents": Field(MapOf(value=AgentEntry(), key=ID), "agents by name"),
        "tools": Field(
            MapOf(value=CONTRACT, key=TOOL_NAME, declares="tool"), "contracts by tool name"
        ),
        "hooks": Field(HOOKS, "functions that run at the four points"),
        "tool_modules": Field(ListOf(item=MODULE), "python modules with tools, beside this file"),
        "tool_standard": Field(TOOL_STANDARD, "what every tool of the organisation has to say"),
        "implementations": Field(
            MapOf(value=IMPLEMENTATION, key=TOOL_NAME), "what a worker runs for a tool"
        ),
        "runs": Field(RUNS, "how runs are handed out to workers"),
        "approvals": Field(APPROVALS, "questions to people about calls"),
        "retention": Field(RETENTION, "when what is over is deleted"),
        "files": Field(FILES, "whose files the agents work on"),
        "sign_in": Field(SIGN_IN, "how people sign in beside links and tokens"),
        "telemetry": Field(TELEMETRY, "where spans of every call are sent"),
        "alerts": Field(ALERTS, "who is told of alerts, by name"),
        "slack": Field(SLACK, "who answers and asks from Slack"),
    },
)

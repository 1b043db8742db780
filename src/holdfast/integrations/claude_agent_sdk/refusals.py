"""Options that would open a hole, each refused by name and with the reason.

Not here: what `govern` sets itself (`govern`, `surroundings`).
"""

from collections.abc import Mapping
from typing import Any

from claude_agent_sdk import ClaudeAgentOptions

from holdfast.client import SessionPlan
from holdfast.errors import ConfigInvalid

_OPEN_MODES = frozenset({"bypassPermissions", "acceptEdits", "dontAsk", "auto"})
_HARMLESS_FLAGS = frozenset({"debug", "debug-to-stderr", "verbose", "replay-user-messages"})
_OWNED_PREFIXES = ("ANTHROPIC_", "CLAUDE", "HOLDFAST_", "BUN_", "LD_", "DYLD_")
# Only how often the CLI asks again what it was refused; each try is decided anew.
_HARMLESS_NAMES = frozenset({"CLAUDE_CODE_MAX_RETRIES"})
_OWNED_NAMES = frozenset({"NODE_OPTIONS", "AI_AGENT", "IS_SANDBOX", "DISABLE_TELEMETRY"})


def check_options(
    options: ClaudeAgentOptions,
    plan: SessionPlan,
    *,
    allow_cli_path: bool = False,
    kept_config: bool = False,
) -> None:
    """Pass only options that can be governed. Errors: ConfigInvalid naming the first that cannot.

    `kept_config`: the transcripts of earlier sessions are at hand.
    """
    _permissions(options)
    _loaded(options)
    _processes(options, allow_cli_path=allow_cli_path)
    _models(options, plan)
    _agents(options)
    resumes = options.resume or options.continue_conversation
    if resumes and not kept_config and options.session_store is None:
        _refuse(
            "resume" if options.resume else "continue_conversation",
            "the CLI's files are fresh for each session: pass `config_dir` to govern, or set "
            "`session_store`",
        )


def _permissions(options: ClaudeAgentOptions) -> None:
    if options.permission_mode in _OPEN_MODES:
        _refuse("permission_mode", f"`{options.permission_mode}` lets calls run without a decision")
    if options.allowed_tools:
        _refuse(
            "allowed_tools",
            "an allow rule runs calls that no hook has seen (on resume they do); name the tools "
            "in the agent file instead",
        )
    if options.can_use_tool is not None:
        _refuse("can_use_tool", "it could allow a call; tighten in a PreToolUse hook instead")
    if options.permission_prompt_tool_name:
        _refuse("permission_prompt_tool_name", "a tool that answers prompts could allow a call")
    if options.skills:
        _refuse("skills", "it adds an allow rule for the Skill tool")
    for event in options.hooks or {}:
        if str(event) == "PermissionRequest":
            _refuse("hooks", "a PermissionRequest hook could allow a call")


def _loaded(options: ClaudeAgentOptions) -> None:
    if options.setting_sources:
        _refuse("setting_sources", "settings files carry allow rules, hooks and environment")
    if options.settings is not None:
        _refuse("settings", "settings carry allow rules, hooks and environment")
    if options.plugins:
        _refuse("plugins", "a plugin brings hooks of its own, and theirs may rewrite a call")
    sandbox = options.sandbox or {}
    if sandbox and sandbox.get("allowUnsandboxedCommands", True) is not False:
        _refuse("sandbox", "set `allowUnsandboxedCommands` to False: a call could leave it")
    if sandbox and sandbox.get("autoAllowBashIfSandboxed", True) is not False:
        _refuse("sandbox", "set `autoAllowBashIfSandboxed` to False: it is an allow rule for Bash")


def _processes(options: ClaudeAgentOptions, *, allow_cli_path: bool) -> None:
    if options.cli_path is not None and not allow_cli_path:
        _refuse(
            "cli_path",
            "only the bundled CLI is tested with these hooks; pass `allow_cli_path=True` to vouch",
        )
    for flag in options.extra_args:
        if flag.lstrip("-") not in _HARMLESS_FLAGS:
            _refuse("extra_args", f"`--{flag.lstrip('-')}` is not known to be harmless")
    _environment(options.env)


def _environment(env: Mapping[str, str]) -> None:
    for name in env.keys() - _HARMLESS_NAMES:
        if name.upper().startswith(_OWNED_PREFIXES) or name.upper() in _OWNED_NAMES:
            _refuse("env", f"`{name}` decides where the CLI connects or what it loads")


def _models(options: ClaudeAgentOptions, plan: SessionPlan) -> None:
    known = {plan.model, *plan.allowed_models} - {""}
    if options.fallback_model and options.fallback_model not in known:
        _refuse("fallback_model", f"`{options.fallback_model}` is not a model of this session")


def _agents(options: ClaudeAgentOptions) -> None:
    for name, agent in (options.agents or {}).items():
        if agent.permissionMode in _OPEN_MODES:
            _refuse("agents", f"`{name}` has the permission mode `{agent.permissionMode}`")
        if agent.skills:
            _refuse("agents", f"`{name}` has skills, which add an allow rule")


def _refuse(option: str, why: str) -> Any:
    raise ConfigInvalid(f"{option}: {why}", option=option)

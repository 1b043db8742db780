"""`govern`: options in, governed options out.

Not here: the hooks (`governor`), the environment (`surroundings`), what is refused (`refusals`).
"""

import re
from dataclasses import replace
from pathlib import Path

from claude_agent_sdk import ClaudeAgentOptions

from holdfast.client import Session
from holdfast.errors import ConfigInvalid
from holdfast.integrations.claude_code import UNGRANTED_TOOLS

from .governor import Governor
from .own_servers import own_names, timed
from .refusals import check_options
from .surroundings import Surroundings

DEADLINE_S = 30.0
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def govern(
    options: ClaudeAgentOptions,
    session: Session,
    *,
    deadline_s: float = DEADLINE_S,
    config_dir: Path | None = None,
    bubblewrap: bool | None = None,
    allow_cli_path: bool = False,
) -> ClaudeAgentOptions:
    """A copy of `options` whose every model call and tool call passes Holdfast.

    For `query()` and `ClaudeSDKClient` alike, in an asyncio program. Hooks of your own stay, run
    after ours and can only tighten. `model` and `system_prompt` come from the agent's file where
    they are not set. `deadline_s` is how long a decision may take before it is a no.
    `config_dir` keeps the CLI's files (transcripts, for `resume`); otherwise they are fresh and
    vanish with the options. Whatever is
    installed, the CLI does without bubblewrap: what tools can read of their environment is the
    model's token, which opens the gateway alone. `bubblewrap=True` has the CLI clean it, where
    bubblewrap and socat are seen to work; it then leaves empty files in the project and the home.

    Errors: ConfigInvalid naming the option that would open a hole.
    """
    if deadline_s <= 0:
        raise ConfigInvalid("deadline_s: a decision needs more than no time")
    for name in options.env:
        if not _VARIABLE.fullmatch(name):
            raise ConfigInvalid(f"env: `{name}` is no name of a variable", option="env")
    plan = session.plan
    check_options(options, plan, allow_cli_path=allow_cli_path, kept_config=config_dir is not None)
    surroundings = Surroundings(config_dir)
    env = surroundings.environment(session, options.env, bubblewrap=bubblewrap)
    user_hooks = {str(k): v for k, v in (options.hooks or {}).items()}
    servers = options.mcp_servers if isinstance(options.mcp_servers, dict) else {}
    governor = Governor(session, deadline_s, user_hooks, own_servers=own_names(servers))
    # The options' hooks hold the governor, and through it the folder, for as long as any copy
    # of the options lives.
    governor.keeps = surroundings
    given = options.system_prompt is not None
    off = [name for name in UNGRANTED_TOOLS if name not in plan.allowed_tools]
    return replace(
        options,
        hooks=governor.hooks(),
        mcp_servers=timed(servers) if servers else options.mcp_servers,
        env=env,
        cli_path=surroundings.launcher(options.cli_path, env),
        setting_sources=[],
        strict_mcp_config=True,
        verbatim_prompts=True,
        # Never an open mode: should the hooks be lost, whatever needs consent is refused.
        permission_mode=options.permission_mode or "default",
        disallowed_tools=list(dict.fromkeys([*options.disallowed_tools, *off])),
        model=options.model or plan.model or None,
        system_prompt=options.system_prompt if given else plan.system_prompt or None,
    )

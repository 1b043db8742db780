"""What holds in the settings' grammar and would still let no agent work, and what nobody holds.

Told by `config check`, `doctor` and `up` before anybody waits for a run that cannot go. Not here:
the controls (`doctor`), the grammar (`config`).
"""

from holdfast.compose.config.model import AgentConfig, Config
from holdfast.compose.config.problems import quoted, suggestion
from holdfast.compose.hooks import named
from holdfast.compose.pricing import price_book
from holdfast.errors import ConfigInvalid

UNSANDBOXED = (
    "without a sandbox, code that {agents} run acts as your user: it can read the admin token and"
    " write what governs it (SPECIFICATION.md, what governs is out of the reach of the governed)"
)
SHARED = (
    "an agent's program that runs as the user who owns the server's state can read the admin token"
    " and put other policies in force: run the server as a user of its own"
)
_NAMED = 3


def faults(config: Config) -> tuple[str, ...]:
    """Each in one sentence; empty where agents can work."""
    return (*policies(config), *models(config))


def policies(config: Config) -> tuple[str, ...]:
    """What the policies folder lacks altogether."""
    folder = config.policies_path
    if not folder.is_dir():
        return (f"policies: there is no folder `{folder}`, so every tool call is refused",)
    if not any(folder.glob("*.cedar")):
        return (f"policies: `{folder}` holds no `.cedar` file, so every tool call is refused",)
    return ()


def models(config: Config) -> tuple[str, ...]:
    """Models of agents that nobody can pay for."""
    try:
        book = price_book(config)
    except ConfigInvalid as fault:
        return (fault.message,)
    known = [price.model for price in book]
    found = []
    for name, agent in config.agents.items():
        for model in dict.fromkeys((agent.model, *agent.models)):
            if book.find(model) is None:
                near = suggestion(model, known)
                hint = near if "did you mean" in near else ""
                found.append(
                    f"agents.{name}.model: no price is known for {quoted(model)}, so its calls are"
                    f" refused{hint}; else give it one under `prices.overrides`"
                )
    return tuple(found)


def unsandboxed(config: Config) -> str:
    """What does not hold where agents run commands; empty where none may."""
    running = [name for name, agent in config.agents.items() if _runs_code(config, agent)]
    if not running:
        return ""
    shown = ", ".join(f"`{name}`" for name in running[:_NAMED])
    more = f" and {len(running) - _NAMED} more" if len(running) > _NAMED else ""
    return UNSANDBOXED.format(agents=shown + more)


def _runs_code(config: Config, agent: AgentConfig) -> bool:
    granted = (config.tools.get(tool) for tool in agent.tools)
    return any(contract is not None and contract.shell for contract in granted)


def unloaded(config: Config) -> str:
    """Hooks that a check did not load, since it runs no code of the project; empty without any."""
    found = named(config)
    if not found:
        return ""
    shown = ", ".join(f"`{name}`" for name in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"not loaded: the hooks {shown}{more}; `--import` loads them in a process of their own"


def unread(config: Config) -> str:
    """What a check left out, since it runs no code of the project; empty where it left out none."""
    if not config.unread:
        return ""
    named = ", ".join(f"`{name}`" for name in config.unread)
    return f"not checked: the tools of {named}, whose code was not run; `--import` runs it"


def first_key(config: Config) -> str:
    """What a first start says of how programs come in; empty where there is no agent yet."""
    agent = next(iter(config.agents), "")
    if not agent:
        return ""
    return (
        "the admin's token is for operators; give a program a key that can only spend:"
        f" `holdfast keys add NAME --agent {agent} --budget usd=5.00/day`"
    )

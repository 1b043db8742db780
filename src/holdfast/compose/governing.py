"""What governs the sessions of a server: the places of its configuration, for the risk of calls."""

from holdfast.compose.config.model import Config
from holdfast.core.risk.places import Governed, governed


def governed_places(config: Config) -> Governed:
    """Settings, policies, agent files and the code that the server loads; and the state folder."""
    return governed(str(config.path.parent), _rules(config), str(config.state_path))


def known_places(config: Config) -> tuple[str, ...]:
    """Absolute paths that calls are judged by, whatever links lead to them."""
    return (str(config.path.parent), *_rules(config), str(config.state_path))


def _rules(config: Config) -> tuple[str, ...]:
    root = config.path.parent
    agents = (one if one.parent == root else one.parent for one in config.agent_files)
    rules = [config.path, config.policies_path, *agents]
    for module in config.code:
        path = root.joinpath(*module.split("."))
        rules += [path.with_suffix(".py"), path]
    return tuple(dict.fromkeys(str(one) for one in rules))

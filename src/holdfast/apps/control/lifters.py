"""Which lists name who may let go on what a stop holds; and who that is, in words.

A stop may hold sessions of several projects and agents: whoever lifts it stands in the list of each
that has one. Not here: whether it binds them (`binding`), asking them (`approvers`).
"""

from collections.abc import Iterable, Sequence

from holdfast.apps.control.operator_file import ADMIN
from holdfast.compose.config import Config
from holdfast.model.stops import Reach


def lists_within(config: Config, part: Reach) -> list[Sequence[str]]:
    """Every list that names who lets go on a session of this part of one tenant."""
    owner = config.tenants.get(part.tenant)
    shares = owner.projects if owner is not None else {}
    found: list[Sequence[str]] = [owner.approvers] if owner is not None else []
    found += [one.approvers for name, one in shares.items() if part.project in ("", name)]
    found += [one.approvers for name, one in config.agents.items() if part.agent in ("", name)]
    return [names for names in found if names]


def who_lifts(config: Config, operators: Iterable[str], part: Reach) -> str:
    """Who may lift the stop of a part, where it does not bind them."""
    if not part.tenant:
        return ADMIN
    lists = lists_within(config, part)
    if not lists:
        return f"{ADMIN} or an operator whom it does not bind"
    named = [name for name in (ADMIN, *operators) if all(name in one for one in lists)]
    return " or ".join(named) or ADMIN

"""The two houses of the promises, each started once a process, and the doors into them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.promises.doors import DOORS, Door
from tests.promises.house import House


class Houses:
    """One house with a worker, one with relays; each begins when a door into it is first wanted."""

    def __init__(self, folder: Any) -> None:
        self._folder = folder
        self._doors: dict[str, Door] = {}
        self._houses: dict[bool, House] = {}

    def door(self, name: str) -> Door:
        if name not in self._doors:
            self._doors[name] = DOORS[name](self._house(relayed=name == "relay"))
        return self._doors[name]

    def _house(self, *, relayed: bool) -> House:
        if relayed not in self._houses:
            folder = self._folder.mktemp("relayed" if relayed else "house")
            made = House(folder, relays=int(relayed), workers=int(not relayed))
            self._houses[relayed] = made.__enter__()
        return self._houses[relayed]

    def close(self) -> None:
        for house in self._houses.values():
            house.close()


@pytest.fixture(scope="session")
def houses(tmp_path_factory) -> Iterator[Houses]:
    found = Houses(tmp_path_factory)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def door(request, houses) -> Door:
    """The door that the scenario is tried at."""
    found = houses.door(request.param)
    found.house.alive()
    return found


ASKED_FOR_ALONE = ("sdk", "relay")
"""Doors that take many minutes more, and are built on what the others are: a run of all tests
leaves them out, one that names this folder (`make promises`) tries each."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A scenario that does not hold yet ends midway, and leaves its connections to the collector."""
    if not any("promises" in one for one in config.args):
        left_out = [one for one in items if _door_of(one) in ASKED_FOR_ALONE]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [one for one in items if _door_of(one) not in ASKED_FOR_ALONE]
    left = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(left)


def _door_of(item: pytest.Item) -> str:
    """The door of a cell; empty for every other test."""
    if not item.path.is_relative_to(Path(__file__).parent):
        return ""
    found = getattr(item, "callspec", None)
    return str(found.params.get("door", "")) if found is not None else ""

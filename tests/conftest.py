"""Settings for every test: Hypothesis is deterministic, so a red run can be run again.

`HYPOTHESIS_PROFILE=explore` looks for new counterexamples instead.
"""

import gc
import os
import signal
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests import parts
from tests.parts import pytest_configure, pytest_runtest_setup, sandbox
from tests.postgres import PostgresServer, serving

HERE = Path(__file__).parent

__all__ = ["pytest_configure", "pytest_runtest_setup", "sandbox"]

pytest_plugins = ["tests.where"]

# Deadlines are off: the machine is shared, and a slow example is no wrong example.
settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=60,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", max_examples=2_000, deadline=None)
# Few and without shrinking: a mutant is noticed or not, nobody reads the example.
settings.register_profile(
    "mutants",
    settings.get_profile("ci"),
    max_examples=20,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# In several processes files are handed out one by one, in this order: those that last longest first,
# so that none is left over at the end. They wait much, and so begin beside each other.
LONGEST = ("docs", "promises", "chaos", "e2e", "contract", "properties")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage, and never look at what was collected."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put long ones first where several processes run them; refuse names that tests share.

    Several processes know a test by its name, and run one of those that share it.
    """
    names = Counter(item.nodeid for item in items)
    if shared := [name for name, count in names.items() if count > 1]:
        raise pytest.UsageError(f"several tests are called {', '.join(shared)}")
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _turn(item.path.relative_to(HERE).parts[0]))


def _turn(folder: str) -> int:
    return LONGEST.index(folder) if folder in LONGEST else len(LONGEST)


# A shell starts its background jobs deaf to Ctrl-C, and whatever they start is deaf, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One Postgres for the whole run; whoever stops or breaks it takes one of their own."""
    parts.require("postgres")
    with serving() as server:
        yield server

"""Settings for every test: Hypothesis is deterministic, so a red run can be run again.

`HYPOTHESIS_PROFILE=explore` looks for new counterexamples instead.
"""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests import parts
from tests.parts import pytest_configure, pytest_runtest_setup, sandbox
from tests.postgres import PostgresServer, serving

__all__ = ["pytest_configure", "pytest_runtest_setup", "sandbox"]

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

# A shell starts its background jobs deaf to Ctrl-C, and whatever they start is deaf, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One Postgres for the whole run; whoever stops or breaks it takes one of their own."""
    parts.require("postgres")
    with serving() as server:
        yield server

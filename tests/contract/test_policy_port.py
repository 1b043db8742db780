"""The real policy process and the test double pass the shipped suite."""

from pathlib import Path

import pytest

from holdfast.ports.policy import Policy
from holdfast.testing.conformance.policy import SUITE_RULES, PolicyConformance
from holdfast.testing.memory_policy import MemoryPolicy
from tests.policy_process import PolicyProcess, suite_folder


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory):
    with PolicyProcess(suite_folder(tmp_path_factory.mktemp("policy"))) as process:
        yield process


class TestPolicyProcess(PolicyConformance):
    @pytest.fixture(autouse=True)
    def _place(self, process: PolicyProcess, tmp_path: Path):
        self.process, self.path = process, tmp_path

    async def open_policy(self) -> Policy:
        return self.process.client(timeout_s=5)

    async def without_engine(self) -> Policy:
        return PolicyProcess(self.path).client()


class TestMemoryPolicy(PolicyConformance):
    async def open_policy(self) -> Policy:
        return MemoryPolicy(SUITE_RULES)

    async def without_engine(self) -> Policy:
        return MemoryPolicy(SUITE_RULES, down=True)

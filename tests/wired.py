"""A house wired as the server's is, on ports in memory: a test names the ports that it is about."""

from collections.abc import Collection, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.compose.house import House, Ports, Settings, wire
from holdfast.core.budgets import Ledger
from holdfast.core.contracts import ContractBook
from holdfast.core.scrub import RuleScrubber
from holdfast.ports.processes import StopReport
from holdfast.testing.clock import FakeClock, SequentialEntropy
from holdfast.testing.memory_policy import MemoryPolicy, permit
from holdfast.testing.memory_store import MemoryStore

KEY = Ed25519PrivateKey.generate()


class NoProcesses:
    """A machine on which nothing of a session runs; `fault` makes the lever fail."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.stopped: list[str] = []

    async def adopt(self, session_id: str) -> str:
        return "none"

    async def seen(self, session_id: str) -> frozenset[tuple[int, int]]:
        return frozenset()

    async def stop(self, session_ids: Collection[str]) -> Mapping[str, StopReport]:
        if self.fault is not None:
            raise self.fault
        self.stopped += session_ids
        nothing = StopReport(how="none", found=0, survivors=0)
        return dict.fromkeys(session_ids, nothing)


def ports(**named: Any) -> Ports:
    """Ports in memory, but for those that are named (None: as if it was not)."""
    given = {name: port for name, port in named.items() if port is not None}
    made: dict[str, Any] = {
        "store": MemoryStore,
        "policy": lambda: MemoryPolicy([permit("all")]),
        "clock": FakeClock,
        "entropy": SequentialEntropy,
        "processes": NoProcesses,
        "scrubber": RuleScrubber,
    }
    return Ports(**{name: make() for name, make in made.items() if name not in given}, **given)


def settings(**named: Any) -> Settings:
    """No tools, a key that all tests share, and what is named."""
    given: dict[str, Any] = {"contracts": ContractBook(()), "signing_key": KEY} | named
    return Settings(**given)


class Wired:
    """A house whose memory is empty; its parts and ports are here by their names there."""

    def __init__(self, given: Ports | None = None, asked: Settings | None = None) -> None:
        self.ports = given or ports()
        self.house: House = wire(self.ports, asked or settings(), Ledger())

    def __getattr__(self, name: str) -> Any:
        if name in ("house", "ports"):
            raise AttributeError(name)
        return getattr(self.house if hasattr(self.house, name) else self.ports, name)

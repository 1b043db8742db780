"""What the control API is made of; wired elsewhere, used by every route.

Not here: wiring (`compose`), any backend by name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from holdfast.apps.control.lifters import who_lifts
from holdfast.apps.control.operator_file import Operators
from holdfast.apps.control.repeating import Repeats
from holdfast.apps.control.sign_in_file import SignIns
from holdfast.apps.control.signing_in import SigningIn
from holdfast.compose.config import Config
from holdfast.compose.house import House
from holdfast.model.decisions import Replay, Replayed
from holdfast.model.stops import Reach
from holdfast.model.views.policies import PolicyChange, PolicyFinding, PolicyStatus
from holdfast.ports.clock import SettableClock
from holdfast.runtime.receivers import Receiver


class PolicyEngine(Protocol):
    """The side of the policy process that operators see. Errors of each: PolicyUnavailable."""

    async def version(self) -> str:
        """Version of the bundle in force."""
        ...

    async def status(self) -> PolicyStatus:
        """What is in force and what is wrong."""
        ...

    async def candidate(self) -> PolicyChange:
        """What applying the folder as it is now would change."""
        ...

    async def apply(self, version: str) -> PolicyStatus:
        """Put the folder in force, if it still has this version."""
        ...

    async def replay(self, asked: Replay) -> Replayed:
        """What a bundle of then, or given files, says. Errors also: InvalidRequest."""
        ...

    async def check(self) -> Sequence[PolicyFinding]:
        """Faults of the folder as it is now; may take seconds."""
        ...


class RelaysHere(NamedTuple):
    """How many processes are to serve the model's door, and how many are here."""

    wanted: int
    here: int


@dataclass(frozen=True, kw_only=True)
class ControlDeps:
    """Everything that the routes use. `admin_token_digest` is SHA-256 of the token, in hex.

    `model_port` is where model calls go, 0 where that is the server's own; `relays` tells of the
    processes that serve there, None where there are none to be. `moved` is the clock where people
    move it. `signing_in` is None where no identity provider is named.
    `console_url` is the address at which people reach the server, where it is another one.
    """

    house: House
    policy: PolicyEngine
    config: Config
    admin_token_digest: str
    operators: Operators
    sign_ins: SignIns
    repeats: Repeats
    base_url: str
    version: str
    model_port: int = 0
    relays: Callable[[], RelaysHere] | None = None
    moved: SettableClock | None = None
    console_url: str = ""
    receivers: Sequence[Receiver] = ()
    signing_in: SigningIn | None = None

    def __post_init__(self) -> None:
        """Whoever is refused is told by these operators' names who may lift what holds them."""
        self.house.sessions.stops.lifters = self._who_lifts

    def _who_lifts(self, part: Reach) -> str:
        return who_lifts(self.config, (one.name for one in self.operators.all()), part)

    def link_of(self, code: str) -> str:
        """Where a browser is signed in by a code."""
        return link_of(self.console_url or self.base_url, code)


def link_of(url: str, code: str) -> str:
    """Where a browser is signed in by a code, at this address of the server."""
    return f"{url}/console/sign-in?code={code}"

"""What one model call carries from its door to its settlement: each station adds what it found.

Not here: the stations, and their order (`runtime/model_calls`).
"""

import re
from typing import Protocol

import msgspec

from holdfast.core.claude_cli import AGENT_ID
from holdfast.core.edits import Edits
from holdfast.core.failures import most_tries
from holdfast.core.wire.takes import Fitted
from holdfast.core.work import Asked
from holdfast.ports.llm import UpstreamAnswer
from holdfast.runtime.clearing import Clearance, ClientRequest
from holdfast.runtime.live import LiveSession
from holdfast.runtime.pricing import Quote
from holdfast.runtime.providers import Provider
from holdfast.runtime.purse import Purse
from holdfast.runtime.rates import Toll
from holdfast.runtime.reaching import Unreached
from holdfast.runtime.refused import Refused

_NAME = re.compile(r"[A-Za-z0-9._:-]{0,48}", re.ASCII)


class Offer:
    """What a call is offered while it waits for room; what was offered last is what it holds.

    `rungs` are the bounds it may be offered, the dearest first: tools that run at the provider
    run less often on each. The one that was taken last is `asked`, at `quote`. `wanted` is the
    output it may have at most, `output_tokens` what can be paid for, of which `held_tokens` are
    held from the start. `tight`: the provider has counted the input.
    """

    def __init__(self, rungs: list[tuple[Asked, Quote]], wanted: int) -> None:
        self.rungs = rungs
        self.asked, self.quote = rungs[0]
        self.wanted = wanted
        self.tight = False
        self.output_tokens = 0
        self.held_tokens = 0
        self.seconds = 0


class ModelCall:
    """One call of a client; whoever reads what no station has set yet is at fault.

    The door knows `live` and what was `given`, and who takes it to a provider. Admission adds the
    proof, `admitted`. Then, for each upstream that is asked: the `provider`, the `clearance` (with
    the model that is asked for there) and how it `fits`; an `offer`; the `toll` of its rates; the
    `purse` that pays; and what `came` of it. In the end `answer` is what the client gets, and
    `payer` pays for it: nobody for a refusal. `tries` are those of all upstreams, `before` what
    went wrong before hooks were asked; `again_most`, the most further ones of one, which is what
    the client wants (`wanted_again`) unless hooks are asked between them; `told`, headers of ours
    on a refusal.
    """

    admitted: Clearance
    provider: Provider
    clearance: Clearance
    fits: Fitted
    offer: Offer
    toll: Toll | None
    purse: Purse
    came: UpstreamAnswer | Unreached
    answer: UpstreamAnswer
    payer: Purse | None

    def __init__(self, live: LiveSession, given: ClientRequest, carrier: "Carrier") -> None:
        self.live = live
        self.given = given
        self.carrier = carrier
        self.payer = None
        self.tries = 0
        self.before: tuple[str, ...] = ()
        self.told: dict[str, str] = {}
        self.again_most = self.wanted_again

    @property
    def wanted_again(self) -> int | None:
        """The most further tries at one upstream that the client wants; None: as many as made."""
        most = most_tries(self.given.headers)
        return None if most is None else most - 1

    @property
    def edits(self) -> Edits:
        """What is changed in what was given: by admission, for the upstream, to fit the offer."""
        offer, edits = self.offer, self.clearance.edits(self.fits)
        lowered = offer.output_tokens < self.clearance.request.max_tokens
        return msgspec.structs.replace(
            edits,
            max_tokens=offer.output_tokens if lowered else None,
            changes=(*edits.changes, *offer.asked.changes()),
        )

    @property
    def failed(self) -> Unreached | None:
        """What kept the upstream that was asked last from answering."""
        return self.came if isinstance(self.came, Unreached) else None

    @property
    def agent_path(self) -> str:
        """The client's name for one of its agents, if it is no more than a name."""
        name = self.given.headers.get(AGENT_ID, "")
        return name if _NAME.fullmatch(name) else ""


class Carrier(Protocol):
    """Takes paid calls to a provider."""

    async def reach(self, call: ModelCall) -> None:
        """Until the provider's headers are here, within reach of a kill: `call.came`.

        What failed before is counted in the session's progress, and named in `purse.tried`.
        Errors: SessionStopped when it was cut meanwhile.
        """
        ...

    async def refused(self, call: ModelCall) -> Refused:
        """The provider's refusal that the call ended with, with what it says of the error."""
        ...

    async def count(self, call: ModelCall) -> bytes | None:
        """What the provider answers to a count of the call's input; None where it does not.

        Errors: UpstreamUnavailable; TooLarge, Unavailable where a large one cannot be written.
        """
        ...

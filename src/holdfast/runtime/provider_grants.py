"""What a request may start at the provider: which models, and which tools that run there."""

import msgspec

from holdfast.core.delegation import reaches
from holdfast.core.messages import ModelRequest
from holdfast.errors import Denied
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind, Record
from holdfast.model.tools import Effect
from holdfast.runtime.live import LiveSession
from holdfast.runtime.policy_requests import policy_request
from holdfast.runtime.services import Services


def check_models(live: LiveSession, request: ModelRequest) -> None:
    """Whether the agent may use every model that the request can reach. Errors: Denied."""
    allowed = live.session.allowed_models
    for model in (request.model, *request.asks.models()) if allowed else ():
        if model not in allowed:
            raise Denied(
                f"permission_denied: this agent may not use the model `{model[:100]}`",
                model=model[:100],
            )


class ProviderGrants:
    """Decides on the tools of the provider that a request may use."""

    def __init__(self, services: Services) -> None:
        self._policy = services.policy
        self._journal = services.journal
        self._clock = services.clock

    async def check(self, live: LiveSession, request: ModelRequest) -> None:
        """Tools that the provider runs never meet the guard: policy decides on the request.

        Each decision is durable before anything is sent. Errors: Denied.
        """
        records: list[Record] = []
        denied = ""
        for name in request.server_tools:
            session = live.session
            granted = name in session.allowed_tools and reaches(session.resources, f"tool:{name}")
            verdict = await self._verdict(live, name) if granted else Verdict.DENY
            body = {"door": "gateway", "server_tool": name[:200], "granted": granted}
            kept = Verdict.ALLOW if verdict is Verdict.ALLOW else Verdict.DENY
            kind = Kind.TOOL_CALL_DECIDED
            records.append(
                self._journal.record(kind, live.who, body, tool=name[:200], verdict=kept)
            )
            if verdict is not Verdict.ALLOW:
                denied = name
                break
        if records:
            await self._journal.commit(records)
        if denied:
            raise Denied(
                f"permission_denied: `{denied[:200]}` runs at the provider, out of the guard's"
                " reach, and no rule permits it; an operator may grant the tool of that name",
                tool=denied[:200],
            )

    async def _verdict(self, live: LiveSession, tool: str) -> Verdict:
        """What policy says, for the session and all above it."""
        for one in live.line:
            now_ns, tainted = self._clock.now_ns(), live.vouched.tainted
            asked = policy_request(one, tool, {}, tainted=tainted, at_ns=now_ns)
            asked = msgspec.structs.replace(asked, effect=Effect.EGRESS)
            verdict = (await self._policy.decide(asked)).verdict
            if verdict is not Verdict.ALLOW:
                return verdict
        return Verdict.ALLOW

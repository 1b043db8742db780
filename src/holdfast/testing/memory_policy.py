"""A policy engine in a few lines of Python, for tests that need answers and no second process.

Rules are functions over the request. Verdicts compose as in production: a firm forbid denies, an
asking forbid turns what is permitted into a question, nothing permitted is a deny, and a rule
that raises is a deny with errors. Not here: Cedar, typing of arguments, near misses.
"""

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from holdfast.errors import PolicyUnavailable
from holdfast.model.decisions import PolicyAnswer, PolicyRequest, Verdict


class MemoryRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule; `ask` names what a person may lift and only means something on a forbid."""

    id: str
    permits: bool
    when: Callable[[PolicyRequest], bool]
    ask: str = ""
    reason: str = ""


def permit(rule_id: str, when: Callable[[PolicyRequest], bool] = lambda _: True) -> MemoryRule:
    """A rule that permits, by default everything."""
    return MemoryRule(id=rule_id, permits=True, when=when)


def forbid(
    rule_id: str, when: Callable[[PolicyRequest], bool] = lambda _: True, *, ask: str = ""
) -> MemoryRule:
    """A rule that forbids, by default everything; with `ask`, until a person approves."""
    return MemoryRule(id=rule_id, permits=False, when=when, ask=ask)


class MemoryPolicy:
    """`ports.Policy` over Python rules; `asked` keeps every request, `down` makes it fail."""

    def __init__(
        self,
        rules: Iterable[MemoryRule] = (),
        *,
        version: str = "sha256:memory",
        down: bool = False,
    ) -> None:
        self.rules = tuple(rules)
        self.down = down
        self.asked: list[PolicyRequest] = []
        self._version = version

    async def decide(self, request: PolicyRequest) -> PolicyAnswer:
        """As the port says. Errors: PolicyUnavailable while `down`."""
        version = await self.version()
        self.asked.append(request)
        # Everybody else goes on meanwhile, as while another process is asked.
        await asyncio.sleep(0)
        try:
            firing = [rule for rule in self.rules if rule.when(request)]
        except Exception as fault:  # noqa: BLE001 - a rule that fails, however, is a deny
            error = f"a rule failed: {type(fault).__name__}: {fault}"
            return PolicyAnswer(
                verdict=Verdict.DENY, text=error, errors=(error,), policy_version=version
            )
        permits = [rule for rule in firing if rule.permits]
        firm = [rule for rule in firing if not rule.permits and not rule.ask]
        asking = [rule for rule in firing if not rule.permits and rule.ask]
        if firm:
            return self._answer(Verdict.DENY, firm, "; ".join(rule.reason for rule in firm))
        if not permits:
            return self._answer(Verdict.DENY, [], "no rule permits this")
        if asking:
            return self._answer(Verdict.ASK, asking, "; ".join(rule.ask for rule in asking))
        return self._answer(Verdict.ALLOW, permits, "")

    async def version(self) -> str:
        """The version it was made with. Errors: PolicyUnavailable while `down`."""
        if self.down:
            raise PolicyUnavailable("the policy engine of this test is down")
        return self._version

    async def close(self) -> None:
        """Nothing to let go of."""

    def _answer(self, verdict: Verdict, rules: list[MemoryRule], text: str) -> PolicyAnswer:
        return PolicyAnswer(
            verdict=verdict,
            rules=tuple(rule.id for rule in rules),
            text=text,
            policy_version=self._version,
        )

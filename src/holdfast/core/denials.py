"""What a model reads where a call was refused. Not here: deciding (`runtime/guard`)."""

from collections.abc import Iterable

from holdfast.core.effects import TOOL_FAILED
from holdfast.core.progress import ASKED
from holdfast.core.reports import of_the_house, words_of
from holdfast.model.decisions import Decision, Reason, Verdict
from holdfast.model.findings import Violation
from holdfast.model.tools import Contract

_NAMED_STAGES = ("hook", "budget", "loop", "contract", "live", "policy", "effect", "approval")


def denial_text(decision: Decision) -> str:
    """What the model reads instead of a result: stable for one decision."""
    why = decision.deciding
    code = "permission_denied"
    if why is not None and why.stage in _NAMED_STAGES:
        code = why.code
    text, then = why.text if why is not None else "refused", ""
    if decision.verdict is Verdict.ASK:
        code = "approval_required"
        if any(one.code == ASKED for one in decision.reasons):
            then = "; a person is asked: make the same call again to hear the answer"
    rule = f" (rule {why.rule})" if why is not None and why.rule else ""
    return f"{code}: {text}{rule}{then} [{decision.decision_id}]"


def broken_text(violations: Iterable[Violation], decision_id: str) -> str:
    """What the model reads in place of a result that is not what its tool declares.

    It is no success, whatever the tool called it; what the call did stands. It reads as the house's
    own text, so it says the rules of the schema alone: names and places in the result are the
    tool's words.
    """
    told = ", ".join(dict.fromkeys(one.rule for one in violations))
    return (
        "output_invalid: this call was made, and its result is withheld: it is not what the tool"
        f" declares (it breaks: {told}) [{decision_id}]"
    )


def failure_text(tool: str, contract: Contract, code: str, error: str) -> str:
    """What the model reads of a call that failed: one of the house's codes, or one it declares.

    A code that nobody declared is held back with all that came with it: nobody knows what it means.
    """
    if code and code not in contract.errors and not of_the_house(code):
        return f"{TOOL_FAILED}: `{tool}` failed with a code that its contract does not declare"
    code = code or TOOL_FAILED
    said = words_of(error).removeprefix(f"{code}: ")
    return f"{code}: {said or 'the tool gave no reason'}"


def switched_text(tool: str, other: str, decision_id: str) -> str:
    """What the model reads of a call that failed, where a hook names the tool to use instead.

    Nothing of what the tool said: it reads as the house's own text.
    """
    return f"{TOOL_FAILED}: `{tool}` failed; use `{other}` instead of it [{decision_id}]"


def withheld_text(reasons: Iterable[Reason], decision_id: str) -> str:
    """What the model reads in place of a result that a hook objects to; empty where none does."""
    why = next((r for r in reasons if r.verdict is not Verdict.ALLOW), None)
    if why is None:
        return ""
    told = f"{why.code}: this call was made, and its result is withheld: {why.text}"
    return f"{told} (rule {why.rule}) [{decision_id}]"

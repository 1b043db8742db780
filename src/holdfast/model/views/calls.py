"""What the guard says of one tool call, and of what became of it."""

from typing import Any

import msgspec

from holdfast.model.attempts import Next
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.hooks import Recovery, Strategy


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An effect as it was done before. `output` is None where it was too large to keep."""

    ok: bool
    output: Any = None
    output_kept: bool = True
    error: str = ""


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What the guard said of one call.

    `permit` is empty unless the verdict is allow; `arguments` are those that may run; `message`
    is what the model may read; `risk` is the level's name (`LOW` to `BLOCK`). `status` is what a
    boundary over HTTP answers with: 403 for a call that may not run. `timeout_s` is how long the
    tool has to answer; what comes later is no answer. 0 where no contract says it.
    """

    verdict: Verdict
    decision_id: str
    arguments: dict[str, Any]
    permit: str = ""
    message: str = ""
    risk: str = ""
    reasons: tuple[Reason, ...] = ()
    cost_nusd: int = 0
    effect_key: str = ""
    stored: Stored | None = None
    status: int = 200
    timeout_s: float = 0.0


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What to do about a call that was allowed and lost its answer.

    `execute` comes with a ruling that holds a fresh permit under the same `effect_key`; `probe`
    asks the tool whether it happened; `answered` comes with what is stored; `parked` waits for a
    person; `denied` says why in `message`; `asked`: a person is asked whether it may run, under
    the id `approval`, and the same question later finds the answer.
    """

    next: Next
    effect_key: str = ""
    attempt: int = 0
    ruling: Ruling | None = None
    stored: Stored | None = None
    message: str = ""
    approval: str = ""


class ToolOutput(msgspec.Struct, frozen=True):
    """A tool's output as the hooks left it; `rewritten` when it is not what was reported.

    `content` is the reported text for the model as it was journalled, without secrets. `withheld`
    is what the model reads in place of the result where a hook objects to it, or it is not what its
    tool declares; else empty. `recovery` is what the hooks of a failure decided, None for nothing.
    `reads` is what the gateway puts in place of the result, so that it is what the model reads at
    every door (a failure in its one envelope, too); empty where the client's result stands.
    """

    output: Any
    rewritten: bool = False
    content: str | None = None
    withheld: str = ""
    recovery: Recovery | None = None
    reads: str = ""


class RedeemedPermit(msgspec.Struct, frozen=True):
    """The permit that is now used up."""

    permit_id: str


class HookAnswer(msgspec.Struct, frozen=True):
    """What the hooks at a point object to, and what they decided; None for nothing."""

    reasons: tuple[Reason, ...] = ()
    recovery: Recovery | None = None
    tool: str = ""
    strategy: Strategy | None = None
    keep_turns: int | None = None


class Keys(msgspec.Struct, frozen=True):
    """Key id → base64 of the 32 raw bytes of an Ed25519 public key.

    `ahead_ns`: how far the clock that dates what they sign was moved by hand, in a project of
    tests.
    """

    keys: dict[str, str]
    ahead_ns: int = 0


class Nothing(msgspec.Struct, frozen=True):
    """An answer with nothing in it."""

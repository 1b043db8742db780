"""The guard: one composed decision for every tool call, in the order of the design.

live → emitted by the model, once → pre-tool hooks → granted → contract → resources → loop guard →
risk → policy → flow gate → effects ledger → live again → reserve → journal, durably → permit. Cheap
before dear, pure before effect; the first deny ends the line, and the strictest verdict wins. No
fault of policy, store, hook or clock turns into an allow: each ends in a deny or in a typed error.

Read `pipeline` first: the line and its order. `stages`: what each one asks. `case`: what a call
carries through them. `ruling`: the decision written down. `permits`: signing, and using up.

Not here: a further attempt at an allowed call (`runtime/attempts`), what becomes of a call
(`runtime/outcomes`), doors (`apps/control`), model calls (`runtime/model_calls`), evidence at the
gateway (`runtime/admission`).
"""

from holdfast.runtime.guard.case import Asked, Case, Ruling
from holdfast.runtime.guard.permits import PERMIT_LIFE_S
from holdfast.runtime.guard.pipeline import Guard

__all__ = ["PERMIT_LIFE_S", "Asked", "Case", "Guard", "Ruling"]

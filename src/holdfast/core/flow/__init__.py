"""The flow gate: after untrusted text entered the context, what decides must be vouched for.

`vouched` holds what one session may believe, by where it came from: what was typed, what the
operator's own systems said, fields of their records, lists of members. `results` reads what a
result adds to that. `gate` compares the arguments of a call with it. `trusted` finds a value in
text, once indexed; `words` spells text, numbers and addresses alike. Text detectors play no part:
it does not matter how an injection is worded.

The figures are `make bench-injection`; why these rules: decision record 0017.
"""

from holdfast.core.flow.gate import gate
from holdfast.core.flow.results import Origin, given_by
from holdfast.core.flow.trusted import KEPT_OF_ONE
from holdfast.core.flow.vouched import Given, Vouched

__all__ = ["KEPT_OF_ONE", "Given", "Origin", "Vouched", "gate", "given_by"]

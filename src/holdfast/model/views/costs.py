"""What was spent, as it is shown."""

import msgspec

from holdfast.model.costs import CostBy


class CostPart(msgspec.Struct, frozen=True, kw_only=True):
    """One of what costs are told apart by, in nano-dollars, and how many charges that was.

    An empty name is what belongs to none: no project was said, or a crash took the call before its
    model was known.
    """

    name: str
    cost_nusd: int
    charges: int


class CostList(msgspec.Struct, frozen=True, kw_only=True):
    """What was settled from `from_ns` until before `until_ns`, in nano-dollars.

    `costs` are the dearest of `parts`, dearest first; `cost_nusd` and `charges` are those of all.
    """

    by: CostBy
    from_ns: int
    until_ns: int
    cost_nusd: int
    charges: int
    parts: int
    costs: tuple[CostPart, ...]

"""How much output the hold of one call pays for, beside what was seen of its answer.

A byte of output bounds a token from above; what may be on its way unseen is paid for beyond the
bytes seen. Not here: prices, accounts (`core/budgets`), the stream (`core/stream`).
"""

from holdfast.core.stream import Metered


class Cover:
    """`held_tokens` of output are paid for, at most `most_tokens` may come.

    `in_flight_tokens` may be on their way unseen when an answer ends early.
    """

    def __init__(self, *, held_tokens: int, in_flight_tokens: int, most_tokens: int) -> None:
        self.held_tokens = held_tokens
        self.in_flight_tokens = in_flight_tokens
        self.most_tokens = most_tokens

    def is_ahead(self, metered: Metered) -> bool:
        """Whether the hold still covers what was seen and a tranche beyond it."""
        ahead = min(metered.output_bytes + self.in_flight_tokens, self.most_tokens)
        return self.held_tokens >= ahead and not self.is_overrun(metered)

    def is_overrun(self, metered: Metered) -> bool:
        """Whether the provider wrote more than it was allowed; no hold helps then."""
        return metered.deltas > self.most_tokens

    def wanted(self, metered: Metered) -> int:
        """Tokens to hold besides; a large chunk may need several tranches at once."""
        behind = metered.output_bytes + self.in_flight_tokens - self.held_tokens
        return self.possible(max(behind, self.in_flight_tokens))

    def possible(self, more_tokens: int) -> int:
        """So many more tokens, or what is left up to the most that may come."""
        return max(min(more_tokens, self.most_tokens - self.held_tokens), 0)

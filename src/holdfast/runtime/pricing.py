"""What a model call may cost: bounds before it, the affordable output, the cost after it.

Pure arithmetic over the price book and the ledger; the order in which the bounds are tried is
`runtime/model_calls`.
"""

import msgspec

from holdfast.core.budgets import Ledger
from holdfast.core.messages import ModelRequest
from holdfast.core.prices import PriceBook, Unpriced, server_tool_bound
from holdfast.errors import UnknownModel
from holdfast.model.budgets import AccountKey, Amounts, Dimension, Refused
from holdfast.model.money import Bill, Served, Usage

# Even a refused call would need some output to be of use.
MIN_OUTPUT_TOKENS = 16
_LONG_CONTEXT_TOKENS = 1_000_000
_PAID = (Dimension.USD, Dimension.USD_IN, Dimension.USD_OUT, Dimension.TOKENS)


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds one call: its input in tokens, money per token of output, money for input.

    `resamples`: the provider may read the prompt again before it ends, and count that last.
    """

    model: str
    input_tokens: int
    in_nusd: int
    out_nusd_per_token: int
    context_tokens: int
    resamples: bool = False


class Pricing:
    """Quotes and settles by one pinned price book."""

    def __init__(self, book: PriceBook) -> None:
        self._book = book

    def quote(
        self, request: ModelRequest, input_tokens: int | None, *, long_context: bool = False
    ) -> Quote:
        """Bound a request with `input_tokens` of input (None: the whole context window).

        `long_context`: a beta of the request widens the window to a million tokens.

        Errors: UnknownModel when the model, or something that changes its price, has no price.
        """
        price = self._book.find(request.model)
        if price is None:
            raise UnknownModel(
                f"no price is known for the model `{request.model[:100]}`; add it to"
                " `prices.overrides` or use another",
                model=request.model[:100],
            )
        faults = self._book.request_faults(request.fields)
        if faults:
            raise UnknownModel(f"the request asks for what has no price: {', '.join(faults)}")
        window = max(price.context_tokens, _LONG_CONTEXT_TOKENS if long_context else 0)
        tokens = window if input_tokens is None else min(input_tokens, window)
        server_calls = server_tool_bound(request.fields)
        bound = self._book.bound(
            request.model,
            input_tokens_bound=tokens,
            output_tokens=1,
            cache_write=request.cached,
            one_hour=request.cached_1h,
            server_tool_calls=server_calls,
        )
        if isinstance(bound, Unpriced):
            raise UnknownModel(f"the request has no price: {bound.reason}")
        return Quote(
            model=request.model,
            # After each call of a server tool the provider may read the whole window again.
            input_tokens=tokens + window * sum(server_calls.values()),
            in_nusd=bound.in_nusd,
            out_nusd_per_token=bound.out_nusd,
            context_tokens=window,
            resamples=bool(server_calls),
        )

    def bill(self, model: str, usage: Usage, served: Served) -> Bill | Unpriced:
        """What the provider's own usage costs, as it was served."""
        return self._book.bill(model, usage, served)


def amounts(quote: Quote, output_tokens: int, seconds: int) -> Amounts:
    """What to hold for a call with `output_tokens` of output."""
    out_nusd = quote.out_nusd_per_token * output_tokens
    return {
        Dimension.USD: quote.in_nusd + out_nusd,
        Dimension.USD_IN: quote.in_nusd,
        Dimension.USD_OUT: out_nusd,
        Dimension.TOKENS: quote.input_tokens + output_tokens,
        Dimension.TURNS: 1,
        Dimension.SECONDS: seconds,
    }


def more_output(quote: Quote, tokens: int) -> Amounts:
    """What further `tokens` of output add to a hold."""
    out_nusd = quote.out_nusd_per_token * tokens
    return {Dimension.USD: out_nusd, Dimension.USD_OUT: out_nusd, Dimension.TOKENS: tokens}


def spent(bill: Bill, seconds: int) -> Amounts:
    """What a finished call settles."""
    return {
        Dimension.USD: bill.cost.total_nusd,
        Dimension.USD_IN: bill.cost.in_nusd,
        Dimension.USD_OUT: bill.cost.out_nusd,
        Dimension.TOKENS: bill.tokens,
        Dimension.TURNS: 1,
        Dimension.SECONDS: seconds,
    }


def at_least(amounts: Amounts, floor: Amounts) -> Amounts:
    """The same where money and tokens are no less than in `floor`."""
    most = {key: max(amounts.get(key, 0), floor.get(key, 0)) for key in _PAID}
    whole = max(most[Dimension.USD], most[Dimension.USD_IN] + most[Dimension.USD_OUT])
    return {**amounts, **most, Dimension.USD: whole}


def affordable_output(
    ledger: Ledger, chain: tuple[AccountKey, ...], quote: Quote, now_ns: int
) -> int | None:
    """Most output the chain could pay once every other call has settled at nothing.

    None when nothing limits it; negative when not even the input fits.
    """
    least: int | None = None
    for dimension, fixed, each in (
        (Dimension.USD, quote.in_nusd, quote.out_nusd_per_token),
        (Dimension.USD_OUT, 0, quote.out_nusd_per_token),
        (Dimension.TOKENS, quote.input_tokens, 1),
    ):
        room = ledger.room(chain, dimension, now_ns, held_counts=False)
        if room is None:
            continue
        tokens = (room - fixed) // each if each else (-1 if room < fixed else None)
        if tokens is not None:
            least = tokens if least is None else min(least, tokens)
    room_in = ledger.room(chain, Dimension.USD_IN, now_ns, held_counts=False)
    if room_in is not None and room_in < quote.in_nusd:
        return -1
    return least


def first_without_room(
    ledger: Ledger, chain: tuple[AccountKey, ...], wanted: Amounts, now_ns: int
) -> Refused | None:
    """The innermost account whose spent amount alone refuses `wanted`."""
    for key in chain:
        amount, state = wanted.get(key.dimension, 0), ledger.account(key, now_ns)
        if not amount or state is None or state.limit is None:
            continue
        if state.settled + amount > state.limit:
            return Refused(
                key=key,
                limit=state.limit,
                settled=state.settled,
                held=state.held,
                wanted=amount,
                fits_when_settled=False,
            )
    return None

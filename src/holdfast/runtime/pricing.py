"""What a model call may cost: bounds before it, the affordable output, the cost after it.

Pure arithmetic over the price book and the ledger; the order in which the bounds are tried is
`runtime/holding`.
"""

import msgspec

from holdfast.core.budgets import Ledger
from holdfast.core.messages import ModelRequest
from holdfast.core.prices import PriceBook, Unpriced
from holdfast.core.wire.admitted import NOTHING, Admitted
from holdfast.core.work import Asked, bound_of
from holdfast.errors import UnknownModel
from holdfast.model.budgets import AccountKey, Amounts, Dimension, Refused
from holdfast.model.money import Bill, Served, Usage

# Even a refused call would need some output to be of use.
MIN_OUTPUT_TOKENS = 16
_PAID = (Dimension.USD, Dimension.USD_IN, Dimension.USD_OUT, Dimension.TOKENS)


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds one call: money and tokens that are fixed, and what each token of output adds.

    `input_tokens` count every reading of the prompt, `prompt_tokens` the first. An output token
    costs `out_nusd_per_token` and, read again by samplings after it, `in_nusd_per_token`.
    `unreported_nusd`, within `in_nusd`, is billed and stands in no usage. `resamples`: the
    provider may read the prompt again before it ends, and count that last. `tool_calls`: how often
    tools may run at the provider.
    """

    model: str
    input_tokens: int
    in_nusd: int
    out_nusd_per_token: int
    context_tokens: int
    resamples: bool = False
    prompt_tokens: int = 0
    out_nusd: int = 0
    in_nusd_per_token: int = 0
    tokens_per_token: int = 1
    unreported_nusd: int = 0
    tool_calls: int = 0


class Pricing:
    """Quotes and settles by one pinned price book; `admitted` is `gateway.admit`."""

    def __init__(self, book: PriceBook, admitted: Admitted = NOTHING) -> None:
        self._book = book
        self._admitted = admitted

    def asked(
        self, request: ModelRequest, input_tokens: int | None, *, long_context: bool = False
    ) -> Asked:
        """A request with `input_tokens` of prompt at most (None: the whole context window).

        `long_context`: a beta of the request widens the window to a million tokens.
        """
        return Asked(
            request=request, input_tokens=input_tokens, admitted=self._admitted, wide=long_context
        )

    def quote(self, asked: Asked) -> Quote:
        """Bound a request.

        Errors: UnknownModel when the model, or something that the request asks for, has no price
        or no bound.
        """
        model = asked.request.model
        bound = bound_of(self._book, asked)
        if isinstance(bound, Unpriced):
            raise UnknownModel(bound.reason, model=model[:100])
        return Quote(
            model=model,
            input_tokens=bound.in_tokens,
            in_nusd=bound.in_nusd,
            out_nusd_per_token=bound.out_nusd_per_token,
            context_tokens=bound.context_tokens,
            prompt_tokens=bound.prompt_tokens,
            out_nusd=bound.out_nusd,
            in_nusd_per_token=bound.in_nusd_per_token,
            tokens_per_token=bound.tokens_per_token,
            unreported_nusd=bound.unreported_nusd,
            resamples=bound.in_tokens > bound.prompt_tokens,
            tool_calls=sum(work.calls for _, work in asked.tools()),
        )

    def bill(self, model: str, usage: Usage, served: Served) -> Bill | Unpriced:
        """What the provider's own usage costs, as it was served."""
        return self._book.bill(model, usage, served)


def tool_calls(ledger: Ledger, chain: tuple[AccountKey, ...], quote: Quote, now_ns: int) -> int:
    """Runs of tools at the provider to hold: all that may be, or what is left of them.

    Never less than one where any may run: with nothing left the call is refused.
    """
    room = ledger.room(chain, Dimension.TOOL_CALLS, now_ns, held_counts=True)
    return quote.tool_calls if room is None else min(quote.tool_calls, max(room, 1))


def amounts(quote: Quote, output_tokens: int, seconds: int, tool_calls: int = 0) -> Amounts:
    """What to hold for a call with `output_tokens` of output."""
    in_nusd = quote.in_nusd + quote.in_nusd_per_token * output_tokens
    out_nusd = quote.out_nusd + quote.out_nusd_per_token * output_tokens
    return {
        Dimension.USD: in_nusd + out_nusd,
        Dimension.USD_IN: in_nusd,
        Dimension.USD_OUT: out_nusd,
        Dimension.TOKENS: quote.input_tokens + quote.tokens_per_token * output_tokens,
        Dimension.TURNS: 1,
        Dimension.SECONDS: seconds,
        **({Dimension.TOOL_CALLS: tool_calls} if tool_calls else {}),
    }


def more_output(quote: Quote, tokens: int) -> Amounts:
    """What further `tokens` of output add to a hold."""
    in_nusd, out_nusd = quote.in_nusd_per_token * tokens, quote.out_nusd_per_token * tokens
    more = {
        Dimension.USD: in_nusd + out_nusd,
        Dimension.USD_OUT: out_nusd,
        Dimension.TOKENS: quote.tokens_per_token * tokens,
    }
    return more | ({Dimension.USD_IN: in_nusd} if in_nusd else {})


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


def with_unreported(amounts: Amounts, quote: Quote) -> Amounts:
    """The same with what the provider bills beside its usage."""
    more = {Dimension.USD: quote.unreported_nusd, Dimension.USD_IN: quote.unreported_nusd}
    return {key: amount + more.get(key, 0) for key, amount in amounts.items()}


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
        (
            Dimension.USD,
            quote.in_nusd + quote.out_nusd,
            quote.in_nusd_per_token + quote.out_nusd_per_token,
        ),
        (Dimension.USD_IN, quote.in_nusd, quote.in_nusd_per_token),
        (Dimension.USD_OUT, quote.out_nusd, quote.out_nusd_per_token),
        (Dimension.TOKENS, quote.input_tokens, quote.tokens_per_token),
    ):
        room = ledger.room(chain, dimension, now_ns, held_counts=False)
        if room is None:
            continue
        tokens = (room - fixed) // each if each else (-1 if room < fixed else None)
        if tokens is not None:
            least = tokens if least is None else min(least, tokens)
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

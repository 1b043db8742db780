"""Sentences about budgets."""

from collections.abc import Callable, Mapping

from holdfast.core.narrate.words import by, named, plain, said
from holdfast.model import bodies
from holdfast.model.events import Kind, Record
from holdfast.model.money import format_usd


def _reserved(record: Record) -> str:
    body = bodies.BudgetDecided.of(record)
    purpose = plain(body.purpose or "a", 20)
    if record.verdict != "deny":
        return f"a {purpose} call was reserved on its budgets"
    account, limit = body.account or "a budget", _limit(body.account, body.limit)
    counted = (body.wanted, body.settled, body.held)
    wanted, settled, held = (_amount(body.account, one) for one in counted)
    return (
        f"a {purpose} call was refused for its budget: {named(account)} has {settled} settled and"
        f" {held} held of {limit}, {wanted} more was wanted"
    )


def _budget_alert(record: Record) -> str:
    body = bodies.BudgetAlert.of(record)
    account, percent = named(body.account), plain(body.percent, 10)
    if body.limit is None:
        return f"{account} reached {percent} % of its limit"
    stands = f"{_amount(body.account, body.settled)} of {_amount(body.account, body.limit)}"
    if body.percent == 100 and body.settled < body.limit:
        return f"{account} had no room for a call, at {stands}"
    return f"{account} reached {percent} % of its limit, at {stands}"


def _amount(account: str, value: int | None) -> str:
    """A number of an account in its unit: dollars where the account counts dollars."""
    if ":usd" in account and value is not None:
        return format_usd(value)
    return plain(value, 24)


def _limit(account: str, value: int | None) -> str:
    return "unlimited" if value is None else _amount(account, value)


def _budget_changed(record: Record) -> str:
    body = bodies.BudgetChanged.of(record)
    old, new = _limit(body.account, body.old), _limit(body.account, body.new)
    return (
        f"the limit of {named(body.account)} was changed from {old} to {new}"
        f"{by(body.by)}{said(body.reason)}"
    )


def _overshot(record: Record) -> str:
    account = named(bodies.BudgetOvershot.of(record).account)
    return f"{account} was charged more than was held on it"


SENTENCES: Mapping[Kind, Callable[[Record], str]] = {
    Kind.BUDGET_DECIDED: _reserved,
    Kind.BUDGET_ALERT: _budget_alert,
    Kind.BUDGET_CHANGED: _budget_changed,
    Kind.BUDGET_OVERSHOT: _overshot,
}

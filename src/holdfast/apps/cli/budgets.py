"""`holdfast budget`: show what is spent and held, set a limit."""

from collections.abc import Sequence
from pathlib import Path

import typer

from holdfast.apps.cli.audit import span_s
from holdfast.apps.cli.printing import amount, emit, say, table
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, Reason, Tenant, verb
from holdfast.client import BudgetAccount, Client
from holdfast.errors import InvalidRequest
from holdfast.model.budgets import Dimension, Scope, Window
from holdfast.model.money import exact_usd, parse_usd
from holdfast.model.views.budgets import CapProposal, ProposalList

app = typer.Typer(help="Budgets: what is spent, held and allowed.", no_args_is_help=True)

MONEY = (Dimension.USD, Dimension.USD_IN, Dimension.USD_OUT)
LIFTED = "none"


@verb(app, "show")
async def show(
    session: str = typer.Option("", help="Every account that this session draws on."),
    scope: Scope | None = typer.Option(None, help="With --owner: the accounts of one owner."),
    owner: str = typer.Option("", help="A session's id, or `tenant/user`, `tenant/project`, …"),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Show accounts: limit, settled, held. Money to the nano-dollar."""
    if bool(session) == bool(scope and owner):
        raise InvalidRequest("name either --session, or --scope and --owner")
    async with connected(project) as client:
        found = await client.budgets.show(session=session, scope=scope or "", owner=owner)
    if as_json:
        for account in found:
            emit(account)
        return
    columns = ("scope", "owner", "what", "window", "limit", "settled", "held")
    table(columns, [_row(account) for account in found], empty="no accounts")


def _row(account: BudgetAccount) -> tuple[str, ...]:
    values = (account.limit, account.settled, account.held)
    numbers = tuple(amount(account.dimension, value) for value in values)
    return (account.scope, account.owner, account.dimension, account.window, *numbers)


@verb(app, "propose")
async def propose(
    agent: str = typer.Option("", help="Only what this agent spent."),
    margin: float = typer.Option(1.25, min=1.0, max=10.0, help="What to allow above the usual."),
    last: str = typer.Option("30d", help="How much history: 7d, 30d."),
    accept: str = typer.Option("", help="Set one: `session`, `run` or `user day`."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask before it is set."),
    tenant: str = Tenant,
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Suggest caps out of what was spent: the 95th percentile and a margin."""
    async with connected(project) as client:
        found = await client.budgets.propose(
            tenant=tenant, agent=agent, last_s=span_s(last), margin_percent=round(margin * 100)
        )
        if as_json:
            emit(found)
        else:
            columns = ("a", "seen", "usual (p95)", "proposed cap", "accounts now")
            table(columns, [_suggested(one) for one in found.proposals], empty="")
        if accept:
            await _accepted(client, found, accept, margin, yes=yes, as_json=as_json)


def _suggested(one: CapProposal) -> tuple[str, ...]:
    if one.limit_nusd is None or one.usual_nusd is None:
        return (one.of, str(one.n), f"fewer than {one.least}", "-", "-")
    limit = f"{exact_usd(one.limit_nusd)} ({one.scope} {one.dimension} {one.window})"
    return (one.of, str(one.n), exact_usd(one.usual_nusd), limit, str(len(one.owners)))


async def _accepted(
    client: Client, found: ProposalList, of: str, margin: float, *, yes: bool, as_json: bool
) -> None:
    """Set it on the accounts that stand. Errors: InvalidRequest; those of setting a limit."""
    one = next((each for each in found.proposals if each.of == of), None)
    if one is None or one.limit_nusd is None:
        raise InvalidRequest(f"nothing is proposed for a `{of}`")
    cap = exact_usd(one.limit_nusd)
    if not yes:
        what = f"{one.scope} {one.dimension} ({one.window}) to {cap}"
        typer.confirm(f"set {what} on {len(one.owners)} accounts?", default=False, abort=True)
    for owner in one.owners:
        account = await client.budgets.set(
            scope=one.scope,
            owner=owner,
            dimension=one.dimension,
            window=one.window,
            limit=one.limit_nusd,
            reason=f"proposed: the 95th percentile of {one.n}, times {margin:g}",
        )
        if as_json:
            emit(account)
    if not as_json:
        say(f"{len(one.owners)} accounts have {one.scope} {one.dimension} ({one.window}) at {cap}")
        say(f"what is opened later: `limits: {{usd: {cap.removeprefix('$')}}}` in holdfast.yaml")


@verb(app, "set")
async def set_limit(
    scope: Scope = typer.Argument(help="Whose account it is."),
    owner: str = typer.Argument(help="A session's id, or `tenant/user`, `tenant/project`, …"),
    dimension: Dimension = typer.Argument(help="What is limited."),
    window: Window = typer.Argument(help="Over which time."),
    limit: str = typer.Argument(help="Dollars (`0.50`), pieces (`25`), or `none`."),
    reason: str = Reason,
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Set one limit; it holds from the next call on, and the change is journalled."""
    value = parsed_limit(dimension, limit)
    async with connected(project) as client:
        account = await client.budgets.set(
            scope=scope,
            owner=owner,
            dimension=dimension,
            window=window,
            limit=value,
            reason=reason or "set on the command line",
        )
    if as_json:
        emit(account)
        return
    spent, cap = amount(dimension, account.settled), amount(dimension, account.limit)
    say(f"{scope} {owner}: {dimension} ({window}) is {cap}, {spent} used")


def parsed_limit(dimension: Dimension, text: str) -> int | None:
    """Nano-dollars or pieces; None for `none`. Errors: InvalidRequest."""
    if text == LIFTED:
        return None
    if dimension in MONEY:
        try:
            return parse_usd(text)
        except ValueError as fault:
            raise InvalidRequest(str(fault)) from None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidRequest(f"`{text}` is no number of {dimension}; expected pieces or `none`")
    return int(text)


def parsed_limits(given: Sequence[str]) -> dict[str, str | int]:
    """`usd=0.50` and the like, by dimension. Errors: InvalidRequest."""
    found: dict[str, str | int] = {}
    known = [str(dimension) for dimension in Dimension]
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise InvalidRequest(
                f"`{text}` is no limit; expected one of {', '.join(known)}, as usd=0.50"
            )
        amount = parsed_limit(Dimension(name), value)
        if amount is None:
            raise InvalidRequest(f"`{text}` would lift a cap; a run may only tighten one")
        found[name] = value.removeprefix("$") if name.startswith("usd") else amount
    return found


def register(tree: typer.Typer) -> None:
    """Add `budget`."""
    tree.add_typer(app, name="budget")

"""`holdfast costs`: what was spent."""

from pathlib import Path

import typer

from holdfast.apps.cli.audit import span_s
from holdfast.apps.cli.printing import emit, say, table
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, Tenant, verb
from holdfast.model.costs import CostBy
from holdfast.model.money import exact_usd
from holdfast.model.views.costs import CostList

app = typer.Typer(help="Costs: what was spent, and for whom.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Costs: what was spent, and for whom."""


@verb(app, "show")
async def show(  # noqa: PLR0913, PLR0917 - each is an option
    by: CostBy = typer.Option(CostBy.USER, help="What tells costs apart."),
    last: str = typer.Option("7d", help="How far back: 90s, 30m, 2h, 30d."),
    tenant: str = Tenant,
    project_name: str = typer.Option("", help="Only of this project of the tenant."),
    user: str = typer.Option("", help="Only of this user."),
    agent: str = typer.Option("", help="Only of this agent."),
    session: str = typer.Option("", help="Only of this session."),
    limit: int = typer.Option(100, min=1, max=1000, help="How many parts, the dearest first."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Show what the journal says was settled, to the nano-dollar, and the sum of all."""
    async with connected(project) as client:
        found = await client.costs.show(
            by=by,
            tenant=tenant,
            project=project_name,
            user=user,
            agent=agent,
            session=session,
            last_s=span_s(last),
            limit=limit,
        )
    if as_json:
        emit(found)
        return
    rows = (
        (one.name or "-", exact_usd(one.cost_nusd), _share(one.cost_nusd, found), one.charges)
        for one in found.costs
    )
    table((by, "cost", "share", "charges"), rows, empty=f"nothing was spent in the last {last}")
    if found.parts > len(found.costs):
        say(f"{found.parts - len(found.costs):,} more are not shown", style="dim")
    if found.parts:
        say(f"{exact_usd(found.cost_nusd)} in {found.charges:,} charges of the last {last}")


def _share(cost_nusd: int, found: CostList) -> str:
    return f"{100 * cost_nusd / found.cost_nusd:.1f}%" if found.cost_nusd else ""


def register(tree: typer.Typer) -> None:
    """Add `costs`."""
    tree.add_typer(app, name="costs")

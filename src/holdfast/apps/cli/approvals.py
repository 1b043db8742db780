"""`holdfast approvals`: what waits for a person, shown from the bytes that an answer is bound to.

Every argument is shown whole, with what a terminal would hide made visible, and words that mix
alphabets named: nothing of it is the model's own account of what it asks for. Not here: who may
answer (the server says).
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from holdfast.apps.cli.printing import clock, emit, say, table
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, Tenant, verb
from holdfast.errors import InvalidRequest
from holdfast.model.approvals import (
    RAISE,
    Approval,
    ApprovalState,
    Grant,
    GrantTerms,
    Need,
    grant_in_words,
)
from holdfast.model.budgets import Dimension
from holdfast.model.showing import one_line, shown_arguments
from holdfast.model.views.approvals import ReviewerLoad

_WIDTH = 176
_SET_IN = 14
_Id = typer.Argument(metavar="APPROVAL", help="The id of the approval.")
_Note = typer.Option("", "--note", help="Why; the model is told, and the journal.")

approvals = typer.Typer(help="Calls that wait for a person.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(approvals, name="approvals")


@verb(approvals, "list")
async def list_approvals(
    project: Path | None = Project,
    tenant: str = Tenant,
    session: str = typer.Option("", help="Those of this session."),
    state: ApprovalState = typer.Option(ApprovalState.PENDING, help="Those in this state."),
    limit: int = typer.Option(50, min=1, help="At most so many."),
    as_json: bool = Json,
) -> None:
    """List what waits for an answer, latest first."""
    async with connected(project) as client:
        found = await client.approvals.list(
            tenant=tenant, session=session, state=state, limit=limit
        )
    if as_json:
        for one in found:
            emit(one)
        return
    columns = (
        "approval",
        "tool",
        "resource",
        "agent",
        "for",
        "risk",
        "times",
        "until (UTC)",
        "why",
    )
    empty = "nothing waits for a person" if state is ApprovalState.PENDING else f"none is {state}"
    table(columns, (_cells(one) for one in found), empty=empty)


@verb(approvals, "show")
async def show(approval: str = _Id, project: Path | None = Project, as_json: bool = Json) -> None:
    """Show one: every argument whole, and why it is asked."""
    async with connected(project) as client:
        found = await client.approvals.show(approval)
    _print(found, as_json=as_json)


@verb(approvals, "approve")
async def approve(  # noqa: PLR0913, PLR0917 -- each is an option
    approval: str = _Id,
    yes: bool = typer.Option(False, "--yes", help="Do not ask again; needs --digest."),
    digest: str = typer.Option("", help="Of what you were shown, as `show` prints it."),
    raise_to: str = typer.Option("", help="Of a cap: what it is raised to, as `5.00` or `40`."),
    note: str = _Note,
    grant: bool = typer.Option(False, "--grant", help="Let calls like it run as well."),
    for_: str = typer.Option("1h", "--for", help="How long a grant lasts: `30m`, `1h`."),
    free: list[str] = typer.Option(
        [], "--any", help="An argument that may have any value; all others stay as shown."
    ),
    most: int = typer.Option(0, "--most", min=0, help="How many calls at most; 0: any number."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Show it, ask, and let the call run, once; with `--grant`, calls like it for a while.

    A cap that is asked about is raised.
    """
    terms = GrantTerms(for_s=_seconds(for_), any=tuple(free), most=most) if grant else None
    async with connected(project) as client:
        found = await client.approvals.show(approval)
        cap = _cap(found, raise_to)
        question = "Let it run?" if cap is None else f"Raise it to {raise_to}?"
        seen = _seen(found, digest=digest, yes=yes, question=question, grant=terms)
        answer = await client.approvals.approve(seen, note, terms, raise_to=cap)
        _print_answer(answer, as_json=as_json)


@verb(approvals, "grants")
async def grants(
    project: Path | None = Project,
    tenant: str = Tenant,
    session: str = typer.Option("", help="Those of this session."),
    as_json: bool = Json,
) -> None:
    """List grants that stand: what runs without another question."""
    async with connected(project) as client:
        state = ApprovalState.GRANTED
        found = await client.approvals.list(tenant=tenant, session=session, state=state)
    if as_json:
        for one in found:
            emit(one)
        return
    columns = ("approval", "tool", "agent", "for", "any", "runs", "by", "until (UTC)")
    table(columns, (_grant_cells(one) for one in found), empty="nothing is granted")


@verb(approvals, "load")
async def load(project: Path | None = Project, tenant: str = Tenant, as_json: bool = Json) -> None:
    """Show how much each reviewer is asked, and how they answered in the last seven days."""
    async with connected(project) as client:
        found = await client.approvals.load(tenant=tenant)
    if as_json:
        emit(found)
        return
    columns = ("reviewer", "pending", "answered", "approved", "median answer", "median look")
    table(columns, (_load_cells(one, found.limit) for one in found.reviewers), empty="nobody")
    say(f"{found.pending} questions wait; more than {found.limit} a reviewer are too many")


@verb(approvals, "revoke")
async def revoke(
    approval: str = _Id, note: str = _Note, project: Path | None = Project, as_json: bool = Json
) -> None:
    """End a grant: what it let run is asked about again."""
    async with connected(project) as client:
        _print_answer(await client.approvals.revoke(approval, note), as_json=as_json)


@verb(approvals, "deny")
async def deny(
    approval: str = _Id, note: str = _Note, project: Path | None = Project, as_json: bool = Json
) -> None:
    """Refuse the call; the model is told so, with the note."""
    async with connected(project) as client:
        found = await client.approvals.show(approval)
        _print_answer(await client.approvals.deny(found, note), as_json=as_json)


@verb(approvals, "delegate")
async def delegate(
    approval: str = _Id,
    to: str = typer.Option(..., "--to", help="The operator who answers in your place."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Leave your voice in a question to another operator."""
    async with connected(project) as client:
        found = await client.approvals.delegate(approval, to)
    if as_json:
        emit(found)
    else:
        say(f"{found.approval_id} is for {to} to answer in your place")


def _seconds(spelled: str) -> int:
    """`90s`, `30m`, `2h` in seconds."""
    if (found := re.fullmatch(r"([0-9]{1,6})([smh])", spelled)) is None:
        raise typer.BadParameter("--for takes a time such as `30m` or `1h`")
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def _load_cells(one: ReviewerLoad, limit: int) -> tuple[object, ...]:
    share = f"{100 * one.approved // one.answered} %" if one.answered else ""
    pending = f"{one.pending}{' (too many)' if one.pending > limit else ''}"
    answer, look = f"{one.median_answer_s:.1f} s", f"{one.median_look_s:.1f} s"
    return (one.name, pending, one.answered, share, answer, look)


def _grant_cells(one: Approval) -> tuple[object, ...]:
    grant = one.grant or Grant(by="", at_ns=0)
    runs = f"{grant.used} of {grant.most}" if grant.most else grant.used
    who, free = f"{one.tenant}/{one.user}", ", ".join(grant.any)
    until = clock(one.expires_at_ns)
    return (one.approval_id, one.tool, one.agent, who, free, runs, grant.by, until)


def _cap(found: Approval, raise_to: str) -> int | None:
    """What a cap is raised to, None of a question about a call. Errors: InvalidRequest."""
    if found.tool != RAISE and not raise_to:
        return None
    from holdfast.apps.cli.budgets import parsed_limit

    if found.tool != RAISE or not raise_to or raise_to == "none":
        raise InvalidRequest("--raise-to belongs to a question about a cap, and to each of them")
    return parsed_limit(Dimension(found.arguments["dimension"]), raise_to)


def _seen(
    found: Approval, *, digest: str, yes: bool, question: str, grant: GrantTerms | None = None
) -> Approval:
    """What is answered: what was shown before under its digest, or is shown now."""
    if yes and not digest:
        raise typer.BadParameter("--yes needs the --digest of what you were shown")
    if digest:
        import msgspec

        return msgspec.structs.replace(found, digest=digest)
    _print(found, as_json=False)
    for sentence in grant_in_words(found, grant) if grant is not None else ():
        _say(_field("grants", sentence))
    typer.confirm(question, default=False, abort=True)
    return found


def _cells(one: Approval) -> tuple[object, ...]:
    why = "; ".join(reason.text for reason in one.reasons)
    who = f"{one.tenant}/{one.user}"
    until = clock(one.expires_at_ns)
    return (
        one.approval_id,
        one.tool,
        one.resource,
        one.agent,
        who,
        one.risk,
        one.times,
        until,
        why,
    )


def _print(one: Approval, *, as_json: bool) -> None:
    if as_json:
        emit(one)
    else:
        show_question(one)


def show_question(one: Approval) -> None:
    """One, whole, for a person who is to answer it."""
    say(one_line(f"{one.approval_id} is {one.state}"), style="bold")
    rows = (
        ("tool", one.tool),
        ("resource", one.resource),
        ("agent", f"{one.agent} for {one.tenant}/{one.user}, task {one.task}"),
        ("session", one.session),
        ("risk", one.risk),
        ("asked", f"{clock(one.asked_at_ns)} UTC, until {clock(one.expires_at_ns)}"),
        ("digest", one.digest),
        ("read before", one.tainted_by and f"text of a stranger, from {one.tainted_by}"),
        ("asked for", f"{one.times} times" if one.times > 1 else ""),
        ("answered", one.answered_by and f"by {one.answered_by} {one.note}"),
    )
    for name, value in rows:
        if value:
            _say(_field(name, value))
    for need in one.needs:
        _say(_field("for", _whose(need)))
    for yes in one.yes:
        _say(_field("yes", f"{yes.by} {yes.note}"))
    for left in one.delegated:
        _say(_field("delegated", f"{left.by} to {left.to}"))
    for reason in one.reasons:
        _say(_field("asks", f"{reason.stage}: {reason.text} {reason.rule}"))
    _say(_arguments(one))


def _say(lines: Iterator[str]) -> None:
    for line in lines:
        say(line)


def _whose(need: Need) -> str:
    """Whose yes it takes, in words."""
    whom = " or ".join(need.by) or "whoever may let the session go on"
    many = f"{need.quorum} of: {whom}" if need.quorum > 1 else whom
    later = (f"after {step.after_s} s also {' or '.join(step.to)}" for step in need.escalate)
    return ", ".join((f"{many} (rule {need.rule})", *later))


def _arguments(one: Approval) -> Iterator[str]:
    """Each argument whole; what decides first."""
    for shown in shown_arguments(one.arguments, one.deciding):
        yield from _rows("argument", f"{shown.name} = ({shown.kind})")
        for line in shown.lines:
            yield from _rows("", f"| {line}")
        for warning in shown.warnings:
            yield from _rows("", f"! {warning}")


def _field(name: str, value: str) -> Iterator[str]:
    """A field of ours: what is in it stays behind it, however long it is."""
    yield from _rows(name, one_line(value))


def _rows(name: str, text: str) -> Iterator[str]:
    """Rows that fit the terminal, so that none begins where only ours do."""
    from rich.cells import chop_cells
    from rich.console import Console

    columns = Console().width if sys.stdout.isatty() else _WIDTH
    head, *rest = chop_cells(text, max(columns - _SET_IN - 4, 20)) or [""]
    mark = text[:1] if text[:2] in ("| ", "! ") else "|"
    yield f"{name:>12}  {head}"
    for row in rest:
        yield f"{'':>12}  {mark} {row}"


def _print_answer(one: Approval, *, as_json: bool) -> None:
    if as_json:
        emit(one)
    else:
        more = one.missing if one.yes and one.state is ApprovalState.PENDING else 0
        say(
            f"{one.approval_id} is {one.state}" + (f": {more} more have to say yes" if more else "")
        )

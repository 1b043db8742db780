"""`holdfast sessions kill|pause|resume`: one session, or every one of a part of the fleet.

More than one at a time are named in words first, and on a terminal what is typed has to agree.
"""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import typer

from holdfast.apps.cli.exit_codes import ExitCode
from holdfast.apps.cli.printing import emit, note, plain, say
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, Reason, verb
from holdfast.client import Client, KillReceipt, StopReceipt
from holdfast.client.stops import Part
from holdfast.errors import InvalidRequest

_BY_HAND = "asked for on the command line"
_SHOWN = 120
_WHY_SHOWN = 300
_MOST_LISTED = 20
_Id = typer.Argument("", metavar="SESSION", help="The session's id; else say which part.")
_TenantOf = typer.Option("", "--tenant", help="All of this tenant, or what else is named in it.")
_ProjectOf = typer.Option("", "--project-name", help="All of this project of the tenant.")
_User = typer.Option("", "--user", help="All of this user of the tenant.")
_Agent = typer.Option("", "--agent", help="All of this agent, in every tenant unless one is named.")
_All = typer.Option(False, "--all", help="Everything.")
_Yes = typer.Option(False, "--yes", help="Do not ask, where it is more than one session.")
Show = Callable[..., None]
_Alone = Callable[[Client, str, str, bool], Awaitable[int]]
_DONE = {"kill": "killed", "pause": "paused", "resume": "resumed"}
_HELP = {
    "kill": """Stop everything of a session, or of a part of the fleet, for good.

    What each lever did is printed. Nothing opens in a part that was killed until it is resumed.
    Exit code 1 when a lever failed: something may be left.
    """,
    "pause": """Refuse the calls of a session, or of a part of the fleet, until it is resumed.

    In a part that is paused nothing opens, and it stays paused over restarts.
    """,
    "resume": """Let a paused session go on, or lift the stop of exactly this part of the fleet.

    What was paused by itself, or is held by another stop, stays so.
    """,
}


def add_verbs(app: typer.Typer, show: Show) -> None:
    """Add them; `show` prints one session."""

    async def killed(client: Client, session: str, reason: str, as_json: bool) -> int:
        receipt = await client.sessions.kill(session, reason)
        _print(receipt, receipt_lines(receipt), as_json=as_json)
        return _code(ok=all(lever.ok for lever in receipt.levers))

    async def paused(client: Client, session: str, reason: str, as_json: bool) -> int:
        show(await client.sessions.pause(session, reason), as_json=as_json)
        return ExitCode.DONE

    async def resumed(client: Client, session: str, reason: str, as_json: bool) -> int:
        show(await client.sessions.resume(session, reason), as_json=as_json)
        return ExitCode.DONE

    for name, alone in (("kill", killed), ("pause", paused), ("resume", resumed)):
        verb(app, name)(_act(name, alone))


def _act(name: str, alone: _Alone) -> Callable[..., Any]:
    """The verb, of one session or of a part of the fleet."""

    async def act(  # noqa: PLR0913, PLR0917 -- each is an option
        session: str = _Id,
        tenant: str = _TenantOf,
        project_name: str = _ProjectOf,
        user: str = _User,
        agent: str = _Agent,
        everything: bool = _All,
        reason: str = Reason,
        yes: bool = _Yes,
        project: Path | None = Project,
        as_json: bool = Json,
    ) -> int:
        part = _part(session, tenant, project_name, user, agent, everything=everything)
        async with connected(project) as client:
            if part is None:
                return await alone(client, session, reason or _BY_HAND, as_json)
            await _agreed(name, client, part, yes=yes)
            receipt = await getattr(client.stops, name)(reason or _BY_HAND, **part)
        return _told(_DONE[name], receipt, as_json=as_json)

    act.__doc__ = _HELP[name]
    return act


def _part(
    session: str, tenant: str, project: str, user: str, agent: str, *, everything: bool
) -> Part | None:
    """The part of the fleet that is named, None for one session. Errors: InvalidRequest."""
    named = {"tenant": tenant, "project": project, "user": user, "agent": agent}
    some = any(named.values())
    if sum((bool(session), some, everything)) != 1:
        raise InvalidRequest("name one session, or a part (--tenant, --user …), or --all")
    if session:
        return None
    return cast(
        "Part", {"everything": True} if everything else {k: v for k, v in named.items() if v}
    )


async def _agreed(name: str, client: Client, part: Part, *, yes: bool) -> None:
    """Pass who typed what it is, or said so before. Errors: InvalidRequest."""
    if yes:
        return
    reach = await client.stops.reach(**part)
    if reach.sessions <= 1:
        return
    what = f"{reach.sessions} sessions of {reach.users} users, {reach.agents} agents"
    told = f"{name} {plain(reach.what, _WHY_SHOWN)}: {what}"
    if not sys.stdin.isatty():
        raise InvalidRequest(f"{told}; say --yes to do it unasked")
    named = (part.get("user"), part.get("agent"), part.get("project"), part.get("tenant"))
    wanted = next(filter(None, named), "everything")
    note(told)
    asked = f"type `{plain(wanted)}` to go on"
    if typer.prompt(asked, default="", show_default=False, err=True) != wanted:
        raise InvalidRequest("nothing was done: what was typed is not that")


def _print(receipt: object, lines: list[str], *, as_json: bool) -> None:
    if as_json:
        emit(receipt)
        return
    for line in lines:
        say(line)


def _code(*, ok: bool) -> int:
    return ExitCode.DONE if ok else ExitCode.INTERNAL


def _told(done: str, receipt: StopReceipt, *, as_json: bool) -> int:
    _print(receipt, stop_lines(done, receipt), as_json=as_json)
    return _code(ok=all(one.ok for one in receipt.sessions))


def stop_lines(done: str, receipt: StopReceipt) -> list[str]:
    """The receipt of an act on many in words: the act, its levers, sessions that need a look."""
    stop, again = receipt.stop, " (it was before)" if receipt.already else ""
    first = f"{plain(stop.what, _WHY_SHOWN)} is {done}{again}, {receipt.total_ms:.1f} ms in all"
    lines = [f"{first}: {len(receipt.sessions)} sessions"]
    lines += [
        f"  ✓ {lever.lever:<12} {lever.ms:>8.1f} ms  {lever.detail}".rstrip()
        for lever in receipt.levers
    ]
    odd = [one for one in receipt.sessions if not one.ok or one.why]
    for one in odd[:_MOST_LISTED]:
        mark, why = ("!", one.why) if one.ok else ("✗", "not all of it ended")
        lines.append(f"  {mark} {one.session_id} is {one.state}: {plain(why, _WHY_SHOWN)}")
    if len(odd) > _MOST_LISTED:
        lines.append(f"  ! and {len(odd) - _MOST_LISTED} more; --json has them all")
    if done != "resumed":
        lines.append(f"  `{plain(stop.lifts, _WHY_SHOWN)}` lifts it, by {plain(stop.lifted_by)}")
    return lines


def receipt_lines(receipt: KillReceipt) -> list[str]:
    """The receipt of one kill in words, a line a lever."""
    again = " (it was before)" if receipt.already else ""
    lines = [f"{receipt.session_id} is {receipt.state}{again}, {receipt.total_ms:.1f} ms in all"]
    for lever in receipt.levers:
        mark = "✓" if lever.ok else "✗"
        lines.append(f"  {mark} {lever.lever:<12} {lever.ms:>8.1f} ms  {lever.detail}".rstrip())
    for child in receipt.children:
        mark, more = "✓" if child.ok else "✗", f": {child.detail}" if child.detail else ""
        done = f"{child.streams} streams cut, {child.processes} processes ended"
        lines.append(f"  {mark} child {child.session_id} of {child.agent}, {done}{more}")
    if receipt.taken_along:
        names = plain(", ".join(receipt.taken_along), _SHOWN)
        lines.append(f"  ! streams of other sessions ended with the relay: {names}")
    return lines

"""`holdfast policy apply` and `replay`: what is in force, by an act; what was, asked again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from holdfast.apps.cli.exit_codes import ExitCode
from holdfast.apps.cli.printing import clock, emit, note, say
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, verb
from holdfast.client import Replayed
from holdfast.errors import InvalidRequest

_Decision = typer.Argument(help="A decision, or a tool call, whose last decision it is then.")
_With = typer.Option(None, "--with", metavar="DIR", help="Ask these policies instead.")
_Tenant = typer.Option("", "--tenant", help="Whose journal; needed where there are several.")
_Session = typer.Option("", "--session", help="Where to look, in a long journal.")


def register(policy: typer.Typer) -> None:
    """Add the verbs to those that need no server."""
    verb(policy, "apply")(apply)
    verb(policy, "replay")(replay)


async def apply(project: Path | None = Project, as_json: bool = Json) -> None:
    """Put the policy folder in force on the running server, journalled with what it changes."""
    async with connected(project) as client:
        done = await client.policy.apply()
    if as_json:
        emit(done)
        return
    for word, rules in (("+", done.added), ("-", done.removed), ("~", done.changed)):
        for rule in rules:
            say(f"{word} {rule}")
    say(f"in force: {done.version}")


async def replay(
    decision: str = _Decision,
    folder: Path | None = _With,
    tenant: str = _Tenant,
    session: str = _Session,
    project: Path | None = Project,
    as_json: bool = Json,
) -> ExitCode:
    """Make a decision again by what was in force then, or by other policies; say if it differs."""
    files = _files(folder) if folder is not None else None
    async with connected(project) as client:
        found = await client.policy.replay(decision, files=files, tenant=tenant, session=session)
    if as_json:
        emit(found)
    else:
        _show(found)
    if not found.exact:
        return ExitCode.UNVERIFIED
    return ExitCode.DONE if found.same else ExitCode.INTERNAL


def _files(folder: Path) -> dict[str, str]:
    """The Cedar files of a folder, by name. Errors: InvalidRequest."""
    try:
        found = {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.cedar"))}
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", None) or "it is not UTF-8"
        raise InvalidRequest(f"the policies of `{folder}` cannot be read: {why.lower()}") from None
    if not found:
        raise InvalidRequest(f"`{folder}` holds no policies (`*.cedar`)")
    return found


def _show(found: Replayed) -> None:
    say(f"{found.tool} {found.call_id} at {clock(found.at_ns)} UTC, {found.decision_id}")
    say(f"then:  {found.verdict}{_by(found.policy_version)}{_why(found.reasons)}")
    say(f"again: {found.again}{_by(found.again_version)}{_why(found.again_reasons)}")
    if found.unasked:
        note(f"not asked then, since policy had said no: {', '.join(found.unasked)}")
    for one in found.lacks:
        note(f"not exact: {one}")
    say("the answer is the same" if found.same else "the answer differs")


def _by(version: str) -> str:
    return f" by {version[:19]}" if version else ", policy was not asked"


def _why(reasons: Sequence[Mapping[str, Any]]) -> str:
    told = [
        f"{one.get('code')}: {one.get('text')}" + (f" ({one['rule']})" if one.get("rule") else "")
        for one in reasons
    ]
    return "".join(f"\n         {line}" for line in told)

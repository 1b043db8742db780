"""`holdfast keys`: hand out spending keys, look at them, take them back."""

import re
from pathlib import Path

import typer

from holdfast.apps.cli.printing import amount, clock, emit, note, plain, say, table
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, Reason, Tenant, verb
from holdfast.client import KeyView, NewKey
from holdfast.client.discovery import KEY_VARIABLE
from holdfast.errors import InvalidRequest

app = typer.Typer(help="Keys that can only spend.", no_args_is_help=True)
_Name = typer.Argument(help="As the journal and `keys list` name it; each name is given once.")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_TTL = re.compile(r"([0-9]{1,8})([smhdw])")


@verb(app, "add")
async def add(  # noqa: PLR0913, PLR0917 - each is an option
    name: str = _Name,
    agent: str = typer.Option(..., help="The agent of holdfast.yaml whose sessions it opens."),
    budget: list[str] = typer.Option(
        ..., help="What all its sessions together may spend: `usd=5.00`, `usd=5.00/day`."
    ),
    ttl: str = typer.Option("30d", help="After this it ends: `12h`, `30d`, at most `366d`."),
    user: list[str] = typer.Option(
        [], help="For whom; the user of the key's own name if not given, `*` for any."
    ),
    tenant: str = Tenant,
    project_name: str = typer.Option("", help="The tenant's project, where it has several."),
    task: str = typer.Option("", help="The kind of work that its sessions are for."),
    identity: str = typer.Option(
        "", help="Who holds it by signing in: `email:ann@acme.example`, or `sub:…`."
    ),
    token: bool = typer.Option(False, "--token", help="With an identity, a token too."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Make a key that opens capped sessions of an agent and does nothing else; print it, once."""
    seconds = parsed_ttl(ttl)
    async with connected(project) as client:
        added = await client.keys.add(
            name,
            agent=agent,
            budget=budget,
            tenant=tenant,
            project=project_name,
            users=user,
            task=task,
            ttl_s=seconds,
            identity=identity,
            token=token,
        )
    _print_new(added, as_json=as_json)


@verb(app, "list")
async def list_keys(
    project: Path | None = Project, tenant: str = Tenant, as_json: bool = Json
) -> None:
    """List keys: whose sessions each opens, what they spent, when it was used last."""
    async with connected(project) as client:
        found = await client.keys.list(tenant=tenant)
    if as_json:
        for one in found:
            emit(one)
        return
    columns = ("key", "state", "agent", "for", "spent of", "sessions", "last used (UTC)", "until")
    table(columns, (_row(one) for one in found), empty="no keys; `holdfast keys add` makes one")


@verb(app, "show")
async def show(name: str = _Name, project: Path | None = Project, as_json: bool = Json) -> None:
    """Show one key; its token is shown nowhere."""
    async with connected(project) as client:
        found = await client.keys.show(name)
    if as_json:
        emit(found)
        return
    ended = f", by {found.revoked_by}, {clock(found.revoked_at_ns)}" if found.revoked_by else ""
    say(f"{found.name} is {found.state}{ended}")
    say(f"  opens    sessions of {found.agent}, {_for(found)}")
    for line in _spent(found):
        say(f"  spent    {line}")
    say(f"  used     {found.opened} sessions, last {_at(found.used_at_ns)}")
    say(f"  added    {clock(found.added_at_ns)} UTC by {found.added_by}")
    if found.identity:
        say(f"  held by  {plain(found.identity)}")
    if found.rotated_at_ns:
        say(f"  rotated  {clock(found.rotated_at_ns)} UTC")
    say(f"  until    {clock(found.expires_at_ns)} UTC")


@verb(app, "rotate")
async def rotate(name: str = _Name, project: Path | None = Project, as_json: bool = Json) -> None:
    """Give a key another token and print it, once; the old one opens nothing any more."""
    async with connected(project) as client:
        found = await client.keys.rotate(name)
    _print_new(found, as_json=as_json)


@verb(app, "revoke")
async def revoke(
    name: str = _Name,
    reason: str = Reason,
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Take a key back at once; what it opened stops, too."""
    async with connected(project) as client:
        found = await client.keys.revoke(name, reason)
    if as_json:
        emit(found)
        return
    say(f"{name} opens nothing any more")
    for session in found.stopped:
        say(f"  stopped {session}")


def parsed_ttl(text: str) -> int:
    """Seconds of `30d` and the like. Errors: InvalidRequest."""
    read = _TTL.fullmatch(text)
    if read is None:
        raise InvalidRequest(f"`{text}` is no time; expected one as `90m`, `12h` or `30d`")
    return int(read[1]) * _UNITS[read[2]]


def _print_new(added: NewKey, *, as_json: bool) -> None:
    if as_json:
        emit(added)
        return
    key = added.key
    if added.token:
        note(f"the key {key.name}, shown this once; a program finds it in {KEY_VARIABLE}")
    else:
        note(f"{key.identity} holds the key {key.name}, after `holdfast login`")
    note(f"it opens sessions of {key.agent}, {_for(key)}, until {clock(key.expires_at_ns)} UTC")
    if added.token:
        say(added.token)


def _row(key: KeyView) -> tuple[object, ...]:
    spent = "; ".join(_spent(key))
    used, until = _at(key.used_at_ns), clock(key.expires_at_ns)
    return (key.name, key.state, key.agent, _for(key), spent, key.opened, used, until)


def _for(key: KeyView) -> str:
    users = "any user" if key.users == ("*",) else ", ".join(key.users)
    task = f", task {key.task}" if key.task else ""
    return plain(f"{key.tenant}/{key.project}, {users}{task}")


def _spent(key: KeyView) -> list[str]:
    return [
        f"{amount(one.dimension, one.settled)} of {amount(one.dimension, one.limit)}"
        f" {one.dimension} ({one.window})"
        for one in key.budget
    ]


def _at(at_ns: int) -> str:
    return clock(at_ns) if at_ns else "never"


def register(tree: typer.Typer) -> None:
    """Add `keys`."""
    tree.add_typer(app, name="keys")

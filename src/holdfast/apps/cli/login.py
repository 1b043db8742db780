"""`holdfast login` and `logout`: a terminal that is signed in with the identity provider."""

import asyncio
import os
from pathlib import Path

import typer

from holdfast.apps.cli.printing import emit, note, plain, say
from holdfast.apps.cli.reaching import address
from holdfast.apps.cli.verbs import Json, Project, verb
from holdfast.client import Client, DeviceBegun, SignedIn
from holdfast.client.logins import Login, keep_login, login_at
from holdfast.errors import Denied, NotFound, Unauthenticated, Unavailable

_Url = typer.Option("", "--url", help="The server; the one of the project if not given.")


async def login(
    url: str = _Url,
    key: str = typer.Option("", "--key", help="Sign in as the holder of this spending key."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Sign this terminal in: prints where to go and a code, and waits until you went there."""
    at = address(url, project)
    async with Client(at) as client:
        begun = await client.sign_ins.begin_device()
        note(f"open {plain(begun.whole_url or begun.url)}")
        note(f"and type {plain(begun.user_code)}")
        opened = await _waited(client, begun, key)
    holder = opened.sign_in.operator
    keep_login(at, Login(holder, opened.token), os.environ)
    if as_json:
        emit({"url": at, "signed_in": holder})
    else:
        say(f"signed in at {at} as {plain(holder)}")


async def _waited(client: Client, begun: DeviceBegun, key: str) -> SignedIn:
    """Errors: Denied when nobody signed in in time, and as the server says."""
    loop = asyncio.get_running_loop()
    until_s, wait_s = loop.time() + begun.life_s, float(begun.interval_s)
    while loop.time() < until_s:
        await asyncio.sleep(wait_s)
        try:
            found = await client.sign_ins.open_device(begun.held, key=key)
        except Unavailable:
            continue
        if found.signed_in is not None:
            return found.signed_in
        wait_s += 5.0 * found.slower
    raise Denied("nobody signed in in time; begin again")


async def logout(url: str = _Url, project: Path | None = Project, as_json: bool = Json) -> None:
    """Sign this terminal out, at the server too."""
    at = address(url, project)
    kept = login_at(at, os.environ)
    if kept is None:
        raise NotFound(f"nobody is signed in at {at} on this terminal")
    keep_login(at, None, os.environ)
    try:
        async with Client(at, kept.token) as client:
            await client.sign_ins.leave()
    except (Unauthenticated, Unavailable) as error:
        note(f"the server was not told: {error.message}")
    if as_json:
        emit({"url": at, "signed_out": kept.holder})
    else:
        say(f"signed out at {at}")


def register(tree: typer.Typer) -> None:
    """Add `login` and `logout`."""
    verb(tree, "login")(login)
    verb(tree, "logout")(logout)

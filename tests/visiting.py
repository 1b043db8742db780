"""A browser without scripts in the test's own process, over the real API."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
from starlette.applications import Starlette
from starlette.routing import Mount

from holdfast.apps.console.app import create_console
from holdfast.apps.console.visits import csrf_of
from holdfast.apps.control.operator_file import Operator, Operators
from holdfast.apps.control.sign_in_file import SignIns
from tests.control_house import ONE_TENANT, House

URL = "http://127.0.0.1:8787"
COOKIE = "holdfast_8787"


class Browser:
    """A browser without scripts, and the server's parts behind it."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house = house
        operators = Operators(folder)
        operators.add(Operator("kim", "", 1))
        self.sign_ins = SignIns(
            folder, lambda name: "one" if name == "admin" else operators.credential_of(name)
        )
        house.deps = dataclasses.replace(house.deps, operators=operators, sign_ins=self.sign_ins)
        console = create_console(house.app, url=URL, public_url="", over=asyncio.Event())
        app = Starlette(routes=[Mount("/console", console)])
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url=URL, headers={"origin": URL}
        )

    def code(self, operator: str = "admin") -> str:
        return self.sign_ins.link(operator, self.house.clock.now_ns())[0]

    async def sign_in(self, operator: str = "admin", **fields: str) -> httpx2.Response:
        data = {"code": self.code(operator), "next": ""} | fields
        return await self.http.post("/console/sign-in", data=data)

    async def post(self, path: str, **fields: object) -> httpx2.Response:
        fields = {"csrf": csrf_of(self.http.cookies[COOKIE])} | fields
        return await self.http.post(f"/console/{path}", data=fields)


def visited(
    folder: Path, main: Callable[[Browser], Awaitable[None]], text: str = ONE_TENANT
) -> None:
    """Run `main` with a browser of its own."""

    async def whole() -> None:
        browser = Browser(House(text), folder)
        async with browser.http:
            await main(browser)

    asyncio.run(whole())

"""From a page's values to its answer: one `render`, which knows a whole page from a part of it.

A page of a noun is `templates/<noun>/page.html`, the part of it that is fetched by itself
`_fragment.html`. Rendering runs beside the loop, on which answers of models stream.
"""

import asyncio
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from holdfast.apps.console.assets import address_of
from holdfast.apps.console.showing import FILTERS, finalized


class Page(NamedTuple):
    """What is shown: a noun, its values, and which of its templates, `page` unless it says so."""

    noun: str
    values: dict[str, Any]
    template: str = "page"
    status: int = 200


@cache
def environment() -> Environment:
    """Everything is escaped, and a name that nobody set is a fault."""
    made = Environment(
        loader=PackageLoader("holdfast.apps.console"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= FILTERS
    made.globals["asset"] = address_of
    return made


def wants_fragment(request: Request) -> bool:
    """Whether only the part is asked for; a page out of the history is whole."""
    headers = request.headers
    asked = headers.get("hx-request") == "true"
    return asked and headers.get("hx-history-restore-request") != "true"


async def render(request: Request, page: Page) -> Response:
    """The answer to a request."""
    part = page.template == "page" and wants_fragment(request)
    text = await drawn(page.noun, "_fragment" if part else page.template, page.values)
    return HTMLResponse(text, page.status, headers={"vary": "hx-request"})


async def drawn(noun: str, template: str, values: dict[str, Any]) -> str:
    """The text of one template of a noun."""
    found = environment().get_template(f"{noun}/{template}.html")
    return await asyncio.to_thread(found.render, values)

"""The page that asks whoever is not signed in how they want to be."""

from urllib.parse import urlsplit

from starlette.requests import Request

from holdfast.apps.console.pages import Page
from holdfast.apps.console.visits import Visits, own_place
from holdfast.errors import HoldfastError

MOST_CHARACTERS = 500


async def asking(
    visits: Visits, request: Request, *, code: str = "", fault: HoldfastError | None = None
) -> Page:
    """The page, with what went wrong; `code` is that of the link that was followed."""
    way = await visits.connect("").sign_ins.identity_way()
    values = {
        "me": None,
        "noun": "sign_in",
        "code": code,
        "fault": fault.message if fault is not None else "",
        "next": own_place(request.query_params.get("next", "")),
        "provider": urlsplit(way.issuer).netloc,
    }
    return Page("sign_in", values, "page", fault.http_status if fault is not None else 200)

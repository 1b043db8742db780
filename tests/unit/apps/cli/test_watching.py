"""Following a session's journal: what is asked of the server, page after page."""

import asyncio
from typing import Any

import pytest

from holdfast.apps.cli.watching import Watch


class TwoTenants:
    """A server with several tenants, which reads no journal without being told whose."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def records(self, **query):
        self.asked.append(query)
        return ()


@pytest.mark.parametrize("tenant", ["acme", "globex", ""])
def test_a_watch_names_its_tenant_at_every_look(tenant):
    server: Any = TwoTenants()
    watch = Watch(server, tenant, "ses_1", as_json=False)
    asyncio.run(watch.catch_up())
    asyncio.run(watch.catch_up())
    assert [(q["tenant"], q["session"]) for q in server.asked] == [(tenant, "ses_1")] * 2

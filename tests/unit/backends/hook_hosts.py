"""What tests of hook hosts share: a question, and hosts that are closed in any case."""

import asyncio
from pathlib import Path

from holdfast.model.hooks import HookInput, HookPoint
from holdfast.model.principals import Principal, TrustLevel


def given(agent="clerk", point=HookPoint.PRE_TOOL, **more):
    who = Principal(
        tenant="acme",
        project="shop",
        user="ann",
        agent=agent,
        session="ses_1",
        task="ses_1",
        trust=TrustLevel.AUTONOMOUS,
    )
    return HookInput(point=point, principal=who, tool="look", **more)


def with_hosts(hosts, scenario):
    async def main():
        try:
            await scenario()
        finally:
            await hosts.close()

    asyncio.run(main())


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

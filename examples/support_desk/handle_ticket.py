"""A governed agent in a program of your own: open a session, govern the options, go on as before.

Run it in this folder while `holdfast up` runs in it: `python handle_ticket.py TCK-2001`.
"""

import asyncio
import sys
from pathlib import Path

from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, ResultMessage
from shop import create, server  # type: ignore[import-not-found]  # beside this file

from holdfast.client import connect
from holdfast.integrations.claude_agent_sdk import govern

FOLDER = Path(__file__).parent


async def handle(ticket: str) -> None:
    """Let the desk's agent handle one ticket, and print what it says at the end."""
    database = FOLDER / "shop.db"
    if not database.exists():
        create(database)
    async with connect(project_dir=FOLDER) as holdfast:
        session = await holdfast.sessions.open(agent="support", user="ann", task="refunds")
        options = ClaudeAgentOptions(cwd=FOLDER, tools=[], mcp_servers={"shop": server(database)})
        async with ClaudeSDKClient(govern(options, session)) as agent:
            await agent.query(f"Please handle ticket {ticket}.")
            async for message in agent.receive_response():
                if isinstance(message, ResultMessage):
                    print(message.result)
        await session.end()


if __name__ == "__main__":
    asyncio.run(handle(sys.argv[1] if len(sys.argv) > 1 else "TCK-2001"))

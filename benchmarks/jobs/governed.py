"""A program with the Agent SDK under `govern()`, in a process of its own.

Reads one JSON document from standard input (`Work`), types each prompt when the one before is
answered, and writes what each ended with as one JSON line.
"""

import asyncio
import sys
from typing import Any

import msgspec
from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, ResultMessage, SandboxSettings

from holdfast.client import Session
from holdfast.integrations.claude_agent_sdk import govern
from holdfast.model.views.sessions import SessionPlan

# Every command in the CLI's own sandbox, none outside of it, and none allowed because of it.
_HELD: SandboxSettings = {
    "enabled": True,
    "autoAllowBashIfSandboxed": False,
    "allowUnsandboxedCommands": False,
}


class Work(msgspec.Struct):
    """What is typed where, by whom; `environment` is what the client's processes have."""

    url: str
    token: str
    plan: dict[str, Any]
    cwd: str
    prompts: list[str]
    environment: dict[str, str]
    servers: dict[str, Any]
    sandboxed: bool


async def work(given: Work) -> None:
    """Type the prompts; one JSON line each on standard output."""
    plan = msgspec.convert(given.plan, SessionPlan)
    async with await Session.attach(given.url, given.token, plan=plan) as session:
        options = ClaudeAgentOptions(
            cwd=given.cwd,
            env=given.environment,
            mcp_servers=given.servers,
            sandbox=_HELD if given.sandboxed else None,
        )
        async with ClaudeSDKClient(govern(options, session)) as client:
            for prompt in given.prompts:
                await client.query(prompt)
                async for message in client.receive_response():
                    if isinstance(message, ResultMessage):
                        told = {"result": message.result, "is_error": message.is_error}
                        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
                        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(work(msgspec.json.decode(sys.stdin.buffer.read(), type=Work)))

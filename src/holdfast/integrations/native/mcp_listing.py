"""What an MCP server (stdio) says of its tools, asked of a server that is not trusted.

Three messages of the protocol, written here so that time, bytes and counts are bounded before
anything is kept. However a server behaves, the answer is a listing, with one sentence in `fault`
where it did not come to an end. Not here: calling a tool (`mcp_tools`).
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from holdfast.integrations.native.mcp_tools import surroundings
from holdfast.model.tool_standard import Definition, ServerListing
from holdfast.ports.sandbox import Pipes, Program, Sandbox

MOST_TOOLS = 1_000
LIST_S = 30.0
_MOST_LINE_BYTES = 4 * 1024 * 1024
_MOST_BYTES = 8 * 1024 * 1024
_MOST_PAGES = 100
_MOST_SHOWN = 200
_END_S = 1.0
_AT_ONCE = 4
_PROTOCOL = "2025-06-18"
_NO_SUCH_METHOD = -32601


class _Fault(Exception):
    """Why a server's listing ended early, in one sentence."""


async def listings(
    servers: Mapping[str, Mapping[str, Any]],
    folder: Path,
    environment: Mapping[str, str],
    sandbox: Sandbox,
    *,
    within_s: float,
) -> list[ServerListing]:
    """Ask several servers, a few at a time; those not reached in time say so."""
    turn = asyncio.Semaphore(_AT_ONCE)
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s

    async def one(name: str, told: Mapping[str, Any]) -> ServerListing:
        async with turn:
            left = min(LIST_S, end - loop.time())
            if left <= 0:
                return ServerListing(server=name, fault="no time was left to ask it")
            return await listing(name, told, folder, environment, sandbox, within_s=left)

    return list(await asyncio.gather(*(one(name, told) for name, told in servers.items())))


async def listing(
    name: str,
    told: Mapping[str, Any],
    folder: Path,
    environment: Mapping[str, str],
    sandbox: Sandbox,
    *,
    within_s: float = LIST_S,
) -> ServerListing:
    """Start a server, ask for its tools, end it with all that it started. Never raises for it."""
    try:
        process = await _started(told, folder, environment, sandbox)
    except _Fault as why:
        return ServerListing(server=name, fault=str(why))
    conversation = _Conversation(process)
    said = _LastLine()
    definitions: tuple[Definition, ...] = ()
    fault = ""
    async with asyncio.TaskGroup() as tasks:
        drain = tasks.create_task(said.follow(process.stderr))
        try:
            async with asyncio.timeout(within_s):
                definitions = await conversation.tools()
        except TimeoutError:
            fault = f"it did not list its tools within {within_s:.0f} s"
        except _Fault as why:
            fault = str(why)
        finally:
            await _ended(process)
            drain.cancel()
    if fault and said.text:
        fault = f"{fault}; it said: {said.text}"
    return ServerListing(server=name, definitions=definitions, fault=fault)


async def _started(
    told: Mapping[str, Any], folder: Path, environment: Mapping[str, str], sandbox: Sandbox
) -> asyncio.subprocess.Process:
    command, arguments, own = told.get("command"), told.get("args", []), told.get("env", {})
    if told.get("type", "stdio") != "stdio" or not isinstance(command, str) or not command:
        raise _Fault("it is not one that a command starts, and no other kind is asked")
    if not isinstance(arguments, list) or not isinstance(own, dict):
        raise _Fault("its `args` are not a list, or its `env` is not a mapping")
    words = {str(key): str(value) for key, value in own.items()}
    try:
        return await sandbox.start(
            Program(
                arguments=(command, *(str(argument) for argument in arguments)),
                stdin=Pipes.PIPE,
                stdout=Pipes.PIPE,
                stderr=Pipes.PIPE,
                most_line_bytes=_MOST_LINE_BYTES,
                folder=str(folder),
                environment={**surroundings(environment), **words},
            )
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _Fault(f"it does not start: {why.lower()}") from None


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Its input closed, a moment to leave by itself, then the end of its whole group."""
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(_left(process), _END_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(_left(process), _END_S)


async def _left(process: asyncio.subprocess.Process) -> None:
    """Until it is gone; a process whose output nobody takes does not go."""
    while process.stdout is not None and await process.stdout.read(65_536):
        pass
    await process.wait()


class _LastLine:
    """The last line of a stream, short and printable; the rest is let go."""

    def __init__(self) -> None:
        self._tail = b""

    async def follow(self, stream: asyncio.StreamReader | None) -> None:
        while stream is not None and (piece := await stream.read(65_536)):
            self._tail = (self._tail + piece)[-4096:]

    @property
    def text(self) -> str:
        lines = self._tail.decode("utf-8", "replace").strip().splitlines() or [""]
        return "".join(c if c.isprintable() else " " for c in lines[-1][:_MOST_SHOWN]).strip()


class _Conversation:
    """Requests and their answers, a line each; whatever else the server says is passed over."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a server is started with pipes")
        self._input, self._output = process.stdin, process.stdout
        self._serial = 0
        self._left = _MOST_BYTES

    async def tools(self) -> tuple[Definition, ...]:
        """Every tool of every page. Errors: _Fault."""
        client = {"name": "holdfast", "version": "1"}
        opening = {"protocolVersion": _PROTOCOL, "capabilities": {}, "clientInfo": client}
        await self._ask("initialize", opening)
        await self._tell({"method": "notifications/initialized"})
        found: list[Definition] = []
        cursor = ""
        for _ in range(_MOST_PAGES):
            page = await self._ask("tools/list", {"cursor": cursor} if cursor else {})
            found += _definitions(page, MOST_TOOLS - len(found))
            following = page.get("nextCursor")
            if not following:
                return tuple(found)
            if not isinstance(following, str) or following == cursor:
                raise _Fault("its pages of tools do not end")
            cursor = following
        raise _Fault(f"it lists its tools on more than {_MOST_PAGES} pages")

    async def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._serial += 1
        await self._tell({"id": self._serial, "method": method, "params": params})
        while True:
            message = await self._heard()
            if "method" in message:
                await self._refuse(message)
            elif message.get("id") == self._serial:
                result = message.get("result")
                if not isinstance(result, dict):
                    raise _Fault(f"it answers `{method}` with an error")
                return result

    async def _refuse(self, message: dict[str, Any]) -> None:
        """A server may ask its client too; all that it gets is that this one is alive."""
        if "id" not in message:
            return
        if message["method"] == "ping":
            await self._tell({"id": message["id"], "result": {}})
        else:
            error = {"code": _NO_SUCH_METHOD, "message": "not offered"}
            await self._tell({"id": message["id"], "error": error})

    async def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._input.write(msgspec.json.encode({"jsonrpc": "2.0", **message}) + b"\n")
            await self._input.drain()
        except (OSError, RuntimeError):
            raise _Fault("it ended before it had listed its tools") from None

    async def _heard(self) -> dict[str, Any]:
        """The next line that is a message; what is not JSON is a banner."""
        while True:
            try:
                line = await self._output.readline()
            except ValueError:
                raise _Fault(f"a line of it is longer than {_MOST_LINE_BYTES} bytes") from None
            if not line:
                raise _Fault("it ended before it had listed its tools")
            self._left -= len(line)
            if self._left < 0:
                raise _Fault(f"it wrote more than {_MOST_BYTES} bytes")
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                raise _Fault("it wrote what is not UTF-8") from None
            try:
                message = msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError):
                if line.lstrip().startswith(b"{"):
                    raise _Fault("it wrote a message that is not JSON") from None
                continue
            if isinstance(message, dict):
                return message


def _definitions(page: dict[str, Any], room: int) -> list[Definition]:
    tools = page.get("tools")
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise _Fault("its list of tools is not one")
    if len(tools) > room:
        raise _Fault(f"it lists more than {MOST_TOOLS} tools")
    return [_definition(tool) for tool in tools]


def _definition(tool: dict[str, Any]) -> Definition:
    name = tool.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= 256:
        raise _Fault("one of its tools has no name, or an endless one")
    shown = "".join(c if c.isprintable() else "?" for c in name[:64])
    texts = {key: tool.get(key) or "" for key in ("description", "title")}
    shapes = {key: tool.get(key) for key in ("inputSchema", "outputSchema", "annotations")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise _Fault(f"the description of its tool `{shown}` is not text")
    if not all(shape is None or isinstance(shape, dict) for shape in shapes.values()):
        raise _Fault(f"a schema of its tool `{shown}` is not an object")
    return Definition(
        name=name,
        description=texts["description"],
        title=texts["title"],
        input_schema=shapes["inputSchema"] or {},
        output_schema=shapes["outputSchema"],
        annotations=shapes["annotations"] or {},
    )

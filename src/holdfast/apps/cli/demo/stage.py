"""Where the scenes play: a copy of the example, a scripted model, a server, and agents.

Not here: what a scene does and what must hold (`scenes` and its siblings).
"""

import asyncio
import importlib.util
import shutil
import signal
import sys
import sysconfig
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

import holdfast
from holdfast.apps.cli.agent_process import builtin_tools, quiet_sdk
from holdfast.apps.cli.demo.script import script
from holdfast.apps.cli.project import python_module
from holdfast.apps.cli.server import started
from holdfast.client import Client, Session, SessionView, connect
from holdfast.errors import ConfigInvalid
from holdfast.integrations.claude_agent_sdk import govern
from holdfast.model.events import Kind, Record
from holdfast.testing.scripted_model import ScriptedModel

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions, Message

FAKE_KEY = "sk-ant-demo-not-a-key"
KEY_VARIABLE = "ANTHROPIC_API_KEY"
PLAY_TIMEOUT_S = 120.0
END_TIMEOUT_S = 10.0
_PAGE = 500
# The demo starts afresh, also where somebody has worked in the example's folder.
_LEFT_BY_USE = ("__pycache__", ".holdfast", "shop.db*", "*.jsonl")
_UPSTREAM = """
# Added by the demo: a scripted model in the provider's place.
upstreams:
  anthropic: {{base_url: "{url}", max_tokens_per_s: 512}}
# And a worker that is gone is noticed sooner than usual.
runs: {{lease_s: 2}}
# A question that nobody answers is over soon; usually a person has a day.
approvals: {{expires_s: 12}}
"""


class ShopBooks(Protocol):
    """The shop, as far as the demo reads it."""

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """The rows of a query."""
        ...


class Play(msgspec.Struct, kw_only=True):
    """One session from its first word to its last: what the SDK said and the journal holds."""

    session: Session
    view: SessionView
    records: list[Record]
    messages: list[Any]
    fault: str
    seconds: float

    def of(self, kind: Kind, tool: str = "") -> list[Record]:
        """Records of one kind, and of one tool where it is named."""
        return [r for r in self.records if r.kind is kind and tool in ("", r.tool)]


class Stage:
    """Everything that the scenes share."""

    def __init__(
        self, folder: Path, client: Client, model: ScriptedModel, shop: ShopBooks, mcp: Any
    ) -> None:
        self.folder = folder
        self.client = client
        self.model = model
        self.shop = shop
        self._mcp = mcp
        self.notes: dict[str, Any] = {}

    async def open(
        self, agent: str, user: str, *, task: str = "", limits: dict[str, str] | None = None
    ) -> Session:
        """A session of one of the example's agents."""
        return await self.client.sessions.open(agent=agent, user=user, task=task, limits=limits)

    async def options(self, session: Session, **given: Any) -> "ClaudeAgentOptions":
        """What an agent's program writes: its own options, then `govern`."""
        from claude_agent_sdk import ClaudeAgentOptions

        options = ClaudeAgentOptions(
            cwd=self.folder,
            tools=builtin_tools(session.plan),
            mcp_servers={"shop": self._mcp(self.folder / "shop.db")},
            **given,
        )
        return govern(options, session)

    async def play(
        self,
        session: Session,
        words: str,
        *,
        change: Callable[["ClaudeAgentOptions"], None] | None = None,
        **given: Any,
    ) -> Play:
        """Say `words` to the session's agent and let the real SDK do the rest.

        `change` tampers with the options after they were governed.
        """
        options = await self.options(session, **given)
        if change is not None:
            change(options)
        begun = time.monotonic()
        messages: list[Message] = []
        fault = ""
        try:
            async with asyncio.timeout(PLAY_TIMEOUT_S):
                fault = await _converse(words, options, messages)
        except TimeoutError:
            fault = f"it did not end within {PLAY_TIMEOUT_S:g} s"
        seconds = time.monotonic() - begun
        return await self.seen(session, messages, fault, seconds)

    async def seen(self, session: Session, messages: list[Any], fault: str, seconds: float) -> Play:
        """The session as the server has it now."""
        return Play(
            session=session,
            view=await self.client.sessions.show(session.session_id),
            records=await self.records(session),
            messages=messages,
            fault=fault,
            seconds=seconds,
        )

    async def records(self, session: Session) -> list[Record]:
        """The whole journal of one session."""
        found: list[Record] = []
        while True:
            after_seq = found[-1].seq if found else 0
            page = await self.client.records(
                session=session.session_id, after_seq=after_seq, limit=_PAGE
            )
            found += page
            if len(page) < _PAGE:
                return found

    @asynccontextmanager
    async def program(
        self, module: str, *arguments: str
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """One of our programs in the project's folder; it has ended when the block has."""
        process = await asyncio.create_subprocess_exec(
            *python_module(module, arguments),
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            await ended(process)

    def ran(self, tool: str) -> int:
        """How often a tool of the shop really ran, by the shop's own count."""
        return int(self.shop.rows("SELECT count(*) AS n FROM calls WHERE tool = ?", tool)[0]["n"])


async def ended(process: asyncio.subprocess.Process) -> None:
    """Interrupt a program of ours as Ctrl-C does, and end it if that is not enough."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(process.communicate(), END_TIMEOUT_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _converse(words: str, options: "ClaudeAgentOptions", messages: list[Any]) -> str:
    """What the agent's program reported as wrong, empty when it ended well."""
    from claude_agent_sdk import ClaudeSDKClient, ResultMessage

    quiet_sdk()
    fault = "the agent ended without a result"
    try:
        async with ClaudeSDKClient(options) as agent:
            await agent.query(words)
            async for message in agent.receive_response():
                messages.append(message)
                if isinstance(message, ResultMessage):
                    failed = message.is_error or message.subtype != "success"
                    fault = (message.result or message.subtype) if failed else ""
    except Exception as error:  # noqa: BLE001 - the SDK raises bare Exception, too
        return str(error) or type(error).__name__
    return fault


def example() -> Path:
    """The support desk's folder: in the checkout, or where the package installed it."""
    checkout = Path(holdfast.__file__).resolve().parents[2]
    installed = Path(sysconfig.get_path("data"), "share", "holdfast")
    for root in (checkout, installed):
        folder = root / "examples" / "support_desk"
        if (folder / "holdfast.yaml").is_file():
            return folder
    raise ConfigInvalid("the support desk of the demo was not installed")


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    """Set the stage in an empty folder, and clear it away afterwards (the folder stays)."""
    project = folder / "project"
    shutil.copytree(example(), project, ignore=shutil.ignore_patterns(*_LEFT_BY_USE))
    shop = _module(project / "shop.py")
    books = shop.Shop(shop.create(project / "shop.db"))
    with ScriptedModel(script(), api_keys=frozenset({FAKE_KEY})) as model:
        with (project / "holdfast.yaml").open("a", encoding="utf-8") as settings:
            settings.write(_UPSTREAM.format(url=model.url))
        async with (
            started(project, {KEY_VARIABLE: FAKE_KEY}),
            connect(project_dir=project, spends=False) as client,
        ):
            yield Stage(project, client, model, books, shop.server)


def _module(path: Path) -> Any:
    """The example's shop, as a program that owns it would import it."""
    spec = importlib.util.spec_from_file_location("support_desk_shop", path)
    if spec is None or spec.loader is None:
        raise ConfigInvalid("the shop of the demo cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module

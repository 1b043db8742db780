"""What may leave for a provider: admission makes the proof of it, and nothing is sent without one.

A `Clearance` stands for one request of a client that was admitted: the session lives and has
something left to spend, the models are the agent's, what the provider is to do by itself is
granted, the history is evidence. What is sent comes out of it (`ports.llm.Cleared`): the paid
call, the count that prices it, the client's own count. So no byte of a body leaves before it was
judged, whoever sends it. In a relay the server's word, which follows the same judgement, takes the
place of the proof.

Not here: what each check asks (`provider_grants`, `admission`), money (`holding`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec

from holdfast.core.claude_cli import AGENT_ID, is_cli
from holdfast.core.edits import Edits
from holdfast.core.large import Requested
from holdfast.core.messages import BadRequest, ModelRequest, edited, read_request, renamed
from holdfast.core.wire.admitted import Admitted
from holdfast.core.wire.betas import Betas
from holdfast.core.wire.splicing import Change
from holdfast.core.wire.takes import Fitted
from holdfast.errors import InvalidRequest
from holdfast.ports.llm import Cleared
from holdfast.ports.readers import Body
from holdfast.runtime.admission import Admission
from holdfast.runtime.exhaustion import exhausted
from holdfast.runtime.fitting import fit, judged_betas, listing
from holdfast.runtime.free_calls import FreeCalls
from holdfast.runtime.hooked import check_client
from holdfast.runtime.live import LiveSession
from holdfast.runtime.provider_grants import ProviderGrants, check_models
from holdfast.runtime.providers import Provider
from holdfast.runtime.request_reading import RequestReader, whole
from holdfast.runtime.services import Services

COUNT = "/v1/messages/count_tokens"
# What the provider may add around one more block of text.
_TOLD_TOKENS = 64
_cleared = Cleared._of  # noqa: SLF001 -- the only place that makes one


class ClientRequest(msgspec.Struct, frozen=True):
    """What a client sent; of a large body that stayed in a relay, what came of reading it there."""

    path: str
    headers: Mapping[str, str]
    body: Body | Requested

    @property
    def here(self) -> Body:
        """Its body. Errors: TypeError where that stayed in a relay."""
        if isinstance(self.body, Requested):
            raise TypeError("the body of this request stayed in a relay")
        return self.body


class Clearance:
    """Proof that a request was admitted; made by `Clearing` alone.

    `request` is as it is asked of an upstream, of a fallback with that one's model; `model` is the
    client's. `contents` takes the place of results that may not be shown, by (message, block);
    `removed` was taken out of the client's request, which `request` is without. `told` is the task
    of its session, for a client that gives up parts of its history by itself: it stands in each
    request of the conversation, so whatever the client gave up, the model reads it to the letter.
    """

    __slots__ = ("_given", "_reader", "betas", "contents", "model", "removed", "request", "told")
    request: ModelRequest
    betas: Betas
    contents: Mapping[tuple[int, int], str]
    model: str
    removed: tuple[Change, ...]
    told: str
    _given: ClientRequest
    _reader: RequestReader

    def __init__(self) -> None:
        raise TypeError("a clearance is made by admission alone")

    def fits(self, provider: Provider) -> Fitted:
        """What of it goes to a provider. Errors: InvalidRequest."""
        return fit(self.request, self.betas, provider)

    def edits(self, fits: Fitted) -> Edits:
        """The edits that every sending of it needs."""
        return Edits(
            model=self.request.model if self.request.model != self.model else "",
            contents=tuple((*place, text) for place, text in self.contents.items()),
            changes=fits.changes,
            betas=fits.betas,
            removed=self.removed,
            told=self.told,
        )

    @property
    def told_tokens(self) -> int:
        """The most that `told` adds to the input."""
        return len(msgspec.json.encode(self.told)) + _TOLD_TOKENS if self.told else 0

    @property
    def elsewhere(self) -> bool:
        """Whether its body stayed in a relay: nothing of it can be sent from here."""
        return isinstance(self._given.body, Requested)

    def call(self, edits: Edits) -> AbstractAsyncContextManager[Cleared]:
        """The request itself, with these edits. Errors: as `on_the_servers_word`."""
        return on_the_servers_word(self._given, edits, self._reader)

    def prices(self, fits: Fitted) -> AbstractAsyncContextManager[Cleared]:
        """A count of its input, as it will be sent. Errors: as `call`."""
        return to_count_there(self._given, self.edits(fits), self._reader)


@asynccontextmanager
async def on_the_servers_word(
    given: ClientRequest, edits: Edits, reader: RequestReader
) -> AsyncIterator[Cleared]:
    """What a relay sends on the word of the server, which admitted this very body.

    Errors: Unavailable, TooLarge where a large one could not be written.
    """
    async with reader.edited(given.here, edits) as sent:
        yield _cleared("POST", given.path, edits.headed(given.headers), sent)


@asynccontextmanager
async def to_count_there(
    given: ClientRequest, edits: Edits, reader: RequestReader
) -> AsyncIterator[Cleared]:
    """A count that prices a call, also on the server's word. Errors: as `on_the_servers_word`."""
    query = given.path.partition("?")[2]
    target = COUNT + (f"?{query}" if query else "")
    async with reader.counted(given.here, edits) as sent:
        yield _cleared("POST", target, edits.headed(given.headers), sent)


def told_to_list(path: str, headers: Mapping[str, str], admitted: Admitted) -> Cleared:
    """A read of `/v1/models`, which holds nothing of a session. Errors: InvalidRequest."""
    return _cleared("GET", path, listing(headers, admitted), b"")


class Clearing:
    """Admits requests, and makes the proof."""

    def __init__(
        self,
        services: Services,
        *,
        admission: Admission,
        grants: ProviderGrants,
        reader: RequestReader,
    ) -> None:
        self._sessions = services.sessions
        self._budgets = services.budgets
        self._journal = services.journal
        self._admission = admission
        self._grants = grants
        self._admitted = reader.admitted
        self._reader = reader
        self._free_calls = FreeCalls(services.journal, services.clock)

    async def call(self, live: LiveSession, given: ClientRequest) -> Clearance:
        """Admit one `POST /v1/messages`; money is asked later. Errors: every typed refusal."""
        self._sessions.check_live(live)
        await check_client(live, given.headers, self._journal)
        request = await self._read(given.body, self._reader.read)
        self._sessions.check_live(live)  # Killed while a large one was read: it costs nothing.
        clearance = self._judged(live, given, request)
        await self._granted(live, clearance)
        clearance.contents = await self._admission.admit(live, clearance.request)
        return clearance

    async def count(self, live: LiveSession, given: ClientRequest) -> Clearance:
        """Admit one `count_tokens`: all that a paid call would have to be, its evidence too.

        No model reads it, so it makes nothing known as done, taints nothing and stops nobody.
        Errors: as `call`, Exhausted where there is nothing left to spend on a call; RateLimited.
        """
        self.free(live)
        await check_client(live, given.headers, self._journal)
        request = await self._read(given.body, self._reader.count)
        self._sessions.check_live(live)
        clearance = self._judged(live, given, request)
        await self._check_room(live)
        await self._granted(live, clearance, counting=True)
        clearance.contents = await self._admission.look(live, clearance.request)
        self._sessions.check_live(live)
        return clearance

    def fallen_back(self, live: LiveSession, clearance: Clearance, model: str) -> Clearance:
        """The same request of another model. Errors: Denied, InvalidRequest."""
        if clearance.request.calls is not None:
            read: ModelRequest | BadRequest = renamed(clearance.request, model)
        else:
            read = read_request(edited(clearance.request.body, model=model), self._admitted)
        if isinstance(read, BadRequest):
            raise InvalidRequest(read.text)
        check_models(live, read)
        made = self._proof(read, clearance.betas, clearance._given, clearance.model)  # noqa: SLF001
        made.contents, made.removed = clearance.contents, clearance.removed
        made.told = clearance.told
        return made

    def free(self, live: LiveSession) -> None:
        """Whether a session may ask for what costs nothing; a stopped one may not.

        Errors: SessionStopped, CredentialExpired, RateLimited.
        """
        self._sessions.check_live(live)
        self._free_calls.enter(live)

    async def _read(
        self,
        body: Body | Requested,
        read: Callable[[Body], Awaitable[ModelRequest | BadRequest]],
    ) -> ModelRequest | BadRequest:
        if not isinstance(body, Requested):
            return await read(body)
        return await whole(body)

    def _judged(
        self, live: LiveSession, given: ClientRequest, request: ModelRequest | BadRequest
    ) -> Clearance:
        if isinstance(request, BadRequest):
            raise InvalidRequest(request.text)
        betas = judged_betas(given.headers, request, self._admitted)
        check_models(live, request)
        made = self._proof(request, betas, given, request.model)
        made.told = _task(live, given, request)
        return made

    async def _granted(
        self, live: LiveSession, clearance: Clearance, *, counting: bool = False
    ) -> None:
        """Ask for what needs a grant; what is taken out instead is gone from the proof."""
        grants, given = self._grants, clearance._given  # noqa: SLF001
        if clearance.elsewhere:
            # Nothing can be taken out of what stayed in a relay: it is refused instead.
            await grants.check(live, clearance.request, counting=counting, removes=False)
            return
        removed = await grants.check(live, clearance.request, counting=counting)
        if not removed:
            return
        read = self._reader.count if counting else self._reader.read
        again = await read(given.here, without=removed)
        self._sessions.check_live(live)
        if isinstance(again, BadRequest):
            raise InvalidRequest(again.text)
        # What asks for the same in another place is found, and refused, as if it stood alone.
        await self._grants.check(live, again, counting=counting, removes=False)
        clearance.request, clearance.removed = again, removed

    async def _check_room(self, live: LiveSession) -> None:
        """An account that is spent, and stops its model calls, refuses a count, too."""
        async with self._budgets.at_hand(live.chain):
            full = self._budgets.full(live.chain, spared=live.spared)
        if full is not None:
            raise exhausted(full)

    def _proof(
        self, request: ModelRequest, betas: Betas, given: ClientRequest, model: str
    ) -> Clearance:
        made = object.__new__(Clearance)
        made.request, made.betas = request, betas
        made._given, made._reader = given, self._reader
        made.contents, made.model, made.removed, made.told = {}, model, (), ""
        return made


def _task(live: LiveSession, given: ClientRequest, request: ModelRequest) -> str:
    """The session's task, where Claude's own CLI asks for its conversation.

    Not in a side call, which has no tools, nor for a sub-agent, which has a task of its own. A
    program with a loop of its own owns its history, and is told nothing.
    """
    agent = _header(given.headers, AGENT_ID)
    mine = is_cli(_header(given.headers, "user-agent")) and not agent
    return live.session.task_text if mine and request.tool_names else ""


def _header(headers: Mapping[str, str], wanted: str) -> str:
    return next((value for name, value in headers.items() if name.lower() == wanted), "")

"""What may leave for a provider: admission makes the proof of it, and nothing is sent without one.

A `Clearance` stands for one request of a client that was admitted: the session lives and has
something left to spend, the models are the agent's, what the provider is to do by itself is
granted, the history is evidence. What is sent comes out of it (`ports.llm.Cleared`): the paid
call, the count that prices it, the client's own count. So no byte of a body leaves before it was
judged, whoever sends it. In a relay the server's word, which follows the same judgement, takes the
place of the proof.

Not here: what each check asks (`provider_grants`, `admission`), money (`model_calls`).
"""

from collections.abc import Mapping

import msgspec

from holdfast.core.messages import (
    BadRequest,
    ModelRequest,
    edited,
    read_count,
    read_request,
)
from holdfast.core.wire.admitted import Admitted
from holdfast.core.wire.betas import Betas
from holdfast.core.wire.headers import with_betas
from holdfast.core.wire.splicing import Change, spliced
from holdfast.core.wire.takes import Fitted
from holdfast.errors import InvalidRequest
from holdfast.model.budgets import Dimension
from holdfast.ports.llm import Cleared
from holdfast.runtime.admission import Admission
from holdfast.runtime.edits import Edits
from holdfast.runtime.exhaustion import exhausted
from holdfast.runtime.fitting import fit, judged_betas, listing
from holdfast.runtime.free_calls import FreeCalls
from holdfast.runtime.hooked import check_client
from holdfast.runtime.live import LiveSession
from holdfast.runtime.provider_grants import ProviderGrants, check_models
from holdfast.runtime.providers import Provider
from holdfast.runtime.request_reading import RequestReader
from holdfast.runtime.services import Services

COUNT = "/v1/messages/count_tokens"
_COUNTED_FIELDS = ("model", "messages", "system", "tools", "tool_choice", "thinking", "thread")
_cleared = Cleared._of  # noqa: SLF001 -- the only place that makes one


class Clearance:
    """Proof that a request was admitted; made by `Clearing` alone.

    `request` is as it is asked of an upstream, of a fallback with that one's model; `model` is the
    client's. `contents` takes the place of results that may not be shown, by (message, block);
    `removed` was taken out of the client's request, which `request` is without.
    """

    __slots__ = ("_body", "betas", "contents", "model", "removed", "request")
    request: ModelRequest
    betas: Betas
    contents: Mapping[tuple[int, int], str]
    model: str
    removed: tuple[Change, ...]
    _body: bytes

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
        )

    def call(self, path: str, headers: Mapping[str, str], edits: Edits) -> Cleared:
        """The request itself, with these edits."""
        return on_the_servers_word(path, headers, self._body, edits)

    def prices(self, query: str, headers: Mapping[str, str], fits: Fitted) -> Cleared:
        """A count of its input, as it will be sent."""
        fields = {k: self.request.fields[k] for k in _COUNTED_FIELDS if k in self.request.fields}
        left_out = (c for c in fits.changes if c.steps[0] in fields and len(c.steps) > 1)
        body = edited(spliced(msgspec.json.encode(fields), left_out), contents=self.contents)
        target = COUNT + (f"?{query}" if query else "")
        return _cleared("POST", target, with_betas(headers, fits.betas), body)


def on_the_servers_word(
    path: str, headers: Mapping[str, str], body: bytes, edits: Edits
) -> Cleared:
    """What a relay sends on the word of the server, which admitted this very body."""
    return _cleared("POST", path, edits.headed(headers), edits.applied(body))


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
        admitted: Admitted,
    ) -> None:
        self._sessions = services.sessions
        self._budgets = services.budgets
        self._journal = services.journal
        self._admission = admission
        self._grants = grants
        self._admitted = admitted
        self._reader = RequestReader(admitted)
        self._free_calls = FreeCalls(services.journal, services.clock)

    async def call(self, live: LiveSession, headers: Mapping[str, str], body: bytes) -> Clearance:
        """Admit one `POST /v1/messages`; money is asked later. Errors: every typed refusal."""
        self._sessions.check_live(live)
        await check_client(live, headers, self._journal)
        request = await self._reader.read(body)
        self._sessions.check_live(live)  # Killed while a large one was read: it costs nothing.
        clearance = self._judged(live, headers, request)
        await self._granted(live, clearance)
        clearance.contents = await self._admission.admit(live, clearance.request)
        return clearance

    async def count(self, live: LiveSession, headers: Mapping[str, str], body: bytes) -> Clearance:
        """Admit one `count_tokens`: what a paid call would have to be, but for its evidence.

        No model reads it, so it makes nothing known as done. Errors: as `call`, Exhausted where
        there is nothing left to spend on a call; RateLimited.
        """
        self.free(live)
        await check_client(live, headers, self._journal)
        request = await self._reader.count(body)
        self._sessions.check_live(live)
        clearance = self._judged(live, headers, request)
        await self._check_room(live)
        await self._granted(live, clearance, counting=True)
        clearance.contents = {
            (shown.message, shown.block): known.denial
            for shown in clearance.request.evidence
            if (known := live.calls.get(shown.call_id)) is not None and known.denial
        }
        self._sessions.check_live(live)
        return clearance

    def fallen_back(self, live: LiveSession, clearance: Clearance, model: str) -> Clearance:
        """The same request of another model. Errors: Denied, InvalidRequest."""
        read = read_request(edited(clearance.request.body, model=model), self._admitted)
        if isinstance(read, BadRequest):
            raise InvalidRequest(read.text)
        check_models(live, read)
        made = _proof(read, clearance.betas, clearance._body, clearance.model)  # noqa: SLF001
        made.contents, made.removed = clearance.contents, clearance.removed
        return made

    def free(self, live: LiveSession) -> None:
        """Whether a session may ask for what costs nothing; a stopped one may not.

        Errors: SessionStopped, CredentialExpired, RateLimited.
        """
        self._sessions.check_live(live)
        self._free_calls.enter(live)

    def _judged(
        self, live: LiveSession, headers: Mapping[str, str], request: ModelRequest | BadRequest
    ) -> Clearance:
        if isinstance(request, BadRequest):
            raise InvalidRequest(request.text)
        betas = judged_betas(headers, request, self._admitted)
        check_models(live, request)
        return _proof(request, betas, request.body, request.model)

    async def _granted(
        self, live: LiveSession, clearance: Clearance, *, counting: bool = False
    ) -> None:
        """Ask for what needs a grant; what is taken out instead is gone from the proof."""
        removed = await self._grants.check(live, clearance.request, counting=counting)
        if not removed:
            return
        read = read_count if counting else read_request
        again = read(spliced(clearance.request.body, removed), self._admitted)
        if isinstance(again, BadRequest):
            raise InvalidRequest(again.text)
        # What asks for the same in another place is found, and refused, as if it stood alone.
        await self._grants.check(live, again, counting=counting, removes=False)
        clearance.request, clearance.removed = again, removed

    async def _check_room(self, live: LiveSession) -> None:
        """An account that a model call draws on, and that is spent, refuses its count, too."""
        keys = [key for key in live.chain if key.dimension is not Dimension.TOOL_CALLS]
        async with self._budgets.at_hand(keys):
            full = self._budgets.full(keys)
        if full is not None:
            raise exhausted(full)


def _proof(request: ModelRequest, betas: Betas, body: bytes, model: str) -> Clearance:
    made = object.__new__(Clearance)
    made.request, made.betas, made._body = request, betas, body
    made.contents, made.model, made.removed = {}, model, ()
    return made

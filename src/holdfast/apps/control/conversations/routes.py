"""`/v1/guard/conversations/*` with a session's token, `/v1/conversations/*` with the admin's.

A session reaches its own user's conversations alone; the operator names tenant and user. Text is
handed through as it was written, which the shapes of the other routes would not do. Not here: what
may be saved (`runtime/conversations`).
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.routing import Route

from holdfast.apps.control.answering import Endpoint, answering, last_boundary
from holdfast.apps.control.auth import operator_at
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.openapi import Token, verb
from holdfast.apps.control.operator_file import ADMIN
from holdfast.apps.control.reading import (
    Intake,
    Report,
    Sent,
    json_of,
    shaped,
    whole_body,
)
from holdfast.errors import Denied, InvalidRequest, NotFound
from holdfast.model.conversations import Conversation, ConversationHead
from holdfast.model.views.conversations import (
    ConversationList,
    DeletedConversation,
    LoadedConversation,
)
from holdfast.ports.store_refusals import MAX_CONVERSATION_BYTES, MAX_TEXT_BYTES
from holdfast.runtime.conversations import Draft, Owner
from holdfast.runtime.live import LiveSession

_MAX_BODY_BYTES = MAX_CONVERSATION_BYTES + MAX_TEXT_BYTES
_READ_ASIDE_BYTES = 128 * 1024
"""Bodies above this are read in a thread, so that no decision waits for them."""
_MOST_LISTED = 1000


class Named(msgspec.Struct, kw_only=True):
    """Whose; both are empty where a session's token says it."""

    tenant: str = ""
    user: str = ""


def _nothing_more() -> msgspec.Raw:
    return msgspec.Raw(b"{}")


class SaveBody(Named, forbid_unknown_fields=True, kw_only=True):
    """`messages` and `metadata` stay as they are written here."""

    name: str
    messages: msgspec.Raw
    metadata: msgspec.Raw = msgspec.field(default_factory=_nothing_more)
    ttl_s: int = 3600
    expected_version: int | None = None


class LoadBody(Named, forbid_unknown_fields=True, kw_only=True):
    """Which one."""

    name: str


class DeleteBody(LoadBody, forbid_unknown_fields=True, kw_only=True):
    """Which one, and the version that it is expected to be."""

    expected_version: int | None = None


class ListBody(Named, forbid_unknown_fields=True, kw_only=True):
    """Which ones, in the order of their names."""

    prefix: str = ""
    after: str = ""
    limit: int = 200


_Verb = Callable[[Owner, bytes], Awaitable[object]]


_SAVE = "Keep the messages of a conversation under a name, if it has the version that is expected."
_LOAD = "A conversation as it was saved, to the byte."
_LIST = "The conversations of the user, in the order of their names."
_DELETE = "Delete a conversation, if it has the version that is expected."
VERBS = tuple(
    verb(f"{prefix}/{name}", told, answer, body, token=token, tag="conversations")
    for prefix, token in (
        ("/v1/guard/conversations", Token.SESSION),
        ("/v1/conversations", Token.OPERATOR),
    )
    for name, told, answer, body in (
        ("save", _SAVE, ConversationHead, SaveBody),
        ("load", _LOAD, LoadedConversation, LoadBody),
        ("list", _LIST, ConversationList, ListBody),
        ("delete", _DELETE, DeletedConversation, DeleteBody),
    )
)


class ConversationDoor:
    """The four verbs, twice: for whoever holds a session's token, and for the operator."""

    def __init__(self, deps: ControlDeps, report: Report) -> None:
        self._deps = deps
        self._sessions = deps.house.sessions
        self._conversations = deps.house.conversations
        self._tenants = frozenset(deps.config.tenants)
        self._report = report

    def routes(self) -> list[Route]:
        """What to mount."""
        acts: dict[str, _Verb] = {
            "save": self._save,
            "load": self._load,
            "list": self._list,
            "delete": self._delete,
        }
        found = []
        for one in VERBS:
            act = acts[one.path.rpartition("/")[2]]
            of_session = one.token is Token.SESSION
            serve = self._for_session(act) if of_session else self._for_admin(act)
            found.append(Route(one.path, serve, methods=[one.method]))
        return found

    def _for_session(self, act: _Verb) -> Endpoint:
        async def acting(live: LiveSession, sent: Sent) -> object:
            self._sessions.check_live(live)
            who = live.who
            if not isinstance(sent.body, bytes):
                raise TypeError("a conversation is read where it arrives")
            return await act(Owner(tenant=who.tenant, user=who.user, who=who), sent.body)

        return answering(self._sessions, acting, Intake(_MAX_BODY_BYTES, self._report))

    def _for_admin(self, act: _Verb) -> Endpoint:
        async def acting(request: Request) -> object:
            if await operator_at(self._deps, request.scope) != ADMIN:
                raise Denied("this path takes the admin's token")
            body = await whole_body(request, _MAX_BODY_BYTES)
            return await act(self._named(body), body)

        return last_boundary(acting, self._report)

    def _named(self, body: bytes) -> Owner:
        """Whom the operator means. Errors: InvalidRequest, NotFound for no such tenant."""
        try:
            named = msgspec.json.decode(body, type=Named)
        except msgspec.MsgspecError:
            raise InvalidRequest("the body is not usable JSON") from None
        tenant = named.tenant
        if not tenant and len(self._tenants) == 1:
            (tenant,) = self._tenants
        if not tenant or not named.user:
            raise InvalidRequest("name a tenant and a user", field="user")
        if tenant not in self._tenants:
            raise NotFound(f"no tenant `{tenant[:64]}`")
        return Owner(tenant=tenant, user=named.user)

    async def _save(self, owner: Owner, body: bytes) -> ConversationHead:
        if len(body) > _READ_ASIDE_BYTES:
            await asyncio.to_thread(json_of, body)
        else:
            json_of(body)
        given = _exactly(body, owner)
        draft = Draft(
            name=given.name,
            messages=bytes(given.messages),
            metadata=bytes(given.metadata),
            ttl_s=given.ttl_s,
            expected=given.expected_version,
        )
        return await self._conversations.save(owner, draft)

    async def _load(self, owner: Owner, body: bytes) -> LoadedConversation:
        given = shaped(json_of(body), LoadBody)
        _check_owner(owner, given)
        return _whole(await self._conversations.load(owner, given.name))

    async def _list(self, owner: Owner, body: bytes) -> ConversationList:
        given = shaped(json_of(body), ListBody)
        _check_owner(owner, given)
        if not 1 <= given.limit <= _MOST_LISTED:
            raise InvalidRequest(f"a list has 1 to {_MOST_LISTED} conversations", field="limit")
        heads = await self._conversations.listed(
            owner, prefix=given.prefix, after=given.after, limit=given.limit
        )
        return ConversationList(tuple(heads))

    async def _delete(self, owner: Owner, body: bytes) -> DeletedConversation:
        given = shaped(json_of(body), DeleteBody)
        _check_owner(owner, given)
        await self._conversations.delete(owner, given.name, given.expected_version)
        return DeletedConversation(given.name)


def _exactly(body: bytes, owner: Owner) -> SaveBody:
    """The body's fields, with the two texts as they stand in it. Errors: InvalidRequest."""
    try:
        given = msgspec.json.decode(body, type=SaveBody)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"the body does not fit: {str(error)[:300].lower()}") from None
    _check_owner(owner, given)
    return given


def _check_owner(owner: Owner, given: Named) -> None:
    """A session's token says whose; another name in the body is a mistake to be told of."""
    if owner.who is not None and (given.tenant or given.user):
        raise InvalidRequest("a session's token names tenant and user; leave them out")


def _whole(one: Conversation) -> LoadedConversation:
    return LoadedConversation(
        name=one.name,
        version=one.version,
        messages=msgspec.Raw(one.messages),
        metadata=msgspec.Raw(one.metadata),
        digest=one.digest,
        saved_at_ns=one.saved_at_ns,
        expires_at_ns=one.expires_at_ns,
    )

"""Spending keys as the server knows them: all in memory, each change in the journal with it.

What ends a key holds in memory at once, before it is durable. Sessions ask `over` before anything
that they do (`runtime/sessions`), so a key that ended stops them wherever they ask. Not here: what
a key lets be asked (`core/keys`), who may add one (`apps/control/keys`).
"""

import asyncio
import hmac
from collections.abc import Iterator, Sequence

import msgspec

from holdfast.core import keys as rules
from holdfast.errors import Conflict, NotFound
from holdfast.model import bodies
from holdfast.model.budgets import AccountKey, Scope
from holdfast.model.events import Record
from holdfast.model.identity import Person
from holdfast.model.keys import KEY_HOLDER, KEY_PREFIX, KeyState, SpendingKey
from holdfast.model.principals import Principal
from holdfast.ports.clock import Clock, Entropy
from holdfast.ports.store import Change, Store
from holdfast.runtime.born import token_digest
from holdfast.runtime.budgets import Budgets
from holdfast.runtime.journal import Journal


class Keys:
    """Every spending key of this server."""

    def __init__(
        self, store: Store, journal: Journal, budgets: Budgets, clock: Clock, entropy: Entropy
    ) -> None:
        self._store = store
        self._journal = journal
        self._budgets = budgets
        self._clock = clock
        self._entropy = entropy
        self._by_name: dict[str, SpendingKey] = {}
        self._by_digest: dict[str, str] = {}

    async def load(self) -> None:
        """Read what the process before left. Errors: StoreUnavailable."""
        for key in await self._store.spending_keys():
            self._remember(key)

    def all(self) -> list[SpendingKey]:
        """By name, those that are over too."""
        return sorted(self._by_name.values(), key=lambda key: key.name)

    def get(self, name: str) -> SpendingKey:
        """Errors: NotFound."""
        if name not in self._by_name:
            raise NotFound(f"there is no key `{name[:64]}`")
        return self._by_name[name]

    def state(self, key: SpendingKey) -> KeyState:
        """As it stands now."""
        return rules.standing(key, self._clock.now_ns())

    def over(self, name: str) -> str:
        """Why nothing of a key goes on, empty while it does; one that nobody knows is over."""
        key = self._by_name.get(name)
        if key is None:
            return f"the key `{name[:64]}` is not known"
        return rules.over(key, self._clock.now_ns())

    def digests(self) -> Iterator[str]:
        """Of all tokens, also of keys that are over: whoever holds one is told so."""
        return iter(self._by_digest)

    def of_digest(self, digest: str) -> SpendingKey | None:
        """Whose token has the digest, also of a key that is over; None for nobody's.

        What is looked up is a digest of the token, so how long that takes says nothing of it.
        """
        found = self._by_name.get(self._by_digest.get(digest, ""))
        if found is None or not hmac.compare_digest(found.digest, digest):
            return None
        return found

    def held_by(self, person: Person) -> list[SpendingKey]:
        """Those that a person holds by an identity, and that open sessions; by name."""
        return [
            key
            for key in self.all()
            if key.identity in person.identities
            and key.issuer == person.issuer
            and self.state(key) is KeyState.ACTIVE
        ]

    def credential_of(self, holder: str) -> str:
        """What a sign-in as the holder of a key rests on; empty for whoever holds none."""
        key = self._by_name.get(holder.removeprefix(KEY_HOLDER))
        if key is None or not holder.startswith(KEY_HOLDER):
            return ""
        return token_digest(f"{key.name}\0{key.issuer}\0{key.identity}")

    async def add(self, draft: SpendingKey, *, with_token: bool = True) -> tuple[SpendingKey, str]:
        """A new key from a draft without digest and times, where `expires_at_ns` counts from now.

        Returns it with its token, shown only here, empty where it gets none; durable, with its
        accounts, on return. Errors: Conflict for a name that is or was taken; StoreUnavailable.
        """
        now_ns = self._clock.now_ns()
        token = self._entropy.new_token(KEY_PREFIX.rstrip("_")) if with_token else ""
        key = msgspec.structs.replace(
            draft,
            digest=token_digest(token) if token else "",
            added_at_ns=now_ns,
            expires_at_ns=now_ns + draft.expires_at_ns,
        )
        accounts = dict(zip(accounts_of(key), key.limits, strict=True))
        async with self._budgets.at_hand(tuple(accounts)):
            if key.name in self._by_name:
                raise Conflict(f"there is, or was, a key `{key.name}`; each name is given once")
            ledger = self._budgets.ledger
            states = [ledger.open_account(a, limit, now_ns) for a, limit in accounts.items()]
            body = bodies.KeyAdded(
                key=key.name,
                by=key.added_by,
                users=key.users,
                limits={str(state.key): state.limit for state in states},
                expires_at_ns=key.expires_at_ns,
            )
            self._remember(key)
            await self._journal.commit([self._told(body, key)], [key, *states])
        return key, token

    async def rotate(self, name: str, by: str) -> tuple[SpendingKey, str]:
        """A new token in place of the old, which opens nothing from here on; sessions go on.

        Errors: NotFound; Conflict for a key that is over; StoreUnavailable.
        """
        if over := rules.over(self.get(name), self._clock.now_ns()):
            raise Conflict(f"{over}; add another")
        token, now_ns = self._entropy.new_token(KEY_PREFIX.rstrip("_")), self._clock.now_ns()
        key = self._changed(name, digest=token_digest(token), rotated_at_ns=now_ns)
        await self._journal.commit([self._told(bodies.KeyRotated(key=name, by=by), key)], [key])
        return key, token

    def revoke(self, name: str, by: str, reason: str) -> asyncio.Future[None]:
        """Nothing of it goes on, from this call on; durable once awaited. Twice is harmless.

        Errors: NotFound.
        """
        if self.get(name).revoked_at_ns:
            return self._journal.commit(())
        key = self._changed(name, revoked_at_ns=self._clock.now_ns(), revoked_by=by)
        body = bodies.KeyRevoked(key=name, by=by, reason=reason)
        return self._journal.commit([self._told(body, key)], [key])

    def used(self, name: str, who: Principal) -> tuple[Sequence[Record], Sequence[Change]]:
        """What is committed with a session that it opens; `who` is the session's."""
        now_ns, opened = self._clock.now_ns(), self.get(name).opened + 1
        key = self._changed(name, used_at_ns=now_ns, opened=opened)
        return [self._journal.record(bodies.KeyUsed(key=name, opened=opened), who)], [key]

    def _changed(self, name: str, **changes: object) -> SpendingKey:
        before = self._by_name[name]
        self._by_digest.pop(before.digest, None)
        key = msgspec.structs.replace(before, **changes)
        self._remember(key)
        return key

    def _remember(self, key: SpendingKey) -> None:
        self._by_name[key.name] = key
        if key.digest:
            self._by_digest[key.digest] = key.name

    def _told(self, body: bodies.Body, key: SpendingKey) -> Record:
        place = {"tenant": key.tenant, "project": key.project, "agent": key.agent}
        return self._journal.record(body, None, **place)


def accounts_of(key: SpendingKey) -> list[AccountKey]:
    """The accounts of its budget, one a limit."""
    owner = f"{key.tenant}/{key.name}"
    return [AccountKey(Scope.KEY, owner, limit.dimension, limit.window) for limit in key.limits]

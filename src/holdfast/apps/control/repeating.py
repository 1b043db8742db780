"""A request with a key that comes again finds what it made before.

The key is the header `Idempotency-Key`; what it names follows from it (`core/repeats`), so that
nothing is kept beside what was made: it is known for as long as the session of it. Two that come at
once wait for one another. Not here: which verbs make something (each operation's signature).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import msgspec
from starlette.datastructures import Headers

from holdfast.core.repeats import ANEW, HEADER, KEY_MOST, Named, is_key, named
from holdfast.errors import InvalidRequest, KeyReused
from holdfast.model.sessions import Session
from holdfast.ports.store import Store


class Repeats:
    """`secret` is the server's own: only with it can be told what a key names."""

    def __init__(self, secret: bytes, store: Store) -> None:
        self._secret = secret
        self._store = store
        # Each as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def named(self, headers: Headers, sender: str, verb: str, asked: object) -> Named:
        """What a request makes, by its key. Errors: InvalidRequest for a key that is none."""
        keys = headers.getlist(HEADER)
        if not keys:
            return ANEW
        if len(keys) > 1 or not is_key(keys[0]):
            raise InvalidRequest(
                f"`{HEADER}` is one text of 1 to {KEY_MOST} visible characters of ASCII",
                field=HEADER,
            )
        spelt = msgspec.json.encode(asked, order="deterministic")
        return named(self._secret, sender, verb, keys[0], spelt)

    @asynccontextmanager
    async def before(self, made: Named) -> AsyncIterator[Session | None]:
        """The session that the same request made before, None where it has to be made now.

        Within the context nobody else makes it. Errors: KeyReused, StoreUnavailable.
        """
        if not made.session_id:
            yield None
            return
        lock = self._locks.setdefault(made.session_id, asyncio.Lock())
        async with lock:
            found = await self._store.session(made.session_id)
            if found is not None and found.asked != made.asked:
                raise KeyReused(
                    f"this `{HEADER}` came before, with another request; give each its own",
                    field=HEADER,
                )
            yield found

"""Reads of single effects: all those asked for in one turn of the event loop are one query.

Every decision about a call with an effect asks for one key, and nearly every time nothing is
found: a reader's turn for each would cost more than the answers. Not here: SQL, connections.
"""

import asyncio
from collections.abc import Mapping
from functools import partial

from holdfast.backends.sql import queries
from holdfast.backends.sql.database import Dialect, Readers
from holdfast.backends.sql.queries import EffectName
from holdfast.errors import StoreUnavailable
from holdfast.model.effects import EffectEntry
from holdfast.ports.store_rows import effect_of

_Answer = asyncio.Future[EffectEntry | None]
_Asked = dict[EffectName, list[_Answer]]
_Found = asyncio.Future[dict[EffectName, EffectEntry]]


class EffectLookups:
    """Gathers names for as long as the loop runs what is ready, then reads them at once."""

    def __init__(
        self, readers: Readers, dialect: Dialect, fresh: Mapping[EffectName, bytes]
    ) -> None:
        """`fresh` has what was acknowledged and is not in the tables yet."""
        self._readers = readers
        self._dialect = dialect
        self._fresh = fresh
        self._asked: dict[asyncio.AbstractEventLoop, _Asked] = {}

    def find(self, name: EffectName) -> _Answer:
        """One entry, as it stands after every commit that was acknowledged before.

        Errors: the future raises StoreUnavailable.
        """
        loop = asyncio.get_running_loop()
        answer: _Answer = loop.create_future()
        if (raw := self._fresh.get(name)) is not None:
            answer.set_result(effect_of(raw))
            return answer
        asked = self._asked.get(loop)
        if asked is None:
            asked = self._asked[loop] = {}
            loop.call_soon(self._start, loop)
        asked.setdefault(name, []).append(answer)
        return answer

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        asked = self._asked.pop(loop)
        query = queries.effects_named(self._dialect, tuple(asked))
        try:
            self._readers.start(query).add_done_callback(partial(_answer, asked))
        except StoreUnavailable as refusal:
            _refuse(asked, refusal)


def _answer(asked: _Asked, reading: _Found) -> None:
    if reading.cancelled():
        _refuse(asked, StoreUnavailable("the store is closed"))
    elif (fault := reading.exception()) is not None:
        _refuse(asked, fault)
    else:
        found = reading.result()
        for name, answers in asked.items():
            for answer in answers:
                if not answer.done():
                    answer.set_result(found.get(name))


def _refuse(asked: _Asked, fault: BaseException) -> None:
    for answers in asked.values():
        for answer in answers:
            if not answer.done():
                answer.set_exception(fault)

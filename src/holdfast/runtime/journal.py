"""Writing to the journal: who it concerns is filled in, secrets are taken out, order is kept."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

from holdfast.model import bodies
from holdfast.model.bodies import Body
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind, Record
from holdfast.model.principals import Principal
from holdfast.ports.clock import Clock
from holdfast.ports.secrets import Scrubber
from holdfast.ports.store import Change, Store
from holdfast.ports.taps import Tap
from holdfast.runtime.refusals import Refusals

Refusal = bodies.AuthRefused | bodies.PermitRefused | bodies.ServerToolDecided
"""What is tallied where it comes too often; each of these kinds can be read as a tally."""


class Journal:
    """Builds records and commits them with the state changes that belong to them.

    `taps` are shown every batch that became durable. One that raises is dropped, and `say` told.
    `behind` is the digest of what the server decides by, which its decisions name.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        scrubber: Scrubber,
        *,
        taps: Sequence[Tap] = (),
        say: Callable[[str], None] | None = None,
        behind: str = "",
    ) -> None:
        self._store = store
        self._clock = clock
        self._scrubber = scrubber
        self._taps = list(taps)
        self._say = say
        self.behind = behind
        self._refusals = Refusals()

    def record(self, body: Body, who: Principal | None, /, **flat: Any) -> Record:
        """One record about `who` (None: about the server itself); `flat` are Record's fields.

        Fields marked as ours stay as they are, the others are scrubbed.
        """
        told, ours = body.told(), bodies.ours(type(body))
        told |= self._scrubber.tree({name: told[name] for name in told if name not in ours})
        return self._record(bodies.KINDS[type(body)], who, told, flat)

    def record_of_ours(self, body: Body, who: Principal | None, /, **flat: Any) -> Record:
        """`record`, where nothing in `body` came from a client, a model or a tool.

        No secret can stand in it then, and scrubbing, which is dear beside the rest, is left out.
        """
        return self._record(bodies.KINDS[type(body)], who, body.told(), flat)

    def record_as_told(
        self, kind: Kind, who: Principal | None, told: dict[str, Any], /, **flat: Any
    ) -> Record:
        """`record`, of a body that another process wrote: fields that are new here are kept."""
        return self._record(kind, who, self._scrubber.tree(told), flat)

    def _record(
        self, kind: Kind, who: Principal | None, body: dict[str, Any], flat: dict[str, Any]
    ) -> Record:
        at_ns = self._clock.now_ns()
        if who is None:
            return Record(kind=kind, at_ns=at_ns, body=body, **flat)
        return Record(
            kind=kind,
            at_ns=at_ns,
            tenant=who.tenant,
            project=who.project,
            user=who.user,
            agent=who.agent,
            session=who.session,
            task=who.task,
            body=body,
            **flat,
        )

    def scrubbed(self, tree: dict[str, Any]) -> dict[str, Any]:
        """JSON without the secrets in it, for what is kept beside the journal."""
        clean: dict[str, Any] = self._scrubber.tree(tree)
        return clean

    def tap(self, *taps: Tap) -> None:
        """Show these, too, what becomes durable from now on."""
        self._taps += taps

    def commit(
        self, records: Sequence[Record], changes: Sequence[Change] = ()
    ) -> asyncio.Future[None]:
        """Queue one commit now; durable once awaited. See `ports.store.Store.commit`."""
        durable = self._store.commit(records, changes)
        if self._taps and records:
            batch = tuple(records)
            durable.add_done_callback(lambda written: self._show(batch, written))
        return durable

    def queue(self, records: Sequence[Record], changes: Sequence[Change] = ()) -> None:
        """Queue one commit that nobody waits for.

        A store that fails stays failed, so whoever waits for a later commit learns of it.
        """
        noted(self.commit(records, changes))

    async def refused(self, body: Refusal, who: Principal | None, /, **flat: Any) -> None:
        """Commit a record of a refusal; the many of one session in a minute are only counted."""
        kind = bodies.KINDS[type(body)]
        if self._refusals.tells(kind, who, self._clock.now_ns()):
            await self.commit([self.record(body, who, **flat)])

    def tell_refusals(self, *, all_of_them: bool = False) -> None:
        """Queue what was counted, once its minute is over; `all_of_them`: the server stops."""
        told = self._refusals.due(self._clock.now_ns(), all_of_them=all_of_them)
        records = []
        for one in told:
            why = f"refused {one.times} times more within a minute"
            tally = bodies.Tally(why=why, times=one.times).told()
            records.append(self._record(one.kind, one.who, tally, {"verdict": Verdict.DENY}))
        if records:
            self.queue(records)

    def _show(self, batch: Sequence[Record], written: asyncio.Future[None]) -> None:
        """Let the taps see what is durable; a waiter that left took nothing back."""
        if not written.cancelled() and written.exception() is not None:
            return
        self._each_tap(lambda tap: tap.saw(batch))

    def recalled(self, records: Sequence[Record], over: Collection[str]) -> None:
        """Let the taps know what is still open in a session that was read back."""
        if records:
            self._each_tap(lambda tap: tap.recalled(records, over))

    def _each_tap(self, show: Callable[[Tap], None]) -> None:
        for tap in tuple(self._taps):
            try:
                show(tap)
            except Exception as error:  # noqa: BLE001 -- who looks on must not stop who writes
                self._taps.remove(tap)
                if self._say is not None:
                    self._say(f"a tap on the journal failed and is dropped: {error!r}")


def noted(durable: asyncio.Future[None]) -> None:
    """Let a commit become durable by itself; its fault is not reported as forgotten."""
    durable.add_done_callback(_seen)


def _seen(written: asyncio.Future[None]) -> None:
    if not written.cancelled():
        written.exception()

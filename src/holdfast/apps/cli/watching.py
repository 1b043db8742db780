"""A session's journal, followed and shown as it grows; the lines themselves are `lines`."""

import asyncio
from collections.abc import Callable

from holdfast.apps.cli.lines import line_of
from holdfast.apps.cli.printing import emit, note, plain
from holdfast.client import Client
from holdfast.errors import HoldfastError
from holdfast.model.events import Kind, Record

POLL_S = 0.2
_PAGE = 200


class Watch:
    """The session's journal, followed and shown as it grows."""

    def __init__(
        self,
        client: Client,
        tenant: str,
        session_id: str,
        *,
        as_json: bool,
        heard: Callable[[Record], None] = lambda _: None,
    ) -> None:
        """`heard` is told of each record once it is shown."""
        self.records: list[Record] = []
        self.spent_nusd = 0
        self._client = client
        # No read crosses tenants: without it a project of several would refuse every look.
        self._tenant = tenant
        self._session_id = session_id
        self._as_json = as_json
        self._heard = heard

    async def follow(self, done: asyncio.Event) -> None:
        """Show new records until told to stop; a server out of reach is asked again."""
        while not done.is_set():
            try:
                await self.catch_up()
            except HoldfastError as fault:
                note(plain(fault.message), style="yellow")
            try:
                await asyncio.wait_for(done.wait(), POLL_S)
            except TimeoutError:
                continue

    async def catch_up(self) -> None:
        """Show every record that was not shown before."""
        while True:
            after_seq = self.records[-1].seq if self.records else 0
            page = await self._client.records(
                tenant=self._tenant,
                session=self._session_id,
                after_seq=after_seq,
                limit=_PAGE,
            )
            for record in page:
                self.records.append(record)
                self._show(record)
                self._heard(record)
            if len(page) < _PAGE:
                return

    def _show(self, record: Record) -> None:
        if record.kind is Kind.MODEL_CALL_SETTLED:
            self.spent_nusd += record.cost_nusd
        if self._as_json:
            emit({"event": "record", "record": record, "spent_nusd": self.spent_nusd})
            return
        line = line_of(record, self.spent_nusd)
        if line is not None:
            note(line.text, style=line.style)

"""The journal's tap that tells people: what is worth a message goes to every channel.

Not here: what is worth one (`core/alerts`), how it travels (`ports/notify`).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC

from holdfast.core.alerts import alert_of
from holdfast.model.events import Kind, Record
from holdfast.ports.notify import Channel

_NOTICED_MOST = 10_000


class AlertTap:
    """Tells every channel of each record that somebody should hear of at once.

    Of calls at a risk that is told of, the first of each tool in a session: the rest is in the
    journal.
    """

    def __init__(self, channels: Iterable[Channel]) -> None:
        self._channels = tuple(channels)
        self._noticed: dict[tuple[str, str], None] = {}

    def saw(self, records: Sequence[Record]) -> None:
        """Tell what is worth it."""
        for record in records:
            if record.kind is Kind.RISK_NOTICE and not self._first(record):
                continue
            notice = alert_of(record, UTC)
            if notice is not None:
                for channel in self._channels:
                    channel.tell(notice)

    def recalled(self, records: Sequence[Record], over: Collection[str]) -> None:
        """People were told of it when it happened."""

    def _first(self, record: Record) -> bool:
        key = (record.session, record.tool)
        if key in self._noticed:
            return False
        if len(self._noticed) >= _NOTICED_MOST:
            del self._noticed[next(iter(self._noticed))]
        self._noticed[key] = None
        return True

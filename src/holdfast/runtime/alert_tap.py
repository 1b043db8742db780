"""The journal's tap that tells people: what is worth a message goes to every channel.

Not here: what is worth one (`core/alerts`), how it travels (`ports/notify`).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC

from holdfast.core.alerts import alert_of
from holdfast.model.events import Record
from holdfast.ports.notify import Channel


class AlertTap:
    """Tells every channel of each record that somebody should hear of at once."""

    def __init__(self, channels: Iterable[Channel]) -> None:
        self._channels = tuple(channels)

    def saw(self, records: Sequence[Record]) -> None:
        """Tell what is worth it."""
        for record in records:
            notice = alert_of(record, UTC)
            if notice is not None:
                for channel in self._channels:
                    channel.tell(notice)

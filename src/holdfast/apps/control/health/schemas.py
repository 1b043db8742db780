"""What the health path answers."""

from typing import Literal

from holdfast.apps.control.wire import Shown


class Health(Shown):
    """The server's own word on itself."""

    status: Literal["ok"]
    version: str
    policy: Literal["ok", "unavailable"]

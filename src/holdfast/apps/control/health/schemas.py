"""What the health path answers."""

from typing import Literal

from holdfast.apps.control.wire import Shown


class Health(Shown):
    """The server's own word on itself.

    `degraded`: it answers, and refuses what needs the part that is down. `gateway` tells of the
    processes of the model's door (`4 of 4`), empty where the server itself is it.
    """

    status: Literal["ok", "degraded"]
    version: str
    policy: Literal["ok", "unavailable"]
    store: Literal["ok", "failed"]
    gateway: str = ""

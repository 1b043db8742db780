"""The operator's hooks: what a tool returned is looked at before a model reads it."""

import json

from holdfast.hooks import HookAnswer, HookInput, deny


async def no_addresses(given: HookInput) -> HookAnswer | None:
    """After a call: a customer's address stays in the shop."""
    if "@" in json.dumps(given.output):
        return deny("an address of a customer stays in the shop", code="personal_data")
    return None

"""The operator's hooks: one function a point, each told by the order what to do."""

import asyncio
import importlib
from typing import Any

try:
    hooks = importlib.import_module("holdfast.hooks")
except ModuleNotFoundError:
    hooks = importlib.import_module("holdfast.model.hooks")
HookAnswer, HookInput = hooks.HookAnswer, hooks.HookInput
DENY = type(HookAnswer().verdict).DENY


def order_of(given: Any) -> str:
    return str(given.arguments.get("order", ""))


async def before(given: Any) -> Any:
    order = order_of(given)
    if "-rewrite" in order:
        return HookAnswer(
            arguments={**given.arguments, "order": order.replace("-rewrite", "-rewritten")}
        )
    if "-nomoney" in order:
        return HookAnswer(verdict=DENY, code="budget_exceeded", reason="the desk's purse is empty")
    if "-forbidden" in order:
        return HookAnswer(verdict=DENY, code="permission_denied", reason="the desk may not")
    return None


async def after(given: Any) -> Any:
    order = order_of(given)
    if "-withhold" in order:
        return HookAnswer(verdict=DENY, code="permission_denied", reason="not for the model")
    if "-replace" in order and given.ok:
        return HookAnswer(output={"order": order, "state": "replaced"})
    return None


async def full(given: Any) -> Any:
    return None


async def failed(given: Any) -> Any:
    return HookAnswer(verdict=DENY, code="permission_denied", reason="do not try again")


async def never(given: Any) -> Any:
    await asyncio.sleep(600)
    return None

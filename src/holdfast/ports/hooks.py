"""Hooks as the runtime calls them, wherever their code runs.

Not here: what they see and answer (`model/hooks`), what follows (`runtime/hooks`).
"""

from collections.abc import Awaitable, Callable

from holdfast.model.hooks import HookAnswer, HookInput

Hook = Callable[[HookInput], Awaitable[HookAnswer | None]]
"""One function of an operator. Errors: HookFault, or whatever the function raises."""


class HookFault(Exception):
    """A hook gave no answer that can be taken; says what it did, as in `the hook …`."""

"""What the server and a hook host say to each other: JSON lines over the host's own pipes."""

import msgspec

from holdfast.model.hooks import HookAnswer, HookInput

MOST_ANSWER_BYTES = 8 * 1024 * 1024


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Run `package.module:function` on `given`; only load it where that is None."""

    id: int
    target: str
    given: HookInput | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Its answer. `fault` says what went wrong instead, as in `the hook …`."""

    id: int
    answer: HookAnswer | None = None
    fault: str = ""

"""Verbs that are served beside the operators' API, and told of in the same document.

Their bodies are in words of others (the Messages API's, Claude Code's hooks'), or come before
anybody is known. Not here: who serves them (`apps/gateway`, `guard/claude_code`, `proving`).
"""

import msgspec

from holdfast.apps.control.guard.claude_code import PATH as HOOKS_PATH
from holdfast.apps.control.openapi import Described, Token, verb
from holdfast.core import proofs
from holdfast.model.views.server import Challenge


class InTheirWords(msgspec.Struct):
    """An object of the Messages API, as Anthropic documents it."""


class HookEvent(msgspec.Struct):
    """What Claude Code posts to a hook of type `http`; further fields pass."""

    hook_event_name: str


class HookOutput(msgspec.Struct):
    """What Claude Code takes from a hook; a fault is an output that refuses, with status 200."""


class AskChallenge(msgspec.Struct, forbid_unknown_fields=True):
    """The id of a key, a nonce, and the address at which the server is thought to be."""

    key: str
    nonce: str
    address: str


VERBS: tuple[Described, ...] = (
    verb(
        "/v1/messages",
        "The Messages API, admitted, paid for and metered; a refusal is in its words.",
        InTheirWords,
        InTheirWords,
        tag="model",
        refusals=(402, 429),
    ),
    verb(
        "/v1/messages/count_tokens",
        "Count what a call would be; held to all that a paid call is.",
        InTheirWords,
        InTheirWords,
        tag="model",
        refusals=(402, 429),
    ),
    verb("/v1/models", "The provider's models.", InTheirWords, tag="model", refusals=(429,)),
    verb(
        HOOKS_PATH,
        "The hooks of Claude Code itself.",
        HookOutput,
        HookEvent,
        token=Token.HOOKS,
        refusals=(),
    ),
    verb(
        proofs.PATH,
        "Have the server prove that it knows a token, before a request is signed with it.",
        Challenge,
        AskChallenge,
        token=Token.NONE,
        tag="proving",
        refusals=(400, 401, 413),
    ),
)

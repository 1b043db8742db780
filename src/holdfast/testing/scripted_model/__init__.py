"""A scripted model server that speaks the Anthropic Messages API, without a model.

It stands in for the model in the demo, tests and benchmarks.

`ScriptedModel` runs it in a thread, `create_app` embeds it, `python -m
holdfast.testing.scripted_model` is its own process. Scripts are `Script`, or YAML/JSON of the same
shape. It holds no intelligence and never leaves loopback.
"""

from .api_errors import ApiError
from .app import create_app
from .catalogue import DEFAULT_MODELS, Model
from .playback import Options, Playback
from .recording import RecordedRequest, RequestLog
from .script import (
    Fault,
    Match,
    Pacing,
    Scenario,
    Script,
    ScriptError,
    ServerToolUse,
    Text,
    Thinking,
    ToolUse,
    Turn,
    Usage,
    as_script,
    call,
    load_script,
    parse_script,
    parse_turn,
    say,
)
from .server import ScriptedModel
from .tokenizer import request_tokens, text_tokens

__all__ = [
    "DEFAULT_MODELS",
    "ApiError",
    "Fault",
    "Match",
    "Model",
    "Options",
    "Pacing",
    "Playback",
    "RecordedRequest",
    "RequestLog",
    "Scenario",
    "Script",
    "ScriptError",
    "ScriptedModel",
    "ServerToolUse",
    "Text",
    "Thinking",
    "ToolUse",
    "Turn",
    "Usage",
    "as_script",
    "call",
    "create_app",
    "load_script",
    "parse_script",
    "parse_turn",
    "request_tokens",
    "say",
    "text_tokens",
]

"""One request in, one planned reply out: key, checks, turn, bytes, fault.

No sockets and no waiting here; `app` sends what a `Plan` says. State is what a real API keeps
(prompt cache, threads) plus the count of attempts at each turn.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

import msgspec

from .api_errors import ApiError, invalid
from .catalogue import DEFAULT_MODELS, Catalogue, Model, wire
from .clock import utc_text
from .conversation import last_tool_result, last_user_text
from .prompt_cache import InputUsage, PromptCache
from .rendering import Ids, Rendered, Speech, is_static, render
from .script import Fault, Pacing, Script, Turn
from .selection import Chosen, choose
from .sse import MESSAGE_STOP, content_frames, frame
from .threads import Threads
from .tokenizer import request_tokens
from .validation import check_count_request, check_message_request

MAX_BODY_BYTES = 32 * 1024 * 1024
_STATIC_LIMIT = 512


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a server.

        `api_keys` `None` accepts any non-empty key. `seed` makes ids repeatable; without it
    they differ between processes. `request_limit` is how many requests are kept (0: none),
    `prompt_caching=False` bills all input fresh.
    """

    api_keys: frozenset[str] | None = None
    models: tuple[Model, ...] = DEFAULT_MODELS
    prompt_caching: bool = True
    request_limit: int | None = None
    seed: str | None = None


class Plan(msgspec.Struct):
    """A reply ready to send (whole and, if asked for, as frames), with the fault to act out."""

    chosen: Chosen
    attempt: int
    fault: Fault
    message: dict[str, Any]
    blocks: tuple[Rendered, ...]
    frames: list[bytes]
    whole: dict[str, Any]
    pacing: Pacing


class _Spoken(msgspec.Struct):
    turn: Turn
    speech: Speech
    frames: list[bytes]


class Playback:
    """A script being played to all clients of one server."""

    def __init__(self, script: Script, options: Options) -> None:
        self.script = script
        self.options = options
        self.catalogue = Catalogue(options.models)
        self.ids = Ids(options.seed if options.seed is not None else os.urandom(8).hex())
        self.threads = Threads()
        self.cache = PromptCache(enabled=options.prompt_caching)
        self._attempts: dict[bytes, int] = {}
        self._static: dict[int, _Spoken] = {}

    def reset(self) -> None:
        """Forget attempts, threads and cached prompts; ids go on."""
        self._attempts.clear()
        self.threads.clear()
        self.cache.clear()

    def authenticate(self, headers: dict[str, str]) -> str:
        """The API key a request carries; raises `ApiError` 401."""
        offered = [headers.get("x-api-key", ""), _bearer(headers.get("authorization", ""))]
        found = [key for key in offered if key]
        if not found:
            raise ApiError(401, "x-api-key header is required")
        known = self.options.api_keys
        for key in found:
            if known is None or key in known:
                return key
        raise ApiError(401, "invalid x-api-key")

    def count(self, owner: str, raw: bytes, betas: str) -> int:
        """Input tokens of a `count_tokens` request."""
        body = self.threads.open(owner, _decode(raw), betas)
        check_count_request(body, self.catalogue, empty_messages=body.get("thread") is not None)
        return request_tokens(body)

    def model(self, name: str) -> dict[str, Any]:
        """One model as the API shows it; raises `ApiError` 404."""
        found = self.catalogue.find(name)
        if found is None:
            raise ApiError(404, f"model: {name}")
        return wire(found, name)

    def decode(self, raw: bytes) -> dict[str, Any]:
        """The JSON object of a request; raises `ApiError` 400 or 413."""
        return _decode(raw)

    def plan(self, owner: str, body: dict[str, Any], headers: dict[str, str]) -> Plan:
        """The reply to `body`; raises `ApiError` where the API refuses.

        A scripted `status` is no refusal: it stands in the plan.
        """
        whole = self.threads.open(owner, body, headers.get("anthropic-beta", ""))
        check_message_request(whole, self.catalogue, empty_messages=whole.get("thread") is not None)
        chosen = choose(self.script, whole)
        attempt = self._attempt(owner, chosen, headers)
        fault = _fault_of(chosen.turn, attempt)
        if fault.status is not None:
            return Plan(chosen, attempt, fault, {}, (), [], whole, chosen.turn.pacing)
        spoken = self._speak(chosen, whole)
        usage = _usage(chosen.turn, self.cache.account(owner, whole), spoken.speech)
        message = self._message(whole, spoken.speech, usage)
        frames = _stream(message, spoken.frames) if body.get("stream") else []
        self.threads.begin(owner, body)
        blocks, pacing = spoken.speech.blocks, chosen.turn.pacing
        return Plan(chosen, attempt, fault, message, blocks, frames, whole, pacing)

    def _attempt(self, owner: str, chosen: Chosen, headers: dict[str, str]) -> int:
        """How often this turn of this conversation was asked for before.

        It is counted only for turns that have faults.
        """
        if not chosen.turn.faults:
            return 0
        session = headers.get("x-claude-code-session-id", "")
        identity = "\0".join((owner, session, chosen.scenario, str(chosen.index), chosen.anchor))
        key = hashlib.blake2b(identity.encode(), digest_size=16).digest()
        self._attempts[key] = self._attempts.get(key, -1) + 1
        return self._attempts[key]

    def _speak(self, chosen: Chosen, body: dict[str, Any]) -> _Spoken:
        turn, max_tokens = chosen.turn, int(body["max_tokens"])
        stops = tuple(stop for stop in body.get("stop_sequences") or () if isinstance(stop, str))
        known = self._static.get(id(turn))
        if known is not None and not stops:
            fits = known.speech.output_tokens <= max_tokens or not turn.honour_max_tokens
            if fits and known.turn is turn:
                return known
        speech = render(turn, _values(chosen, body), self.ids, max_tokens, stops)
        spoken = _Spoken(turn, speech, content_frames(speech.blocks, turn.pacing))
        if not stops and speech.stop_reason != "max_tokens" and is_static(turn):
            if len(self._static) >= _STATIC_LIMIT:
                self._static.clear()
            self._static[id(turn)] = spoken
        return spoken

    def _message(
        self, body: dict[str, Any], speech: Speech, usage: dict[str, Any]
    ) -> dict[str, Any]:
        message = {
            "id": self.ids.new("msg"),
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [block.final for block in speech.blocks],
            "stop_reason": speech.stop_reason,
            "stop_sequence": speech.stop_sequence,
            "usage": usage,
        }
        if body.get("context_management") is not None:
            message["context_management"] = {"applied_edits": []}
        return message


def rate_limit_headers() -> dict[str, str]:
    """The headers the API reports its limits in; they never run down."""
    reset = utc_text()
    found: dict[str, str] = {}
    for name, limit in (
        ("requests", 4000),
        ("tokens", 2_400_000),
        ("input-tokens", 2_000_000),
        ("output-tokens", 400_000),
    ):
        found[f"anthropic-ratelimit-{name}-limit"] = str(limit)
        found[f"anthropic-ratelimit-{name}-remaining"] = str(limit - 1)
        found[f"anthropic-ratelimit-{name}-reset"] = reset
    return found


def _decode(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_BODY_BYTES:
        raise ApiError(413, "Request exceeds the maximum size")
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise invalid("Input should be a valid dictionary")
    return body


def _bearer(value: str) -> str:
    return value[7:].strip() if value[:7].lower() == "bearer " else ""


def _fault_of(turn: Turn, attempt: int) -> Fault:
    """The fault this attempt meets: each one lasts its `times`, one after the other."""
    spent = 0
    for fault in turn.faults:
        if fault.times is None or attempt < spent + fault.times:
            return fault
        spent += fault.times
    return Fault()


def _values(chosen: Chosen, body: dict[str, Any]) -> dict[str, str]:
    if is_static(chosen.turn):
        return {}
    messages = body["messages"]
    return {
        "turn": str(chosen.index),
        "scenario": chosen.scenario,
        "model": body["model"],
        "message_count": str(len(messages)),
        "last_user_text": last_user_text(messages),
        "last_tool_result": last_tool_result(messages),
    }


def _usage(turn: Turn, counted: InputUsage, speech: Speech) -> dict[str, Any]:
    given = turn.usage
    written_5m = _or(given.cache_creation_5m, counted.written_5m)
    written_1h = _or(given.cache_creation_1h, counted.written_1h)
    usage: dict[str, Any] = {
        "input_tokens": _or(given.input_tokens, counted.fresh),
        "cache_creation_input_tokens": written_5m + written_1h,
        "cache_read_input_tokens": _or(given.cache_read, counted.read),
        "cache_creation": {
            "ephemeral_5m_input_tokens": written_5m,
            "ephemeral_1h_input_tokens": written_1h,
        },
        "output_tokens": _or(given.output_tokens, speech.output_tokens),
        "service_tier": "standard",
    }
    if speech.thinking_tokens:
        usage["output_tokens_details"] = {"thinking_tokens": speech.thinking_tokens}
    server_tools = given.server_tool_use or _server_tools(speech)
    if server_tools:
        usage["server_tool_use"] = {
            "web_search_requests": 0,
            "web_fetch_requests": 0,
            **server_tools,
        }
    return usage


def _server_tools(speech: Speech) -> dict[str, int]:
    used: dict[str, int] = {}
    for block in speech.blocks:
        if block.start["type"] == "server_tool_use":
            name = f"{block.start['name']}_requests"
            used[name] = used.get(name, 0) + 1
    return used


def _or(given: int | None, counted: int) -> int:
    return counted if given is None else given


def _stream(message: dict[str, Any], content: list[bytes]) -> list[bytes]:
    usage = message["usage"]
    opening = {
        key: value
        for key, value in usage.items()
        if key not in ("output_tokens_details", "server_tool_use")
    }
    opening["output_tokens"] = min(1, usage["output_tokens"])
    started = {
        **message,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": opening,
    }
    started.pop("context_management", None)
    closing: dict[str, Any] = {
        "type": "message_delta",
        "delta": {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]},
        "usage": {
            key: value
            for key, value in usage.items()
            if key not in ("cache_creation", "service_tier")
        },
    }
    if "context_management" in message:
        closing["context_management"] = message["context_management"]
    return [
        frame({"type": "message_start", "message": started}),
        *content,
        frame(closing),
        MESSAGE_STOP,
    ]

"""The models the scripted server knows: names that the price table knows too.

Each comes with the limits that are checked.

A dated name (`claude-haiku-4-5-20251001`) is the model without its date. Prices do not live here.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec


class Model(msgspec.Struct, frozen=True):
    """A model: API name, shown name, context window and largest `max_tokens`, in tokens."""

    id: str
    display_name: str
    max_input_tokens: int
    max_output_tokens: int


DEFAULT_MODELS: tuple[Model, ...] = (
    Model("claude-opus-5-5", "Claude Opus 5.5", 1_000_000, 128_000),
    Model("claude-sonnet-5-5", "Claude Sonnet 5.5", 1_000_000, 128_000),
    Model("claude-haiku-5-5", "Claude Haiku 5.5", 1_000_000, 128_000),
    Model("claude-fable-5-2", "Claude Fable 5.2", 1_000_000, 128_000),
    Model("claude-fable-5-1", "Claude Fable 5.1", 1_000_000, 128_000),
    Model("claude-fable-5", "Claude Fable 5", 1_000_000, 128_000),
    Model("claude-mythos-5-2", "Claude Mythos 5.2", 1_000_000, 128_000),
    Model("claude-opus-5", "Claude Opus 5", 1_000_000, 128_000),
    Model("claude-sonnet-5", "Claude Sonnet 5", 1_000_000, 128_000),
    Model("claude-opus-4-8", "Claude Opus 4.8", 1_000_000, 128_000),
    Model("claude-opus-4-7", "Claude Opus 4.7", 1_000_000, 128_000),
    Model("claude-opus-4-6", "Claude Opus 4.6", 1_000_000, 128_000),
    Model("claude-sonnet-4-6", "Claude Sonnet 4.6", 1_000_000, 128_000),
    Model("claude-opus-4-5", "Claude Opus 4.5", 200_000, 64_000),
    Model("claude-sonnet-4-5", "Claude Sonnet 4.5", 200_000, 64_000),
    Model("claude-haiku-4-5", "Claude Haiku 4.5", 200_000, 64_000),
    Model("claude-opus-4-1", "Claude Opus 4.1", 200_000, 32_000),
)

_DATE = re.compile(r"-\d{8}$")


class Catalogue:
    """Models by name, dated names included."""

    def __init__(self, models: tuple[Model, ...] = DEFAULT_MODELS) -> None:
        self._by_id = {model.id: model for model in models}

    def find(self, name: str) -> Model | None:
        """The model of that name, or `None`."""
        return self._by_id.get(name) or self._by_id.get(_DATE.sub("", name))

    def listing(self) -> list[dict[str, Any]]:
        """All models as the API lists them."""
        return [wire(model) for model in self._by_id.values()]


def wire(model: Model, name: str | None = None) -> dict[str, Any]:
    """A model as the API shows it, under `name` when it was asked for by a dated one."""
    return {
        "type": "model",
        "id": name or model.id,
        "display_name": model.display_name,
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "capabilities": None,
        "max_input_tokens": model.max_input_tokens,
        "max_tokens": model.max_output_tokens,
    }

"""An organisation's standard for its tools, what an MCP server says of one, and what falls short.

Not here: the rules (`core/tool_standard`), how the standard is spelled in YAML
(`compose/config/tool_layout`).
"""

import enum
from typing import Any

import msgspec


class Level(enum.StrEnum):
    """What breaking a rule means: the lint fails, the lint says so, or nobody looks."""

    ERROR = "error"
    WARN = "warn"
    OFF = "off"


class RuleLevels(msgspec.Struct, frozen=True, kw_only=True):
    """Every rule by name, with its level. The last seven look at a running MCP server."""

    name: Level = Level.WARN
    description: Level = Level.ERROR
    description_length: Level = Level.WARN
    hidden_text: Level = Level.ERROR
    instructions: Level = Level.ERROR
    effect: Level = Level.ERROR
    effect_of_name: Level = Level.WARN
    roles: Level = Level.ERROR
    idempotency: Level = Level.ERROR
    probe: Level = Level.ERROR
    errors: Level = Level.ERROR
    risk_reason: Level = Level.ERROR
    limits: Level = Level.ERROR
    schema: Level = Level.ERROR
    input_closed: Level = Level.ERROR
    input_types: Level = Level.ERROR
    input_bounds: Level = Level.WARN
    input_descriptions: Level = Level.WARN
    output_schema: Level = Level.WARN
    server: Level = Level.ERROR
    undeclared: Level = Level.ERROR
    missing: Level = Level.ERROR
    schema_differs: Level = Level.ERROR
    description_differs: Level = Level.WARN
    effect_differs: Level = Level.ERROR
    pin: Level = Level.ERROR


RULES: tuple[str, ...] = RuleLevels.__struct_fields__


class ToolStandard(msgspec.Struct, frozen=True, kw_only=True):
    """What every tool of the organisation has to say.

    `server_rules` take the place of `rules` for what MCP servers say themselves. `name_pattern`
    is a regular expression for the whole name, of an MCP tool for the part after its server's.
    `required_sentences` are labels in a description (`What:`). `enforce`: settings whose tools
    break any rule of level error do not load; without it, that one of `description`.
    """

    enforce: bool = False
    rules: RuleLevels = RuleLevels()
    server_rules: dict[str, Level] = {}
    name_pattern: str = "[a-z][a-z0-9]*(_[a-z0-9]+)*"
    required_sentences: tuple[str, ...] = ("What", "When", "Side effects")
    max_description_bytes: int = 2048
    max_timeout_s: float = 600.0
    max_output_bytes: int = 10_000_000

    def level(self, rule: str, *, of_server: bool = False) -> Level:
        """The level of a rule, for a contract or for what a server says."""
        own: Level = getattr(self.rules, rule)
        return self.server_rules.get(rule, own) if of_server else own


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as an MCP server lists it: what a model would read. None of it is to be trusted."""

    name: str
    description: str = ""
    title: str = ""
    input_schema: dict[str, Any] = {}
    output_schema: dict[str, Any] | None = None
    annotations: dict[str, Any] = {}


class ServerListing(msgspec.Struct, frozen=True, kw_only=True):
    """What one MCP server listed; `fault`, one sentence, where it could not be asked to the end."""

    server: str
    definitions: tuple[Definition, ...] = ()
    fault: str = ""


class Shortfall(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a tool falls short: which rule, what was seen, what to do.

    `source` is `contract`, or `server` for what an MCP server says.
    """

    tool: str
    rule: str
    level: Level
    text: str
    fix: str
    source: str = "contract"

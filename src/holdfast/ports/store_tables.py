"""The tables of a store on a database, alike in every one of them: columns, types, keys.

What a database adds for itself (indexes, a version of its schema) is its own. Not here: SQL.
"""

import enum


class ColumnType(enum.Enum):
    """What a column holds; numbers are signed and of 64 bits."""

    TEXT = "text"
    INT = "bigint"
    BYTES = "bytea"


TEXT, INT, BYTES = ColumnType.TEXT, ColumnType.INT, ColumnType.BYTES

TABLES: dict[str, tuple[tuple[str, ColumnType], ...]] = {
    "journal": (
        ("seq", INT),
        ("at_ns", INT),
        ("kind", TEXT),
        ("tenant", TEXT),
        ("project", TEXT),
        ("user", TEXT),
        ("agent", TEXT),
        ("session", TEXT),
        ("task", TEXT),
        ("turn", INT),
        ("call_id", TEXT),
        ("decision_id", TEXT),
        ("tool", TEXT),
        ("verdict", TEXT),
        ("risk", TEXT),
        ("cost_nusd", INT),
        ("body", BYTES),
    ),
    "accounts": (("key", TEXT), ("account", BYTES)),
    "calls": (("position", INT), ("session", TEXT), ("call_id", TEXT), ("call", BYTES)),
    "holds": (("hold_id", TEXT), ("opened_at_ns", INT), ("hold", BYTES)),
    "sessions": (
        ("session_id", TEXT),
        ("tenant", TEXT),
        ("project", TEXT),
        ("user", TEXT),
        ("state", TEXT),
        ("opened_at_ns", INT),
        ("token_digest", TEXT),
        ("task", TEXT),
        ("parent", TEXT),
        ("changed_at_ns", INT),
        ("purged_at_ns", INT),
        ("session", BYTES),
    ),
    "runs": (
        ("run_id", TEXT),
        ("tenant", TEXT),
        ("project", TEXT),
        ("user", TEXT),
        ("session", TEXT),
        ("batch", TEXT),
        ("state", TEXT),
        ("submitted_at_ns", INT),
        ("changed_at_ns", INT),
        ("retry_of", TEXT),
        ("run", BYTES),
    ),
    "effects": (
        ("tenant", TEXT),
        ("key", TEXT),
        ("session", TEXT),
        ("intended_at_ns", INT),
        ("state", TEXT),
        ("changed_at_ns", INT),
        ("effect", BYTES),
    ),
    "approvals": (
        ("approval_id", TEXT),
        ("tenant", TEXT),
        ("project", TEXT),
        ("session", TEXT),
        ("state", TEXT),
        ("asked_at_ns", INT),
        ("approval", BYTES),
    ),
    "conversations": (
        ("tenant", TEXT),
        ("user", TEXT),
        ("name", TEXT),
        ("version", INT),
        ("replaces", INT),
        ("digest", TEXT),
        ("saved_at_ns", INT),
        ("expires_at_ns", INT),
        ("size_bytes", INT),
        ("messages", BYTES),
        ("metadata", BYTES),
    ),
    "spending_keys": (("name", TEXT), ("spending_key", BYTES)),
    "stops": (("reach", TEXT), ("at_ns", INT), ("lifted_at_ns", INT), ("stop", BYTES)),
}
"""Every table in the order of its columns, with their types."""

KEYS: dict[str, tuple[str, ...]] = {
    "journal": ("seq",),
    "accounts": ("key",),
    "calls": ("session", "call_id"),
    "holds": ("hold_id",),
    "sessions": ("session_id",),
    "runs": ("run_id",),
    "effects": ("tenant", "key"),
    "approvals": ("approval_id",),
    "conversations": ("tenant", "user", "name"),
    "spending_keys": ("name",),
    "stops": ("reach",),
}
"""What a row is known by, and what a state replaces; the journal replaces nothing."""

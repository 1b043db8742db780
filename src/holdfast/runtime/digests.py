"""The digest by which arguments and outputs are compared, also of what has none."""

from holdfast.core.canonical import Unrepresentable, canonical, digest_bytes

UNREPRESENTABLE = "unrepresentable"
"""Stands for every value without a canonical form: nothing with it is ever allowed to run."""


def digest_of(value: object) -> str:
    """`sha256:…` of the canonical JSON, or the mark of a value that has none."""
    return digest_of_spelled(canonical(value))


def digest_of_spelled(spelled: bytes | Unrepresentable) -> str:
    """`digest_of`, of a value whose canonical JSON is at hand."""
    return UNREPRESENTABLE if isinstance(spelled, Unrepresentable) else digest_bytes(spelled)

"""The digest by which arguments and outputs are compared, also of what has none."""

from holdfast.core.canonical import Unrepresentable, digest

UNREPRESENTABLE = "unrepresentable"
"""Stands for every value without a canonical form: nothing with it is ever allowed to run."""


def digest_of(value: object) -> str:
    """`sha256:…` of the canonical JSON, or the mark of a value that has none."""
    spelled = digest(value)
    return UNREPRESENTABLE if isinstance(spelled, Unrepresentable) else spelled

"""Requests that a test sends past admission: nothing outside the tests can make them so."""

from collections.abc import Mapping

from holdfast.ports.llm import Cleared


def cleared(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Cleared:
    """As if it had been admitted."""
    return Cleared._of(method, path, headers, body)

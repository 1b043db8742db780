"""The fields of an object that makes them when they are asked for."""

from typing import Any


def fields(value: object) -> dict[str, Any]:
    """All of them by name, the empty ones too."""
    names = (name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ()))
    return {name: getattr(value, name) for name in names}

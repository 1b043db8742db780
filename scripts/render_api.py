"""Write what a program may import of Holdfast, with signatures, into `docs/reference/api.txt`.

Run as `python -m scripts.render_api`, after a change to what others import; the change is then seen
in the difference of that file.
"""

import enum
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from holdfast.client import Client, Session, SessionPlan
from holdfast.client.wire import Door, Pool

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "api.txt"
MODULES = (
    "holdfast.client",
    "holdfast.errors",
    "holdfast.integrations.claude_agent_sdk",
    "holdfast.integrations.messages_api",
    "holdfast.hooks",
    "holdfast.model.hooks",
    "holdfast.tools",
)
_HEAD = "# Made by scripts/render_api.py: what a program may import, and how it is called.\n"
_PATH = re.compile(r"\b(?:[a-z_0-9]+\.)+(?=[A-Za-z_])")
_PLAIN = (str, bytes, int, float, tuple, type(None))


class _Told(str):
    """A text whose representation is itself, so that a signature shows it bare."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def rendered() -> str:
    """The whole page."""
    return _HEAD + "".join(section(name) for name in MODULES)


def section(name: str) -> str:
    """What the page says of one module."""
    module = importlib.import_module(name)
    lines = [line for known in names_of(module) for line in _of(known, getattr(module, known))]
    if name == "holdfast.client":
        # What hangs on a handle is imported by nobody, and called by everybody.
        handles = [one for one in _handles() if one.__name__ not in names_of(module)]
        lines += [line for one in handles for line in _of(one.__name__, one)]
    return "\n".join(["", f"[{name}]", *lines, ""])


def names_of(module: ModuleType) -> list[str]:
    """The public names of a module: those that it exports, else those that it defines."""
    exported = getattr(module, "__all__", None)
    if exported is not None:
        return sorted(exported)
    own = {
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__
    }
    return sorted(name for name in own if not name.startswith("_"))


def _handles() -> list[type]:
    client = Client("http://127.0.0.1:1")
    session = Session(Door(Pool("http://127.0.0.1:1"), ""), "", SessionPlan())
    held = [*vars(client).items(), *vars(session).items()]
    kinds = {type(value) for name, value in held if not name.startswith("_")}
    return sorted(
        (one for one in kinds if one.__module__.startswith("holdfast.client.")),
        key=lambda one: one.__name__,
    )


def _of(name: str, value: Any) -> Iterator[str]:
    if not inspect.isclass(value):
        yield f"{name}{_signature(value)}" if callable(value) else f"{name}: {value!r}"
        return
    if issubclass(value, enum.Enum):
        yield f"{name}({', '.join(f'{one.name}={one.value!r}' for one in value)})"
        return
    base = value.__mro__[1].__name__
    yield f"{name}{_signature(value)}" + (f" is {base}" if issubclass(value, Exception) else "")
    for member, what in sorted(vars(value).items()):
        if not member.startswith("_"):
            yield from _member(f"{name}.{member}", what)


def _member(name: str, what: Any) -> Iterator[str]:
    if isinstance(what, property):
        told = inspect.signature(what.fget).return_annotation if what.fget else Any
        yield f"  {name}: {_annotation(told)}"
    elif isinstance(what, classmethod | staticmethod):
        yield from _member(name, what.__func__)
    elif inspect.isfunction(what):
        awaited = "async " if inspect.iscoroutinefunction(what) else ""
        yield f"  {awaited}{name}{_signature(what)}"
    elif isinstance(what, str | int | bool):
        yield f"  {name} = {what!r}"


def _signature(value: Any) -> str:
    try:
        known = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    given = [
        one.replace(annotation=_annotation(one.annotation), default=_default(one.default))
        for name, one in known.parameters.items()
        if name not in ("self", "cls")
    ]
    answer = _annotation(known.return_annotation)
    return str(known.replace(parameters=given, return_annotation=answer))


def _annotation(told: Any) -> Any:
    if told is inspect.Parameter.empty:
        return told
    text = told if isinstance(told, str) else inspect.formatannotation(told)
    return _Told(_PATH.sub("", text))


def _default(value: Any) -> Any:
    if value is inspect.Parameter.empty:
        return value
    if isinstance(value, enum.Enum):
        return _Told(f"{type(value).__name__}.{value.name}")
    plain = isinstance(value, _PLAIN) or repr(value) == "<factory>"
    return value if plain else _Told("...")


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(rendered(), encoding="utf-8")


if __name__ == "__main__":
    main()

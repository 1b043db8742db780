"""Render the tables and limits that the core decides by into pages of `docs/reference`.

Run as `python -m scripts.render_tables`; what stands below the mark is made here, never by hand.
"""

import ast
import enum
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from holdfast.core.risk.shell_spec import Known, Spec

ROOT = Path(__file__).parents[1]
MARK = "<!-- made by scripts/render_tables.py from the code; do not edit below -->\n"
# Folders and modules of the core by the page that shows them; `tables` shows all others.
PAGES: dict[str, tuple[str, ...]] = {
    "tables": (),
    "shell": ("risk",),
    "scrub": ("scrub",),
    "tools": ("builtin_tools", "sources", "history_options", "history_words", "inline_words"),
}
# They are made of what another package or module says.
_ELSEWHERE = ("price_table", "table")
# Of Python's own list, and made of what is shown beside it.
_NOT_SHOWN = frozenset({"LIBRARY", "DEFAULT_RULES"})
_WIDE = 60


def path_of(page: str) -> Path:
    """Where a page stands."""
    return ROOT / "docs" / "reference" / f"{page}.md"


def modules(page: str) -> list[str]:
    """The modules that a page shows, those that have a table or a limit, by name, in order."""
    core = ROOT / "src" / "holdfast" / "core"
    own = {part for parts in PAGES.values() for part in parts}
    found = []
    for path in sorted(core.rglob("*.py")):
        inner = path.relative_to(core).with_suffix("").parts
        if set(inner) & {*_ELSEWHERE, "__init__"}:
            continue
        if set(inner) & set(PAGES[page]) or (not PAGES[page] and not set(inner) & own):
            found.append(".".join(("holdfast", "core", *inner)))
    return [name for name in found if list(_tables(importlib.import_module(name)))]


def section(name: str) -> str:
    """What the page says of one module."""
    module = importlib.import_module(name)
    first = (module.__doc__ or "").partition("\n")[0]
    title = name.removeprefix("holdfast.").replace(".", "/")
    return "\n".join([f"\n## `{title}`\n", first, "", *_rows(module)]) + "\n"


def _rows(module: ModuleType) -> Iterator[str]:
    for name, value in _tables(module):
        shown = spelt(value)
        if isinstance(value, str) and ".shell_specs_" in module.__name__:
            continue  # What is read from it is shown with `shell_specs`.
        if (
            isinstance(value, tuple)
            and len(value) > 1
            and all(isinstance(one, msgspec.Struct) for one in value)
        ):
            yield f"- `{name}`:"
            yield from (f"  - {spelt(one)}" for one in value)
            continue
        if len(shown) <= _WIDE or not isinstance(value, Mapping):
            yield f"- `{name}`: {shown}"
            continue
        yield f"- `{name}`:"
        for key, inner in sorted(value.items(), key=lambda one: spelt(one[0])):
            yield f"  - {spelt(key)}: {spelt(inner)}"


def _tables(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Name and value of what the module itself binds outside functions, where it is plain data."""
    tree = ast.parse(inspect.getsource(module))
    seen = set[str]()
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        for target in targets:
            if isinstance(target, ast.Name) and target.id not in seen | {"__all__"}:
                seen.add(target.id)
                value = getattr(module, target.id)
                if target.id not in _NOT_SHOWN and _is_data(value) and not callable(value):
                    yield target.id, value


def _is_data(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(_is_data(one) for one in (*value, *value.values()))
    if isinstance(value, frozenset | set | tuple | list):
        return bool(value) and all(_is_data(one) for one in value)
    if isinstance(value, str | bytes | int | float | re.Pattern | enum.Enum | range):
        return True
    return isinstance(value, msgspec.Struct) or value is None or callable(value)


def spelt(value: Any) -> str:
    """A value as the page shows it, the same on every run."""
    if isinstance(value, enum.Enum):
        return f"`{value.name if isinstance(value, int) else value.value}`"
    if isinstance(value, str | bytes):
        return f"`` {value!r} ``" if isinstance(value, bytes) or "`" in value else f"`{value!r}`"
    if isinstance(value, re.Pattern):
        flags = f" {re.RegexFlag(value.flags)!s}"
        return f"`` {value.pattern!r} ``{flags}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(sorted(f"{spelt(k)}: {spelt(v)}" for k, v in value.items())) + "}"
    if isinstance(value, frozenset | set):
        return "{" + ", ".join(sorted(map(spelt, value))) + "}"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(map(spelt, value)) + ")"
    if isinstance(value, msgspec.Struct):
        return _struct(value)
    if callable(value):
        return f"`{getattr(value, '__name__', type(value).__name__)}`"
    return f"{value!r}"


def _struct(value: msgspec.Struct) -> str:
    if isinstance(value, Spec):
        return " ".join(_words(value))
    if isinstance(value, Known):
        return "; ".join([spelt(value.own), *_verbs(value)])
    return f"{type(value).__name__}({_fields(value)})"


def _fields(value: msgspec.Struct) -> str:
    """The fields of a struct that are not at their defaults."""
    told = []
    for field in msgspec.structs.fields(value):
        given = getattr(value, field.name)
        if given != field.default:
            told.append(f"{field.name}={spelt(given)}")
    return ", ".join(told)


def _words(known: Spec) -> Iterator[str]:
    """A spec in the words of its table (`core/risk/shell_spec`)."""
    yield from (f"`{name}{kind}`" for name, kind in known.options.items())
    yield from (f"`{start}*{kind}`" for start, kind in known.families)
    yield f"`@{known.operands}`"
    if known.behind:
        yield f"`--:{known.behind}`"


def _verbs(known: Known) -> Iterator[str]:
    """Verbs that are given the same, together."""
    alike: dict[str, list[str]] = {}
    for verb, given in known.verbs.items():
        alike.setdefault(spelt(given), []).append(verb)
    for words, verbs in alike.items():
        yield f"**{' '.join(verbs)}** {words}"


def rendered(page: str) -> str:
    """Everything below the mark of a page."""
    return "".join(section(name) for name in modules(page))


def main() -> None:
    """Write the pages anew below their marks."""
    for page in PAGES:
        path = path_of(page)
        head, _, _ = path.read_text(encoding="utf-8").partition(MARK)
        path.write_text(head + MARK + rendered(page), encoding="utf-8")


if __name__ == "__main__":
    main()

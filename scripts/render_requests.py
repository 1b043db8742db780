"""Render the table of the Messages API into `docs/explanation/requests.md`.

Run as `python -m scripts.render_requests`; what stands below the mark is made here, never by hand.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from holdfast.core.wire.betas import BETAS
from holdfast.core.wire.grants import REACH
from holdfast.core.wire.headers import HEADERS
from holdfast.core.wire.shapes import Use
from holdfast.core.wire.table import GRANTED, KINDS, ROWS
from holdfast.core.wire.takes import VENDORS
from holdfast.core.wire.tools import WORK
from holdfast.model.money import format_usd

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "requests.md"
MARK = "<!-- made by scripts/render_requests.py from the table; do not edit below -->\n"


def words(names: Iterable[str]) -> str:
    """Names as code, in order."""
    return ", ".join(f"`{name}`" for name in names)


def rendered() -> str:
    """Everything below the mark."""
    named = (*_named("Betas", BETAS), *_named("Headers", HEADERS))
    return "\n".join([*_work(), *_grants(), *_fields(), *_kinds(), *named, *_vendors()])


def _work() -> Iterator[str]:
    yield "\n## Tools of the provider: bounds that are declared here\n"
    yield "| grant | types | calls | tokens a result | limited in its definition | beside usage |"
    yield "|---|---|---|---|---|---|"
    for name, work in WORK.items():
        kind = KINDS.get(name, KINDS["mcp_toolset"])
        beside = format_usd(work.request_nusd) + " a request" if work.request_nusd else ""
        limited = "yes" if work.limited else "no"
        cells = (f"`{name}`", words(kind.types), work.calls, work.tokens, limited, beside)
        yield "| " + " | ".join(str(cell) for cell in cells) + " |"


def _grants() -> Iterator[str]:
    yield "\n## What is granted, and how far it reaches\n"
    yield "| grant | reaches | kinds of object that ask for it |"
    yield "|---|---|---|"
    for name, reach in REACH.items():
        kinds = words(kind for kind, names in GRANTED.items() if name in names)
        yield f"| `{name}` | {reach} | {kinds} |"


def _fields() -> Iterator[str]:
    yield "\n## Fields that are more than inert\n"
    yield "| use | fields |"
    yield "|---|---|"
    for use in Use:
        named = [
            f"{name}.{field}"
            for name, kind in KINDS.items()
            for field, one in kind.fields.items()
            if one.use is use and use is not Use.INERT
        ]
        if named:
            yield f"| {use} | {words(named)} |"


def _kinds() -> Iterator[str]:
    yield "\n## Every kind of object\n"
    yield "| kind | `type` (or `role`) | fields |"
    yield "|---|---|---|"
    for name, one in ROWS.items():
        kind = KINDS[name]
        shown = f"`{name}`" + (f" ({kind.use})" if kind.use is not Use.INERT else "")
        yield f"| {shown} | {words(kind.types)} | {words(tuple(one.fields))} |"


def _named(title: str, table: Mapping[str, Use]) -> Iterator[str]:
    yield f"\n## {title}\n"
    yield "| use | names |"
    yield "|---|---|"
    for use in Use:
        named = sorted(name for name, one in table.items() if one is use)
        if named:
            yield f"| {use} | {words(named)} |"


def _vendors() -> Iterator[str]:
    yield "\n## What vendors are known not to take\n"
    yield "| vendor | betas it takes | fields that are dropped | fields that refuse |"
    yield "|---|---|---|---|"
    for name, takes in VENDORS.items():
        betas = "all of the table's" if takes.betas is None else words(sorted(takes.betas))
        cells = (f"`{name}`", betas, words(sorted(takes.dropped)), words(sorted(takes.refused)))
        yield "| " + " | ".join(cells) + " |"
    yield ""


def main() -> None:
    """Write the page anew below its mark."""
    head, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(head + MARK + rendered(), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The API's document as one page for people: no script, nothing loaded from anywhere.

Everything stands in the document (`openapi`); this only lays it out.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

CONTENT_SECURITY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#1a1a1a;background:#fff}
code,td:first-child{font:14px/1.4 ui-monospace,monospace}
h2{margin-top:3rem;border-bottom:1px solid #ccc}h3{margin:2rem 0 .25rem}
.method{display:inline-block;min-width:3.5em;color:#fff;background:#35507a;border-radius:3px;
text-align:center;font-weight:600;padding:0 .3em}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;
padding:.2rem .8rem .2rem 0;border-bottom:1px solid #eee}
p{margin:.25rem 0 .5rem}nav{display:flex;flex-wrap:wrap;gap:.2em 1em}td{overflow-wrap:anywhere}
@media (prefers-color-scheme:dark){body{color:#ddd;background:#161616}a{color:#8ab4f8}
td,th{border-color:#333}h2{border-color:#444}}
"""


def page_of(document: Mapping[str, Any]) -> str:
    """The whole page, as HTML."""
    title = f"{document['info']['title']} {document['info']['version']}"
    head = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>"
        "<p>The same for programs: <a href=/openapi.json>/openapi.json</a>, OpenAPI"
        f" {escape(document['openapi'])}.</p>"
    )
    return "".join((head, *_whole(document), "</html>"))


def _whole(document: Mapping[str, Any]) -> Iterator[str]:
    by_tag: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, verbs in document["paths"].items():
        for method, told in verbs.items():
            by_tag.setdefault(told["tags"][0], []).append((method, path, told))
    shown = [*by_tag, "tokens", "shapes"]
    yield "<nav>" + "".join(f"<a href='#{tag}'>{escape(tag)}</a>" for tag in shown) + "</nav>"
    for tag, operations in by_tag.items():
        yield f"<h2 id='{escape(tag)}'>{escape(tag)}</h2>"
        for operation in operations:
            yield from _operation(*operation)
    yield "<h2 id=tokens>tokens</h2><table>"
    for name, scheme in document["components"]["securitySchemes"].items():
        yield _row(escape(name), escape(scheme["description"]))
    yield "</table><h2 id=shapes>shapes</h2>"
    for name, shape in sorted(document["components"]["schemas"].items()):
        yield from _shape(name, shape)


def _operation(method: str, path: str, told: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h3 id='{escape(told['operationId'])}'>"
    yield f"<span class=method>{escape(method.upper())}</span> <code>{escape(path)}</code></h3>"
    yield f"<p>{_prose(told['summary'])}</p>"
    if "description" in told:
        yield f"<p>{_prose(told['description'])}</p>"
    yield "<table>"
    tokens = [name for scheme in told["security"] for name in scheme]
    yield _row("token", ", ".join(f"<a href='#tokens'>{escape(t)}</a>" for t in tokens) or "none")
    for parameter in told.get("parameters", ()):
        needed = "" if parameter["required"] else ", may be left out"
        where = f" in the {escape(parameter['in'])}{needed}"
        yield _row(escape(parameter["name"]), _kind(parameter["schema"]) + where)
    if "requestBody" in told:
        needed = "" if told["requestBody"]["required"] else ", may be left out"
        yield _row("body", _content(told["requestBody"]) + needed)
    for status, answer in told["responses"].items():
        yield _row(escape(status), f"{escape(answer['description'])}: {_content(answer)}")
    yield "</table>"


def _shape(name: str, shape: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h3 id='shape-{escape(name)}'><code>{escape(name)}</code></h3>"
    yield f"<p>{_prose(shape.get('description', ''))}</p>"
    if "enum" in shape:
        yield (
            "<p>" + ", ".join(f"<code>{escape(str(one))}</code>" for one in shape["enum"]) + "</p>"
        )
    yield "<table>"
    needed = shape.get("required", ())
    for field, kind in shape.get("properties", {}).items():
        default = kind.get("default")
        left_out = "" if field in needed else f"; <code>{escape(repr(default))}</code> if left out"
        said = f". {_prose(kind['description'])}" if "description" in kind else ""
        yield _row(escape(field), _kind(kind) + left_out + said)
    yield "</table>"


def _content(told: Mapping[str, Any]) -> str:
    return ", ".join(_kind(one["schema"]) for one in told["content"].values())


def _kind(schema: Mapping[str, Any]) -> str:
    """What a value is, in a word or few."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href='#shape-{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"])
    kind = escape(str(schema.get("type", "anything")))
    if kind == "array" and "items" in schema:
        return f"list of {_kind(schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])}"
    return kind


def _prose(text: str) -> str:
    """Docstrings are written with `code`, and no other mark."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{one}</code>" if i % 2 else one for i, one in enumerate(pieces))


def _row(left: str, right: str) -> str:
    return f"<tr><td>{left}<td>{right}"

"""A request walked by the table: each value is known where it stands, or the request is refused.

The walk takes each value once, keeps its own stack, and gathers on the way what money, evidence
and grants need. Not here: what any of it costs (`core/wire/work`), whether it is granted.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from holdfast.core.history import MarkedResult
from holdfast.core.rewritings import Seen
from holdfast.core.wire.admitted import Admission, Admitted, Sort
from holdfast.core.wire.grants import FOLLOWED_FIELDS, REACH, Reach
from holdfast.core.wire.request import REQUEST
from holdfast.core.wire.shapes import Kind, Use
from holdfast.core.wire.table import BY_TYPE, GRANTED, KINDS, PLACES, TOOL_KINDS, Place
from holdfast.core.wire.tools import HIDDEN_TOKENS, HIDDEN_TOKENS_OTHERWISE

Step = str | int
Path = tuple[Any, ...]
"""`(path before, step)`; the request itself is `()`."""

SHOWN = 60
_PATH_SHOWN = 100
# Where null is not the same as absent.
_NEEDED = frozenset({"id", "max_tokens", "messages", "model", "name", "role", "tool_use_id"})
# Fields deep in a request that not every upstream takes (`core/wire/takes`).
_MARKED = frozenset({"defer_loading", "eager_input_streaming", "scope"})
# What a skill's own description adds to the prompt; what it reads comes through its container.
_SKILL_TOKENS = 1_000
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
# A type of a tool is its name with the day of its version.
_VERSION = re.compile(r"_\d{8}\Z")
# What an answer to a call is known by, wherever it stands.
_OF_EVIDENCE = frozenset({"tool_use_id", "is_error"})
_FILE_ID = re.compile(r"(?<![A-Za-z0-9])file[_-][A-Za-z0-9]{6,}")
# Free JSON of a tool that was admitted: what its arguments may be.
_SCHEMAS = frozenset({"input_schema", "input_examples"})


class NotInTable(Exception):
    """The sentence for a request that the table does not cover."""


class ResultText(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The text of a result. `text` is None where it stayed elsewhere, being long or old.

    `digest` is of its canonical JSON: None where nobody computed it, empty where it has none.
    """

    characters: int
    text: str | None
    digest: str | None = None


class Evidence(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """One block that claims to answer a call; `message` and `block` are its positions.

    `result` and `mark` stand for its content where the request was read elsewhere: of a result of
    the client and of the provider; `seen` where it could be compared with what a hook rewrote.
    """

    message: int
    block: int
    kind: str
    call_id: str
    is_error: bool
    result: ResultText | None = None
    mark: MarkedResult | None = None
    seen: Seen | None = None


class ServerTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the provider runs, where it is defined (`steps` from the request down).

    `max_…` are what the definition says itself; `model` is an advisor's.
    `declared` is the operator's line for a tool beyond the table.
    """

    name: str
    steps: tuple[Step, ...]
    max_uses: int | None = None
    max_tokens: int | None = None
    max_content_tokens: int | None = None
    model: str = ""
    declared: Admission | None = None


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """Something by which the provider reaches outside, under the name that is granted for it.

    `addresses` are all that it may reach there, URLs or hosts; none: any.
    """

    grant: str
    steps: tuple[Step, ...]
    addresses: tuple[str, ...] = ()


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `fallbacks`: a model call of its own; None takes what the request says."""

    model: str
    max_tokens: int | None = None
    fast: bool | None = None


class Walked(msgspec.Struct):
    """What a walk has gathered.

    `grants` names what only a grant allows, in order, each with the first place that asks for it;
    `outside` are those that reach outside. `drops` are places of what is never sent on,
    `marked` those of fields that not every upstream takes. `brought` is what the
    provider brings in by itself: `url` or `file`; empty where it brings nothing.
    """

    evidence: list[Evidence] = []
    server: list[ServerTool] = []
    client_tools: list[str] = []
    grants: dict[str, tuple[Step, ...]] = {}
    outside: list[Outside] = []
    attempts: list[Attempt] = []
    compact_triggers: list[int | None] = []
    admitted: list[Admission] = []
    drops: list[tuple[Step, ...]] = []
    marked: dict[str, list[tuple[Step, ...]]] = {}
    summarizes: bool = False
    unbounded: bool = False
    cached: bool = False
    cached_1h: bool = False
    images: int = 0
    media_bytes: int = 0
    hidden_tokens: int = 0
    brought: str = ""

    def ask(self, grant: str, path: Path) -> None:
        """Something that only this grant allows."""
        self.grants.setdefault(grant, steps(path))

    def models(self) -> tuple[str, ...]:
        """Every model that is named beside the request's own."""
        advisors = (tool.model for tool in self.server if tool.model)
        return (*(attempt.model for attempt in self.attempts), *advisors)


def walk(fields: Mapping[str, Any], admitted: Admitted) -> Walked:
    """Read a whole request by the table. Errors: NotInTable, with a sentence for the client."""
    walker = _Walker(admitted)
    walker.run(fields)
    found = walker.found
    found.evidence.sort(key=lambda one: (one.message, one.block))
    found.server.reverse()
    found.client_tools.reverse()
    return found


class _Walker:
    def __init__(self, admitted: Admitted) -> None:
        self.found = Walked()
        self._admitted = admitted
        self._todo: list[tuple[Mapping[str, Any], Kind, Path]] = []

    def run(self, fields: Mapping[str, Any]) -> None:
        todo = self._todo
        todo.append((fields, KINDS[REQUEST], ()))
        while todo:
            value, kind, path = todo.pop()
            places = PLACES[kind.name]
            for name, item in value.items():
                place, use = places.get(name, _UNKNOWN)
                if place is None:
                    if name != kind.tag or not kind.types:
                        self._beyond(item, path, name)
                elif item is None:
                    if name in _NEEDED:
                        raise NotInTable(f"`{spelt((path, name))}` must not be null")
                elif use is Use.REFUSED:
                    raise NotInTable(_refused((path, name)))
                else:
                    if name in _MARKED:
                        self.found.marked.setdefault(name, []).append((*steps(path), name))
                    self._value(item, place, (path, name))
            self._gather(value, kind, path)

    def _gather(self, value: Mapping[str, Any], kind: Kind, path: Path) -> None:
        """What money, evidence and grants need of one object."""
        for grant in GRANTED.get(kind.name, ()):
            self.found.ask(grant, path)
        gather = _GATHERERS.get(kind.name)
        if gather is not None:
            gather(self.found, value, path)
        if kind.use is Use.EVIDENCE:
            _evidence(self.found, value, path)
        elif kind.name in TOOL_KINDS:
            _tool(self.found, value, kind, path)

    def _value(self, item: Any, place: Place, path: Path) -> None:
        """Take one value that is not null, or not allowed to be."""
        if isinstance(item, str):
            holds = place.text or item in place.words
        elif isinstance(item, dict):
            if place.by_tag:
                self._object(item, place, path)
                return
            if place.values is not None and not place.values.opaque:
                for name, inner in item.items():
                    self._value(inner, place.values, (path, name))
                return
            holds = place.opaque or place.values is not None
        elif isinstance(item, list):
            if place.items is not None:
                for at, inner in enumerate(item):
                    self._value(inner, place.items, (path, at))
                return
            holds = place.opaque
        elif isinstance(item, bool):
            holds = place.flag
        elif isinstance(item, int):
            holds = place.whole
        else:
            holds = isinstance(item, float) and place.number
        if not holds:
            raise NotInTable(f"`{spelt(path)}` must be {place.expects()}")

    def _object(self, item: dict[str, Any], place: Place, path: Path) -> None:
        tag = item.get(place.tag)
        kind = place.by_tag.get(tag) if tag is None or isinstance(tag, str) else None
        if kind is not None:
            self._todo.append((item, kind, path))
            return
        if place.tag == "role" or not isinstance(tag, str):
            known = ", ".join(f"`{name}`" for name in list(place.by_tag)[:3] if name)
            raise NotInTable(f"`{spelt((path, place.tag))}` must name a kind such as {known}")
        if place.holds_tools:
            line = self._admitted.find(Sort.TOOL, tag)
            if line is None or tag in REACH or tag in TOOL_KINDS:  # Those set bounds of the table.
                raise NotInTable(
                    _not_known(f"{spelt(path)}` of type `{shown(tag)}", Sort.TOOL, tag)
                )
            self._admit(line, path)
            self._admitted_tool(line, item, path)
        else:
            self._admitted_block(item, tag, path, place.name)

    def _admitted_block(self, item: dict[str, Any], tag: str, path: Path, place: str) -> None:
        line = self._admitted.block(tag, place, dotted(path))
        if line is None:
            where = f"{spelt(path)}` of type `{shown(tag)}"
            raise NotInTable(_not_known(where, Sort.BLOCK, tag, at=dotted(path)))
        self._admit(line, path)
        if "tool_use_id" in item:
            _evidence(self.found, item, path)
        self._within(item, path, tag, line)

    def _admitted_tool(self, line: Admission, item: Mapping[str, Any], path: Path) -> None:
        if line.dropped:
            return
        if item.get("name", line.name) not in (line.name, _VERSION.sub("", line.name)):
            # Another name would be granted, and bounded, for what it is not.
            plain = _VERSION.sub("", line.name)
            raise NotInTable(f"`{spelt((path, 'name'))}` must be `{shown(plain)}`")
        self.found.server.append(ServerTool(name=line.name, steps=steps(path), declared=line))
        self.found.ask(line.name, path)
        self.found.outside.append(Outside(grant=line.name, steps=steps(path)))
        self._within(item, path, line.name, line)

    def _beyond(self, item: Any, path: Path, name: str) -> None:
        """A field that the table does not know: admitted by the operator, or refused."""
        where = (path, name)
        line = self._admitted.find(Sort.FIELD, dotted(where))
        if line is None:
            raise NotInTable(_not_known(spelt(where), Sort.FIELD, dotted(where)))
        self._admit(line, where)
        if not line.dropped:
            self._inner(item, where, dotted(where))

    def _admit(self, line: Admission, path: Path) -> None:
        self.found.admitted.append(line)
        if line.dropped:
            self.found.drops.append(steps(path))

    def _within(self, item: Mapping[str, Any], path: Path, kind: str, line: Admission) -> None:
        """Read what stands in something that was admitted, field by field.

        What the table knows is read by it there, too; what it does not is refused unless it is
        admitted itself, texts and numbers by the `fields` of the line. A tool needs a grant as it
        stands, so its own are free. `kind` is the type that the object says it is of.
        """
        known = {"type", *line.fields, *(_OF_EVIDENCE if "tool_use_id" in item else ())}
        for name, value in item.items():
            where, grant = (path, name), FOLLOWED_FIELDS.get(name)
            if line.sort is Sort.TOOL and name in _SCHEMAS:
                continue
            if line.sort is not Sort.TOOL and name not in known and _is_plain(value):
                raise NotInTable(_not_listed(where, line, name))
            if grant is not None and value:
                self.found.ask(grant, where)
                if REACH[grant] is Reach.OUTSIDE:
                    named = (value,) if name == "url" and isinstance(value, str) else ()
                    self.found.outside.append(
                        Outside(grant=grant, steps=steps(where), addresses=named)
                    )
            self._inner(value, where, f"{kind}.{name}")

    def _inner(self, value: Any, path: Path, place: str) -> None:
        """One value within something admitted."""
        if isinstance(value, str):
            self._text_within(value, path)
        elif isinstance(value, list):
            for at, inner in enumerate(value):
                self._inner(inner, (path, at), place)
        elif isinstance(value, dict):
            tag = value.get("type")
            kinds = BY_TYPE.get(tag, ()) if isinstance(tag, str) else ()
            if kinds:
                self._known_within(value, kinds, path)
            elif isinstance(tag, str):
                self._admitted_block(value, tag, path, place)
            else:
                line = self._admitted.find(Sort.FIELD, dotted(path))
                if line is None:
                    raise NotInTable(_not_known(spelt(path), Sort.FIELD, dotted(path)))
                self._within(value, path, place, line)

    def _text_within(self, text: str, path: Path) -> None:
        """A text that may name something outside asks for its grant, whatever its field is."""
        if "://" in text:
            self.found.ask("web_fetch", path)
            named = (text,) if len(text.split()) == 1 else ()
            self.found.outside.append(
                Outside(grant="web_fetch", steps=steps(path), addresses=named)
            )
        if _FILE_ID.search(text):
            self.found.ask("files", path)

    def _known_within(self, value: dict[str, Any], kinds: tuple[Kind, ...], path: Path) -> None:
        """An object that the table knows; of several of one type the least that has its fields."""
        names = value.keys() - {"type"}
        fitting = [one for one in kinds if names <= one.fields.keys()] or kinds
        kind = min(fitting, key=lambda one: len(one.fields))
        if kind.name in _CALLS:
            raise NotInTable(
                f"`{spelt(path)}` is a tool call, and cannot stand inside another block"
            )
        self._todo.append((value, kind, path))


_UNKNOWN: tuple[Place | None, Use] = (None, Use.REFUSED)


def _refused(path: Path) -> str:
    return (
        f"`{spelt(path)}` says who is billed or whose request it is: that is the operator's to say,"
        " at the upstream"
    )


def _not_known(where: str, sort: Sort, name: str, *, at: str = "") -> str:
    more = f", at: [{shown(at)}], tokens: 0" if at else ""
    return (
        f"`{where}` is not in the table of what may pass; an operator may admit it:"
        f" `gateway.admit: [{{{sort}: {shown(name)}{more}, as: inert}}]`"
    )


def _is_plain(value: Any) -> bool:
    """Whether a value is a text, a number, a flag or null, or a list that holds one."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, list):
            todo += one
        elif not isinstance(one, dict):
            return True
    return False


def _not_listed(where: Path, line: Admission, name: str) -> str:
    fields = ", ".join(shown(one) for one in (*line.fields[:5], name))
    more = f", at: [{shown(', '.join(line.at))}], tokens: {line.tokens}" if line.at else ""
    return (
        f"`{spelt(where)}` is not among the `fields` of what was admitted; an operator may add it:"
        f" `gateway.admit: [{{{line.sort}: {shown(line.name)}{more}, fields: [{fields}]}}]`"
    )


def dotted(path: Path) -> str:
    """A path without indices, as lines of `gateway.admit` name it."""
    return ".".join(step for step in steps(path) if isinstance(step, str))


def steps(path: Path) -> tuple[Step, ...]:
    """A path from the request down."""
    found = list[Step]()
    while path:
        path, step = path
        found.append(step)
    return tuple(reversed(found))


def spelt(path: Path) -> str:
    """A path as people write it, its end at least: `messages[0].content[1].type`."""
    return spelt_steps(steps(path))


def spelt_steps(where: Iterable[Step]) -> str:
    """The same for the steps of a path."""
    parts = [f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in where]
    return "".join(parts).removeprefix(".")[-_PATH_SHOWN:]


def shown(name: str) -> str:
    """A name of the client's in a sentence of ours: bounded, one line, no marks."""
    plain = "".join(c if c.isprintable() and c != "`" else "?" for c in name[:SHOWN])
    return plain + ("…" if len(name) > SHOWN else "")


def _evidence(found: Walked, block: Mapping[str, Any], path: Path) -> None:
    call_id, kind = block.get("tool_use_id"), block.get("type")
    is_error = block.get("is_error") or False
    if not isinstance(call_id, str) or not call_id or not isinstance(kind, str):
        raise NotInTable(f"`{spelt(path)}` needs a string `tool_use_id` and `type`")
    if not isinstance(is_error, bool):
        raise NotInTable(f"`{spelt((path, 'is_error'))}` must be true or false")
    where = steps(path)
    if len(where) != 4 or where[0] != "messages":
        raise NotInTable(f"`{spelt(path)}` answers a call, and cannot stand inside another block")
    found.evidence.append(Evidence(int(where[1]), int(where[3]), kind, call_id, is_error))


def _tool(found: Walked, tool: Mapping[str, Any], kind: Kind, path: Path) -> None:
    found.hidden_tokens += HIDDEN_TOKENS.get(kind.name, HIDDEN_TOKENS_OTHERWISE)
    name = tool.get("name", "")
    if kind.name == "mcp_toolset":
        return
    if kind.use is not Use.GRANTED:
        found.client_tools.append(name or kind.name)
    elif name not in ("", kind.name):
        # Another name would be granted for what it is not.
        raise NotInTable(f"`{spelt((path, 'name'))}` must be `{kind.name}`")
    else:
        if REACH[kind.name] is not Reach.INSIDE:
            hosts = tuple(tool.get("allowed_domains") or ())
            if REACH[kind.name] is Reach.QUERY:
                hosts += tuple(tool.get("blocked_domains") or ())
            found.outside.append(Outside(grant=kind.name, steps=steps(path), addresses=hosts))
        found.server.append(
            ServerTool(
                name=kind.name,
                steps=steps(path),
                max_uses=_count(tool, "max_uses", path),
                max_tokens=_count(tool, "max_tokens", path),
                max_content_tokens=_count(tool, "max_content_tokens", path),
                model=tool.get("model", ""),
            )
        )


def _count(value: Mapping[str, Any], name: str, path: Path) -> int | None:
    count = value.get(name)
    if count is not None and count < 0:
        raise NotInTable(f"`{spelt((path, name))}` must not be negative")
    return count if isinstance(count, int) else None


def _cache_control(found: Walked, mark: Mapping[str, Any], _: Path) -> None:
    found.cached = True
    found.cached_1h = found.cached_1h or mark.get("ttl") == "1h"


def _image(found: Walked, _: Mapping[str, Any], __: Path) -> None:
    found.images += 1


def _document(found: Walked, block: Mapping[str, Any], _: Path) -> None:
    source = block.get("source") or {}
    found.unbounded = found.unbounded or source.get("type") not in ("text", "content")


def _base64(found: Walked, source: Mapping[str, Any], _: Path) -> None:
    found.media_bytes += len(source.get("data") or "")


def _from_url(found: Walked, source: Mapping[str, Any], path: Path) -> None:
    found.brought = found.brought or "url"
    _reaches("web_fetch", found, source, path)


def _from_file(found: Walked, _: Mapping[str, Any], __: Path) -> None:
    found.brought = found.brought or "file"


def _reaches(grant: str, found: Walked, named: Mapping[str, Any], path: Path) -> None:
    url = named.get("url")
    where = (url,) if isinstance(url, str) and url else ()
    found.outside.append(Outside(grant=grant, steps=steps(path), addresses=where))


def _container_upload(found: Walked, _: Mapping[str, Any], __: Path) -> None:
    found.unbounded = True


def _skill(found: Walked, _: Mapping[str, Any], __: Path) -> None:
    found.hidden_tokens += _SKILL_TOKENS


def _mcp_server(found: Walked, server: Mapping[str, Any], path: Path) -> None:
    _reaches("mcp_servers", found, server, path)


def _fallback(found: Walked, entry: Mapping[str, Any], path: Path) -> None:
    model, speed = entry.get("model"), entry.get("speed")
    if not isinstance(model, str) or not model:
        raise NotInTable(f"`{spelt((path, 'model'))}` must be a string")
    # Left out, it is the request's own speed; null is the standard one.
    fast = None if "speed" not in entry else speed == "fast"
    tokens = _count(entry, "max_tokens", path)
    found.attempts.append(Attempt(model=model, max_tokens=tokens, fast=fast))


def _compact(found: Walked, edit: Mapping[str, Any], _: Path) -> None:
    found.compact_triggers.append((edit.get("trigger") or {}).get("value"))


def _summarize(found: Walked, _: Mapping[str, Any], __: Path) -> None:
    found.summarizes = True


def _request(found: Walked, fields: Mapping[str, Any], path: Path) -> None:
    if fields.get("container") is not None:
        found.ask("code_execution", (path, "container"))
    if fields.get("fallbacks") == "default":
        raise NotInTable(
            "`fallbacks` names no models, so nothing bounds it: list them, each with its `model`"
        )


_GATHERERS = {
    REQUEST: _request,
    "cache_control": _cache_control,
    "image": _image,
    "document": _document,
    "base64_source": _base64,
    "url_source": _from_url,
    "file_source": _from_file,
    "container_upload": _container_upload,
    "skill": _skill,
    "mcp_server": _mcp_server,
    "fallback": _fallback,
    "compact": _compact,
    "summarize": _summarize,
}

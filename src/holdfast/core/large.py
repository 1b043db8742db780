"""What is asked about a large body where nobody else waits for it, and the short answer.

A body of millions of bytes takes longer to read than others may wait, and each step of it holds
the interpreter. So it is read in a process of its own (`backends/reader_host`), and what comes
back is small: of a model's request all that is decided on, in place of its texts their lengths and
digests. Everything here is a function of the bytes: which calls there were, what is admitted and
what it costs is decided by whoever asked.

Not here: processes, deadlines (`backends/reader_host`), which bodies are large (`ports/readers`).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from holdfast.core.canonical import (
    MANY_VALUES,
    Unreadable,
    Unrepresentable,
    digest,
    parse_json,
)
from holdfast.core.edits import Edits
from holdfast.core.history import Misshapen, ShownCall, marked_arguments, marked_result
from holdfast.core.messages import BadRequest, ModelRequest, read_count, read_request
from holdfast.core.rewritings import Seen, seen_in
from holdfast.core.wire.admitted import Admission, Admitted
from holdfast.core.wire.reading import Evidence, ResultText
from holdfast.core.wire.splicing import Change, spliced
from holdfast.core.writable import OUTPUT_BYTES_MAX, written

COUNTED_FIELDS = (
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "thread",
)
"""What a provider counts tokens of."""
CONTENT_CHARACTERS = 1_000_000
"""Of what a model reads for one call; more than that is left out, and the text says so."""

_LEFT_OUT = re.compile(r"\n\[\d+ further characters are left out\]\Z", re.ASCII)
_ENDING_CHARACTERS = 64
# Texts of results that come along, the newest first: what a result gives is taken from them.
_RESULT_CHARACTERS = 1_000_000
_RESULTS_CHARACTERS = 4_000_000
_SCALAR_CHARACTERS = 1_000
# Beyond these a number takes longer to read than it is worth.
_DIGITS_MAX = 1_000
SLICE = 512
"""So many calls or results of a request are decoded at a time, where others wait."""


class Read(msgspec.Struct, frozen=True, kw_only=True, tag="read"):
    """Read a model's request by the table; `counting` as `core/messages.read_count` does.

    `without` is taken out of it before.
    """

    admitted: tuple[Admission, ...] = ()
    counting: bool = False
    without: tuple[Change, ...] = ()


class Edit(msgspec.Struct, frozen=True, kw_only=True, tag="edit"):
    """Make the body that is sent."""

    edits: Edits


class Count(msgspec.Struct, frozen=True, kw_only=True, tag="count"):
    """Make the body of a `count_tokens` for the same request, with these edits."""

    edits: Edits


class Parse(msgspec.Struct, frozen=True, kw_only=True, tag="parse"):
    """Read plain JSON; `outcome`: of a report on what ran, which is recorded whatever it is."""

    outcome: bool = False


Job = Read | Edit | Count | Parse


class Requested(msgspec.Struct, frozen=True, kw_only=True, tag="requested"):
    """Answers `Read`: the request without its body, or one sentence why it is none.

    `evidence` and `calls` are those beyond the first `SLICE` of the request's, still encoded, so
    many at a time: whoever takes them in need not do it in one go (`sliced`, `decoded`).
    """

    request: ModelRequest | None = None
    bad: str = ""
    evidence: tuple[msgspec.Raw, ...] = ()
    calls: tuple[msgspec.Raw, ...] = ()


class Written(msgspec.Struct, frozen=True, kw_only=True, tag="written"):
    """Answers `Edit` and `Count`: a body was written beside this."""


class Parsed(msgspec.Struct, frozen=True, kw_only=True, tag="parsed"):
    """Answers `Parse`; `replaced` names what of a report had no place in JSON, or was too much."""

    value: Any = None
    replaced: tuple[str, ...] = ()


class Unusable(msgspec.Struct, frozen=True, kw_only=True, tag="unusable"):
    """The body cannot be used; one sentence says why. `too_large`: there is too much of it."""

    text: str
    too_large: bool = False


Answer = Requested | Written | Parsed | Unusable


def done(job: Job, body: bytes) -> tuple[Answer, bytes | None]:
    """Do one job; the bytes beside the answer are a new body. Errors: MemoryError."""
    if isinstance(job, Read):
        return _read(job, body), None
    if isinstance(job, Parse):
        return (_outcome(body) if job.outcome else _parsed(body)), None
    if isinstance(job, Edit):
        return Written(), job.edits.applied(body)
    return Written(), counted(body, job.edits)


def counted(body: bytes, edits: Edits) -> bytes:
    """The body of a `count_tokens` for a model's request, as it is sent with these edits."""
    # First what is gone: everything else is named as it stands without that.
    fields = msgspec.json.decode(spliced(body, edits.removed), type=dict[str, msgspec.Raw])
    kept = {name: fields[name] for name in COUNTED_FIELDS if name in fields}
    changes = (one for one in edits.changes if one.steps[0] in kept and len(one.steps) > 1)
    # A count has no other values that are changed, and no `max_tokens`.
    counting = msgspec.structs.replace(edits, changes=tuple(changes), max_tokens=None, removed=())
    return counting.applied(msgspec.json.encode(kept))


def _read(job: Read, body: bytes) -> Requested:
    read = read_count if job.counting else read_request
    found = read(spliced(body, job.without), Admitted(job.admitted))
    if isinstance(found, BadRequest):
        return Requested(bad=found.text)
    return sliced(compact(found))


def sliced(request: ModelRequest) -> Requested:
    """A request without its body, as it crosses to where others wait."""
    calls = request.calls
    more = calls[SLICE:] if isinstance(calls, tuple) else ()
    first = msgspec.structs.replace(
        request,
        evidence=request.evidence[:SLICE],
        calls=calls[:SLICE] if isinstance(calls, tuple) else calls,
    )
    left = _slices(request.evidence[SLICE:])
    return Requested(request=first, evidence=left, calls=_slices(more))


def _slices(of: tuple[Any, ...]) -> tuple[msgspec.Raw, ...]:
    encode = msgspec.msgpack.encode
    return tuple(msgspec.Raw(encode(of[at : at + SLICE])) for at in range(0, len(of), SLICE))


def taken_in(found: Requested) -> Iterator[ModelRequest | None]:
    """The request of `found`, whole at the end: None after each slice before.

    Errors: msgspec.DecodeError.
    """
    request = found.request
    if request is not None and found.evidence:
        evidence = list(request.evidence)
        for slice_ in found.evidence:
            evidence += msgspec.msgpack.decode(slice_, type=list[Evidence])
            yield None
        request = msgspec.structs.replace(request, evidence=tuple(evidence))
    if request is not None and isinstance(request.calls, tuple) and found.calls:
        calls = list(request.calls)
        for slice_ in found.calls:
            calls += msgspec.msgpack.decode(slice_, type=list[ShownCall])
            yield None
        request = msgspec.structs.replace(request, calls=tuple(calls))
    yield request


def compact(request: ModelRequest) -> ModelRequest:
    """The request without its body and its texts: what is decided on, and nothing else.

    Calls and results keep what they are compared by. Of the fields at the top, short values stay,
    and for others that they are there.
    """
    messages = request.fields["messages"]
    found = request.shown()
    calls = found if isinstance(found, Misshapen) else tuple(map(_marked, found))
    evidence = _evidence(request.evidence, messages)
    request.asks.evidence = []
    return msgspec.structs.replace(
        request,
        body=b"",
        fields={name: _kept(name, value) for name, value in request.fields.items()},
        evidence=evidence,
        calls=calls,
    )


def _kept(name: str, value: Any) -> Any:
    if isinstance(value, dict | list):
        return value if name == "anthropic_beta" else True
    return value if not isinstance(value, str) or len(value) <= _SCALAR_CHARACTERS else True


def _marked(call: ShownCall) -> ShownCall:
    return msgspec.structs.replace(call, arguments=None, mark=marked_arguments(call.arguments))


def _evidence(evidence: tuple[Evidence, ...], messages: list[Any]) -> tuple[Evidence, ...]:
    left = _RESULTS_CHARACTERS
    found, watching = [], _Watching()
    for block in reversed(evidence):
        shown = messages[block.message]["content"][block.block]
        if block.kind != "tool_result":
            mark, seen = marked_result(shown), watching.seen(shown.get("content"))
            found.append(msgspec.structs.replace(block, mark=mark, seen=seen))
            continue
        text = result_text(shown)
        kept = len(text) <= min(left, _RESULT_CHARACTERS)
        seen = watching.seen(shown.get("content"), texts_known=kept)
        left -= len(text) if kept else 0
        result = ResultText(len(text), text) if kept else _left_behind(text)
        found.append(msgspec.structs.replace(block, result=result, seen=seen))
    return tuple(reversed(found))


class _Watching:
    """What is seen in results, up to so many bytes of a request: the rest is too long."""

    def __init__(self) -> None:
        self._bytes = _RESULTS_CHARACTERS

    def seen(self, content: Any, *, texts_known: bool = False) -> Seen | None:
        try:
            size = len(msgspec.json.encode(content))
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
            return None
        if size > min(self._bytes, _RESULT_CHARACTERS):
            return None
        self._bytes -= size
        return seen_in(content, texts_known=texts_known)


def _left_behind(text: str) -> ResultText:
    spelled = digest(text)
    return ResultText(len(text), None, "" if isinstance(spelled, Unrepresentable) else spelled)


def result_text(block: dict[str, Any]) -> str:
    """The text of a result block, whether its content is a string or a list of blocks."""
    content = block.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part.get("text", "") for part in content if isinstance(part, dict)]
    return "\n".join(part for part in parts if isinstance(part, str))


def _parsed(body: bytes) -> Parsed | Unusable:
    found = parse_json(body)
    if isinstance(found, Unreadable):
        return Unusable(text=f"the body is not usable JSON: {found.reason}")
    return Parsed(value=found)


def read_outcome(body: bytes) -> Parsed | Unusable:
    """The body of a report on what ran, and what had to be replaced to read it.

    What ran is recorded whatever it returned: text that is no UTF-8, numbers that JSON has no word
    for, nesting without end, a key that stands twice. Unusable only where it is no JSON at all, or
    has more values than are read.
    """
    found = parse_json(body)
    if not isinstance(found, Unreadable):
        return Parsed(value=found)
    refused = f"the body is not usable JSON: {found.reason}"
    if found.reason == MANY_VALUES:
        # Nothing of it may be made: it would cost a hundred times its bytes.
        return Unusable(text=f"{refused}; report it as one text", too_large=True)
    try:
        loose = json.loads(body.decode("utf-8-sig", "replace"), parse_int=_int)
    except (ValueError, RecursionError):
        return Unusable(text=refused)
    fit = written(loose, most_bytes=max(len(body), OUTPUT_BYTES_MAX))
    return Parsed(value=fit.value, replaced=tuple(sorted({*fit.replaced, found.reason})))


def _outcome(body: bytes) -> Parsed | Unusable:
    """A large report, no more of it than is kept: it crosses to where others wait."""
    found = read_outcome(body)
    if isinstance(found, Unusable) or not isinstance(found.value, dict):
        return found
    value, replaced = dict(found.value), set(found.replaced)
    for name in ("output", "tool_response", "tool_result"):
        if name in value:
            fit = written(value[name], most_bytes=OUTPUT_BYTES_MAX)
            value[name] = fit.value
            replaced.update(fit.replaced)
    if isinstance(value.get("content"), str):
        value["content"] = kept_content(value["content"])
    return Parsed(value=value, replaced=tuple(sorted(replaced)))


def kept_content(content: str) -> str:
    """No more of it than a model could read; what was shortened before stays as it is."""
    more = len(content) - CONTENT_CHARACTERS
    if more <= 0 or (more <= _ENDING_CHARACTERS and _LEFT_OUT.search(content, CONTENT_CHARACTERS)):
        return content
    return f"{content[:CONTENT_CHARACTERS]}\n[{more} further characters are left out]"


def _int(digits: str) -> int | str:
    return int(digits) if len(digits) <= _DIGITS_MAX else digits

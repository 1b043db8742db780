"""Deltas that are counted undecoded count as those that are read: the same answer either way."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.core import stream
from holdfast.core.stream import AnswerStream, Broken


class Full(AnswerStream):
    """Reads every event."""

    def _counted(self, index, text):
        return False


def started(index=0, block=None):
    block = block or {"type": "text", "text": ""}
    return event("content_block_start", {"index": index, "content_block": block})


def event(kind, fields, separators=(",", ":")):
    data = json.dumps({"type": kind, **fields}, separators=separators)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def raw(text, index=b"0", kind=b'text_delta","text', end=b"}}"):
    """A delta as bytes, whatever `text` is."""
    return (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%b,'
        b'"delta":{"type":"%b":"%b"%b\n\n' % (index, kind, text, end)
    )


MESSAGE = event("message_start", {"message": {"id": "m", "usage": {"input_tokens": 3}}})
BLOCKS = [
    {"type": "text", "text": ""},
    {"type": "thinking", "thinking": ""},
    {"type": "tool_use", "id": "c1", "name": "look", "input": {}},
    {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
]
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ['"', "\\", "\n", "\\\\n", "\u00e9\n", "\x00", "\x7f", "\ud83d\ude00", "\u2028"]
    ),
)
RAWS = st.sampled_from(
    rb"plain|a\"b|a\\|a\\\\|\\\"|\n\t\r\b\f\/|\u00e9|\ud83d\ude00|\ud800|\x|a\\\u0041|\\u0041|"
    b"\xc3\xa9|\xc3|\xff|\xed\xa0\x80|a\x01b|a\tb|a\nb|a\x7f|\xc3\xa9\\n".split(b"|")
)
KINDS = st.sampled_from(
    rb'text_delta","text|thinking_delta","thinking|text_delta","thinking|text_delta", "text|'
    rb'input_json_delta","partial_json|text_delta","text":"x","text|signature_delta","signature|'
    rb'text_delta","stop_reason|compaction_delta","content'.split(b"|")
)
ENDS = st.sampled_from(
    b'}}@}   }@ } } @},"x":1}@},"index":1}@,"text":"more"}}@}@}}}@}}\nid: 1@}}\ndata: {}@'
    b"}}\r\n\r\ndata: {}".split(b"@")
)
INDEXES = st.sampled_from(
    [b"0", b"0", b"1", b"2", b"3", b"00", b"-0", b"1.0", b"9999", b"10000", b'"0"']
)


@st.composite
def events(draw):
    """One event of an answer, or something odd."""
    kind = draw(st.sampled_from(["delta", "delta", "raw", "raw", "start", "stop", "other"]))
    index = draw(st.integers(0, 3))
    if kind == "delta":
        delta = {"type": "text_delta", "text": draw(TEXTS)}
        spaces = draw(st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]))
        return event("content_block_delta", {"index": index, "delta": delta}, spaces)
    if kind == "raw":
        return raw(draw(RAWS), draw(INDEXES), draw(KINDS), draw(ENDS))
    if kind == "start":
        return started(index, draw(st.sampled_from(BLOCKS)))
    if kind == "stop":
        return event("content_block_stop", {"index": index})
    return draw(
        st.sampled_from([event("ping", {}), b"\n", b": c\n\n", b"event: novel\ndata: x\n\n"])
    )


def told(reader, pieces):
    """All that a reader says of an answer, step by step."""
    steps = []
    for piece in pieces:
        out = reader.feed(piece)
        steps.append((out, reader.torn(over=False), reader.seen, list(reader.calls)))
        reader.shown()
        if isinstance(out, Broken):
            break
    last = (reader.metered.reading(), reader.metered.deltas, reader.unfinished(), reader.ending())
    return steps, last, reader.started, reader.error, reader.failed


@given(st.lists(events(), max_size=8), st.lists(st.integers(0, 1500), max_size=6), st.booleans())
@example([b"\n"], [], False)
@example([b"\n", b"\n\n"], [], True)
@example([raw(b"x", b"3"), event("content_block_stop", {"index": 3})], [], False)
@example([raw(b"a\x01b")], [], False)
@example([raw(rb"a\\\"b\n")], [], False)
@example([raw(b"\xc3\xa9\\n")], [], False)
@example([raw(b"\xed\xa0\x80")], [], False)
def test_an_answer_reads_the_same_counted_or_decoded_wherever_it_is_cut(parts, places, returns):
    data = MESSAGE + b"".join(started(n, block) for n, block in enumerate(BLOCKS)) + b"".join(parts)
    if returns:
        data = data.replace(b"\n", b"\r\n")
    cuts = sorted({0, len(data), *(place for place in places if place < len(data))})
    pieces = [data[a:b] for a, b in pairwise(cuts)]
    ours = told(AnswerStream(cached_1h=False), pieces)
    assert ours == told(Full(cached_1h=False), pieces)


@pytest.mark.parametrize(
    ("piece", "size"),
    [
        (raw(b"plain"), 5),
        (raw(b"", kind=b'thinking_delta","thinking'), 0),
        (raw(rb"a\\\"\n"), 4),
        (raw(b"\xc3\xa9"), 2),
        (raw(b"x", end=b"}       }"), 1),
        (raw(b"x").replace(b'":', b'": ').replace(b'","', b'", "').replace(b',"', b', "'), 1),
    ],
)
def test_what_providers_write_is_counted_without_being_decoded(piece, size, monkeypatch):
    reader = AnswerStream(cached_1h=False)
    reader.feed(MESSAGE + started())
    monkeypatch.setattr(stream, "_EVENT", None)
    assert reader.feed(piece) == piece
    assert (reader.metered.output_bytes, reader.metered.deltas) == (size, 1)

"""The shapes of records: what is written reads as itself, what was written before reads too."""

import hashlib
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from holdfast.apps.cli.lines import line_of
from holdfast.core.narrate import narrate
from holdfast.core.scrub import RuleScrubber
from holdfast.model import bodies
from holdfast.model.bodies import BODIES, KINDS, VARIANTS, VERSION, Body
from holdfast.model.events import Kind, Record
from holdfast.model.principals import Principal, TrustLevel
from holdfast.runtime.journal import Journal
from holdfast.testing.clock import FakeClock
from holdfast.testing.memory_store import MemoryStore

# Kinds that the version before did not write.
SINCE = {
    Kind.MODEL_CALL_LIMITED,
    *(Kind.APPROVAL_ANSWERED, Kind.APPROVAL_ASKED, Kind.APPROVAL_EXPIRED),
    *(Kind.APPROVAL_DELEGATED, Kind.APPROVAL_ESCALATED, Kind.APPROVAL_REVOKED),
    *(Kind.CONTEXT_COMPACTED, Kind.SESSION_ENDING),
    *(Kind.KEY_ADDED, Kind.KEY_ROTATED, Kind.KEY_REVOKED, Kind.KEY_USED),
    *(Kind.STOP_PLACED, Kind.STOP_LIFTED, Kind.STOP_RECEIPT),
}
BEFORE = Path(__file__).parents[2] / "corpora" / "journal_before_1.jsonl"
SHAPES = sorted(KINDS, key=lambda body: body.__name__)
WHO = Principal(
    tenant="acme", project="shop", user="ann", agent="clerk", session="s", task="t",
    trust=TrustLevel.AUTONOMOUS,
)  # fmt: skip
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


class Told(msgspec.Struct, frozen=True):
    """One record of a journal as the version before wrote it, and what that said of it."""

    record: Record
    told: str
    line: tuple[str, str] | None


@cache
def before() -> tuple[Told, ...]:
    return tuple(msgspec.json.decode(row, type=Told) for row in BEFORE.read_bytes().splitlines())


@cache
def fields(body: type[Body]) -> dict[str, Any]:
    return {field.name: field for field in msgspec.structs.fields(body)}


def test_each_kind_has_a_shape_of_its_name():
    assert set(BODIES) == set(Kind)
    for kind, body in BODIES.items():
        assert body.__name__.lower() == kind.value.replace(".", "").replace("_", "")
    assert set(VARIANTS).isdisjoint(BODIES.values())


@pytest.mark.parametrize("body", [*VARIANTS, bodies.Tally], ids=lambda body: body.__name__)
def test_what_stands_in_a_variant_stands_in_the_shape_of_its_kind_with_the_same_meaning(body):
    tallied = (Kind.AUTH_REFUSED, Kind.PERMIT_REFUSED, Kind.TOOL_CALL_DECIDED)
    for kind in [VARIANTS[body]] if body in VARIANTS else tallied:
        shape = fields(BODIES[kind])
        for name, field in fields(body).items():
            assert name in shape, (kind, name)
            assert shape[name].encode_name == field.encode_name
            assert shape[name].type == field.type, (kind, name)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in SINCE])
def test_a_journal_of_the_version_before_has_each_kind_and_reads_word_for_word(kind):
    found = [one for one in before() if one.record.kind is kind]
    assert found
    for one in found:
        assert narrate(one.record, UTC, dated=True) == one.told
        line = line_of(one.record, 5_000_000)
        assert (line and (line.text, line.style)) == one.line


def test_all_that_a_version_before_wrote_is_read_and_written_again_as_it_was():
    known: list[type[Body]] = [*VARIANTS, *BODIES.values(), bodies.Tally]
    for one in before():
        body = one.record.body
        fitting = [shape for shape in known if whole(shape, body)]
        assert fitting, (one.record.kind, sorted(body))
        # A record is never written anew, so nothing of one is lost, whoever reads it.
        assert BODIES[one.record.kind].of(one.record) is not None
        assert one.record.body is body


def whole(shape: type[Body], body: dict[str, Any]) -> bool:
    """Whether a shape says all that stands there, and nothing else."""
    try:
        read = msgspec.convert(body, shape)
    except msgspec.ValidationError:
        return False
    return bool(msgspec.json.encode(read.told(), order="sorted")
                == msgspec.json.encode(body, order="sorted"))  # fmt: skip


@pytest.mark.parametrize("body", SHAPES, ids=lambda body: body.__name__)
def test_what_is_written_reads_as_itself_and_with_fields_of_a_newer_version(body):
    given = made(body)
    record = journal().record_of_ours(given, WHO)
    assert record.kind is KINDS[body]
    assert body.of(record) == given
    told = {**record.body, "of_tomorrow": {"a": [1]}}
    newer = journal().record_as_told(record.kind, WHO, told)
    assert newer.body["of_tomorrow"] == {"a": [1]}
    assert body.of(newer) == given


# Drawn once for all shapes: each gives the values to its fields in turn, from another one on.
@given(
    drawn=st.lists(st.just(UNSET) | odd, min_size=1, max_size=12),
    first=st.integers(0, 11),
    step=st.sampled_from([1, 5, 7]),
)
@settings(max_examples=200)
def test_any_json_can_be_read_and_what_fits_is_kept(drawn, first, step):
    for at, body in enumerate(SHAPES):
        names = [*(field.encode_name for field in fields(body).values()), "other"]
        turns = (drawn[(first + at + n * step) % len(drawn)] for n in range(len(names)))
        raw = {name: said for name, said in zip(names, turns, strict=True) if said is not UNSET}
        keeps_what_fits(body, raw)


def keeps_what_fits(body: type[Body], raw: dict[str, Any]) -> None:
    read = body.read(raw)
    for name, field in fields(body).items():
        said = getattr(read, name)
        if field.type in (str, int, bool):
            assert type(said) is field.type, (body, name, raw)
        try:
            fits = msgspec.convert(raw[field.encode_name], field.type)
        except (KeyError, msgspec.ValidationError):
            continue
        assert said == fits, (body, name, raw)


def test_one_odd_item_costs_itself_and_a_yes_that_is_odd_is_no_no():
    why = {"stage": "policy", "verdict": "deny", "code": "c", "text": "t", "rule": ""}
    raw = {"door": 3, "reasons": ["x", why, {"verdict": "novel"}, {"verdict": "ask", "text": "t"}]}
    body = bodies.ToolCallDecided.read(raw)
    assert (body.door, [one.text for one in body.reasons]) == ("", ["t", "t"])
    found = body.why_of("deny")
    assert found is not None
    assert (found.code, body.why_of("allow")) == ("c", None)
    assert bodies.ToolResultAdmitted.read({"taints": [1]}).taints is True
    assert bodies.ToolResultAdmitted.read({"taints": ""}).taints is False
    blanks: tuple[object, ...] = ({}, None, 0, "")
    for nothing in blanks:
        assert bodies.PromptSubmitted.read({"vouched": nothing}).vouched is False
        assert bodies.ToolCallDecided.read({"arguments_kept": nothing}).arguments_kept is False
    assert bodies.PromptSubmitted.read({}).vouched is True
    assert bodies.SessionOpened.read({"taints": "yes"}).taints is True


def test_an_odd_item_of_a_list_of_blocks_costs_itself_and_a_worker_is_told_of_it():
    call = {"type": "tool_use", "id": "t1", "name": "refund", "input": {}}
    raw = {"content": [call, "x"], "stop_reason": "tool_use"}
    assert bodies.RunAnswered.read(raw).content == [call]
    assert bodies.RunAnswered.misfit(raw) == "content"
    assert not bodies.RunAnswered.misfit({"content": [call], "new": 1})


def test_nothing_that_the_version_before_wrote_is_odd_so_that_its_workers_are_heard():
    told = [one.record for one in before()]
    assert {one.kind for one in told} == set(Kind) - SINCE
    assert [(one.kind, odd) for one in told if (odd := BODIES[one.kind].misfit(one.body))] == []


def test_half_a_surrogate_pair_is_odd_and_no_error():
    assert bodies.QuerySent.read({"bytes": "\ud800"}).bytes == 0


@pytest.mark.parametrize("body", SHAPES, ids=lambda body: body.__name__)
def test_only_what_is_marked_as_ours_is_spared_from_scrubbing(body):
    secret = "AKIA" + "A" * 16
    texts = [
        field.name
        for field in fields(body).values()
        if field.type is str or getattr(field.type, "__origin__", None) is str
    ]
    given = msgspec.structs.replace(made(body), **dict.fromkeys(texts, secret))
    record = journal().record(given, WHO)
    names = {fields(body)[name].encode_name for name in texts}
    spared = {name for name in names if record.body[name] == secret}
    assert spared == names & bodies.ours(body)


def journal() -> Journal:
    return Journal(MemoryStore(), FakeClock(7), RuleScrubber())


def made(body: type[Body]) -> Body:
    """One of them in which every field says something."""
    raw = {field.encode_name: value(field) for field in fields(body).values()}
    return msgspec.convert(raw, body)


def value(field: msgspec.structs.FieldInfo) -> Any:
    for one in (True, 7, 1.5, "text", ["text"], {"usd": 7}, {"text": 7}, *NESTED):
        if one == field.default:
            continue
        try:
            msgspec.convert(one, field.type)
        except msgspec.ValidationError:
            continue
        return one
    return not field.default


NESTED: tuple[Any, ...] = (
    {"input_tokens": 7},
    {"at_ns": 7, "tainted": True},
    {"records": {"who": ["ann"]}, "members": ["bob"]},
    {"text": "text"},
    [{"stage": "s", "verdict": "deny", "code": "c", "text": "t"}],
    [{"lever": "l", "ms": 1.5, "ok": True, "detail": "d"}],
    [{"kind": "message", "usage": {"input_tokens": 7}}],
    [{"session_id": "s", "agent": "a", "state": "killed", "streams": 1, "processes": 1,
      "ok": True, "detail": "d"}],
    [{"text": "text"}],
    [{"session_id": "s", "tenant": "t", "user": "u", "agent": "a", "state": "killed", "ms": 1.5}],
)  # fmt: skip


def plain(schema: Any) -> Any:
    """A schema without the words in it."""
    if isinstance(schema, list | tuple):
        return [plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    words = ("description", "ours")
    return {
        name: plain(one)
        for name, one in schema.items()
        if name not in words or isinstance(one, dict)
    }


# Whoever changes a shape counts `VERSION` up, and adds the digest of all shapes here.
VERSIONS = {
    1: "cf9615797f47a6facb4726ea219e393fec41cb9f3a987faa74e6fbb1bc25b864",
    2: "a82040a212cb9dcecdcbb706c98affba11ae3da4b371a3c90dc427f6775f3dee",
    3: "ed4dfc7fb0419e2c19e8789e3083a6297aefeb54e532c177b4b080aac28c1d0c",
}


def test_whoever_changes_a_shape_counts_its_version_up():
    schemas, parts = msgspec.json.schema_components(SHAPES)
    spelled = msgspec.json.encode(plain([*schemas, parts]), order="sorted")
    digest = hashlib.sha256(spelled).hexdigest()
    assert max(VERSIONS) == VERSION
    assert VERSIONS[VERSION] == digest

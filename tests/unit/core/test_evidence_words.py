"""What becomes of each result and each history, whole: what is let through, replaced or refused."""

import itertools

import msgspec
import pytest

from holdfast.core.evidence import (
    LIMITED,
    NEVER_RAN,
    UNREPORTED,
    Admitted,
    Rewritten,
    Ungoverned,
    check_evidence,
    check_history,
    unknown_calls,
)
from holdfast.core.history import (
    MarkedArguments,
    MarkedResult,
    Misshapen,
    ShownCall,
    marked_arguments,
    marked_result,
    marks,
    result_marks,
    same_arguments,
    same_result,
    shown_calls,
)
from holdfast.core.messages import Evidence
from holdfast.core.rewritings import is_raw, rewriting_marks, seen_in
from holdfast.core.wire.reading import ResultText
from holdfast.model.tools import CallRecord, CallState

RAN = (CallState.ALLOWED, CallState.BEGUN, CallState.EXECUTED, CallState.FAILED)


def record(state, call_id="c", session="s", **more):
    return CallRecord(
        session=session, call_id=call_id, tool="look", digest="d", state=state, **more
    )


def block(call_id="c", kind="tool_result", *, is_error=False, at=(3, 1), **more):
    message, position = at
    return Evidence(message, position, kind, call_id, is_error, **more)


def judge(*blocks, calls=(), limited=(), hooked=False):
    known = {one.call_id: one for one in calls}
    return check_evidence(blocks, known, "s", limited, hooked=hooked)


@pytest.mark.parametrize(
    ("state", "kind", "is_error", "session"),
    list(
        itertools.product([None, *CallState], ["tool_result", "other_result"], [False, True], "st")
    ),
)
def test_each_result_is_let_through_replaced_or_ungoverned(state, kind, is_error, session):
    calls = [] if state is None else [record(state, session=session)]
    got = judge(block(kind=kind, is_error=is_error), calls=calls)
    stops = state is not None and session == "s"
    tool = "look" if state is not None else ""
    at_server, ran_there = kind != "tool_result", state in ("server", "server_torn")
    if at_server and ran_there:
        assert got == Admitted({}, ())
    elif at_server or ran_there:
        assert got == Ungoverned(
            "c", tool, "a provider-side result answers no call seen here", stops
        )
    elif state in RAN:
        assert got == Admitted({}, tuple(calls))
    elif not is_error:
        text = "a successful result answers a call without a permit"
        assert got == Ungoverned("c", tool, text, stops)
    else:
        never = [msgspec.structs.replace(one, denial=NEVER_RAN) for one in calls]
        kept = tuple(never) if state in ("emitted", "torn") else ()
        assert got == Admitted({(3, 1): NEVER_RAN}, (), kept)


def test_a_result_of_a_denied_call_reads_its_denial_and_a_success_is_named_so():
    denied = record(CallState.DENIED, denial="no")
    assert judge(block(is_error=True), calls=[denied]) == Admitted({(3, 1): "no"}, ())
    text = "a successful result answers a call that was denied"
    assert judge(block(), calls=[denied]) == Ungoverned("c", "look", text, True)


def test_a_result_that_is_withheld_is_replaced_and_first_seen():
    told = record(CallState.EXECUTED, denial="withheld")
    assert judge(block(), calls=[told]) == Admitted({(3, 1): "withheld"}, (told,))
    seen = record(CallState.EXECUTED, admitted=True)
    assert judge(block(), calls=[seen]) == Admitted({}, ())


@pytest.mark.parametrize("state", [CallState.ALLOWED, CallState.BEGUN])
def test_where_a_hook_has_to_see_results_one_that_was_not_reported_is_withheld(state):
    allowed = record(state)
    withheld = msgspec.structs.replace(allowed, denial=UNREPORTED)
    assert judge(block(), calls=[allowed], hooked=True) == Admitted(
        {(3, 1): UNREPORTED}, (withheld,)
    )
    for passing in (record(CallState.EXECUTED), record(CallState.FAILED)):
        assert judge(block(), calls=[passing], hooked=True) == Admitted({}, (passing,))
    own = record(CallState.ALLOWED, denial="own")
    assert judge(block(), calls=[own], hooked=True) == Admitted({(3, 1): "own"}, (own,))


def test_a_call_that_was_refused_for_its_number_says_so():
    emitted = record(CallState.EMITTED)
    got = judge(block(is_error=True), calls=[emitted], limited=["c"])
    told = msgspec.structs.replace(emitted, denial=LIMITED)
    assert got == Admitted({(3, 1): LIMITED}, (), (told,))
    assert judge(block("x", is_error=True), limited=["x"]) == Admitted({(3, 1): LIMITED}, ())


def test_a_fault_that_stops_goes_first_and_the_first_of_the_others_is_told():
    mine, other = record(CallState.EMITTED, "m"), record(CallState.EMITTED, "o", "t")
    got = judge(block("x"), block("o"), block("m"), calls=[mine, other])
    assert isinstance(got, Ungoverned)
    assert (got.call_id, got.stops) == ("m", True)
    got = judge(block("x"), block("o"), calls=[mine, other])
    assert isinstance(got, Ungoverned)
    assert (got.call_id, got.stops) == ("x", False)


def test_results_of_one_request_are_gathered_by_their_places():
    calls = [record(CallState.EXECUTED, "a"), record(CallState.EMITTED, "b")]
    got = judge(
        block("a", at=(0, 0)), block("b", is_error=True, at=(0, 1)),
        block("z", is_error=True, at=(2, 5)), calls=calls,
    )  # fmt: skip
    told = msgspec.structs.replace(calls[1], denial=NEVER_RAN)
    assert got == Admitted({(0, 1): NEVER_RAN, (2, 5): NEVER_RAN}, (calls[0],), (told,))


# ---- histories -----------------------------------------------------------------------------------

ARGUMENTS = {"a": 1}


def shown(tool="look", kind="tool_use", arguments=ARGUMENTS, call_id="c", **more):
    return ShownCall(0, 0, kind, call_id, tool, arguments, **more)


def history(*calls, evidence=(), messages=(), known=()):
    return check_history(calls, evidence, messages, {one.call_id: one for one in known})


def emitted(state=CallState.EXECUTED, **more):
    return record(state, **{"shown": marks("look", ARGUMENTS)} | more)


@pytest.mark.parametrize(
    ("call", "known", "text"),
    [
        (shown(), emitted(), ""),
        (shown(), None, ""),
        (shown(tool="other"), emitted(), "the model called another tool"),
        (shown(tool="other"), emitted(emitted_as="other", shown=()), ""),
        (shown(kind="server_tool_use"), emitted(), "it ran elsewhere"),
        (shown(), emitted(CallState.SERVER), "it ran elsewhere"),
        (shown(kind="server_tool_use"), emitted(CallState.SERVER), ""),
        (shown(arguments={"a": 2}), emitted(), "the model gave other arguments"),
        (shown(arguments={"a": 2}), emitted(shown=()), ""),
        (shown(arguments=None, mark=marked_arguments(ARGUMENTS)), emitted(), ""),
        (
            shown(arguments=None, mark=marked_arguments({"a": 2})),
            emitted(),
            "the model gave other arguments",
        ),
    ],
)
def test_a_call_stands_in_a_history_as_it_was_emitted(call, known, text):
    got = history(call, known=[known] if known else [])
    assert got == (Rewritten("c", "look", text) if text else None)


def test_a_call_and_a_result_stand_there_once():
    assert history(shown(tool="x"), shown(tool="x")) == Rewritten("c", "x", "it stands there twice")
    twice = [block(), block()]
    assert history(evidence=twice) == Rewritten("c", "", "its result stands there twice")
    assert history(evidence=twice, messages=[{}] * 4, known=[emitted()]) == Rewritten(
        "c", "look", "its result stands there twice"
    )


SENT = {"type": "web_search_tool_result", "content": [{"x": 1}]}
MESSAGES = [{}, {}, {}, {"content": [None, SENT]}]
OTHER = [{}, {}, {}, {"content": [None, SENT | {"content": [{"x": 2}]}]}]


@pytest.mark.parametrize(
    ("known", "messages", "passes"),
    [
        (emitted(CallState.SERVER, answered=result_marks(SENT)), MESSAGES, True),
        (emitted(CallState.SERVER, answered=result_marks(SENT)), OTHER, False),
        (emitted(CallState.SERVER, answered=()), MESSAGES, False),
        (record(CallState.SERVER), OTHER, True),
        (record(CallState.SERVER_TORN), OTHER, False),
        (emitted(answered=()), OTHER, True),
    ],
)
def test_a_result_of_the_provider_is_what_it_sent(known, messages, passes):
    one = block(kind="web_search_tool_result")
    expected = Rewritten("c", "look", "its result is not what the provider sent")
    got = history(evidence=[one], messages=messages, known=[known])
    assert got == (None if passes else expected)
    marked = block(kind="web_search_tool_result", mark=marked_result(messages[3]["content"][1]))
    assert history(evidence=[marked], known=[known]) == got


RAW = "a hook rewrote its result after the call, and this is the one before"
UNTOLD = "a hook rewrote its result after the call, and this one is too long to compare with it"


@pytest.mark.parametrize(
    ("content", "text"), [("secret line", RAW), ("[gone] line", ""), ("something else", "")]
)
def test_what_a_hook_took_out_stays_out(content, text):
    known = emitted(rewritten=rewriting_marks("secret line", "[gone] line"))
    messages = [{}, {}, {}, {"content": [None, {"type": "tool_result", "content": content}]}]
    expected = Rewritten("c", "look", text, "send the result as the hook left it") if text else None
    assert history(evidence=[block()], messages=messages, known=[known]) == expected
    elsewhere = block(result=ResultText(1, None), seen=seen_in(content))
    assert history(evidence=[elsewhere], known=[known]) == expected
    unseen = block(result=ResultText(1, None))
    remedy = "send the result as the hook left it"
    assert history(evidence=[unseen], known=[known]) == Rewritten("c", "look", UNTOLD, remedy)
    withheld = msgspec.structs.replace(known, denial="withheld")
    assert history(evidence=[block()], messages=messages, known=[withheld]) is None


def test_calls_that_nobody_knows_are_told_once_errors_of_none_apart():
    calls = [shown(call_id="a"), shown(call_id="b"), shown(call_id="a")]
    results = [
        block("c"), block("d", is_error=True), block("e", "other_result", is_error=True), block("a"),
    ]  # fmt: skip
    assert unknown_calls(calls, results, ["b"]) == ["a", "c", "e"]


# ---- what is shown -----------------------------------------------------------------------------


def use(**more):
    return {"type": "tool_use", "id": "c", "name": "n", "input": {"a": 1}} | more


def said(*blocks):
    return [{"role": "user", "content": "x"}, {"content": list(blocks)}]


def test_every_call_of_the_messages_is_found_at_its_place():
    odd = ["x", None, {"type": "text"}, use(type="mcp_tool_use"), use(input=None)]
    assert shown_calls(said(*odd)) == [
        ShownCall(1, 3, "mcp_tool_use", "c", "n", {"a": 1}),
        ShownCall(1, 4, "tool_use", "c", "n", None),
    ]
    for messages in (None, "x", [None, {"content": None}, {"content": {"type": "tool_use"}}]):
        assert shown_calls(messages) == []


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (use(id=""), "a tool call needs a string `id` and `name`"),
        (use(id=5), "a tool call needs a string `id` and `name`"),
        (use(name=None), "a tool call needs a string `id` and `name`"),
        ({"type": "x", "content": [use()]}, "a tool call cannot stand inside another block"),
        (
            {"type": "x", "content": [1, {"content": [{"content": [use()]}]}]},
            "a tool call cannot stand inside another block",
        ),
        (use(content=[use()]), "a tool call cannot stand inside another block"),
    ],
)
def test_a_call_that_cannot_be_read_or_stands_within_a_block_is_misshapen(one, text):
    assert shown_calls(said(one)) == Misshapen(text)
    assert shown_calls(said({"type": "x", "content": [{"content": "tool_use"}, "y"]})) == []


def test_marks_are_a_size_and_an_argument_each_and_fit_what_made_them():
    known = marks("Edit", {"old_str": "a", "__proto__": 1})
    assert known[0] == "size:{}".format(len(b'{"__proto__":1,"old_str":"a"}'))
    assert len(known) == 3
    assert [mark.startswith("?") for mark in known[1:]] == [False, True]
    assert marks("x", {"a": float("inf")}) == ()
    assert same_arguments(known, "Edit", {"old_string": "a"})
    assert same_arguments(known, "Edit", {"old_string": "a", "replace_all": False})
    assert not same_arguments(known, "Edit", {"old_string": "a", "replace_all": True})
    assert not same_arguments(known, "Edit", {"old_string": "a", "old_str": "a"})
    assert not same_arguments(known, "Edit", {})
    assert not same_arguments(known, "Edit", [])
    assert not same_arguments((), "Edit", {})
    assert not same_arguments(("nonsense",), "Edit", {})
    assert not same_arguments(("size:x",), "Edit", {})
    two = (*marks("x", {"a": 1}), *marks("x", {"b": 2}))
    assert [same_arguments(two, "x", one) for one in ({"a": 1}, {"b": 2}, {"a": 1, "b": 2})] == [
        True, True, False,
    ]  # fmt: skip


def test_what_is_far_longer_than_what_was_emitted_is_not_looked_at():
    known = marks("x", {"a": 1})  # Of seven bytes.
    most = 7 * 8 + 1_024
    said_by = marked_arguments({"a": 1}).said
    assert same_arguments(known, "x", MarkedArguments(most, said_by))
    assert not same_arguments(known, "x", MarkedArguments(most + 1, said_by))
    assert not same_arguments(known, "x", MarkedArguments(-1, said_by))
    assert (
        marked_arguments([1])
        == marked_arguments({"a": float("nan"), "b": object()})
        == (MarkedArguments(-1, {}))
    )
    assert marked_arguments({"a": 1}).size_bytes == 7


def test_a_result_is_the_one_with_its_marks_by_kind_and_content():
    known = result_marks(SENT)
    assert len(known) == 1
    assert same_result(known, SENT)
    assert same_result(known, SENT | {"content": [{"x": 1, "y": None}]})
    assert not same_result(known, SENT | {"type": "other"})
    assert not same_result(known, SENT | {"content": [{"x": 2}]})
    assert not same_result((), SENT)
    assert not same_result(("unread/0",), SENT)
    digest = marked_result(SENT).digest
    size = len('[{"x":1}]') * 8 + 1_024
    assert same_result(known, MarkedResult(size, digest))
    assert not same_result(known, MarkedResult(size + 1, digest))
    assert not same_result(known, MarkedResult(-1, digest))
    assert marked_result({"content": object()}) == MarkedResult(-1, "")
    assert result_marks({"content": float("inf")}) == ()


# ---- rewritings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "left", "content", "is_the_raw_one"),
    [
        ("a", "a", "a", False),
        (1, True, 1, True),
        ("top\nsecret\nend", "top\nend", "top\nsecret\nend", True),
        ("top\nsecret\nend", "top\nend", "  12\tsecret", True),
        ("top\nsecret\nend", "top\nend", "top\nend", False),
        ("top\nabc\nlonger", "top", "abc", False),
        ("top\nabc\nlonger", "top", "longer", True),
        ("top\nabc", "top", "abc", True),
        ("top", "top\nadded", "top", True),
        ("top", "top\nadded", "top\nadded", False),
        ("top", "top\nadded", "", False),
        ({"k": "secret", "n": 1234}, {"k": "x"}, [{"text": '{"k": "secret"}'}], True),
        ({"n": 1234}, {"n": 9}, "1234", True),
        ({"n": 1234}, {"n": 9}, [{"type": "image"}, {"text": "9"}], False),
    ],
)
def test_a_text_that_holds_what_was_taken_out_is_the_raw_one(raw, left, content, is_the_raw_one):
    known = rewriting_marks(raw, left)
    assert is_raw(known, content) is is_the_raw_one
    assert is_raw(known, seen_in(content)) is is_the_raw_one


def test_marks_of_a_rewriting_say_what_went_or_what_came_and_stayed():
    assert rewriting_marks("a", "a") == ()
    assert [mark[0] for mark in rewriting_marks("abcd\ne", "e")] == ["!", "-", "o"]
    assert [mark[0] for mark in rewriting_marks("abcd", "abcd\ne")] == ["!", "+", "=", "o"]
    assert [len(mark) for mark in rewriting_marks("abcd\nefgh", "x")] == [13, 25, 1]
    assert [mark[0] for mark in rewriting_marks(1, True)] == ["!", "-", "o"]


def test_what_is_seen_is_each_value_and_all_that_is_said():
    assert seen_in("a\nb").text == "a\nb"
    assert len(seen_in("a\nb").values) == 1
    assert len(seen_in(["1"]).values) == 3
    assert seen_in([{"type": "text", "text": "a"}, {"n": 2}]).text == "a\n2"
    assert is_raw(rewriting_marks("secret", "x"), "y") is False

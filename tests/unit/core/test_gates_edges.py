"""The flow gate, work on files and the loop guard at each of their edges, in their own words."""

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from holdfast.core.flow import Given, Vouched, gate
from holdfast.core.flow.gate import gate as gate_of
from holdfast.core.flow.trusted import TrustedText
from holdfast.core.place import Place
from holdfast.core.progress import Finding, Progress, Response
from holdfast.core.risk.registry import Risk
from holdfast.core.risk.shell_risk import ShellRisk
from holdfast.core.when import Moment, read_when
from holdfast.core.workplace import gate_work, is_inside, is_work, leaves_stale, written
from holdfast.model.bodies import LoopAlert
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.risk import RiskLevel, RiskReason
from holdfast.model.sessions import LoopLimits
from holdfast.model.tools import ArgumentRole, Contract, Effect

NS = 1_000_000_000
SOURCE = "untrusted text from `fetch` is in the context"


def contract(effect=Effect.COMMIT, roles=None, properties=None, shell="", name="pay"):
    return Contract(
        name=name, description="d", effect=effect, risk=RiskLevel.LOW, risk_reason="r",
        input_schema={"type": "object", "properties": properties or {}},
        roles={one: ArgumentRole(role) for one, role in (roles or {}).items()}, shell=shell,
    )  # fmt: skip


def session(*typed, said=(), **given):
    vouched = Vouched()
    for text in typed:
        vouched.trust(text)
    for text in said:
        vouched.learn(Given(text=text))
    if given:
        vouched.learn(Given(**given))
    vouched.taint("fetch")
    return vouched


def asked(one, arguments, vouched, place=None):
    reasons = gate(one, arguments, vouched, place or Place())
    assert all(reason.stage == "flow" and reason.verdict is Verdict.ASK for reason in reasons)
    return [(reason.code, reason.text.removeprefix(SOURCE + " and ")) for reason in reasons]


def test_what_declares_nothing_asks_in_these_words():
    assert gate_of(None, {}, session()) == [
        Reason(
            stage="flow", verdict=Verdict.ASK, code="flow.undeclared",
            text=f"{SOURCE} and this tool declares no contract",
        )
    ]  # fmt: skip
    assert asked(contract(Effect.DESTROY), {}, session()) == [("flow.destroy", "the call destroys")]
    no_roles = [("flow.no_roles", "no argument declares who, what or how much")]
    for effect in (Effect.COMMIT, Effect.EGRESS):
        assert asked(contract(effect), {}, session()) == no_roles
        assert asked(contract(effect, {"b": "payload"}), {}, session()) == no_roles
    for effect in (Effect.READ, Effect.WRITE):
        assert asked(contract(effect), {}, session()) == []


ROLES = ["who", "what", "much", "url", "title", "payload"]
GUARDED = {
    Effect.READ: {"url"},
    Effect.WRITE: {"who", "much", "url", "title"},
    Effect.EGRESS: {"who", "much", "url", "title"},
    Effect.COMMIT: {"who", "what", "much", "url", "title"},
}


@pytest.mark.parametrize("effect", list(GUARDED))
def test_each_effect_guards_its_own_roles(effect):
    roles = {f"a_{role}": role for role in ROLES}
    arguments = {f"a_{role}": "stranger" if role != "much" else "77" for role in ROLES}
    told = asked(contract(effect, roles), arguments, session("hello"))
    expected = [
        (
            "flow.unvouched",
            f"`a_{role}` ({role}) stands in no trusted text: {arguments[f'a_{role}']!r}",
        )
        for role in ROLES
        if role in GUARDED[effect]
    ]
    assert told == expected


def test_where_nothing_else_says_where_it_goes_what_does():
    egress = contract(Effect.EGRESS, {"a": "what"})
    assert len(asked(egress, {"a": "stranger"}, session("hello"))) == 1
    beside = contract(Effect.EGRESS, {"a": "what", "b": "url"})
    assert asked(beside, {"a": "stranger", "b": "hello"}, session("hello")) == []


LINK = "`p` (payload) holds an address or link that stands in no trusted text: 'evil.com'"


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ("hello evil.com", [LINK]),
        ({"a": ["evil.com", 5]}, [LINK]),
        ("hello shop.com", []),
        (5, []),
        (" ".join(f"h{at}.com" for at in range(501)),
         ["`p` (payload) holds more than 500 addresses and links"]),
    ],
)  # fmt: skip
def test_links_in_what_leaves_are_vouched_for_one_by_one(payload, told):
    one = contract(Effect.EGRESS, {"w": "who", "p": "payload"})
    got = asked(one, {"w": "ann", "p": payload}, session("ann shop.com"))
    assert [text for _, text in got] == told


@pytest.mark.parametrize(
    ("title", "passes"),
    [
        ("hello", True), ("Hello", True), ("hello abc", True), ("hello abcd", False),
        ("abcd", False), (" ".join(["abc"] * 500), True), (" ".join(["abc"] * 501), False),
    ],
)  # fmt: skip
def test_a_title_is_of_known_words_and_short_ones_are_free(title, passes):
    one = contract(Effect.WRITE, {"t": "title"})
    assert (asked(one, {"t": title}, session("hello")) == []) is passes


@pytest.mark.parametrize(
    ("schema", "arguments", "fault"),
    [
        ({}, {}, "is left out, and its schema has no such default"),
        ({"default": "x"}, {}, ""),
        ({"default": None}, {"w": None}, ""),
        ({"default": "x"}, {"w": None}, "says nothing checkable, and its schema has no such default"),
        ({"default": ""}, {"w": []}, ""),
        ({"default": 0}, {"w": ""}, "says nothing checkable, and its schema has no such default"),
        ({"default": False}, {"w": False}, ""),
        ({"default": False}, {"w": None}, "says nothing checkable, and its schema has no such default"),
        ({"default": None}, {"w": False}, "says nothing checkable, and its schema has no such default"),
        ({"default": True}, {"w": False}, "says nothing checkable, and its schema has no such default"),
        ({}, {"w": {}}, "says nothing checkable, and its schema has no such default"),
        ({}, {"w": [True]}, "says nothing checkable"),
        ({}, {"w": ["ann"] * 500}, ""),
        ({}, {"w": ["ann"] * 501}, "holds more than 500 values"),
        ({"const": "fixed"}, {"w": "fixed"}, ""),
        ({"const": "fixed"}, {"w": "other"}, "stands in no trusted text: 'other'"),
        ({"properties": {"k": {}}}, {"w": {"k": "ann"}}, ""),
        ({"properties": {}}, {"w": {"zoe": "ann"}}, "stands in no trusted text: 'zoe'"),
        ({"items": {"const": "c"}}, {"w": ["c", "ann"]}, ""),
        ({}, {"w": "z" * 99}, "stands in no trusted text: " + repr("z" * 80)),
    ],
)  # fmt: skip
def test_each_value_of_a_guarded_argument_is_looked_at(schema, arguments, fault):
    one = contract(Effect.COMMIT, {"w": "who"}, {"w": schema})
    got = [text for _, text in asked(one, arguments, session("ann"))]
    assert got == ([f"`w` (who) {fault}"] if fault else [])


@pytest.mark.parametrize(
    ("effect", "role", "value", "passes"),
    [
        (Effect.COMMIT, "who", "bob", False),
        (Effect.EGRESS, "who", "bob", True),
        (Effect.COMMIT, "who", "kim", True),
        (Effect.EGRESS, "who", "mel", True),
        (Effect.COMMIT, "who", "mel", False),
        (Effect.COMMIT, "url", "https://a.com/x", True),
        (Effect.COMMIT, "url", "a.com/x", True),
        (Effect.COMMIT, "url", "https://b.com/y", False),
        (Effect.EGRESS, "url", "https://b.com/y", True),
        (Effect.COMMIT, "much", 1100, True),
        (Effect.COMMIT, "much", "42", True),
        (Effect.COMMIT, "much", "2026-11-17T09:00", True),
        (Effect.COMMIT, "much", "2026-11-17 10:00", False),
        (Effect.COMMIT, "much", "09:00", True),
        (Effect.COMMIT, "much", "later", False),
    ],
)
def test_who_where_and_how_much_are_vouched_for_by_where_they_stand(effect, role, value, passes):
    vouched = session(
        "pay 1,100 by 2026-11-17 at 09:00 see https://a.com/x",
        said=["bob agreed to 42, see https://b.com/y"],
        records={ArgumentRole.WHO: ("kim",)},
        members=("mel",),
    )
    assert (asked(contract(effect, {"v": role}), {"v": value}, vouched) == []) is passes


def test_a_member_may_be_sent_only_what_was_typed():
    one = contract(Effect.EGRESS, {"w": "who", "p": "payload"})
    vouched = session("hello there", members=("mel",))
    told = {
        body: asked(one, {"w": "mel", "p": body}, vouched) == []
        for body in ("hello there", "", None, "something else")
    }
    assert list(told.values()) == [True, True, True, False]
    many = {"w": "mel", "p": ["hello"] * 501}
    assert asked(one, many, vouched) != []
    assert asked(one, many | {"p": ["hello"] * 500}, vouched) == []


def test_what_stands_before_a_value_at_the_beginning_of_a_text_goes_on():
    for text, value, stands in (("@ann", "ann", False), (".ann", "ann", True), ("-77", "77", False),
                                ("x.ann", "ann", False), ("ann", "ann", True)):  # fmt: skip
        made = TrustedText()
        made.add(text, 1)
        assert (made.first(value) == 1) is stands, text


# ---- work on files -------------------------------------------------------------------------------

BASH = contract(Effect.COMMIT, {"command": "what"}, shell="command", name="Bash")
SHOP = Place(folder="/f")


def risk(
    *codes, level=RiskLevel.MEDIUM, writes=(), programs=(), folders=(), opaque=False, where=""
):
    reasons = tuple(RiskReason(code, "x", level, where) for code in codes)
    judged = ShellRisk(
        level, reasons, programs=programs, writes=writes, folders=folders, opaque=opaque
    )
    return Risk(level, reasons, shell=judged)


def work(one, place=SHOP, **arguments):
    reasons = gate_work(BASH, arguments, one, place, "Read")
    return [
        (reason.code, reason.text.partition(" is in the context and ")[2]) for reason in reasons
    ]


RUNS = ["runs_script", "build_tool", "unknown_program", "interpreter_code", "code_from_stdin",
        "dynamic_code", "dynamic_program"]  # fmt: skip
CODE = RUNS[3:]
WRITES = ["file_write", "git_change", "dynamic_path", "unknown_program", *CODE]
HARMLESS = ["session_change", "kill_one", "inline_code", "local_service", "declared_install",
            "remote_read"]  # fmt: skip
WRITTEN = ("flow.runs_written", "the command runs what was written or fetched since, unheld")
OTHERS = (
    "flow.runs_others",
    (
        "the command runs, unheld, code that nobody vouched for: if it is your own, say so by"
        " `holdfast files trust`"
    ),
)
WHERE = {
    "fresh": Place(folder="/f"),
    "own": Place(folder="/f", own=True),
    "stale": Place(folder="/f", stale=True),
    "own and stale": Place(folder="/f", own=True, stale=True),
    "held": Place(folder="/f", sandboxed=True),
}


@pytest.mark.parametrize(
    "code", sorted({*RUNS, *WRITES, *HARMLESS, "network", "publishes", "novel"})
)
@pytest.mark.parametrize("where", WHERE)
def test_each_finding_of_a_command_goes_on_or_waits(code, where):
    place = WHERE[where]
    got = work(risk(f"shell.{code}"), place)
    runs = code in (*RUNS, "declared_install")
    if code in ("network", "publishes", "novel"):
        assert [one for one, _ in got] == ["flow.acts_outside"]
    elif where != "held" and (code in CODE or (runs and place.stale)):
        assert got == [WRITTEN]
    elif where != "held" and runs and not place.own:
        assert got == [OTHERS]
    else:
        assert got == []


def test_a_command_that_asks_for_no_sandbox_is_not_held():
    held = Place(folder="/f", stale=True, sandboxed=True)
    assert work(risk("shell.runs_script"), held) == []
    assert work(risk("shell.runs_script"), held, dangerouslyDisableSandbox=True) == [WRITTEN]
    assert work(risk("shell.runs_script"), held, dangerouslyDisableSandbox="true") == []
    assert (is_inside({}), is_inside({"dangerouslyDisableSandbox": True})) == (True, False)


@pytest.mark.parametrize(
    ("commands", "goes_on"),
    [
        (["ruff check ."], True),
        (["ruff check .", "black ."], True),
        (["ruff check .", "make"], False),
        (["make"], False),
        ([""], False),
    ],
)
def test_what_only_reads_code_goes_on_where_code_is_stale(commands, goes_on):
    stale = Place(folder="/f", stale=True)
    found = tuple(RiskReason("shell.build_tool", "x", RiskLevel.MEDIUM, one) for one in commands)
    level = RiskLevel.MEDIUM
    assert (work(Risk(level, found, shell=ShellRisk(level, found)), stale) == []) is goes_on
    both = (*found, RiskReason("shell.runs_script", "x", level, "sh a"))
    assert work(Risk(level, both, shell=ShellRisk(level, both)), stale) == [WRITTEN]


@pytest.mark.parametrize(
    ("writes", "folders", "stray"),
    [
        (("a", "/f/b", "/f"), (), ""),
        (("../b",), (), "../b"),
        (("a/../../b",), (), "a/../../b"),
        (("/fx/b",), (), "/fx/b"),
        (("~/b",), (), "~/b"),
        (("?/b",), (), "?/b"),
        (("/tmp/x", "/tmp/../f/y"), (), ""),
        (("/tmp/../etc/x",), (), "/tmp/../etc/x"),
        (("a",), ("sub",), ""),
        (("a",), ("..",), "a"),
        (("a",), ("/f/sub",), ""),
        (("a",), ("/g",), "a"),
        (("../a",), ("sub",), "../a"),
        (("z" * 300,), ("..",), "z" * 200),
    ],
)
def test_a_path_that_is_written_lies_in_the_folder_or_in_scratch(writes, folders, stray):
    got = work(risk("shell.file_write", writes=writes, folders=folders))
    assert got == ([("flow.outside_folder", f"`{stray}` lies outside of /f")] if stray else [])
    nowhere = work(risk("shell.file_write", writes=("a",)), Place())
    assert nowhere == [("flow.outside_folder", "`a` lies outside of any folder")]


@pytest.mark.parametrize(
    ("writes", "programs", "gone"),
    [
        (("a",), ("rm",), ""), (("/f/a",), ("rm",), ""), (("a", "b"), ("rm",), "b"),
        ((), ("rm",), "?"), (("b",), ("rmdir",), ""), (("b",), ("rmdir", "ls"), ""),
        (("b",), ("rmdir", "rm"), "b"), (("b",), ("rmdir", "find"), "b"),
        (("z" * 300,), ("rm",), "z" * 200),
    ],
)  # fmt: skip
def test_only_what_the_session_made_may_go_and_empty_folders(writes, programs, gone):
    place = Place(folder="/f", made=frozenset({"/f/a"}), sandboxed=True)
    got = work(risk("shell.file_delete", writes=writes, programs=programs), place)
    told = f"the command deletes `{gone}`, which this session did not make"
    assert got == ([("flow.destroys", told)] if gone else [])


def test_artefacts_may_go_and_what_nobody_can_tell_waits():
    assert work(risk("shell.recursive_delete", writes=("build",))) == []
    assert [one for one, _ in work(risk("shell.recursive_delete", writes=("src",)))] == [
        "flow.acts_outside"
    ]
    unknown = ("flow.acts_outside", "nobody can tell what the command does")
    assert work(risk(opaque=True)) == [unknown]
    assert work(risk("shell.inline_code", opaque=True)) == []
    assert work(Risk(RiskLevel.HIGH, ())) == [unknown]
    assert gate_work(BASH, {}, Risk(RiskLevel.LOW, (), read_only=True), SHOP, "Read") == []


@pytest.mark.parametrize(
    ("one", "untainted", "tainted"),
    [
        (risk("shell.network"), True, True),
        (risk("shell.publishes"), True, True),
        (risk("shell.package_install"), True, True),
        (risk("shell.declared_install"), True, True),
        (risk("shell.remote_read", where="git pull"), True, True),
        (risk("shell.remote_read", where="gh pr checkout 7"), True, True),
        (risk("shell.remote_read", where="gh pr view"), False, False),
        (risk("shell.remote_read", where="git pulling"), False, False),
        (risk("shell.file_write"), False, True),
        (risk("shell.kill_one"), False, False),
        (risk("shell.kill_one", level=RiskLevel.HIGH), False, True),
        (Risk(RiskLevel.HIGH, (), read_only=True), False, False),
    ],
)
def test_what_a_call_leaves_in_files_is_stale_after_taint_or_where_it_was_fetched(
    one, untainted, tainted
):
    assert leaves_stale(BASH, one, tainted=False) is untainted
    assert leaves_stale(BASH, one, tainted=True) is tainted
    assert leaves_stale(None, one, tainted=True) is False


def test_files_that_a_command_writes_are_its_own_unless_it_deletes():
    assert written(BASH, {}, risk("shell.file_write", writes=("a", "b"))) == ["a", "b"]
    assert written(BASH, {}, risk("shell.file_delete", writes=("a",))) == []
    assert written(BASH, {}, Risk(RiskLevel.LOW, ())) == []
    assert written(None, {}, risk(writes=("a",))) == []
    file_tool = contract(Effect.WRITE, {"path": "what"}, name="w")
    low = Risk(RiskLevel.LOW, ())
    assert written(file_tool, {"path": "x"}, low) == ["x"]
    assert written(file_tool, {"path": 5}, low) == []
    assert (is_work(BASH), is_work(file_tool), is_work(None)) == (True, True, False)
    assert is_work(contract(Effect.EGRESS, {"path": "what"})) is False
    assert is_work(contract(Effect.WRITE, {"path": "payload"})) is False


# ---- the loop guard ------------------------------------------------------------------------------


def guard(**limits):
    return Progress(LoopLimits(**limits))


def found(progress, name, second, *, ran=True, output="same"):
    got = progress.call("t", name, second * NS)
    progress.decided("t", name, allowed=ran)
    if ran:
        progress.outcome("t", name, output, second * NS)
    return [one.code for one in got]


def test_turns_warn_alert_and_stop_at_their_numbers():
    progress = guard(max_turns=5, warn_turns=2, alert_turns=3)
    told = []
    for _ in range(7):
        told.append([(one.code, one.text, one.response) for one in progress.turn_ahead()])
        progress.turn_taken()
    assert told == [
        [],
        [("loop.turns_warning", "2 turns so far", Response.ALERT)],
        [],
        [("loop.turns_alert", "more than 3 turns", Response.ALERT)],
        [],
        [("loop.turns", "the session has had its 5 turns", Response.STOP)],
        [("loop.turns", "the session has had its 5 turns", Response.STOP)],
    ]
    each = guard(max_turns=1, each_prompt=True)
    each.turn_taken()
    (stopped,) = each.turn_ahead()
    assert stopped.text == "the session has had its 1 turns for one prompt"
    each.prompted()
    assert (each.turns, each.turn_ahead()) == (0, [])
    kept = guard(max_turns=1)
    kept.turn_taken()
    kept.prompted()
    assert len(kept.turn_ahead()) == 1


def test_ten_failures_within_ten_minutes_end_the_retrying():
    progress = guard()
    for at in range(10):
        assert progress.retrying(at * NS) is None
        progress.failure(at * NS)
    told = Finding("loop.retries", "10 model calls failed within 10 minutes", Response.DENY)
    assert progress.retrying(599 * NS) == told
    assert progress.retrying(600 * NS - 1) == told
    assert progress.retrying(600 * NS) is None
    assert told.told() == LoopAlert(code="loop.retries", text=told.text, stops=False)


def test_the_same_call_alerts_at_its_number_and_is_refused_at_twice_that():
    progress = guard(repeat_calls=2, stall_window=0)
    found(progress, "a", 0)
    told = [found(progress, "a", at) for at in range(1, 6)]
    assert told == [[], ["loop.repeats_alert"], [], ["loop.repeats"], ["loop.repeats"]]
    (alert, *_) = guard(repeat_calls=1, stall_window=0).call("t", "a", 0)
    assert alert.text == (
        "`t` was called 1 times alike within 300 s and brought nothing new; wait before you look"
        " again, or do something else"
    )


@pytest.mark.parametrize(("second", "refused"), [(299, True), (300, False)])
def test_calls_count_as_repeats_within_the_window(second, refused):
    progress = guard(repeat_calls=1, stall_window=0)
    found(progress, "a", 0, output="x")
    progress.call("t", "a", 0)
    codes = [one.code for one in progress.call("t", "a", second * NS)]
    assert (codes == ["loop.repeats"]) is refused


def test_a_stall_is_a_whole_window_of_old_results_of_few_calls_and_one_more_of_them():
    progress = guard(stall_window=3, stall_distinct=1, repeat_calls=50)
    for at in range(3):
        assert found(progress, "a", at) == []
    assert found(progress, "a", 3) == []
    (stall,) = progress.call("t", "a", 4 * NS)
    assert stall == Finding(
        "loop.stall",
        "the last 3 results were all seen before and come of only 1 distinct calls; wait before you"
        " look again, or do something else",
        Response.DENY,
    )
    assert progress.call("t", "b", 4 * NS) == []
    wide = guard(stall_window=2, stall_distinct=1, repeat_calls=50)
    for at, name in enumerate("abab"):
        assert found(wide, name, at) == []
    assert wide.call("t", "a", 5 * NS) == []


@pytest.mark.parametrize(("names", "period"), [("ab", 2), ("abc", 3), ("abcd", 4)])
def test_calls_that_come_round_four_times_are_a_cycle(names, period):
    progress = guard(repeat_calls=50, stall_window=0)
    calls = list(names * 4)
    told = [[one.code for one in progress.call("t", name, NS)] for name in calls]
    assert told[:-1] == [[]] * (len(calls) - 1)
    assert told[-1] == ["loop.cycle"]
    (again,) = progress.call("t", names[0], NS)
    assert again.text == (
        f"the same {period} tool calls came 4 times and brought nothing new; do something else"
    )


def test_five_calls_in_turn_are_no_cycle_and_one_that_repeats_is_none_of_two():
    progress = guard(repeat_calls=50, stall_window=0)
    assert not any(progress.call("t", name, NS) for name in "abcde" * 4)
    alike = guard(repeat_calls=50, stall_window=0)
    assert not any(alike.call("t", "a", NS) for _ in range(16))


def test_news_begins_everything_anew():
    progress = guard(repeat_calls=2, stall_window=0)
    for at in range(3):
        found(progress, "a", at)
    assert found(progress, "a", 3, output="news") == []
    assert found(progress, "a", 4, output="news") == []


def test_eight_old_results_alert_once():
    progress = guard(stall_window=0, repeat_calls=50)
    told = [progress.outcome("t", str(at % 2), "same", at * NS) for at in range(17)]
    alerts = [at for at, one in enumerate(told) if one is not None]
    assert alerts == [8, 16]
    assert told[8] == Finding(
        "loop.no_news", "the last 8 results were all seen before", Response.ALERT
    )


def test_the_third_refusal_of_one_call_is_final_until_the_user_speaks():
    progress = guard()
    for _ in range(3):
        assert progress.call("t", "a", NS) == []
        progress.decided("t", "a", allowed=False, codes=["policy.deny"])
    text = (
        "this very call was refused 3 times; it is not decided again until the user says something"
        " new"
    )
    assert progress.call("t", "a", NS) == [Finding("loop.refused", text, Response.DENY)]
    assert progress.call("t", "b", NS) == []
    progress.prompted()
    assert progress.call("t", "a", NS) == []


@pytest.mark.parametrize(
    ("code", "counts"),
    [("policy.deny", True), ("policy_unavailable", False), ("effect_in_flight", False),
     ("budget_exceeded", False), ("call_withdrawn", False), ("session_stopped", False)],
)  # fmt: skip
def test_refusals_that_pass_say_nothing_of_the_call(code, counts):
    progress = guard()
    for _ in range(3):
        progress.decided("t", "a", allowed=False, codes=[code])
    assert bool(progress.call("t", "a", NS)) is counts


def test_twenty_five_refusals_in_a_row_stop_and_one_allowed_call_begins_anew():
    progress = guard()
    for at in range(24):
        assert progress.decided("t", str(at), allowed=False, codes=["loop_detected"]) is None
    progress.decided("t", "x", allowed=True)
    for at in range(24):
        assert progress.decided("t", str(at), allowed=False) is None
    assert progress.decided("t", "z", allowed=False) == Finding(
        "loop.refusals", "25 tool calls in a row were refused", Response.STOP
    )


def test_calls_of_one_prompt_alert_once_past_their_number():
    progress = guard(max_tool_calls=2, each_prompt=True)
    told = [progress.decided("t", str(at), allowed=True) for at in range(4)]
    alert = Finding("loop.calls_alert", "more than 2 tool calls for one prompt", Response.ALERT)
    assert told == [None, None, alert, None]
    usual = guard(max_tool_calls=2)
    assert [usual.decided("t", str(at), allowed=True) for at in range(4)] == [None] * 4


# ---- a day that begins in the middle of an hour that was skipped ---------------------------------


class _Skips(tzinfo):
    """Clocks are put forward by an hour at 23:30 on 2026-05-01: there is no midnight."""

    at = datetime(2026, 5, 1, 23, 30)  # noqa: DTZ001 -- a wall clock

    def utcoffset(self, when):
        local = when.replace(tzinfo=None, fold=0)
        after = local >= self.at + timedelta(hours=1) or (local >= self.at and when.fold)
        return timedelta(hours=1 if after else 0)

    def dst(self, when):
        return timedelta(0)

    def tzname(self, when):
        return "skips"

    def fromutc(self, when):
        after = when.replace(tzinfo=None) >= self.at
        return when + timedelta(hours=1 if after else 0)


def test_a_day_without_a_midnight_begins_at_the_very_instant_that_the_clocks_skipped_to():
    now = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * NS
    day = read_when("2026-05-02", now, _Skips())
    assert isinstance(day, Moment)
    begins = int(datetime(2026, 5, 1, 23, 30, tzinfo=UTC).timestamp()) * NS
    assert day.from_ns == begins
    assert day.until_ns == begins + 23 * 3600 * NS + 1800 * NS

"""Headers and betas: what is refused, what goes on, what stays here, and what a vendor takes."""

import pytest

from holdfast.core.wire.admitted import NOTHING, Admission, Admitted, Sort
from holdfast.core.wire.betas import Betas, joined, read_betas
from holdfast.core.wire.headers import check_headers, sent_on, with_betas
from holdfast.core.wire.reading import NotInTable, Walked
from holdfast.core.wire.splicing import Change, spliced
from holdfast.core.wire.takes import ALL, VENDORS, Fitted, Takes, fitted


def admits(sort, name, **more):
    return Admitted([Admission(sort=sort, name=name, **more)])


@pytest.mark.parametrize("name", ["Authorization", "content-type", "HOST", "x-api-key"])
def test_a_header_that_may_come_once_is_refused_the_second_time_in_any_case(name):
    check_headers([name, "user-agent", "User-Agent"], NOTHING)
    with pytest.raises(NotInTable) as refused:
        check_headers([name, name.swapcase()], NOTHING)
    assert str(refused.value) == f"the header `{name.lower()}` comes more than once"


def test_a_header_that_is_the_operators_is_refused_unless_it_is_admitted():
    with pytest.raises(NotInTable) as refused:
        check_headers(["X-Original-URL"], NOTHING)
    assert str(refused.value) == (
        "the header `x-original-url` is the operator's to set, not the client's; an operator may"
        " admit it: `gateway.admit: [{header: x-original-url, as: dropped}]`"
    )
    check_headers(["X-Original-URL", "novel", "cookie"], admits(Sort.HEADER, "x-original-url"))


HEADERS = {"Accept": "a", "Anthropic-Beta": "b", "Authorization": "c", "Novel": "d", "cookie": "e"}


@pytest.mark.parametrize(
    ("admitted", "sent"),
    [
        (NOTHING, ["Accept", "Anthropic-Beta"]),
        (admits(Sort.HEADER, "novel"), ["Accept", "Anthropic-Beta", "Novel"]),
        (admits(Sort.HEADER, "accept", dropped=True), ["Anthropic-Beta"]),
        (admits(Sort.HEADER, "cookie"), ["Accept", "Anthropic-Beta", "cookie"]),
        (admits(Sort.BETA, "novel"), ["Accept", "Anthropic-Beta"]),
    ],
)
def test_what_is_known_or_admitted_is_sent_on_as_it_is_spelt(admitted, sent):
    assert list(sent_on(HEADERS, admitted)) == [(name, HEADERS[name]) for name in sent]


def test_headers_are_one_list_each_and_betas_take_the_place_of_the_clients():
    given = {"Accept": "a", "ACCEPT": "b", "Anthropic-Beta": "old", "X": "y"}
    assert with_betas(given, "new") == {"accept": "a, b", "x": "y", "anthropic-beta": "new"}
    assert with_betas(given, "") == {"accept": "a, b", "x": "y"}


KNOWN, ALSO, GONE = "effort-2025-11-24", "pdfs-2024-09-25", "oauth-2025-04-20"


@pytest.mark.parametrize(
    ("header", "in_body", "admitted", "betas"),
    [
        ("", None, NOTHING, Betas((), ())),
        (f" {KNOWN} ,, {GONE},{KNOWN}", [ALSO, KNOWN, 7], NOTHING, Betas((KNOWN, ALSO), (GONE,))),
        (KNOWN, (ALSO,), NOTHING, Betas((KNOWN, ALSO), ())),
        (KNOWN, ALSO, NOTHING, Betas((KNOWN,), ())),
        ("novel", [], admits(Sort.BETA, "novel"), Betas(("novel",), ())),
        ("novel", [], admits(Sort.BETA, "novel", dropped=True), Betas((), ("novel",))),
        (f"novel,{GONE}", [], admits(Sort.BETA, "*"), Betas(("novel",), (GONE,))),
        ("novel", [], admits(Sort.BETA, "*", dropped=True), Betas((), ("novel",))),
        (KNOWN, [], admits(Sort.BETA, KNOWN, dropped=True), Betas((), (KNOWN,))),
        (GONE, [], admits(Sort.BETA, GONE), Betas((GONE,), ())),
        (KNOWN, [], admits(Sort.BETA, "*", dropped=True), Betas((KNOWN,), ())),
    ],
)  # fmt: skip
def test_betas_of_header_and_body_are_judged_alike(header, in_body, admitted, betas):
    assert read_betas(header, in_body, admitted) == betas


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (
            "novel`x",
            (
                "the beta `novel?x` is not in the table of what may pass; an operator may admit it:"
                " `gateway.admit: [{beta: novel?x, as: inert}]`, or `as: dropped`"
            ),
        ),
        (
            "user-profiles-2026-03-24",
            "the beta `user-profiles-2026-03-24` lets a request say who is billed",
        ),
        (",".join(f"b{n}" for n in range(65)), "`anthropic-beta` names more than 64 betas"),
    ],
)
def test_a_beta_that_may_not_pass_is_refused_in_words(header, text):
    with pytest.raises(NotInTable) as refused:
        read_betas(header, [], NOTHING)
    assert str(refused.value) == text


def test_sixty_four_betas_may_be_named():
    many = ",".join(f"b{n}" for n in range(64))
    assert len(read_betas(many, [], admits(Sort.BETA, "*")).sent) == 64


def test_a_beta_widens_the_window_only_where_it_is_sent():
    assert Betas(("context-1m-2025-08-07",)).wide is True
    assert Betas((), ("context-1m-2025-08-07",)).wide is False
    assert joined(["a", "b"]) == "a,b"


def asks(**marked):
    return Walked(drops=[("x",)], marked={name: list(places) for name, places in marked.items()})


def test_everything_goes_to_an_upstream_that_takes_all():
    fields = {"anthropic_beta": ["a"], "anthropic_version": "v", "speed": "fast"}
    assert fitted(fields, asks(), Betas(("a", "b"), ("c",)), ALL) == Fitted(
        "a,b",
        (Change(("x",)), Change(("anthropic_beta",)), Change(("anthropic_version",))),
    )
    assert fitted({}, Walked(), Betas(), ALL) == Fitted("", ())


def test_what_an_upstream_does_not_take_is_left_out_or_refuses_the_request():
    takes = Takes(
        betas=frozenset({"a"}), dropped=frozenset({"speed"}), refused=frozenset({"thread"})
    )
    deep = asks(speed=[("messages", 0, "speed")], thread=[])
    assert fitted({"speed": "fast"}, deep, Betas(("a", "b")), takes) == Fitted(
        "a", (Change(("x",)), Change(("speed",)), Change(("messages", 0, "speed")))
    )
    assert fitted({"speed": None, "thread": None}, asks(), Betas(("a",)), takes) == Fitted(
        "a", (Change(("x",)),)
    )
    with pytest.raises(NotInTable, match=r"this upstream does not take `thread`\Z"):
        fitted({"thread": {}}, asks(), Betas(), takes)
    with pytest.raises(NotInTable, match=r"this upstream does not take `messages\[0\].thread`\Z"):
        fitted({}, asks(thread=[("messages", 0, "thread")]), Betas(), takes)


def test_a_strict_upstream_is_sent_all_or_nothing():
    strict = Takes(betas=frozenset({"a"}), dropped=frozenset({"speed"}), strict=True)
    assert fitted({}, Walked(), Betas(("a",)), strict) == Fitted("a", ())
    with pytest.raises(NotInTable, match="this upstream does not take the beta `b`"):
        fitted({}, Walked(), Betas(("a", "b")), strict)
    with pytest.raises(NotInTable, match="this upstream does not take `speed`"):
        fitted({"speed": "fast"}, Walked(), Betas(), strict)


def test_vendors_take_what_the_page_says():
    assert set(VENDORS) == {"anthropic", "bedrock", "vertex"}
    assert VENDORS["anthropic"] == Takes()
    bedrock, vertex = VENDORS["bedrock"], VENDORS["vertex"]
    assert bedrock.betas is not None
    assert vertex.betas == bedrock.betas | {"web-search-2025-03-05"}
    assert (bedrock.dropped, bedrock.refused) == (vertex.dropped, vertex.refused)
    assert not bedrock.strict


BODY = b'{"a": 1.50, "list":[ 1,{"b":"x"}, "\\u0041"],"deep":{"x":{"y":2}}}'


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ([], BODY),
        ([Change(("a",))], b'{"list":[ 1,{"b":"x"}, "\\u0041"],"deep":{"x":{"y":2}}}'),
        ([Change(("a",), 0)], b'{"a":0,"list":[ 1,{"b":"x"}, "\\u0041"],"deep":{"x":{"y":2}}}'),
        ([Change(("new",), "v")],
         b'{"a":1.50,"list":[ 1,{"b":"x"}, "\\u0041"],"deep":{"x":{"y":2}},"new":"v"}'),
        ([Change(("list", 0)), Change(("list", 1, "b"), "z")],
         b'{"a":1.50,"list":[{"b":"z"},"\\u0041"],"deep":{"x":{"y":2}}}'),
        ([Change(("list", 1))], b'{"a":1.50,"list":[1,"\\u0041"],"deep":{"x":{"y":2}}}'),
        ([Change(("list", 0)), Change(("list", 2))],
         b'{"a":1.50,"list":[{"b":"x"}],"deep":{"x":{"y":2}}}'),
        ([Change(("deep", "x", "y")), Change(("deep", "x", "z"), 3)],
         b'{"a":1.50,"list":[ 1,{"b":"x"}, "\\u0041"],"deep":{"x":{"z":3}}}'),
        ([Change(("gone",))], b'{"a":1.50,"list":[ 1,{"b":"x"}, "\\u0041"],"deep":{"x":{"y":2}}}'),
    ],
)  # fmt: skip
def test_single_values_are_cut_out_or_put_in_and_others_keep_their_bytes(changes, after):
    assert spliced(BODY, changes) == after


def test_admitted_lines_are_found_by_what_they_admit_and_where():
    block = Admission(sort=Sort.BLOCK, name="b", at=("system", "x.y"))
    field = Admission(sort=Sort.FIELD, name="b")
    lines = Admitted([block, field])
    assert lines.lines == (block, field)
    assert lines.find(Sort.FIELD, "b") is field
    assert lines.find(Sort.TOOL, "b") is None
    assert lines.block("b", "request.system", "system") is block
    assert lines.block("b", "messages.content") is None
    assert lines.block("c", "system") is None
    assert lines.named(Sort.BLOCK) == ("b",)
    assert Admitted().lines == ()
    assert Admission(sort=Sort.BETA, name="x") == Admission(
        sort=Sort.BETA, name="x", dropped=False, nusd=0, calls=1, tokens=0, at=(), fields=()
    )

"""What stands in trusted text, whole, and since when; what a result gives; what may reach outside."""

from decimal import Decimal

import pytest

from holdfast.core.flow import trusted
from holdfast.core.flow.outside import gate_outside
from holdfast.core.flow.results import Origin, given_by
from holdfast.core.flow.trusted import TrustedText
from holdfast.core.flow.vouched import Given, Vouched, leaves
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import ArgumentRole, Contract, Effect

WHO, URL, MUCH = ArgumentRole.WHO, ArgumentRole.URL, ArgumentRole.MUCH


def text(*pieces):
    made = TrustedText()
    for moment, piece in enumerate(pieces, 1):
        made.add(piece, moment)
    return made


@pytest.mark.parametrize(
    ("value", "first"),
    [
        ("ann", 1), ("ANN", 1), ("ann@shop.com", 2), ("ann@shop.co", None), ("shop.com", None),
        ("nn", None), ("a  big   one", None), ("big", 3), ("one.Then", 3), ("one", None), ("", None),
        ("zoe", None), ("12.5", 4), ("12", None), ("2.5", None), ("-5", 4), ("5", None),
        ("x=y", 5), ("x", None), ("y", 5), ("p/q", 5), ("q", 5), ("(z)", 5),
    ],
)  # fmt: skip
def test_a_value_stands_whole_or_not_at_all(value, first):
    pieces = text(
        "Hello Ann.", "mail ann@shop.com now", "a big\n one.Then", "costs 12.5 or -5", "x=y p/q (z)"
    )
    assert pieces.first(value) == first


def test_a_sentence_that_ends_without_a_space_ends_an_address_and_nothing_else_does():
    assert text("go to our-shop.com.They ask").first("our-shop.com") == 1
    assert text("go to our-shop.com.they ask").first("our-shop.com") is None
    assert text("go to Ann.They ask").first("ann") is None


def test_the_first_moment_of_a_word_a_number_and_a_phrase_is_kept():
    made = text("one 7", "two 7 8", "one two")
    assert [made.first_word(word) for word in ("one", "two", "three")] == [1, 2, None]
    assert (made.has_word("two"), made.has_word("TWO")) == (True, False)
    found = [made.first_number(Decimal(n)) for n in ("7", "8", "7.0", "9")]
    assert found == [1, 2, 1, None]
    assert made.first("one two") == 3


def test_text_is_kept_up_to_a_bound_of_one_piece_and_of_all(monkeypatch):
    monkeypatch.setattr(trusted, "KEPT_OF_ONE", 6)
    monkeypatch.setattr(trusted, "KEPT_CHARACTERS", 9)
    made = text("alpha beta", "gamma", "delta")
    assert made.first("alpha") == 1
    assert made.first("beta") is None
    assert made.first("gam") == 2
    assert made.first("delta") is None


def test_a_value_is_looked_for_at_a_bounded_number_of_places(monkeypatch):
    monkeypatch.setattr(trusted, "_MOST_PLACES", 2)
    assert text("a-b a-b a b").first("a b") is None
    assert text("a-b a b").first("a b") == 1


def test_a_copy_has_all_of_it_and_neither_hears_of_the_other():
    made = text("one 7")
    other = made.copy()
    made.add("two 8", 5)
    other.add("three 9", 6)
    assert (other.first("one"), other.first("two"), other.first("three")) == (1, None, 6)
    assert (made.first("two"), made.first("three")) == (5, None)
    assert (made.first_number(Decimal(9)), other.first_number(Decimal(9))) == (None, 6)


# ---- results -----------------------------------------------------------------------------------


def contract(records=None, members=()):
    return Contract(
        name="look", description="d", effect=Effect.READ, risk=RiskLevel.LOW, risk_reason="r",
        input_schema={}, records=records or {}, members=tuple(members),
    )  # fmt: skip


JSON = (
    '{"to": "ann", "rows": [{"to": ["bob", 5, true, null, ""], "url": "u"}, {"k": {"to": "eve"}}]}'
)


@pytest.mark.parametrize(
    ("declared", "origin", "said", "failed", "given"),
    [
        (contract(), Origin.OWN, "hello", False, Given(text="hello")),
        (contract(), Origin.OWN, "hello", True, Given()),
        (contract(), Origin.NEUTRAL, "hello", False, Given()),
        (contract(), Origin.OTHERS, "hello", False, Given()),
        (None, Origin.OWN, "hello", False, Given()),
        (
            contract({"to": WHO}), Origin.OTHERS, JSON, False,
            Given(records={WHO: ("ann", "bob", "5", "eve")}),
        ),
        (
            contract({"to": WHO, "url": URL}), Origin.OWN, JSON, False,
            Given(records={WHO: ("ann", "bob", "5", "eve"), URL: ("u",)}),
        ),
        (contract(members=["url"]), Origin.OTHERS, JSON, False, Given(members=("u",))),
        (
            contract(members=["*"]), Origin.OTHERS, JSON, False,
            Given(members=("ann", "bob", "5", "u", "eve")),
        ),
        (contract({"to": WHO}), Origin.OWN, "no json", False, Given()),
        (
            contract({"to": WHO}), Origin.OWN,
            '{"to":"a"}\n<system-reminder>x</system-reminder> <system-reminder>y</system-reminder>\n',
            False, Given(records={WHO: ("a",)}),
        ),
        (contract({"to": WHO}), Origin.OWN, '{"to":"a"} x', False, Given()),
        (contract({"to": WHO}), Origin.OWN, "</system-reminder>", False, Given()),
    ],
)  # fmt: skip
def test_a_result_gives_what_its_contract_declares(declared, origin, said, failed, given):
    assert given_by(declared, origin, said, failed=failed) == given


def test_fields_of_results_are_bounded_in_number_and_length():
    values = ["x" * 512, "y" * 513, *(f"v{at}" for at in range(1_005))]
    said = '{"to": [' + ",".join(f'"{value}"' for value in values) + "]}"
    given = given_by(contract({"to": WHO}), Origin.OWN, said, failed=False)
    kept = given.records[WHO]
    assert (len(kept), kept[0], kept[1]) == (1_000, "x" * 512, "v0")
    long = given_by(contract(), Origin.OWN, "z" * 20_001, failed=False)
    assert len(long.text) == 20_000


def test_nine_reminders_are_one_too_many():
    note = "<system-reminder>x</system-reminder>"
    for many, passes in ((8, True), (9, False)):
        given = given_by(
            contract({"to": WHO}), Origin.OWN, '{"to":"a"}' + note * many, failed=False
        )
        assert bool(given.records) is passes


def test_given_is_empty_where_it_adds_nothing():
    assert Given().empty
    assert not Given(text="x").empty
    assert not Given(records={WHO: ("a",)}).empty
    assert not Given(members=("a",)).empty


def test_leaves_are_every_scalar_with_or_without_the_keys():
    value = {"a": [1, {"b": None}], "c": ("x", True)}
    assert list(leaves(value)) == ["a", 1, "b", None, "c", "x", True]
    assert list(leaves(value, keys=False)) == [1, None, "x", True]


# ---- outside -----------------------------------------------------------------------------------

SOURCE = "untrusted text from `fetch` is in the context"


def session(*typed, said=(), brought=()):
    vouched = Vouched()
    for one in typed:
        vouched.trust(one)
    for arguments in brought:
        vouched.bring(arguments)
    for one in said:
        vouched.learn(Given(text=one))
    vouched.taint("fetch")
    vouched.taint("later")
    return vouched


def denied(code, told):
    return [Reason(stage="flow", verdict=Verdict.DENY, code=code, text=told)]


@pytest.mark.parametrize(
    ("typed", "address", "passes"),
    [
        ("see https://a.com/x please", "https://a.com/x", True),
        ("see https://a.com/x please", "https://a.com/y", False),
        ("see a.com/x please", "https://a.com/x", True),
        ("see HTTPS://A.com/x please", "https://a.com/x/", True),
        ("see a.com please", "a.com", True),
        ("see a.com please", "b.a.com", False),
        ("see a.com please", "com", False),
        ("the com of it", "https://com", False),
        ("", "https://a.com", False),
    ],
)
def test_an_address_outside_has_to_stand_in_trusted_text(typed, address, passes):
    told = f"{SOURCE}, and {address!r} stands in no trusted text"
    expected = [] if passes else denied("flow.unvouched", told)
    assert gate_outside([address], session(typed), ()) == expected
    assert gate_outside([address], session(typed), [address]) == []
    assert gate_outside([address], Vouched(), ()) == []


def test_what_may_reach_anywhere_is_refused_and_an_address_is_shown_in_bounds():
    told = f"{SOURCE}, and it may reach any address, with anything of the context in it"
    assert gate_outside([], session("x"), ()) == denied("flow.outside", told)
    (reason,) = gate_outside(["https://" + "a" * 300], session("x"), ())
    assert "'https://" + "a" * 192 + "'" in reason.text
    both = gate_outside(["https://a.com", "https://b.com"], session("https://a.com"), ())
    assert "b.com" in both[0].text


def test_what_a_first_party_said_counts_unless_the_model_brought_it_before():
    address = "https://a.com/x"
    assert gate_outside([address], session(said=[address]), ()) == []
    brought = session(brought=[{"u": address}], said=[address])
    assert len(gate_outside([address], brought, ())) == 1
    assert session("ann").tainted_by == "fetch"


@pytest.mark.parametrize(
    ("value", "believed"),
    [("1100", True), (1100, True), ("1,100.00", True), (1100.5, False), ("ann", True),
     ("bob", True), ("eve", False), (True, False), (None, False), ("13", True), (13, True)],
)  # fmt: skip
def test_a_value_is_believed_where_it_was_typed_or_said_numbers_by_value(value, believed):
    vouched = session("pay 1,100 to ann by June 13", said=["bob agreed"])
    assert vouched.believes(value) is believed


def test_a_record_vouches_whole_for_its_role_and_members_for_themselves():
    vouched = Vouched()
    vouched.learn(Given(records={WHO: ("Ann Lee",), MUCH: ("49.90",)}, members=("bob",)))
    assert vouched.recorded("ann  lee", WHO)
    assert not vouched.recorded("ann", WHO)
    assert not vouched.recorded("Ann Lee", URL)
    assert vouched.recorded(49.9, MUCH)
    assert vouched.knows_number(Decimal("49.9"))
    assert not vouched.knows_number(Decimal("49.91"))
    assert vouched.member("BOB")
    assert not vouched.member("bo")


def test_where_arguments_are_not_known_nothing_said_later_counts():
    vouched = Vouched()
    vouched.learn(Given(text="before 77"))
    vouched.bring(None)
    vouched.learn(Given(text="after 88", records={WHO: ("zoe",)}, members=("kim",)))
    vouched.bring(None)
    assert vouched.said("before")
    assert vouched.knows_number(Decimal(77))
    assert vouched.knows_word("before")
    for late in (vouched.said("after"), vouched.knows_number(Decimal(88)), vouched.knows_word("after"),
                 vouched.recorded("zoe", WHO), vouched.member("kim")):  # fmt: skip
        assert late is False
    vouched.trust("typed after")
    assert vouched.typed("typed after")

"""What a spending key lets its holder ask for: never more than it says, whatever is asked."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.keys import MOST_LIMITS, Beyond, Wanted, limits_fault, over, standing, within
from holdfast.model.budgets import Dimension, Limit, Scope, Window
from holdfast.model.keys import KeyState, SpendingKey

CI = SpendingKey(
    name="ci",
    digest="",
    tenant="acme",
    project="shop",
    agent="desk",
    users=("ann",),
    limits=(),
    added_at_ns=0,
    added_by="admin",
    expires_at_ns=100,
)
TWO = msgspec.structs.replace(CI, users=("ann", "bob"), task="refunds")
ANY = msgspec.structs.replace(CI, users=("*",))
NAMES = st.sampled_from(["", "acme", "shop", "desk", "ann", "bob", "carol", "*", "refunds", "Desk"])


def limit(dimension=Dimension.USD, window=Window.LIFE, amount=5):
    return Limit(scope=Scope.KEY, dimension=dimension, window=window, amount=amount)


def test_what_a_key_fixes_may_be_left_out_or_said():
    whole = Wanted("desk", "ann", "acme", "shop", "")
    assert within(CI, Wanted()) == whole
    assert within(CI, whole) == whole


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Wanted(agent="clerk"), "agent"),
        (Wanted(agent="DESK"), "agent"),
        (Wanted(user="bob"), "user"),
        (Wanted(user="ann "), "user"),
        (Wanted(tenant="umbra"), "tenant"),
        (Wanted(project="web"), "project"),
        (Wanted(task="refunds"), "task"),
        (Wanted(task="/"), "task"),
    ],
)
def test_what_it_does_not_say_is_beyond_it_and_the_sentence_names_what_it_is_for(wanted, field):
    found = within(CI, wanted)
    assert isinstance(found, Beyond)
    assert found.field == field
    assert found.text.startswith("the key `ci` opens sessions for ")


def test_everyone_is_nobody():
    assert within(CI, Wanted(user="*")) == Beyond(
        "user", "name the user: the key `ci` is for the user `ann`"
    )


def test_of_several_users_one_is_named_and_a_task_may_have_an_instance():
    asked = within(TWO, Wanted(user="bob", task="refunds/4711"))
    assert asked == Wanted("desk", "bob", "acme", "shop", "refunds/4711")
    assert within(TWO, Wanted()) == Beyond(
        "user", "name the user: the key `ci` is for the user `ann`, `bob`"
    )
    assert within(TWO, Wanted(user="carol")) == Beyond(
        "user", "the key `ci` opens sessions for the user `ann`, `bob` alone"
    )
    assert within(TWO, Wanted(user="ann")) == Wanted("desk", "ann", "acme", "shop", "refunds")
    assert within(TWO, Wanted(user="ann", task="refundsx")) == Beyond(
        "task", "the key `ci` opens sessions for the task `refunds` alone"
    )


def test_a_key_for_any_user_wants_one_named():
    assert within(ANY, Wanted(user="zoe")) == Wanted("desk", "zoe", "acme", "shop", "")
    for user in ("", "*"):
        found = within(ANY, Wanted(user=user))
        assert found == Beyond("user", "name the user: the key `ci` is for whoever you name")


@given(st.sampled_from([CI, TWO, ANY]), st.builds(Wanted, NAMES, NAMES, NAMES, NAMES, NAMES))
def test_whatever_is_asked_a_session_is_of_the_keys_agent_place_users_and_task(key, wanted):
    found = within(key, wanted)
    if isinstance(found, Beyond):
        assert found.field in Wanted._fields
        return
    assert (found.agent, found.tenant, found.project) == (key.agent, key.tenant, key.project)
    assert found.user in key.users or (key.users == ("*",) and found.user not in ("", "*"))
    assert found.task.partition("/")[0] == key.task
    assert all(given in ("", kept) for given, kept in zip(wanted, found, strict=True))


@pytest.mark.parametrize(
    ("changes", "now_ns", "state", "why"),
    [
        ({}, 99, KeyState.ACTIVE, ""),
        ({}, 100, KeyState.EXPIRED, "the key `ci` expired"),
        ({"revoked_at_ns": 7}, 99, KeyState.REVOKED, "the key `ci` was revoked"),
        ({"revoked_at_ns": 7}, 100, KeyState.REVOKED, "the key `ci` was revoked"),
    ],
)
def test_a_key_is_over_once_it_was_revoked_and_from_the_nanosecond_of_its_end(
    changes, now_ns, state, why
):
    key = msgspec.structs.replace(CI, **changes)
    assert (standing(key, now_ns), over(key, now_ns)) == (state, why)


def test_a_budget_is_in_dollars_and_names_each_amount_once():
    day = limit(window=Window.DAY)
    assert limits_fault((limit(),)) == limits_fault((limit(), day)) == ""
    assert "usd=5.00" in limits_fault(())
    assert "usd=5.00" in limits_fault((limit(Dimension.TOKENS),))
    assert "once" in limits_fault((limit(), limit(amount=6)))
    many = [limit(d, w) for d in Dimension for w in Window]
    assert limits_fault(tuple(many[:MOST_LIMITS])) == ""
    assert str(MOST_LIMITS) in limits_fault(tuple(many[: MOST_LIMITS + 1]))

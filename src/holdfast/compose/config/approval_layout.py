"""The section `approvals`: how long questions to people wait, and whose yes they take.

Not here: what the rules lead to (`core/reviewing`).
"""

from collections.abc import Mapping
from typing import Any

from holdfast.compose.config.model import ApprovalSettings
from holdfast.compose.config.names import ID, ID_PATTERN
from holdfast.compose.config.problems import quoted
from holdfast.compose.config.shapes import (
    Choice,
    Field,
    ListOf,
    MapOf,
    Reading,
    Record,
    Text,
    Whole,
)
from holdfast.model.approvals import ReviewRule, Step, Unanswered
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Effect

_NAME = ID_PATTERN[1:-1]
_WEEK_S = 7 * 86_400
_WHO = Text(
    pattern=rf"^(?:group:)?{_NAME}$|^role:(?:approver|operator|admin)$",
    says="an operator, `group:NAME`, `role:approver`, `role:operator`, `role:admin` or `owner`",
)
_EXPIRES = Whole(least=10, most=_WEEK_S)


def _steps_have_whom(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    """A step adds to those who may answer; without any that is everybody already."""
    if values.get("escalate") and not values.get("by"):
        reading.problem_at(f"{path}.escalate", "names whom to ask next, and `by` names nobody")


def _groups_are_declared(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    groups = values.get("groups", {})
    for name, rule in values.get("rules", {}).items():
        named = (*rule.by, *(one for step in rule.escalate for one in step.to))
        for one in named:
            if one.startswith("group:") and one.removeprefix("group:") not in groups:
                where = f"{path}.rules.{name}"
                reading.problem_at(where, f"no group {quoted(one.removeprefix('group:'))}")


STEP = Record(
    build=Step,
    fields={
        "after_s": Field(Whole(least=1, most=_WEEK_S), "seconds without an answer"),
        "to": Field(ListOf(item=_WHO), "who may answer from then on as well, and is told"),
    },
)
_ANY = "; empty: any"
RULE = Record(
    build=ReviewRule,
    named=True,
    fields={
        "tools": Field(ListOf(item=Text()), f"tools that it is for{_ANY}"),
        "effects": Field(ListOf(item=Choice(Effect)), f"effects of those tools{_ANY}"),
        "risks": Field(ListOf(item=Choice(RiskLevel, by_name=True)), f"risks of the call{_ANY}"),
        "objections": Field(
            ListOf(item=Text()), f"what asks: the id of a policy rule, a code or a stage{_ANY}"
        ),
        "tenants": Field(ListOf(item=ID), f"tenants of its session{_ANY}"),
        "agents": Field(ListOf(item=ID), f"agents that call{_ANY}"),
        "by": Field(ListOf(item=_WHO), "who may answer; empty: whoever may let the session go on"),
        "quorum": Field(Whole(least=1, most=10), "how many different people have to say yes"),
        "escalate": Field(ListOf(item=STEP, most=10), "who is asked next, and when"),
        "expires_s": Field(_EXPIRES, "seconds that such a question waits, in place of `expires_s`"),
        "on_expiry": Field(
            Choice(Unanswered),
            "`allow` lets a call run that nobody answered, where it can be undone: it reads or"
            " writes, is no HIGH risk, and follows no stranger's text",
        ),
    },
    checks=(_steps_have_whom,),
)
APPROVALS = Record(
    build=ApprovalSettings,
    fields={
        "expires_s": Field(_EXPIRES, "seconds that a question waits, and an answer holds"),
        "wait_s": Field(
            Whole(least=0, most=3600),
            "seconds that a client of the guard holds a call while somebody may answer",
        ),
        "most_pending": Field(
            Whole(least=1, most=100), "questions of one session that wait at a time"
        ),
        "groups": Field(MapOf(value=ListOf(item=ID), key=ID), "operators that rules name together"),
        "rules": Field(
            MapOf(value=RULE, key=ID),
            "whose yes a question takes; each objection follows the first that fits it",
        ),
    },
    checks=(_groups_are_declared,),
)

"""The house's standard for tools: what a contract must say beyond having a valid shape.

A description is labelled sentences, in any order, each label at the start of a line or after a
space: `What:` and `When:` with at least 20 characters each, and `Side effects:`. A reading tool
may answer `none`; any other says what it changes. The labels are what a model, a reviewer and
this lint can all find.

Not here: what makes a contract unusable (`core/contracts` refuses it).
"""

import re

from holdfast.core.resources import template_variables
from holdfast.model.findings import Finding
from holdfast.model.tools import ArgumentRole, Contract, Effect, Idempotency

MIN_SENTENCE_CHARS = 20
LABELS = ("What", "When", "Side effects")
_NOTHING = re.compile(r"(none|no( side effects?)?|nothing|n/a)?\W*", re.IGNORECASE)
_DECIDING = frozenset(
    {
        ArgumentRole.WHO,
        ArgumentRole.WHAT,
        ArgumentRole.MUCH,
        ArgumentRole.URL,
        ArgumentRole.QUERY,
    }
)
_CONSEQUENTIAL = frozenset({Effect.COMMIT, Effect.DESTROY, Effect.EGRESS})


def lint(contract: Contract) -> tuple[Finding, ...]:
    """Every way in which `contract` falls short of the standard; empty when it meets it."""
    faults = [
        *_description_faults(contract),
        *_argument_faults(contract),
        *_resource_faults(contract),
    ]
    if contract.effect is not Effect.READ:
        if not contract.errors:
            faults.append(("errors.missing", "a tool that changes something declares its errors"))
        if contract.idempotency is Idempotency.PURE:
            faults.append(("idempotency.pure", "only a reading tool can be pure"))
    faults.extend(
        (f"errors.{code}", f"error `{code}` needs a sentence that says when it happens")
        for code, text in contract.errors.items()
        if not text.strip()
    )
    if not contract.risk_reason.strip():
        faults.append(("risk_reason.missing", "the risk level needs a reason"))
    return tuple(Finding(contract.name, code, text) for code, text in faults)


def labelled(description: str, labels: tuple[str, ...] = LABELS) -> dict[str, str]:
    """The labelled sentences of a description: `{"What": …, "When": …, "Side effects": …}`."""
    words = "|".join(re.escape(label) for label in labels)
    _, *pieces = re.split(rf"(?:^|(?<=\s))({words}):", description, flags=re.ASCII)
    return {
        label: sentence.strip() for label, sentence in zip(pieces[::2], pieces[1::2], strict=True)
    }


_Faults = list[tuple[str, str]]


def _description_faults(contract: Contract) -> _Faults:
    parts = labelled(contract.description)
    faults = [
        (f"description.{label.lower()}", _wanted(label, len(parts.get(label, ""))))
        for label in ("What", "When")
        if len(parts.get(label, "")) < MIN_SENTENCE_CHARS
    ]
    effects = parts.get("Side effects", "")
    if not effects:
        faults.append(("description.side_effects", "the description needs `Side effects:`"))
    elif contract.effect is not Effect.READ and _NOTHING.fullmatch(effects):
        faults.append(
            ("description.side_effects", f"a tool of effect {contract.effect} has side effects")
        )
    return faults


def _wanted(label: str, has: int) -> str:
    if has:
        text = f"`{label}:` of the description is short: {has} characters"
        return f"{text}, at least {MIN_SENTENCE_CHARS} are needed"
    return f"the description needs `{label}:` and at least {MIN_SENTENCE_CHARS} characters"


def _argument_faults(contract: Contract) -> _Faults:
    known = _properties(contract)
    faults = [
        (f"roles.{name}", f"role for `{name}`, which the input schema does not declare")
        for name in contract.roles
        if name not in known
    ]
    if contract.effect in _CONSEQUENTIAL and _DECIDING.isdisjoint(contract.roles.values()):
        more = ", url or query" if contract.effect is Effect.EGRESS else " or url"
        text = f"a tool of effect {contract.effect} gives the role of who, what, much{more}"
        faults.append(("roles.missing", text))
    if contract.shell and contract.shell not in known:
        faults.append(("shell.unknown", f"the input schema does not declare `{contract.shell}`"))
    return faults


def _resource_faults(contract: Contract) -> _Faults:
    names = template_variables(contract.resource)
    if names is None:
        return [("resource.braces", "the resource template has unpaired braces")]
    known = _properties(contract)
    return [
        (f"resource.{name}", f"the input schema does not declare `{name}` of the resource")
        for name in names
        if name not in known
    ]


def _properties(contract: Contract) -> frozenset[str]:
    properties = contract.input_schema.get("properties")
    return frozenset(properties) if isinstance(properties, dict) else frozenset()

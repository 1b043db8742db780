"""A bundle: every rule and contract of one moment, validated as a whole and sliced by action.

Cedar evaluates every policy it is given, so each action gets only the rules whose scope can
match it; slices with the same rules share one prepared set. Loading works off the decision path;
what is expensive releases the interpreter's lock.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cedarpy
import msgspec

from holdfast.backends.cedar import lint
from holdfast.backends.cedar.entities import EntityCache
from holdfast.backends.cedar.inputs import UNKNOWN_TOOL, PolicyInputs, read_inputs
from holdfast.backends.cedar.nearest import NearMisses
from holdfast.backends.cedar.schema import action_schema, groups_of
from holdfast.backends.cedar.shapes import Record, of_arguments, of_attributes
from holdfast.backends.cedar.sources import Rule, Source, parse, read_sources
from holdfast.backends.cedar.validation import validate
from holdfast.model.tools import Contract, Effect
from holdfast.model.views.policies import PolicyFinding

_PREPARED_ACTIONS = 256


class RuleSets(msgspec.Struct, frozen=True):
    """Rules that share a slice: `all_rules`, and `firm` without the forbids that a person lifts.

    `firm` is None when nothing in the slice can be lifted.
    """

    rules: tuple[Rule, ...]
    all_rules: cedarpy.PolicySet
    firm: cedarpy.PolicySet | None
    nearest: NearMisses


class Slice(msgspec.Struct, frozen=True):
    """What one action needs to be decided."""

    action: str
    effect: Effect
    arguments: Record | None
    sets: RuleSets
    schema: cedarpy.Schema
    entities: cedarpy.Entities


class Bundle:
    """Immutable but for bounded caches of prepared schemas and entities."""

    def __init__(self, version: str, inputs: PolicyInputs, rules: tuple[Rule, ...]) -> None:
        self.version = version
        self._rules = {rule.id: rule for rule in rules}
        self.attributes = {
            "task": of_attributes(inputs.task_attributes),
            "tenant": of_attributes(inputs.tenant_attributes),
        }
        self._contracts = {contract.name: contract for contract in inputs.contracts}
        self._order = {rule.id: place for place, rule in enumerate(rules)}
        self._mentioned = lint.mentioned_actions(rules) & {*self._contracts, UNKNOWN_TOOL}
        self._index = _Index(rules)
        self._sets: dict[tuple[str, ...], RuleSets] = {}
        self._slices: OrderedDict[str, Slice] = OrderedDict()
        self._preparing = threading.Lock()
        # Of what was validated, until slices are made of them; each takes Cedar a millisecond.
        self._checked: dict[str, cedarpy.Schema] | None = {}
        self.entities = EntityCache()

    @property
    def rules(self) -> dict[str, Rule]:
        """Every rule by id, in file order."""
        return self._rules

    def contract(self, tool: str) -> Contract | None:
        """What was declared of a tool."""
        return self._contracts.get(tool)

    @property
    def actions(self) -> tuple[str, ...]:
        """Every declared tool, then the one that stands for all others."""
        return (*self._contracts, UNKNOWN_TOOL)

    def in_file_order(self, ids: Iterable[str]) -> tuple[str, ...]:
        """The ids of rules, as they follow each other in the files."""
        return tuple(sorted(ids, key=lambda rule_id: self._order.get(rule_id, -1)))

    def slice_for(self, tool: str) -> Slice:
        """The slice of this tool, or of `unknown_tool` when it has no contract."""
        action = tool if tool in self._contracts else UNKNOWN_TOOL
        with self._preparing:
            known = self._slices.get(action)
            if known is not None:
                self._slices.move_to_end(action)
                return known
            prepared = self._prepare(action)
            self._slices[action] = prepared
            if len(self._slices) > _PREPARED_ACTIONS:
                self._slices.popitem(last=False)
            return prepared

    def rules_for(self, action: str) -> tuple[Rule, ...]:
        """The rules whose action scope matches, in file order."""
        return self._index.matching(action, self._effect(action))

    def kind_of(self, action: str) -> bytes:
        """The same for actions that no rule and no type tells apart, so that one is validated."""
        contract = self._contracts.get(action)
        if contract is None or action in self._mentioned:
            return msgspec.json.encode([action])
        return msgspec.json.encode([contract.effect, contract.input_schema])

    def schema_for(self, action: str) -> cedarpy.Schema:
        """The schema that rules of this action are validated, and its questions typed, against.

        Errors: ValueError when Cedar refuses it.
        """
        known = self._checked.get(action) if self._checked else None
        return known if known is not None else self._schema(action)

    def _schema(self, action: str) -> cedarpy.Schema:
        contract = self._contracts.get(action)
        arguments = of_arguments(contract.input_schema) if contract else None
        text = action_schema(
            action, self._effect(action), arguments, self.attributes, self._mentioned - {action}
        )
        made = cedarpy.Schema.from_json_str(text, release_gil=True)
        if self._checked is not None and len(self._checked) < _PREPARED_ACTIONS:
            self._checked[action] = made
        return made

    def warm(self) -> None:
        """Prepare every rule set and the first slices, so that no decision has to."""
        for action in self.actions:
            self._rule_sets(self.rules_for(action))
        for action in self.actions[-_PREPARED_ACTIONS:]:
            self.slice_for(action)
        self._checked = None

    def _effect(self, action: str) -> Effect:
        contract = self._contracts.get(action)
        return contract.effect if contract else Effect.COMMIT

    def _prepare(self, action: str) -> Slice:
        effect = self._effect(action)
        contract = self._contracts.get(action)
        parents = [{"type": "Action", "id": group} for group in groups_of(effect)]
        entity = {"uid": {"type": "Action", "id": action}, "attrs": {}, "parents": parents}
        return Slice(
            action,
            effect,
            of_arguments(contract.input_schema) if contract else None,
            self._rule_sets(self.rules_for(action)),
            self.schema_for(action),
            cedarpy.Entities.from_json_str(msgspec.json.encode([entity]).decode()),
        )

    def _rule_sets(self, rules: tuple[Rule, ...]) -> RuleSets:
        key = tuple(rule.id for rule in rules)
        sets = self._sets.get(key)
        if sets is None:
            firm = [rule for rule in rules if rule.ask is None]
            sets = RuleSets(
                rules,
                policy_set({rule.id: rule.est for rule in rules}),
                policy_set({rule.id: rule.est for rule in firm})
                if len(firm) < len(rules)
                else None,
                NearMisses(tuple(rule for rule in rules if rule.permits)),
            )
            self._sets[key] = sets
        return sets


class _Index:
    """Rules by the action names their scopes hold."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._everywhere: list[tuple[int, Rule]] = []
        self._exactly: dict[str, list[tuple[int, Rule]]] = {}
        self._within: dict[str, list[tuple[int, Rule]]] = {}
        for place, rule in enumerate(rules):
            operator, names = lint.action_scope(rule.est)
            if operator == "All":
                self._everywhere.append((place, rule))
            table = self._exactly if operator == "==" else self._within
            for name in names:
                table.setdefault(name, []).append((place, rule))

    def matching(self, action: str, effect: Effect) -> tuple[Rule, ...]:
        """The rules that can decide a call of this tool, in the order of the files."""
        found = dict(self._everywhere)
        found.update(self._exactly.get(action, ()))
        for name in (action, *groups_of(effect)):
            found.update(self._within.get(name, ()))
        return tuple(found[place] for place in sorted(found))


def policy_set(policies: dict[str, dict[str, Any]]) -> cedarpy.PolicySet:
    """A prepared set from Cedar's JSON form, each policy under its own id."""
    text = msgspec.json.encode({"templates": {}, "templateLinks": [], "staticPolicies": policies})
    return cedarpy.PolicySet.from_json_str(text.decode(), release_gil=True)


class Loaded(msgspec.Struct, frozen=True):
    """What a folder holds now: a bundle, or the findings that keep it from being one.

    `version` is of the files as read, valid or not.
    """

    version: str
    bundle: Bundle | None
    findings: tuple[PolicyFinding, ...]


def load(folder: Path, inputs_file: Path, *, baseline: bool = True) -> Loaded:
    """Read, parse, validate and lint everything; slow, and safe to run in another thread."""
    return load_sources(*read_sources(folder, baseline=baseline), inputs_file)


def version_of(folder: Path, inputs_file: Path, *, baseline: bool = True) -> str:
    """The version that `load` finds; nothing is parsed, let alone validated."""
    sources, _ = read_sources(folder, baseline=baseline)
    _, inputs_bytes, _ = read_inputs(inputs_file)
    return _version(sources, inputs_bytes)


def load_sources(
    sources: tuple[Source, ...],
    unreadable: tuple[PolicyFinding, ...],
    inputs_file: Path,
    *,
    held: bool = False,
) -> Loaded:
    """As `load`, of files that were read. `held`: they were in force, and are not judged anew."""
    inputs, inputs_bytes, input_faults = read_inputs(inputs_file)
    version = _version(sources, inputs_bytes)
    rules, unparsed = parse(sources)
    findings = (*unreadable, *input_faults, *unparsed)
    if inputs is None:
        return Loaded(version, None, findings)
    return _assembled(version, inputs, rules, findings, held=held)


def assemble(inputs: PolicyInputs, sources: tuple[Source, ...]) -> Loaded:
    """As `load`, from values in memory."""
    rules, unparsed = parse(sources)
    version = _version(sources, msgspec.json.encode(inputs))
    return _assembled(version, inputs, rules, unparsed)


def _assembled(
    version: str,
    inputs: PolicyInputs,
    rules: tuple[Rule, ...],
    findings: tuple[PolicyFinding, ...],
    *,
    held: bool = False,
) -> Loaded:
    bundle = Bundle(version, inputs, rules)
    if held and not findings:
        return Loaded(version, bundle, ())
    findings += lint.lint(rules, bundle.actions, {one.name: one for one in inputs.contracts})
    if len(rules) <= lint.MAX_POLICIES:
        findings += validate(bundle, frozenset(finding.rule for finding in findings))
    if findings:
        return Loaded(version, None, findings)
    bundle.warm()
    return Loaded(version, bundle, ())


def _version(sources: tuple[Source, ...], inputs: bytes) -> str:
    """SHA-256 over each file's name and content, lengths included so that nothing can shift."""
    digest = hashlib.sha256()
    for name, content in (*((s.name, s.content) for s in sources), ("contracts", inputs)):
        encoded = name.encode(errors="surrogateescape")
        digest.update(b"%d:%d:" % (len(encoded), len(content)))
        digest.update(encoded)
        digest.update(content)
    return f"sha256:{digest.hexdigest()}"

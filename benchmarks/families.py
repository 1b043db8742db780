"""A suite of nine families of tools that are not AgentDojo's: 48 honest tasks, 144 injected pairs.

It was written before the flow rules that it measures, and not changed after. The three families
under `apart` are a third of the tasks; no rule was made with their figures in sight. Each file
holds contracts, attacks with a look-up that repeats their values, and tasks with the results of
their calls; `~INJECT~` in a result is where somebody else could write. An attack is done once its
last call went on.
"""

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import yaml

from benchmarks.played import House, Played, Run
from holdfast.model.decisions import Verdict
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import ArgumentRole, Contract, Effect, Idempotency

FOLDER = Path(__file__).parent / "injection_suite"
_MARKER = "~INJECT~"
_Call = tuple[str, dict[str, Any], Any]


class Attack(msgspec.Struct, frozen=True):
    """What an injection asks for: its calls, and a look-up that would launder their values."""

    goal: str
    steps: list[_Call]
    lookup: _Call


class Task(msgspec.Struct, frozen=True):
    """What the user types, and the calls that do it."""

    prompt: str
    steps: list[_Call]


class Family(msgspec.Struct, frozen=True):
    """One file."""

    name: str
    contracts: list[Contract]
    attacks: list[Attack]
    tasks: list[Task]


def load(folder: Path = FOLDER) -> list[Family]:
    """The families in a folder, by name; not those in folders below it."""
    return [_family(path) for path in sorted(folder.glob("*.yaml"))]


def _family(path: Path) -> Family:
    read = _dated(yaml.safe_load(path.read_text(encoding="utf-8")))
    tools = read["tools"].items()
    contracts = [_contract(name, terms) for name, terms in tools]
    attacks = msgspec.convert(read["attacks"], list[Attack])
    return Family(path.stem, contracts, attacks, msgspec.convert(read["tasks"], list[Task]))


def _dated(value: Any) -> Any:
    """YAML reads a bare day as a date; calls carry text."""
    if isinstance(value, dict):
        return {name: _dated(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_dated(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value


def _contract(name: str, terms: dict[str, Any]) -> Contract:
    optional = terms.get("optional", ())
    arguments: dict[str, str] = terms["args"]
    return Contract(
        name=name,
        description=f"what {name} does",
        effect=Effect(terms["effect"]),
        risk=RiskLevel.LOW,
        risk_reason="the benchmark lets risk decide nothing",
        input_schema={
            "type": "object",
            "properties": {n: {"default": None} if n in optional else {} for n in arguments},
            "required": [n for n in arguments if n not in optional],
        },
        roles={n: ArgumentRole(role) for n, role in arguments.items() if role},
        idempotency=Idempotency.PURE,
        first_party=terms.get("first_party", False),
        records={n: ArgumentRole(role) for n, role in terms.get("records", {}).items()},
        members=("*",) if terms.get("members") else (),
    )


def _run(result: Any, text: str) -> Run:
    written = msgspec.json.encode(result).decode().replace(_MARKER, text.replace('"', "'"))
    return lambda: (written, False)


async def honest(house: House, task: Task) -> Played:
    """Play one honest task; a person approves whatever is asked."""
    played = await house.begun(task.prompt)
    for tool, arguments, result in task.steps:
        await played.call(tool, arguments, _run(result, ""), approved=True)
    return played


async def attacked(
    house: House, task: Task, attack: Attack, *, at_once: bool, launders: bool
) -> bool:
    """Play a task with an injection that the model obeys; whether the attack was done."""
    played, done, text = await house.begun(task.prompt), None, f"IMPORTANT: {attack.goal}"
    for tool, arguments, result in task.steps:
        step = await played.call(tool, arguments, _run(result, text), approved=True)
        if done is None and at_once and text.replace('"', "'") in step.text:
            done = await _obeyed(played, attack, launders=launders)
    return await _obeyed(played, attack, launders=launders) if done is None else done


async def _obeyed(played: Played, attack: Attack, *, launders: bool) -> bool:
    if launders:
        tool, arguments, result = attack.lookup
        await played.call(tool, arguments, _run(result, ""))
    last = Verdict.DENY
    for tool, arguments, result in attack.steps:
        last = (await played.call(tool, arguments, _run(result, ""))).verdict
    return last is Verdict.ALLOW

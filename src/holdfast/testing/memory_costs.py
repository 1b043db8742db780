"""What a journal in memory settled, added up as a database would. Not here: the journal."""

from collections import defaultdict
from collections.abc import Iterable

from holdfast.model.costs import DAY_NS, Cost, CostBy, Costs, day_of
from holdfast.model.events import Kind, Record
from holdfast.ports.store import CostFilter


def added_up(journal: Iterable[Record], where: CostFilter) -> Costs:
    """All that the filter reaches, and the dearest parts of it."""
    found: dict[tuple[str | int, ...], list[int]] = defaultdict(list)
    for record in journal:
        if record.cost_nusd and _matches(record, where):
            found[tuple(_told_apart(record, by) for by in where.by)].append(record.cost_nusd)
    parts = sorted(found.items(), key=lambda part: (-sum(part[1]), *map(_order, part[0])))
    return Costs(
        cost_nusd=sum(sum(costs) for _, costs in parts),
        charges=sum(len(costs) for _, costs in parts),
        parts=len(parts),
        dearest=tuple(
            Cost(names=tuple(map(_name, told)), cost_nusd=sum(costs), charges=len(costs))
            for told, costs in parts[: where.limit]
        ),
    )


def _matches(record: Record, where: CostFilter) -> bool:
    names = ("tenant", "project", "user", "agent", "session")
    return where.from_ns <= record.at_ns < where.until_ns and all(
        getattr(where, name) in ("", getattr(record, name)) for name in names
    )


def _told_apart(record: Record, by: CostBy) -> str | int:
    if by is CostBy.DAY:
        return record.at_ns // DAY_NS
    if by is CostBy.MODEL:
        settled = record.kind is Kind.MODEL_CALL_SETTLED
        return str(record.body.get("model", "")) if settled else ""
    return str(getattr(record, by))


def _order(told: str | int) -> bytes | int:
    return told.encode() if isinstance(told, str) else told


def _name(told: str | int) -> str:
    return told if isinstance(told, str) else day_of(told)

"""Every part stands on the same ports, no port and no setting is left lying, and a start is one."""

import asyncio
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any

import pytest

from holdfast.compose.house import Ports, Settings, open_house, wire
from holdfast.core.budgets import Ledger
from holdfast.core.contracts import ContractBook
from holdfast.core.price_table import PRICE_TABLE
from holdfast.core.prices import PriceBook
from holdfast.core.rates import Rates
from holdfast.core.risk.places import governed
from holdfast.core.runs import Shares
from holdfast.core.sessions import Command
from holdfast.core.wire.admitted import Admitted
from holdfast.errors import HoldfastError, RateLimited
from holdfast.model.bodies import FilesWritten
from holdfast.model.budgets import Dimension
from holdfast.model.runs import RunPlan, RunState
from holdfast.runtime.guard import asking
from holdfast.runtime.hooks import HookSet
from holdfast.runtime.retention import Terms
from holdfast.runtime.runs import Order
from holdfast.testing.clock import START_NS, FakeClock
from tests.unit.runtime.alone.desk import Desk, draft, limit
from tests.wired import KEY, ports, settings

S = 1_000_000_000
# Of these a house has one each: two would tell of two truths.
SINGLE = [
    "Admission",
    "Budgets",
    "Conversations",
    "Delegation",
    "Dispatch",
    "Effects",
    "Fence",
    "Guard",
    "Hooks",
    "Journal",
    "Killer",
    "Ledger",
    "ModelCalls",
    "Outcomes",
    "OwnTexts",
    "Prompts",
    "RateGate",
    "RequestReader",
    "Runs",
    "Sessions",
    "SessionViews",
    "Turns",
]
_PLAIN = (str, bytes, int, float, bool, type(None), type)


def below(found: Any, seen: dict[int, Any]) -> Iterator[Any]:
    """Everything that hangs on an object, once each."""
    if id(found) in seen:
        return
    seen[id(found)] = found
    yield found
    if isinstance(found, _PLAIN):
        return
    inside: list[Any] = []
    if isinstance(found, dict):
        inside += [*found.keys(), *found.values()]
    elif isinstance(found, (list, tuple, set, frozenset)):
        inside += list(found)
    elif isinstance(found, FunctionType):
        inside += [cell.cell_contents for cell in found.__closure__ or ()]
    elif isinstance(found, MethodType):
        inside += [found.__self__, found.__func__]
    inside += list(getattr(found, "__dict__", {}).values())
    names = {name for kind in type(found).__mro__ for name in getattr(kind, "__slots__", ())}
    inside += [getattr(found, name, None) for name in names]
    inside += [getattr(found, name) for name in getattr(found, "__struct_fields__", ())]
    for one in inside:
        yield from below(one, seen)


class Port:
    """Stands for any port; it is never asked."""

    def now_ns(self) -> int:
        return START_NS


def all_ports() -> dict[str, Any]:
    """A port of each name, and what of it is looked for."""
    return {name: Port() for name in Ports.__struct_fields__} | {
        "providers": {"main": Port()},
        "hooks": HookSet({}, 0.123),
        "agent_hooks": {"clerk": HookSet({}, 0.125)},
        "taps": (Port(),),
        "channels": (Port(),),
    }


CONTRACTS, ADMITTED, TERMS = ContractBook(()), Admitted(()), Terms(sessions_days=4717)
ASKING = asking.Terms(life_s=4719)
GOVERNED, PRICES = governed("/x", (), "/x/state"), PriceBook(PRICE_TABLE)


def shares_of(*_: str) -> Shares:
    return Shares()


# What a setting is, and by what it is known in the parts.
SETTINGS: dict[str, tuple[Any, Any]] = {
    "contracts": (CONTRACTS, CONTRACTS),
    "signing_key": (KEY, KEY),
    "behind": ("sha256:behind", "sha256:behind"),
    "governed": (GOVERNED, GOVERNED),
    "prices": (PRICES, PRICES),
    "admitted": (ADMITTED, ADMITTED),
    "removes_tainted": ("taken out", "taken out"),
    "wait_for_room_s": (17.25, 17.25),
    "model_rates": ({"main": {"m": Rates(requests=4711)}}, 4711),
    "tenant_rates": ({"acme": Rates(requests=4712)}, 4712),
    "decisions_per_s": ({"acme": 4713}, 4713),
    "model_calls_per_s": ({"acme": 9428}, 4714),
    "shares_of": (shares_of, shares_of),
    "lease_s": (18.25, 18.25),
    "max_activations": (4714, 4714),
    "rest_s": (19.25, 19.25),
    "terms": (TERMS, TERMS),
    "approvals": (ASKING, ASKING),
}


def parts(given: dict[str, Any]) -> list[Any]:
    asked: Any = {name: value for name, (value, _) in SETTINGS.items()}
    return list(below(wire(Ports(**given), Settings(**asked), Ledger()), {}))


@pytest.mark.parametrize("name", Ports.__struct_fields__)
def test_parts_stand_on_every_port(name):
    given = all_ports()
    port = given[name]
    if name in ("providers", "taps", "channels"):
        [port] = port.values() if name == "providers" else port
    assert any(one is port for one in parts(given))


def test_every_setting_reaches_a_part_and_the_version_the_record_of_the_start():
    found = parts(all_ports())
    for name, (_, mark) in SETTINGS.items():
        assert any(type(one) is type(mark) and one == mark for one in found), name
    assert {*SETTINGS, "version"} == set(Settings.__struct_fields__)


def test_there_is_one_of_each_part():
    names = [type(one).__name__ for one in parts(all_ports())]
    assert {name: names.count(name) for name in SINGLE if names.count(name) != 1} == {}


def test_what_was_in_flight_when_the_last_process_died_counts_as_used_and_the_start_says_so():
    async def main():
        desk: Any = Desk()
        cap = limit(Dimension.TOOL_CALLS, 9)
        live = await desk.open(cap)
        _, records, changes = desk.budgets.reserve_now(
            "h1", live.session, live.chain, {Dimension.TOOL_CALLS: 2}, purpose="tool"
        )
        await desk.journal.commit(records, changes)
        store = desk.store.crashed()
        house = await open_house(
            ports(store=store, clock=FakeClock(1)),
            settings(version="v7", behind="sha256:b"),
        )
        assert house.clock.now_ns() == START_NS
        assert house.budgets.ledger.open_holds() == []
        [account] = await house.store.accounts([live.chain[0]])
        assert (account.settled, account.held) == (2, 0)
        [started] = [one for one in store.journal if one.kind == "server.started"]
        said = {"config_version": "v7", "behind": "sha256:b", "orphaned_holds": 1}
        assert said.items() <= started.body.items()

    asyncio.run(main())


def test_a_run_that_waited_is_there_after_a_start_and_ends_with_its_session():
    async def main():
        desk: Any = Desk()
        order = Order(prompt="go", plan=RunPlan(model="m"))
        run = await desk.runs.submit(draft(), order)
        house = await open_house(ports(store=desk.store.crashed()), settings())
        live = await house.sessions.get(run.session)
        assert house.dispatch.of_session(run.session) is not None
        await house.sessions.change(live, Command.END, "")
        house.tick()
        await house.journal.commit(())
        assert (await house.runs.get(run.run_id)).state is RunState.CANCELLED

    asyncio.run(main())


def test_a_tenant_whose_model_calls_were_refused_for_its_share_is_told_of(monkeypatch):
    monkeypatch.setattr("holdfast.runtime.turned_away._TELL_S", 0)

    async def main():
        desk: Any = Desk(decided={"model_calls_per_s": {"acme": 1}})
        live = await desk.open()
        desk.turns.seen("acme")
        desk.turns.seen("other")
        refused = 0
        for _ in range(3):
            try:
                await desk.calls.call(live, "/v1/messages", {}, b"{}")
            except RateLimited:
                refused += 1
            except HoldfastError:
                continue
        await asyncio.sleep(0.01)
        await desk.journal.commit(())
        told = [one for one in desk.store.journal if one.kind == "model_call.limited"]
        assert refused == 2
        assert [(one.tenant, one.body["refused"]) for one in told] == [("acme", 2)]

    asyncio.run(main())


def test_files_that_sessions_left_behind_are_known_after_a_start():
    async def main():
        asked: list[Any] = []

        class Files(Port):
            async def own(self, paths: Any, also: Any) -> bool:
                asked.append(dict(also))
                return True

            async def held(self, paths: Any) -> Any:
                return dict.fromkeys(paths, "d")

        desk: Any = Desk(files=Files())
        live = await desk.open(folder="/w")
        name = live.session.session_id
        body = FilesWritten(tenant="acme", user="ann", session=name, files={"/w/a": "d"})
        await desk.journal.commit([desk.journal.record(body, None)])
        house = await open_house(ports(store=desk.store, files=Files()), settings())
        assert house.files is not None
        again = await house.sessions.get(name)
        assert await house.files.own(again, ["/w/a"])
        assert asked == [{"/w/a": "d"}]

    asyncio.run(main())


def test_a_tenant_that_was_refused_for_its_rate_is_told_of(monkeypatch):
    monkeypatch.setattr("holdfast.runtime.turned_away._TELL_S", 0)

    async def main():
        desk: Any = Desk(decided={"decisions_per_s": {"acme": 1}})

        async def decide() -> None:
            async with desk.turns.turn("acme"):
                pass

        asked = [asyncio.create_task(decide()) for _ in range(400)]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_EXCEPTION)
        refused = [one for one in done if isinstance(one.exception(), RateLimited)]
        for one in asked:
            one.cancel()
        await asyncio.wait(asked)
        await asyncio.sleep(0.01)
        await desk.journal.commit(())
        told = [one for one in desk.store.journal if one.kind == "tool_call.limited"]
        assert refused
        assert [(one.tenant, one.body["refused"]) for one in told] == [("acme", len(refused))]

    asyncio.run(main())

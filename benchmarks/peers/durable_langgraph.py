"""Durable runs by LangGraph with its SQLite checkpointer; runs in LangGraph's own environment.

`python -m benchmarks.peers.durable_langgraph FOLDER RUNS STEPS IN_FLIGHT` works until every run is
done: a graph of one node that is its own successor, one thread id a run, `durability="sync"`.
"""

import operator
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver  # type: ignore[import-not-found]
from langgraph.graph import END, START, StateGraph  # type: ignore[import-not-found]

from benchmarks.durable_world import World


class State(TypedDict):
    """What a checkpoint holds."""

    run: int
    step: int
    results: Annotated[list[str], operator.add]


def graph(world: World, steps: int, saver: Any) -> Any:
    """The compiled graph."""

    def act(state: State) -> dict[str, Any]:
        step = state["step"]
        world.affect(state["run"], step, f"{state['run']}:{step}")
        return {"step": step + 1, "results": [f"step {step} done"]}

    def onward(state: State) -> str:
        return "act" if state["step"] < steps else str(END)

    built = StateGraph(State)
    built.add_node("act", act)
    built.add_edge(START, "act")
    built.add_conditional_edges("act", onward)
    return built.compile(checkpointer=saver)


def main(arguments: list[str]) -> None:
    """Start or resume every run, and work to the end."""
    folder = Path(arguments[0])
    runs, steps, in_flight = map(int, arguments[1:])
    file = sqlite3.connect(folder / "checkpoints.db", timeout=30, check_same_thread=False)
    saver = SqliteSaver(file)
    app = graph(World(folder / "world.db"), steps, saver)

    def work(run: int) -> None:
        config = {"configurable": {"thread_id": f"run-{run}"}, "recursion_limit": steps + 10}
        known = app.get_state(config)
        if known.metadata is None:
            app.invoke({"run": run, "step": 0, "results": []}, config, durability="sync")
        elif known.values.get("step", 0) < steps:
            # Not `known.next`: it is empty, too, when a step's writes are kept and not yet applied.
            app.invoke(None, config, durability="sync")

    with ThreadPoolExecutor(in_flight) as pool:
        list(pool.map(work, range(runs)))


if __name__ == "__main__":
    main(sys.argv[1:])

"""What governing a stream costs: CPU a stream, time to the first byte, beside three other proxies.

Everything is on in Holdfast: the session's token, evidence, reservation, metering, settlement, the
durable journal. nginx only forwards; the bare relay (`peers/relay`) meters on this loop and this
parser, and governs nothing: unpaced streams are judged by it, since nginx's figure follows how the
provider's writes clump. LiteLLM runs with a master key and no database. The targets take turns
within one run, over the same provider.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from statistics import median

import aiohttp

from benchmarks.peers import litellm, nginx, relay
from benchmarks.processes import Unavailable, scratch, unavailable
from benchmarks.rows import Row, Verdict, at_least, at_most, percentile
from benchmarks.streaming import FAST, PACED, Target, first_bytes, measured, scenarios
from benchmarks.worlds import MODEL, Provider, Server

NAME = "gateway_cpu"
_CONCURRENCY = 64
_Figures = dict[str, dict[str, float]]


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of CPU milliseconds a stream, ratios, and milliseconds to the first byte."""
    return asyncio.run(_rows(quick=quick))


async def _rows(*, quick: bool) -> list[Row]:
    folder = scratch(NAME)
    rows: list[Row] = []
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(Provider(folder, scenarios()))
        server = stack.enter_context(Server(folder, provider.url))
        async with aiohttp.ClientSession() as http:
            token = (await server.open(http)).token
        targets = [
            Target("direct", provider.url, provider.child.pid, "sk-ant-direct"),
            Target("holdfast", server.url, server.pid, token),
        ]
        for name, peer, key in (
            ("nginx", nginx.serving(folder, provider.url), "sk-ant-direct"),
            ("relay", relay.serving(folder, provider.url), relay.TOKEN),
            (
                "litellm",
                litellm.serving(folder, provider.url, model=MODEL),
                litellm.MASTER_KEY,
            ),
        ):
            try:
                url, pid = stack.enter_context(peer)
                targets.append(Target(name, url, pid, key))
            except Unavailable as error:
                rows.append(unavailable(NAME, name, "ms CPU", error))
        figures = await _measure(targets, quick=quick)
    return [*rows, *_judged(figures)]


async def _measure(targets: list[Target], *, quick: bool) -> _Figures:
    """Milliseconds by target and figure: `fast` and `paced` CPU, `p10`, `p50`, `p99` to a byte."""
    rounds, streams = (1, 256) if quick else (3, 768)
    found: dict[str, dict[str, list[float]]] = {t.name: {} for t in targets}
    for target in targets:
        await measured(target, FAST, 8, 64)  # warm
        await first_bytes(target, 20)
    for _ in range(rounds):
        for target in targets:
            slow = target.name == "litellm"
            fast = await measured(target, FAST, _CONCURRENCY, streams // 8 if slow else streams)
            paced = await measured(target, PACED, _CONCURRENCY, _CONCURRENCY * (1 if quick else 2))
            mine = found[target.name]
            mine.setdefault("fast", []).append(fast.cpu_ms)
            mine.setdefault("per_s", []).append(fast.per_s)
            mine.setdefault("paced", []).append(paced.cpu_ms)
            mine.setdefault("first", []).extend(await first_bytes(target, 30 if slow else 150))
    return {name: dict(_summary(values)) for name, values in found.items()}


def _summary(values: dict[str, list[float]]) -> Iterator[tuple[str, float]]:
    for name in ("fast", "paced", "per_s"):
        yield name, median(values[name])
    for percent in (10, 50, 99):
        yield f"p{percent}", percentile(values["first"], percent)


def _judged(figures: _Figures) -> list[Row]:
    rows: list[Row] = []
    ours = figures["holdfast"]
    versions = {"litellm": litellm.VERSION, "holdfast": "everything on", "relay": "metered"}
    with contextlib.suppress(Unavailable):
        versions["nginx"] = nginx.version()
    for pace, words in (("fast", "unpaced"), ("paced", "paced at 20 ms")):
        for name, mine in figures.items():
            if name != "direct":
                note = f"{versions[name]}; {mine['per_s']:.0f} streams/s" if pace == "fast" else ""
                rows.append(_row(f"{name}: CPU a 200-event stream, {words}", mine[pace], note))
        for name in ("relay", "nginx"):
            if name in figures:
                ratio = ours[pace] / figures[name][pace]
                what = f"holdfast / {name}, {words}"
                judged = name == ("relay" if pace == "fast" else "nginx")
                bound = ("<= 2", at_most(2, ratio)) if judged else ()
                rows.append(_row(what, ratio, "", "x", *bound))
        if "litellm" in figures:
            ratio = figures["litellm"][pace] / ours[pace]
            what = f"litellm / holdfast, {words}"
            least = 20 if pace == "fast" else 6
            rows.append(_row(what, ratio, "", "x", f">= {least}", at_least(least, ratio)))
    for name, mine in figures.items():
        note = f"p10 {mine['p10']:.2f}, p99 {mine['p99']:.2f}"
        rows.append(_row(f"{name}: time to first byte at 1 caller, p50", mine["p50"], note, "ms"))
    for percent in (10, 50, 99):
        added = ours[f"p{percent}"] - figures["direct"][f"p{percent}"]
        what = f"holdfast: added time to first byte, p{percent}"
        if percent == 50:
            rows.append(_row(what, added, "", "ms", "<= 2 ms", at_most(2, added)))
        else:
            rows.append(_row(what, added, "", "ms"))
    return rows


def _row(
    what: str,
    figure: float,
    note: str,
    unit: str = "ms CPU",
    target: str = "",
    verdict: Verdict = "printed",
) -> Row:
    return Row(
        bench=NAME,
        what=what,
        figure=figure,
        unit=unit,
        target=target,
        verdict=verdict,
        note=note,
    )

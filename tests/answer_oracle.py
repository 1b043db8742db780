"""Answers made up at random, what each of them is billed, and what the gateway settles for it.

The bill is reckoned here in a few lines from list prices written down below: nothing of the
product's arithmetic, reading or price table has a part in it. An answer is made from what it truly
used; what it *says* of that is then torn up: reports come early, late, twice, shrunk, zeroed,
split, in other orders, through other vendors. Every true figure stands in one report at least.
"""

import asyncio
import random
from typing import Any

import msgspec

from holdfast.backends.bedrock.frames import EventFrames
from holdfast.errors import UpstreamUnavailable
from holdfast.model.events import Kind
from tests.unit.backends.bedrock_shapes import chunk as bedrock_chunk
from tests.unit.runtime.house import CONTRACTS, JSON, SSE, USD, House, asking, contract, limit

# Nano-dollars a token: input, output, cache read, write for 5 min, for 1 h; above so many tokens.
LIST: dict[str, tuple[tuple[int, tuple[int, int, int, int, int]], ...]] = {
    "claude-opus-4-6": ((0, (5_000, 25_000, 500, 6_250, 10_000)),),
    "claude-haiku-4-5": ((0, (1_000, 5_000, 100, 1_250, 2_000)),),
    "claude-sonnet-4-5": (
        (0, (3_000, 15_000, 300, 3_750, 6_000)),
        (200_000, (6_000, 22_500, 600, 7_500, 12_000)),
    ),
    "claude-haiku-5-5": ((0, (100, 500, 10, 125, 200)), (100_000, (500, 2_500, 50, 625, 1_000))),
}
SEARCH_NUSD = 10_000_000
REGIONS = {"global": 1.0, "not_available": 1.0, "us": 1.1}
TOKENS_PER_S = 512
IN_FLIGHT = 4 * TOKENS_PER_S
FIELDS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "ephemeral_5m_input_tokens",
    "ephemeral_1h_input_tokens",
)


class Case(msgspec.Struct, kw_only=True):
    """One answer: what is asked, what comes, how it ends, what it is billed.

    `leaves` is after how many pieces the client goes, None when it stays. `told` says whether the
    bill follows from what the answer says; else it is only a bound from below.
    """

    request: dict[str, Any]
    headers: dict[str, str]
    pieces: list[Any]
    bill_nusd: float
    told: bool
    unpriced: bool
    leaves: int | None
    what: str


def billed(model: str, counts: dict[str, int]) -> int:
    """One sampling, at the list."""
    prompt = sum(counts[name] for name in FIELDS if name != "output_tokens")
    rates = [each for above, each in LIST[model] if prompt > above or not above][-1]
    read, out, cached, five, hour = (counts[name] for name in FIELDS)
    return read * rates[0] + out * rates[1] + cached * rates[2] + five * rates[3] + hour * rates[4]


class Maker:
    """Makes one case from a seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.model = self.dice.choice(list(LIST))
        self.vendor = self.dice.choice(("anthropic", "anthropic", "bedrock", "vertex"))
        self.stream = self.vendor == "bedrock" or self.dice.random() < 0.8
        self.searches = self.dice.choice((0, 0, 0, 1, 3))
        self.hour = self.dice.random() < 0.4
        self.cached = self.hour or self.dice.random() < 0.4
        self.unsplit = self.hour and self.dice.random() < 0.4
        self.long = self.dice.random() < 0.1

    def counts(self) -> dict[str, int]:
        """What one sampling used."""
        sizes = (0, 7, 900, 40_000, 130_000) if self.long else (0, 7, 900, 4_000, 13_000)
        cached = self.cached
        return {
            "input_tokens": self.dice.choice(sizes) + 3,
            "output_tokens": self.dice.randint(1, 300),
            "cache_read_input_tokens": self.dice.choice(sizes) if cached else 0,
            FIELDS[3]: self.dice.choice(sizes) if cached and not self.unsplit else 0,
            FIELDS[4]: self.dice.choice(sizes) if self.hour else 0,
        }

    def usage(self, counts: dict[str, int]) -> dict[str, Any]:
        """As it stands on the wire; the split of what was cached is there, or may be told apart."""
        five, hour = counts[FIELDS[3]], counts[FIELDS[4]]
        told: dict[str, Any] = {name: counts[name] for name in FIELDS[:3]}
        told["cache_creation_input_tokens"] = five + hour
        if not self.unsplit:
            told["cache_creation"] = {FIELDS[3]: five, FIELDS[4]: hour}
        return told

    def torn(self, usage: dict[str, Any]) -> dict[str, Any]:
        """A report that says less of it, or nothing."""
        kept: dict[str, Any] = {}
        for name, value in usage.items():
            how = self.dice.random()
            if how < 0.35:
                continue
            if isinstance(value, int):
                kept[name] = value if how < 0.6 else self.dice.choice((0, value // 3, None))
            elif name == "iterations":
                kept[name] = value[: self.dice.randint(0, len(value))]
            elif isinstance(value, dict) and how < 0.6:
                kept[name] = {inner: count // 2 for inner, count in value.items()}
            else:
                kept[name] = value
        return kept

    def case(self) -> Case:
        """The whole of it."""
        dice = self.dice
        samplings = [self.counts() for _ in range(dice.choice((1, 1, 1, 2, 3)))]
        whole = {name: sum(one[name] for one in samplings) for name in FIELDS}
        if self.searches == 0:
            samplings = [whole]
        usage = self.usage(whole)
        bill: float = sum(billed(self.model, one) for one in samplings)
        iterations = [self.usage(one) | {"type": "message"} for one in samplings]
        listed = len(samplings) > 1
        for kind, model in (("compaction", self.model), ("advisor_message", dice.choice([*LIST]))):
            if dice.random() < 0.15:
                more = self.counts()
                named = {"model": model} if kind == "advisor_message" else {}
                iterations.append(self.usage(more) | {"type": kind} | named)
                bill += billed(model, more)
                listed = True
        if listed:
            dice.shuffle(iterations)
            usage["iterations"] = iterations
        region = dice.choice(("", "", "", *REGIONS, "mars"))
        speed = dice.choice(("", "", "", "standard", "standard", "fast"))
        tier = dice.choice(("", "", "standard", "standard", "priority"))
        for name, value in (("inference_geo", region), ("speed", speed), ("service_tier", tier)):
            usage |= {name: value} if value else {}
        bill *= REGIONS.get(region, 1.0)
        if self.searches:
            usage["server_tool_use"] = {"web_search_requests": self.searches}
            bill += self.searches * SEARCH_NUSD
        unpriced = region == "mars" or speed == "fast" or tier == "priority"
        return self._told(usage, whole, bill, unpriced=unpriced)

    def _told(
        self, usage: dict[str, Any], whole: dict[str, int], bill: float, *, unpriced: bool
    ) -> Case:
        dice = self.dice
        most = max(dice.choice((600, 20_000)), whole["output_tokens"] * 2)
        request = asking(
            "x" * (600_000 if self.long else 50_000),
            most,
            stream=self.stream,
            model=self.model,
            **self._marks(dice),
        )
        if not self.stream:
            return self._whole(request, usage, bill, most, unpriced=unpriced)
        events, visible = self._events(usage, whole["output_tokens"])
        pieces, headers = self._wired(events)
        ending = dice.choice(("complete",) * 4 + ("error", "early", "gone", "leaves"))
        if ending == "complete":
            return Case(
                request=request,
                headers=headers,
                pieces=pieces,
                bill_nusd=bill,
                told=True,
                unpriced=unpriced,
                leaves=None,
                what=f"{self.vendor} {ending}",
            )
        return self._cut(request, headers, pieces, whole, visible, ending)

    def _marks(self, dice: random.Random) -> dict[str, Any]:
        more: dict[str, Any] = {}
        if self.cached:
            mark = {"type": "ephemeral", "ttl": "1h"} if self.hour else {"type": "ephemeral"}
            more["system"] = [{"type": "text", "text": "s", "cache_control": mark}]
        if self.searches:
            tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
            more["tools"] = [tool]
        if dice.random() < 0.2:
            more["thinking"] = {"type": "enabled", "budget_tokens": 64}
        return more

    def _whole(
        self,
        request: dict[str, Any],
        usage: dict[str, Any],
        bill: float,
        most: int,
        *,
        unpriced: bool,
    ) -> Case:
        reason = self.dice.choice(("end_turn", "max_tokens", "refusal", "pause_turn"))
        text = {"type": "text", "text": "words"}
        message = {
            "id": "msg_w",
            "type": "message",
            "model": self.model,
            "content": [text],
            "stop_reason": reason,
            "usage": usage,
        }
        body = msgspec.json.encode(message)
        left = self.dice.random() < 0.2
        if left:
            # Nobody reads it; the provider goes on to the most that it was allowed.
            bill = most * LIST[self.model][0][1][1]
        return Case(
            request=request,
            headers=JSON,
            pieces=[body],
            bill_nusd=bill,
            told=not left,
            unpriced=unpriced and not left,
            leaves=0 if left else None,
            what="whole left" if left else "whole",
        )

    def _events(
        self, usage: dict[str, Any], output: int
    ) -> tuple[list[dict[str, Any]], dict[int, int]]:
        """Events, and how many tokens were visible after each of those with text."""
        dice = self.dice
        reports = [self.torn(usage) for _ in range(dice.randint(1, 3))]
        full = dice.randrange(len(reports) + 1)
        complete = dict(usage)
        if self.vendor == "bedrock" and dice.random() < 0.3:
            # Only the vendor's own count at the end says all of it.
            complete |= {"input_tokens": 1, "cache_read_input_tokens": 0}
        reports.insert(full, complete)
        opening, *later = reports
        opening.setdefault("input_tokens", 1)
        message: dict[str, Any] = {
            "id": "msg_o",
            "type": "message",
            "role": "assistant",
            "content": [],
        }
        message |= {"usage": opening} | ({"model": self.model} if dice.random() < 0.8 else {})
        out: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
        block = {"type": "text", "text": dice.choice(("", None))}
        out.append({"type": "content_block_start", "index": 0, "content_block": block})
        visible, said = {}, 0
        while said < output:
            tokens = min(output - said, dice.randint(1, 60))
            said += tokens
            text = "w" * (tokens * dice.randint(1, 5))
            delta = {"type": "text_delta", "text": text}
            out.append({"type": "content_block_delta", "index": 0, "delta": delta})
            visible[len(out) - 1] = said
            if dice.random() < 0.1:
                out.append({"type": dice.choice(("ping", "vendor_note")), "delta": "x"})
        out.append({"type": "content_block_stop", "index": 0})
        reason = dice.choice(("end_turn", "tool_use", "max_tokens", "refusal", "new_reason"))
        for report in later:
            # The last word on output is in some report, as every provider sends it.
            if report.get("output_tokens") is None:
                report["output_tokens"] = dice.choice((0, output // 2, output))
            delta = {"stop_reason": reason}
            out.append({"type": "message_delta", "delta": delta, "usage": report})
        last: dict[str, Any] = {"type": "message_stop"}
        if self.vendor == "bedrock":
            last["amazon-bedrock-invocationMetrics"] = {
                "inputTokenCount": usage["input_tokens"],
                "outputTokenCount": dice.choice((0, usage["output_tokens"])),
                "cacheReadInputTokenCount": usage["cache_read_input_tokens"],
                "cacheWriteInputTokenCount": usage["cache_creation_input_tokens"],
                "invocationLatency": 812,
            }
        return [*out, last], visible

    def _wired(self, events: list[dict[str, Any]]) -> tuple[list[Any], dict[str, str]]:
        """As the vendor's dialect hands it on, in pieces of any size."""
        if self.vendor == "bedrock":
            reader = EventFrames(SSE)
            return [reader.feed(bedrock_chunk(one)) for one in events], SSE
        pieces = []
        for one in events:
            data = msgspec.json.encode(one)
            name = b"" if self.vendor == "vertex" else b"event: " + one["type"].encode() + b"\n"
            end = b"\r\n\r\n" if self.vendor == "vertex" else b"\n\n"
            pieces.append(name + b"data: " + data + end)
        return pieces, SSE

    def _cut(
        self,
        request: dict[str, Any],
        headers: dict[str, str],
        pieces: list[Any],
        whole: dict[str, int],
        visible: dict[int, int],
        ending: str,
    ) -> Case:
        """Ended before its time: billed is what the provider had read, and written by then."""
        at = self.dice.randint(1, len(pieces) - 2)
        written = max((said for place, said in visible.items() if place < at), default=0)
        kept: list[Any] = pieces[:at]
        if ending == "error":
            fault = {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}
            kept.append(b"event: error\ndata: " + msgspec.json.encode(fault) + b"\n\n")
        elif ending == "gone":
            kept.append(UpstreamUnavailable("broke off"))
        elif ending == "leaves":
            kept = pieces
            # What was on its way when the connection closed is billed, too.
            written = min(whole["output_tokens"], written + IN_FLIGHT)
        if "thinking" in request and ending != "error":
            # Hidden is only what the whole has beyond what is seen.
            written = min(whole["output_tokens"], written + 64)
        counts = dict.fromkeys(FIELDS, 0) | {"output_tokens": written}
        return Case(
            request=request,
            headers=headers,
            pieces=kept,
            bill_nusd=billed(self.model, counts),
            told=False,
            unpriced=False,
            leaves=at if ending == "leaves" else None,
            what=f"{self.vendor} {ending}",
        )


class Judged(msgspec.Struct, kw_only=True):
    """What became of one case: settled money and whether it was called exact and told of."""

    case: Case
    settled_nusd: int
    exact: bool
    doubts: list[str]
    ended: str


async def settled(house: House, case: Case) -> Judged:
    """Play one case through the gateway's own path."""
    house.upstream.script = [(200, case.headers, case.pieces)]
    live = await house.open(limit(USD, 10**15))
    before = len(house.written(Kind.MODEL_CALL_SETTLED))
    answer = await house.call(live, case.request)
    if case.leaves == 0:
        answer.close()
    elif not answer.streams:
        await answer.whole()
    else:
        events = answer.events()
        seen = 0
        async for _ in events:
            seen += 1
            if case.leaves is not None and seen >= case.leaves:
                break
        await events.aclose()
        answer.close()
    await asyncio.sleep(0)
    house.nothing_held()
    [body] = [r.body for r in house.written(Kind.MODEL_CALL_SETTLED)[before:]]
    return Judged(
        case=case,
        settled_nusd=house.account(live, USD).settled,
        exact=body["exact"],
        doubts=body.get("doubts", []),
        ended=body["ended"],
    )


def fault(judged: Judged) -> str:
    """What is wrong with it; nothing when it holds."""
    case = judged.case
    # A nano-dollar is lost to no rounding but up.
    if judged.settled_nusd < case.bill_nusd - 1e-3:
        return f"settled {judged.settled_nusd} below {case.bill_nusd}, {judged.ended}: {case.what}"
    if case.unpriced and (judged.exact or not judged.doubts):
        return f"called exact, though it has no price: {case.what}"
    if case.told and not case.unpriced and not judged.exact:
        return f"not called exact, though it says all: {judged.ended}: {case.what}"
    return ""


def judge(seeds: range) -> list[Judged]:
    """Play every seed; houses are changed now and then, so that none grows."""

    async def some(few: range) -> list[Judged]:
        house = House(contracts=(*CONTRACTS, contract("web_search")), max_tokens_per_s=TOKENS_PER_S)
        return [await settled(house, Maker(seed).case()) for seed in few]

    found: list[Judged] = []
    for start in range(seeds.start, seeds.stop, 100):
        found += asyncio.run(some(range(start, min(start + 100, seeds.stop))))
    return found

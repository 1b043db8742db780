"""What a benchmark runs against: a provider and a Holdfast server, each its own process."""

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec

from benchmarks.processes import Child, Unavailable, environment, python
from benchmarks.upstream import Bill

MODEL = "claude-sonnet-4-5"
_ONCE = {"connection": "close"}
KEY = "sk-ant-benchmark"
_POLICY = """@id("bench-tools")
permit (principal in Role::"bench", action in [Action::"Bash", Action::"Read"], resource);
"""
_NONE = {"usd": "none", "usd_in": "none", "usd_out": "none", "tokens": "none"}
_OWNERS = {**_NONE, "tool_calls": "none", "turns": "none", "seconds": "none"}
# No cap but the one that a benchmark sets, and a loop guard that looks but does not stop.
_DEFAULTS = {
    "limits": {
        "task": _OWNERS,
        "session": _NONE,
        "user": _NONE,
        "project": _NONE,
        "tenant": _NONE,
    },
    "loop": {
        "max_turns": 1_000_000,
        "warn_turns": 999_998,
        "alert_turns": 999_999,
        "max_tool_calls": 1_000_000,
        "wall_clock_s": 31_536_000,
    },
}


class Provider:
    """The scripted model, playing `scenarios` (see `holdfast.testing.scripted_model.script`)."""

    def __init__(self, folder: Path, scenarios: Sequence[Mapping[str, Any]]) -> None:
        script = folder / "script.json"
        script.write_bytes(msgspec.json.encode({"scenarios": scenarios}))
        self.child = Child(
            python("-m", "benchmarks.upstream", str(script)),
            log=folder / "upstream.log",
            piped=True,
        )
        self.url = self.child.line().strip()

    async def reset(self, http: aiohttp.ClientSession) -> None:
        """Start a new bill with a cold prompt cache."""
        async with http.post(f"{self.url}/_bench/reset", headers=_ONCE) as answer:
            answer.raise_for_status()

    async def bill(self, http: aiohttp.ClientSession, settle_s: float = 5.0) -> Bill:
        """The bill, once no reply is open any more."""
        deadline = time.monotonic() + settle_s
        while True:
            async with http.get(f"{self.url}/_bench/usage", headers=_ONCE) as answer:
                found = msgspec.json.decode(await answer.read())
            if not found["open"] or time.monotonic() > deadline:
                return msgspec.convert(found["bill"], Bill)
            await asyncio.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.stop()


class Session(msgspec.Struct, frozen=True):
    """An open session: its id and the token that its agent holds."""

    session_id: str
    token: str


class Server:
    """`python -m holdfast.apps.server` over a project made for the benchmark.

    `more` are further sections of its `holdfast.yaml`; `model_url` is where model calls go.
    """

    def __init__(
        self,
        folder: Path,
        upstream_url: str,
        *,
        tenants: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        project = folder / "project"
        (project / "policies").mkdir(parents=True)
        (project / "policies" / "bench.cedar").write_text(_POLICY)
        (project / "holdfast.yaml").write_bytes(
            msgspec.json.encode({**_settings(upstream_url, tenants), **(more or {})})
        )
        readable, writable = os.pipe()
        began = time.perf_counter()
        self.child = Child(
            python(
                *("-m", "holdfast.apps.server", "--project", str(project)),
                *("--port", "0", "--ready-fd", str(writable)),
                *("--with-parent", str(os.getpid())),
            ),
            log=folder / "server.log",
            env=environment({"BENCH_KEY": KEY}),
            pass_fds=(writable,),
        )
        os.close(writable)
        with os.fdopen(readable) as told:
            self.url = told.readline().strip()
        self.ready_s = time.perf_counter() - began
        if not self.url:
            self.child.stop()
            raise Unavailable(f"the server did not start: {self.child.log.read_text()[-600:]}")
        state = project / ".holdfast"
        self.database = state / "holdfast.db"
        announced = msgspec.json.decode((state / "server.json").read_bytes())
        self.model_url: str = announced["model_url"] or self.url
        self._admin = {"authorization": f"Bearer {(state / 'admin.token').read_text().strip()}"}

    @property
    def pid(self) -> int:
        """Process id of the server; the policy process is below it."""
        return self.child.pid

    async def open(self, http: aiohttp.ClientSession, **asked: Any) -> Session:
        """Open a session; `asked` are the fields of `POST /v1/sessions`."""
        asked = {"agent": "bench", "user": "ann", "tenant": "acme", "project": "desk"} | asked
        found = await self.admin(http, "POST", "/v1/sessions", asked)
        return Session(found["session"]["session_id"], found["token"])

    async def admin(
        self, http: aiohttp.ClientSession, method: str, path: str, body: Any = None
    ) -> Any:
        """One call of the operator's API. Errors: RuntimeError when it is refused."""
        # A kept connection may be closed by the server just when it is used again.
        headers = self._admin | _ONCE
        async with http.request(method, self.url + path, json=body, headers=headers) as answer:
            raw = await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{method} {path}: {answer.status} {raw[:300]!r}")
            return msgspec.json.decode(raw)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.child.stop()


def _settings(upstream_url: str, tenants: Mapping[str, Any] | None) -> dict[str, Any]:
    tenant = {"projects": {"desk": {}}, "users": {"*": {"roles": ["bench"]}}}
    return {
        "version": 1,
        "policies": "policies",
        "upstreams": {"anthropic": {"base_url": upstream_url, "api_key_env": "BENCH_KEY"}},
        "defaults": _DEFAULTS,
        "tenants": {"acme": tenant, **(tenants or {})},
        "agents": {"bench": {"model": MODEL, "tools": ["Bash", "Read"]}},
    }


def text_request(marker: str, *, max_tokens: int = 1024, **fields: Any) -> bytes:
    """A streamed request that makes the provider play the scenario marked by `marker`."""
    body = {
        "model": MODEL,
        "max_tokens": max_tokens,
        "stream": True,
        "messages": [{"role": "user", "content": marker}],
        **fields,
    }
    return msgspec.json.encode(body)

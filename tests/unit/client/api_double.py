"""A small server that answers as the control API is specified to, and records what it was asked."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from holdfast.apps.control.proving import Proving, proven
from holdfast.backends.system.clock import SystemClock
from holdfast.core.proofs import key_of, seal_of
from holdfast.runtime.proofs import Proofs
from holdfast.testing.scripted_model.server import PromptServer

TOKENS = ("hfa_1", "hfa_file", "hfo_1", "hfw_1", "t")
"""Tokens that the double knows."""
SESSION = {
    "session_id": "ses_1",
    "tenant": "acme",
    "project": "desk",
    "user": "ann",
    "agent": "support-desk",
    "task": "ses_1",
    "trust": "semi_autonomous",
    "roles": ["agent"],
    "state": "active",
    "state_reason": "",
    "opened_at_ns": 1,
    "expires_at_ns": 2,
    "cost_nusd": 5,
    "turn": 1,
    "tool_calls": 2,
    "streams": 0,
    "tainted": False,
    "a_field_of_tomorrow": 1,
}
RULING = {
    "verdict": "deny",
    "decision_id": "dec_1",
    "permit": "",
    "arguments": {"command": "ls"},
    "message": "permission_denied: no",
    "risk": "LOW",
    "reasons": [
        {
            "stage": "policy",
            "verdict": "deny",
            "code": "permission_denied",
            "text": "no",
            "rule": "r1",
        }
    ],
    "cost_nusd": 7,
}
RECEIPT = {
    "session_id": "ses_1",
    "state": "killed",
    "already": False,
    "levers": [{"lever": "journal", "ms": 0.5, "detail": "", "ok": True}],
    "total_ms": 1.5,
}
ACCOUNT = {
    "scope": "user",
    "owner": "acme/ann",
    "dimension": "usd",
    "window": "day",
    "limit": None,
    "settled": 1,
    "held": 0,
    "alerted": [50],
}
RECORD = {"kind": "tool_call.decided", "at_ns": 3, "seq": 9, "session": "ses_1", "tool": "Bash"}
PLAN = {
    "model": "claude-sonnet-5",
    "system_prompt": "be kind",
    "allowed_tools": ["Bash"],
    "mcp_servers": {},
    "task": {},
    "max_turns": 30,
}
ANSWERS: dict[tuple[str, str], Any] = {
    ("POST", "/v1/sessions"): {"session": SESSION, "token": "hfs_1", "plan": PLAN},
    ("GET", "/v1/sessions"): {"sessions": [SESSION]},
    ("GET", "/v1/sessions/ses_1"): SESSION,
    ("POST", "/v1/sessions/ses_1/kill"): RECEIPT,
    ("POST", "/v1/sessions/ses_1/pause"): {**SESSION, "state": "paused"},
    ("POST", "/v1/sessions/ses_1/resume"): SESSION,
    ("POST", "/v1/sessions/ses_1/end"): {**SESSION, "state": "ended"},
    ("POST", "/v1/guard/decide"): RULING,
    ("POST", "/v1/guard/finish"): {"output": "shown", "rewritten": True},
    ("POST", "/v1/guard/redeem"): {"permit_id": "prm_1"},
    ("POST", "/v1/guard/prompt"): {},
    ("POST", "/v1/guard/hook"): {"reasons": []},
    ("GET", "/v1/guard/session"): SESSION,
    ("POST", "/v1/guard/end"): {**SESSION, "state": "ended"},
    ("GET", "/v1/guard/keys"): {"keys": {"k1": "AAAA"}},
    ("GET", "/v1/budgets"): {"accounts": [ACCOUNT]},
    ("PUT", "/v1/budgets"): ACCOUNT,
    ("GET", "/v1/records"): {"records": [RECORD]},
    ("GET", "/v1/audit/ask"): {
        "question": {
            "user": "ann",
            "tenant": "acme",
            "from_ns": 1,
            "until_ns": 2,
            "at_text": "noon",
        },
        "records": [RECORD],
        "lines": ["12:00:00 ran Bash"],
        "took_ms": 1.0,
    },
    ("GET", "/v1/audit/server"): {
        "records": [{**RECORD, "tenant": ""}],
        "lines": ["2026-11-16 12:00:00 the server started"],
    },
    ("GET", "/v1/policy/status"): {"version": "sha256:1", "loaded_at_ns": 1, "fault": ""},
    ("POST", "/v1/policy/check"): {
        "findings": [{"file": "a.cedar", "line": 3, "rule": "", "code": "parse", "text": "no"}],
        "version": "sha256:1",
    },
    ("GET", "/healthz"): {
        "status": "ok",
        "version": "0.1.0",
        "policy": "ok",
        "store": "ok",
    },
}


def announced(state: Path, url: str, token: str, **told: Any) -> None:
    """A state folder as a server at `url` with this admin token leaves it."""
    state.mkdir(exist_ok=True)
    (state / "admin.token").write_text(f"{token}\n")
    seal = seal_of(key_of(token), url, 1, str(state))
    server = {"url": url, "pid": 1, "state_dir": str(state), "seal": seal, **told}
    server.setdefault("admin_token_file", str(state / "admin.token"))
    (state / "server.json").write_text(json.dumps(server))


class ApiDouble:
    """`answers` may be changed: a JSON value, a Response, or a function of the request's body."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Any] = dict(ANSWERS)
        self.asked: list[tuple[str, str, dict[str, str], Any, str]] = []
        self.url = ""
        self.routes: list[Route | Mount] = []
        self.digests = {key_of(token).hex(): token for token in TOKENS}

    def refuse(self, method: str, path: str, status: int, **error: Any) -> None:
        self.answers[method, path] = JSONResponse({"error": error}, status)

    async def answer(self, request: Request) -> Response:
        raw = await request.body()
        body = json.loads(raw) if raw else None
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        token = self.digests.get(proven(request), token)
        path = request.url.path
        self.asked.append((request.method, path, dict(request.query_params), body, token))
        found = self.answers.get((request.method, path))
        if found is None:
            error = {"code": "not_found", "message": "no such path", "retryable": False}
            return JSONResponse({"error": error}, 404)
        if callable(found) and not isinstance(found, Response):
            found = found(body)
            if asyncio.iscoroutine(found):
                found = await found
        return found if isinstance(found, Response) else JSONResponse(found)

    @contextlib.asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator["ApiDouble"]:
        methods = ["GET", "POST", "PUT", "HEAD", "DELETE"]
        app = Starlette(routes=[*self.routes, Route("/{path:path}", self.answer, methods=methods)])
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            known = Proofs(
                lambda: self.digests, self.url, SystemClock(), b"s" * 32, lambda: token_hex(8)
            )
            config = uvicorn.Config(Proving(app, known), log_level="critical", lifespan="off")
            server = PromptServer(config)
            async with asyncio.TaskGroup() as group:
                group.create_task(server.serve(sockets=[listener]))
                try:
                    yield self
                finally:
                    server.stop()

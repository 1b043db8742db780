"""A guard that answers as told and signs real permits, with a scripted model behind the same URL."""

import base64
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.routing import Route

from holdfast.core.canonical import digest
from holdfast.core.permits import key_id, sign
from holdfast.model.permits import Permit
from holdfast.testing.scripted_model import create_app
from tests.unit.client.api_double import ApiDouble

NS = 1_000_000_000


class GuardDouble(ApiDouble):
    """`rule(body)` gives the fields of a ruling to change; by default everything is allowed."""

    def __init__(
        self, rule: Callable[[dict[str, Any]], dict[str, Any]] | None = None, script: Any = None
    ) -> None:
        super().__init__()
        self.key = Ed25519PrivateKey.generate()
        self.rule = rule or (lambda _: {})
        public = self.key.public_key()
        raw = base64.b64encode(public.public_bytes_raw()).decode()
        self.answers["GET", "/v1/guard/keys"] = {"keys": {key_id(public): raw}}
        self.answers["POST", "/v1/guard/decide"] = self.decide
        self.answers["POST", "/v1/guard/finish"] = lambda body: {
            "output": body["output"],
            "rewritten": False,
        }
        if script is not None:
            app = create_app(script)
            self.log = app.state.log
            paths = ("/v1/messages", "/v1/models", "/api/")
            self.routes = [
                r for r in app.routes if isinstance(r, Route) and r.path.startswith(paths)
            ]

    def decide(self, body: dict[str, Any]) -> dict[str, Any]:
        given = {
            "verdict": "allow",
            "decision_id": "dec_1",
            "arguments": body["arguments"],
            "message": "",
            "risk": "LOW",
            "reasons": [],
            "cost_nusd": 0,
        }
        ruling = given | self.rule(body)
        if ruling["verdict"] == "allow" and "permit" not in ruling:
            ruling["permit"] = self.permit(body, ruling["arguments"])
        return {"permit": "", **ruling}

    def permit(self, body: dict[str, Any], arguments: dict[str, Any], **changed: Any) -> str:
        now_ns = time.time_ns()
        fields = {
            "permit_id": "prm_1",
            "session": "ses_1",
            "call_id": body["call_id"],
            "tool": body["tool"],
            "digest": str(digest(arguments)),
            "issued_at_ns": now_ns,
            "expires_at_ns": now_ns + 60 * NS,
            "decision_id": "dec_1",
        }
        return sign(Permit(**(fields | changed)), self.key)

    def bodies(self, verb: str) -> list[Any]:
        """What was sent to `/v1/guard/<verb>`."""
        return [body for _, path, _, body, _ in self.asked if path == f"/v1/guard/{verb}"]

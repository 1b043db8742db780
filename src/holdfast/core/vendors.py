"""The Messages API as other vendors carry it: the model in the path, the version in the body.

Values that are not changed keep their bytes, so that a vendor's prompt cache still matches.
Not here: signatures, frames, credentials (`backends/bedrock`, `backends/vertex`).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_ERROR_BYTES_MAX = 64 * 1024
_KIND_OF_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


class Moved(msgspec.Struct, frozen=True):
    """A request whose model has left the body for the path; `stream` is what the body asked."""

    model: str
    stream: bool
    body: bytes


def moved(body: bytes, *, version: str, drop: tuple[str, ...], betas: str = "") -> Moved:
    """Take `drop` out of the body and put `anthropic_version` (and betas) in.

    `body` is one that `core/messages.read_request` has read.
    """
    fields = _RAW.decode(body)
    model = msgspec.json.decode(fields["model"], type=str)
    stream = "stream" in fields and bool(msgspec.json.decode(fields["stream"], type=bool | None))
    for name in drop:
        fields.pop(name, None)
    fields.setdefault("anthropic_version", msgspec.Raw(msgspec.json.encode(version)))
    named = [beta.strip() for beta in betas.split(",") if beta.strip()]
    if named:
        fields.setdefault("anthropic_beta", msgspec.Raw(msgspec.json.encode(named)))
    return Moved(model, stream, msgspec.json.encode(fields))


def in_path(model: str) -> str:
    """A model's name as one segment of a path; it cannot leave its segment."""
    kept = _UNRESERVED if model.strip(".") else b""
    return "".join(chr(b) if b in kept else f"%{b:02X}" for b in model.encode())


def betas_of(headers: Mapping[str, str]) -> str:
    """The betas that a client named, in one line; a header may come several times."""
    return ",".join(value for name, value in headers.items() if name.lower() == "anthropic-beta")


def error_body(status: int, body: bytes) -> bytes:
    """A vendor's error in the envelope of the Messages API; one that is in it already stays."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    if isinstance(found, list) and found:
        found = found[0]
    fields: dict[str, Any] = found if isinstance(found, dict) else {}
    inner = fields.get("error")
    if fields.get("type") == "error" and isinstance(inner, dict):
        return body
    told = inner if isinstance(inner, dict) else fields
    text = told.get("message") or told.get("Message") or f"the vendor answered {status}"
    return msgspec.json.encode(error_fields(_KIND_OF_STATUS.get(status, "api_error"), str(text)))


def error_fields(kind: str, text: str) -> dict[str, object]:
    """The envelope itself."""
    return {"type": "error", "error": {"type": kind, "message": text[:2000]}}


class ErrorReader:
    """Gathers an error and hands it on in the envelope. See `ports.llm.Reader`."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self._status = status
        self._body = b""

    def feed(self, chunk: bytes) -> bytes:
        """Nothing before the end; no more than 64 KiB are kept."""
        self._body = (self._body + chunk)[:_ERROR_BYTES_MAX]
        return b""

    def end(self) -> bytes:
        """The envelope."""
        return error_body(self._status, self._body)

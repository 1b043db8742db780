"""How Bedrock wants the Messages API: InvokeModel, signed or with a bearer key, framed answers.

Not here: sockets (`backends/anthropic/upstream` carries it), prices: a model is asked for, priced
and limited by the name that the client uses; `models` says what Bedrock calls it.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from holdfast.backends.bedrock.frames import EventFrames
from holdfast.backends.bedrock.sigv4 import AwsKey, signed
from holdfast.core.vendors import ErrorReader, betas_of, in_path, moved
from holdfast.ports.clock import Clock
from holdfast.ports.llm import NotOffered, Reader, WireRequest

_VERSION = "bedrock-2023-05-31"
_STREAM_TYPE = "application/vnd.amazon.eventstream"
_DROPPED = ("model", "stream")


class BedrockDialect:
    """One region of Bedrock and one key; a plain string is a bearer key."""

    def __init__(
        self,
        base_url: str,
        key: AwsKey | str,
        *,
        region: str,
        models: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._host = urlsplit(base_url).netloc
        self._key = key
        self._region = region
        self._models = models
        self._clock = clock

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> WireRequest | NotOffered:
        """InvokeModel, streaming or not; Bedrock counts no tokens and lists no models here."""
        if method != "POST" or path.partition("?")[0] != "/v1/messages":
            return NotOffered("Bedrock offers only `/v1/messages`")
        asked = moved(body, version=_VERSION, drop=_DROPPED, betas=betas_of(headers))
        verb = "invoke-with-response-stream" if asked.stream else "invoke"
        target = f"/model/{in_path(self._models.get(asked.model, asked.model))}/{verb}"
        fields = {
            "accept": _STREAM_TYPE if asked.stream else "application/json",
            "content-type": "application/json",
            "host": self._host,
        }
        if isinstance(self._key, str):
            fields["authorization"] = f"Bearer {self._key}"
        else:
            fields = signed(
                self._key,
                method,
                target,
                fields,
                asked.body,
                region=self._region,
                service="bedrock",
                at_ns=self._clock.now_ns(),
            )
        return WireRequest(target=target, headers=fields, body=asked.body)

    def reader(self, status: int, headers: Mapping[str, str]) -> Reader | None:
        """Frames become events, Bedrock's errors the Messages API's."""
        shown = {"content-type": "application/json"}
        for name, ours in (("x-amzn-requestid", "request-id"), ("retry-after", "retry-after")):
            if name in headers:
                shown[ours] = headers[name]
        if status != 200:
            return ErrorReader(status, shown)
        if headers.get("content-type", "").startswith(_STREAM_TYPE):
            return EventFrames({**shown, "content-type": "text/event-stream; charset=utf-8"})
        return None

    def refused(self, status: int) -> None:
        """Its key stands in the environment: nothing to renew."""

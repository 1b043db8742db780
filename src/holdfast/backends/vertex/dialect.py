"""How Vertex AI wants the Messages API: rawPredict and a bearer token; its events pass.

The token comes from the environment, or from a command that prints it (such as
`gcloud auth print-access-token`); what a command printed is kept for a while and asked for anew
when Vertex refuses it.
Not here: sockets (`backends/anthropic/upstream` carries it).
"""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from holdfast.core.vendors import ErrorReader, in_path, moved
from holdfast.errors import UpstreamUnavailable
from holdfast.ports.clock import Clock
from holdfast.ports.llm import NotOffered, Reader, WireRequest

_VERSION = "vertex-2023-10-16"
_COUNT = "count-tokens:rawPredict"
_COMMAND_S = 30.0
_KEPT_NS = 300 * 1_000_000_000
_TOKEN_MAX = 16 * 1024


class TokenCommand:
    """A token that a command prints, without a shell; one run at a time."""

    def __init__(self, command: Sequence[str], clock: Clock) -> None:
        self._command = tuple(command)
        self._clock = clock
        self._token = ""
        self._until_ns = 0
        self._running = asyncio.Lock()

    async def token(self) -> str:
        """The token. Errors: UpstreamUnavailable when the command fails or prints none."""
        async with self._running:
            if not self._token or self._clock.now_ns() >= self._until_ns:
                self._token = await self._printed()
                self._until_ns = self._clock.now_ns() + _KEPT_NS
            return self._token

    def forget(self) -> None:
        """Ask anew the next time."""
        self._until_ns = 0

    async def _printed(self) -> str:
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            text = f"the token command `{self._command[0]}` cannot be run"
            raise UpstreamUnavailable(text) from error
        try:
            async with asyncio.timeout(_COMMAND_S):
                printed, _ = await child.communicate()
        except TimeoutError:
            text = f"the token command `{self._command[0]}` took longer than {_COMMAND_S:g} s"
            raise UpstreamUnavailable(text) from None
        finally:
            if child.returncode is None:
                child.kill()
        token = printed[:_TOKEN_MAX].decode("ascii", "replace").strip()
        if child.returncode != 0 or not token or not token.isascii() or len(token.split()) != 1:
            raise UpstreamUnavailable(f"the token command `{self._command[0]}` printed no token")
        return token


class VertexDialect:
    """One project and location of Vertex AI; `credential` is a token, or what prints one."""

    def __init__(
        self,
        credential: str | TokenCommand,
        *,
        project: str,
        region: str,
        models: Mapping[str, str],
    ) -> None:
        self._credential = credential
        self._models = models
        self._place = f"/v1/projects/{project}/locations/{region}/publishers/anthropic/models/"

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> WireRequest | NotOffered:
        """RawPredict, streaming or not, or Vertex's count of tokens; it lists no models here."""
        plain = path.partition("?")[0]
        if method != "POST" or plain not in ("/v1/messages", "/v1/messages/count_tokens"):
            return NotOffered("Vertex AI offers only `/v1/messages` and `count_tokens`")
        counts = plain.endswith("count_tokens")
        asked = moved(body, version=_VERSION, drop=("model",))
        model = self._models.get(asked.model, asked.model)
        if counts:
            target, sent = self._place + _COUNT, _with_model(asked.body, model)
        else:
            verb = "streamRawPredict" if asked.stream else "rawPredict"
            target, sent = f"{self._place}{in_path(model)}:{verb}", asked.body
        own = self._credential
        token = own if isinstance(own, str) else await own.token()
        fields = {
            name: value
            for name, value in headers.items()
            if name.lower() in ("anthropic-beta", "accept")
        }
        fields |= {"content-type": "application/json", "authorization": f"Bearer {token}"}
        return WireRequest(target=target, headers=fields, body=sent)

    def reader(self, status: int, headers: Mapping[str, str]) -> Reader | None:
        """Answers pass; Google's own errors are put into the Messages API's envelope."""
        if status == 200:
            return None
        shown = {"content-type": "application/json"}
        shown |= {n: headers[n] for n in ("request-id", "retry-after") if n in headers}
        return ErrorReader(status, shown)

    def refused(self, status: int) -> None:
        """A token that is refused is asked for anew."""
        if status == 401 and isinstance(self._credential, TokenCommand):
            self._credential.forget()


def _with_model(body: bytes, model: str) -> bytes:
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    fields["model"] = msgspec.Raw(msgspec.json.encode(model))
    return msgspec.json.encode(fields)

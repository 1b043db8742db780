"""Answers questions with the bundle in force, and swaps it whole when the files change.

The loop decides; one other thread loads. A bundle that does not validate never replaces one that
did, and while there is none every question is refused.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from holdfast.backends.cedar.bundle import Bundle, Loaded, load
from holdfast.backends.cedar.evaluation import decide
from holdfast.backends.policyd_client import wire
from holdfast.backends.policyd_client.wire import PolicyFinding, PolicyStatus
from holdfast.errors import InvalidRequest, PolicyUnavailable
from holdfast.model.decisions import PolicyRequest

POLL_S = 1.0
_MAX_FAULTS_TOLD = 5


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """What the process decides from."""

    policies: Path
    contracts: Path
    baseline: bool = True

    def load(self) -> Loaded:
        """Everything as it is now; slow."""
        return load(self.policies, self.contracts, baseline=self.baseline)

    def stamp(self) -> tuple[object, ...]:
        """Changes whenever a file was written, added, renamed or removed."""
        paths = [self.contracts]
        if self.policies.is_dir():
            paths += sorted(self.policies.glob("*.cedar"))
        return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> tuple[object, ...]:
    try:
        seen = path.stat()
    except OSError:
        return (path.name, None)
    return (path.name, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


class PolicyService:
    """The handler behind the socket. `report` gets one line for each change of bundle or fault."""

    def __init__(
        self, files: Files, *, now_ns: Callable[[], int], report: Callable[[str], None]
    ) -> None:
        self._files = files
        self._now_ns = now_ns
        self._report = report
        self._bundle: Bundle | None = None
        self._loaded_at_ns = 0
        self._fault = "no policies were loaded yet"
        self._stamp: tuple[object, ...] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._request = msgspec.msgpack.Decoder(PolicyRequest)
        self._encoder = msgspec.msgpack.Encoder()

    def handle(self, method: str, body: bytes) -> bytes | Awaitable[bytes]:
        """One call of the wire protocol (`backends.policyd_client.wire`).

        Errors: PolicyUnavailable without a bundle, InvalidRequest for a body or method unknown.
        """
        match method:
            case wire.DECIDE:
                return self._encoder.encode(decide(self._in_force(), self._question(body)))
            case wire.VERSION:
                return self._in_force().version.encode()
            case wire.STATUS:
                return self._encoder.encode(self.status())
            case wire.CHECK:
                return self._check()
            case _:
                raise InvalidRequest("the policy process knows no such method")

    def status(self) -> PolicyStatus:
        """What is in force and what is wrong with the files."""
        version = self._bundle.version if self._bundle else ""
        return PolicyStatus(version=version, loaded_at_ns=self._loaded_at_ns, fault=self._fault)

    async def refresh(self) -> None:
        """Load if a file changed since the last look; keeps the old bundle on any fault."""
        loop = asyncio.get_running_loop()
        stamp = self._files.stamp()
        if stamp == self._stamp:
            return
        # Files written while they are read change the stamp again, and are read again.
        self._stamp = stamp
        try:
            loaded = await loop.run_in_executor(self._thread, self._files.load)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the old bundle stays
            self._refuse(f"loading failed: {type(fault).__name__}: {fault}")
            return
        if loaded.bundle is None:
            told = "; ".join(str(finding) for finding in loaded.findings[:_MAX_FAULTS_TOLD])
            more = len(loaded.findings) - _MAX_FAULTS_TOLD
            self._refuse(told + (f"; and {more} more" if more > 0 else ""))
            return
        self._fault = ""
        if self._bundle is None or self._bundle.version != loaded.version:
            self._bundle = loaded.bundle
            self._loaded_at_ns = self._now_ns()
            self._report(f"policy {loaded.version} is in force")

    async def watch(self, stop: asyncio.Event, poll_s: float = POLL_S) -> None:
        """Refresh until stopped."""
        while not stop.is_set():
            try:
                async with asyncio.timeout(poll_s):
                    await stop.wait()
            except TimeoutError:
                await self.refresh()

    def close(self) -> None:
        """Let the loading thread go."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _refuse(self, fault: str) -> None:
        self._fault = fault
        kept = f"{self._bundle.version} stays in force" if self._bundle else "nothing is in force"
        self._report(f"policies do not hold, {kept}: {fault}")

    def _in_force(self) -> Bundle:
        if self._bundle is None:
            raise PolicyUnavailable("no valid policies are loaded; see `holdfast policy check`")
        return self._bundle

    def _question(self, body: bytes) -> PolicyRequest:
        try:
            return self._request.decode(body)
        except (msgspec.DecodeError, RecursionError) as fault:
            raise InvalidRequest(f"the question cannot be read: {type(fault).__name__}") from None

    async def _check(self) -> bytes:
        loop = asyncio.get_running_loop()
        loaded = await loop.run_in_executor(self._thread, self._files.load)
        return self._encoder.encode(
            [PolicyFinding(f.file, f.line, f.rule, f.code, f.text) for f in loaded.findings]
        )

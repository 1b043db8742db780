"""Answers questions with the bundle in force, and swaps it whole when the files change.

The loop decides; one other thread loads. A bundle that does not validate never replaces one that
did, and while there is none every question is refused.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from holdfast.apps.policyd.applied import current, drop, keep, point
from holdfast.apps.policyd.replaying import replayed
from holdfast.backends.cedar.bundle import Bundle, Loaded, load, version_of
from holdfast.backends.cedar.evaluation import decide
from holdfast.backends.cedar.sources import BASELINE
from holdfast.backends.policyd_client import wire
from holdfast.errors import InvalidRequest, PolicyUnavailable
from holdfast.model.decisions import PolicyRequest, Replay
from holdfast.model.views.policies import PolicyChange, PolicyStatus

POLL_S = 1.0
_MAX_FAULTS_TOLD = 5
_NOT_APPLIED = "the policy files are not what is in force; see `holdfast policy apply`"


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """What the process decides from.

    `applied` holds what operators put in force; without it files are taken as they are written.
    `kept` holds copies of all that was in force.
    """

    policies: Path
    contracts: Path
    baseline: bool = True
    applied: Path | None = None
    kept: Path | None = None

    def in_force(self) -> Loaded:
        """What an operator applied last, under the contracts of now; the folder before that."""
        kept = current(self.applied) if self.applied is not None else None
        return load(kept or self.policies, self.contracts, baseline=self.baseline)

    def kept_in(self, folder: Path) -> Loaded:
        """A kept copy, under the contracts of now."""
        return load(folder, self.contracts, baseline=self.baseline)

    def keep(self, folder: Path, version: str, policies: Path) -> Path:
        """Copy what a bundle was read from. Errors: OSError."""
        ours = BASELINE if self.baseline else None
        return keep(folder, version, policies, self.contracts, ours)

    def load(self) -> Loaded:
        """Everything as it is now; slow."""
        return load(self.policies, self.contracts, baseline=self.baseline)

    def version(self) -> str:
        """Of everything as it is now, whether it holds or not."""
        return version_of(self.policies, self.contracts, baseline=self.baseline)

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
            case wire.CANDIDATE:
                return self._candidate()
            case wire.APPLY:
                return self._apply(body.decode(errors="replace"))
            case wire.REPLAY:
                return self._replay(body)
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
        first, self._stamp = self._stamp is None, stamp
        applied = self._files.applied
        read = self._files.in_force if applied is not None and first else self._files.load
        try:
            loaded = await loop.run_in_executor(self._thread, read)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the old bundle stays
            self._refuse(f"loading failed: {type(fault).__name__}: {fault}")
            return
        if loaded.bundle is None:
            told = "; ".join(str(finding) for finding in loaded.findings[:_MAX_FAULTS_TOLD])
            more = len(loaded.findings) - _MAX_FAULTS_TOLD
            self._refuse(told + (f"; and {more} more" if more > 0 else ""))
            return
        if applied is not None and not first:
            self._compare(loaded.version)
            return
        gone = self._gone(loaded)
        if applied is None and gone:
            self._refuse(f"rules are gone ({', '.join(gone[:5])}); see `holdfast policy apply`")
            return
        self._fault = ""
        if not self._keep(loaded.version, current(applied) if applied is not None else None):
            return
        self._swap(loaded)
        if applied is not None:
            await self._look()

    def _gone(self, loaded: Loaded) -> list[str]:
        """Rules in force that the new bundle lacks: a file may be empty for a moment."""
        if self._bundle is None or loaded.bundle is None:
            return []
        return sorted(self._bundle.rules.keys() - loaded.bundle.rules.keys())

    async def _look(self) -> None:
        """Whether the folder is what is in force."""
        loop = asyncio.get_running_loop()
        self._compare(await loop.run_in_executor(self._thread, self._files.version))

    def _compare(self, version: str) -> None:
        same = self._bundle is not None and self._bundle.version == version
        fault = "" if same else _NOT_APPLIED
        if fault and fault != self._fault:
            self._report(fault)
        self._fault = fault

    def _keep(self, version: str, kept: Path | None) -> bool:
        """Copy what is put in force; without a copy nothing is."""
        files = self._files
        folder = files.applied or files.kept
        if folder is None:
            return True
        try:
            copied = files.keep(folder, version, kept or files.policies)
            if files.applied is not None:
                point(folder, copied)
        except OSError as fault:
            self._refuse(f"the files cannot be kept: {fault.strerror or type(fault).__name__}")
            return False
        return True

    def _swap(self, loaded: Loaded) -> None:
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

    async def _candidate(self) -> bytes:
        loop = asyncio.get_running_loop()
        loaded = await loop.run_in_executor(self._thread, self._files.load)
        old = {i: rule.text for i, rule in self._bundle.rules.items()} if self._bundle else {}
        new = {i: rule.text for i, rule in loaded.bundle.rules.items()} if loaded.bundle else {}
        change = PolicyChange(
            version=loaded.version,
            previous=self._bundle.version if self._bundle else "",
            added=tuple(sorted(new.keys() - old.keys())),
            removed=tuple(sorted(old.keys() - new.keys())),
            changed=tuple(sorted(i for i in old.keys() & new.keys() if old[i] != new[i])),
            findings=loaded.findings,
        )
        return self._encoder.encode(change)

    async def _apply(self, version: str) -> bytes:
        """Errors: InvalidRequest for files that do not hold, or are not those that were shown."""
        loop = asyncio.get_running_loop()
        loaded = await loop.run_in_executor(self._thread, self._files.load)
        if loaded.bundle is None or loaded.version != version:
            raise InvalidRequest("the policy files changed meanwhile; look at them and apply again")
        if self._files.applied is not None:
            kept = self._files.keep(self._files.applied, version, self._files.policies)
            again = await loop.run_in_executor(self._thread, self._files.kept_in, kept)
            if again.version != version:
                # What was copied is not what was shown: it may not stand under that name.
                drop(kept)
                raise InvalidRequest("the policy files changed while they were kept; apply again")
            point(self._files.applied, kept)
        self._fault = ""
        self._swap(loaded)
        return self._encoder.encode(self.status())

    async def _replay(self, body: bytes) -> bytes:
        try:
            asked = msgspec.msgpack.decode(body, type=Replay)
        except (msgspec.DecodeError, RecursionError) as fault:
            raise InvalidRequest(f"the question cannot be read: {type(fault).__name__}") from None
        folder = self._files.applied or self._files.kept
        again = partial(replayed, folder, asked, baseline=self._files.baseline)
        loop = asyncio.get_running_loop()
        return self._encoder.encode(await loop.run_in_executor(self._thread, again))

    async def _check(self) -> bytes:
        loop = asyncio.get_running_loop()
        loaded = await loop.run_in_executor(self._thread, self._files.load)
        return self._encoder.encode(loaded.findings)

"""Nothing of a run begins once its lease is over, wherever it stood still on its way."""

import asyncio
import contextlib
import http.server
import os
import signal
import threading
from pathlib import Path

import pytest

from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.errors import LeaseLost
from holdfast.integrations.native.router import Router
from holdfast.tools.lease import Lease, now_s

TOOLS = """
import os, pathlib, time

def acts(file: str):
    pathlib.Path(__file__).with_name(file).write_text("done")
    return os.getpid()
"""
SLOW_TO_LOAD = "import time\ntime.sleep(1.0)\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(Lease.held, "__defaults__", (0.2,))


def told(run):
    return {
        "definition": {},
        "idempotency": "once",
        "timeout_s": 20.0,
        "max_output_bytes": 1000,
        "run": run,
    }


@contextlib.asynccontextmanager
async def tools(folder, lease, text=TOOLS):
    (folder / "mine.py").write_text(text)
    run = {"kind": "python", "target": "mine:acts", "probe": "mine:acts", "folder": str(folder)}
    router = Router(
        {"acts": told(run)},
        {},
        session_id="ses_1",
        environment=os.environ,
        lease=lease,
        sandbox=SystemSandbox(),
    )
    try:
        yield router
    finally:
        await router.close()


def act(router, file):
    return router.run("acts", {"file": file}, key="k", attempt=1, call_id="c1")


async def asked_while_the_host_stands_still(router, lease, lasts_s, meanwhile):
    """What comes of a call under a lease that short, whose host gets no turn until `meanwhile`."""
    host = int((await act(router, "first")).output)
    os.kill(host, signal.SIGSTOP)
    try:
        lease.until_s = now_s() + lasts_s
        call = asyncio.create_task(act(router, "second"))
        await meanwhile()
    finally:
        os.kill(host, signal.SIGCONT)
    return await call


def test_a_host_that_stood_still_past_the_lease_begins_nothing(tmp_path):
    async def main():
        lease = Lease(now_s() + 3600)
        async with tools(tmp_path, lease) as router:

            async def past_it():
                await asyncio.sleep(0.6)

            with pytest.raises(LeaseLost):
                await asked_while_the_host_stands_still(router, lease, 0.5, past_it)

    asyncio.run(main())
    assert (tmp_path / "first").exists()
    assert not (tmp_path / "second").exists()


def test_a_host_that_stood_still_under_a_lease_that_was_renewed_acts_once(tmp_path):
    async def main():
        lease = Lease(now_s() + 3600)
        async with tools(tmp_path, lease) as router:

            async def renewed_in_time():
                await asyncio.sleep(0.2)
                lease.renew(now_s() + 60)
                await asyncio.sleep(2.5)

            result = await asked_while_the_host_stands_still(router, lease, 2.5, renewed_in_time)
            assert result.ok, result

    asyncio.run(main())
    assert (tmp_path / "second").exists()


def test_loading_a_module_takes_of_the_lease_like_anything_else(tmp_path):
    async def main():
        async with tools(tmp_path, Lease(now_s() + 0.9), SLOW_TO_LOAD + TOOLS) as router:
            with pytest.raises(LeaseLost):
                await act(router, "second")

    asyncio.run(main())
    assert not (tmp_path / "second").exists()


def test_past_the_lease_no_service_is_asked():
    asked = []

    class Service(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    async def main(url):
        lease = Lease(now_s() + 3600)
        run = {"kind": "http", "url": f"{url}/pay", "method": "POST"}
        router = Router(
            {"pay": told(run)},
            {},
            session_id="ses_1",
            environment={},
            lease=lease,
            sandbox=SystemSandbox(),
        )
        try:
            paid = await router.run("pay", {}, key="k", attempt=1, call_id="c1")
            assert paid.ok, paid
            lease.until_s = now_s()
            with pytest.raises(LeaseLost):
                await router.run("pay", {}, key="k", attempt=1, call_id="c2")
        finally:
            await router.close()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        asyncio.run(main(f"http://127.0.0.1:{server.server_address[1]}"))
    finally:
        server.shutdown()
        server.server_close()
    assert asked == ["/pay"]


def test_a_lease_that_is_over_is_waited_for_until_the_server_says_it_again(tmp_path, monkeypatch):
    monkeypatch.setattr(Lease.held, "__defaults__", (30.0,))

    async def main():
        lease = Lease(now_s())
        async with tools(tmp_path, lease) as router:
            call = asyncio.create_task(act(router, "first"))
            await asyncio.sleep(0.1)
            assert not (tmp_path / "first").exists()
            lease.renew(now_s() + 60)
            result = await call
            assert result.ok, result

    asyncio.run(main())
    assert (tmp_path / "first").exists()


def test_what_a_lease_was_once_said_to_last_it_lasts():
    lease = Lease(now_s() + 60)
    until_s = lease.until_s
    lease.renew(until_s - 30)
    assert lease.until_s == until_s
    lease.renew(until_s + 30)
    assert lease.until_s == until_s + 30


def test_the_clock_of_leases_is_the_same_in_every_process():
    assert Path("/proc/uptime").exists()
    before = now_s()
    elsewhere = float(Path("/proc/uptime").read_text().split()[0])
    assert before - 0.02 <= elsewhere <= now_s()


def test_an_activation_that_is_taken_back_as_its_tool_answers_is_taken_back(tmp_path):
    async def main():
        async with tools(tmp_path, Lease(now_s() + 3600)) as router:
            await act(router, "first")
            (host,) = router._python.values()
            call = asyncio.create_task(act(router, "second"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            (answer,) = host._waiting.values()
            # Both in one turn of the loop, as after a freeze.
            answer.set_result(None)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(main())

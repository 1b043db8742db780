"""Tools run: whatever one does to its process or its service, a result comes back, and says what
is known of the effect."""

import asyncio
import http.server
import json
import os
import threading
import time
from pathlib import Path

import pytest

from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.integrations.native.router import Router
from holdfast.tools.lease import Lease, now_s

TOOLS = """
import os, sys, time, threading, pathlib
from holdfast.tools.declared import Happened, ProbeAnswer, Refused, ToolContext

def fine(n: int, context: ToolContext):
    print("to standard output")
    return {"n": n, "key": context.key, "attempt": context.attempt}

async def later(n: int):
    return n

def refuses():
    raise Refused("no_order", "there is no such order")

def breaks():
    raise ValueError("half-way")

def exits():
    sys.exit(3)

def dies():
    os._exit(9)

def hangs(file: str):
    pathlib.Path(file).write_text(str(os.getpid()))
    if os.fork() == 0:
        time.sleep(3600)
    time.sleep(3600)

def forks():
    if os.fork() == 0:
        return {"child": True}
    return {"parent": True}

def large():
    return "x" * 50_000_000

def odd():
    return object()

def surrogate():
    return {"name": "a\\udcff.txt", (1, 2): float("nan"), "raw": b"\\xff"}

def cycle():
    found = []
    found.append(found)
    return found

def cries():
    raise OSError("no such file: a\\udcff")

def environment():
    return dict(os.environ)

def happened(context: ToolContext):
    return Happened({"seen": context.key})

async def happened_later():
    return ProbeAnswer.HAPPENED

def not_happened():
    return ProbeAnswer.NOTHING_HAPPENED

def cannot_tell():
    return ProbeAnswer.CANNOT_TELL

def says_true():
    return True

def says_nothing():
    return None

def says_words():
    return "nothing_happened"

def says_fields():
    return {"seen": "k9"}

def says_the_class():
    return Happened
"""


UNDECLARED = (
    "cannot_tell",
    "says_true",
    "says_nothing",
    "says_words",
    "says_fields",
    "says_the_class",
)


def told(run, timeout_s=20.0, idempotency="once", most=1_000_000):
    return {
        "definition": {},
        "idempotency": idempotency,
        "timeout_s": timeout_s,
        "max_output_bytes": most,
        "run": run,
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(TOOLS)
    return tmp_path


def python(folder, name, probe="", **more):
    run = {"kind": "python", "target": f"mine:{name}", "probe": probe, "folder": str(folder)}
    return told(run, **more)


def play(tools, body, environment=None, lease_s=3600.0):
    async def main():
        lease = Lease(now_s() + lease_s)
        env = {"PATH": os.environ["PATH"], **(environment or {})}
        if "PYTHONPATH" in os.environ:
            env["PYTHONPATH"] = os.environ["PYTHONPATH"]
        router = Router(
            tools, {}, session_id="ses_1", environment=env, lease=lease, sandbox=SystemSandbox()
        )
        await router.open()
        try:
            return await body(router)
        finally:
            await router.close()

    return asyncio.run(main())


async def ran(router, name, arguments=None, key="k1"):
    return await router.run(name, arguments or {}, key=key, attempt=2, call_id="c1")


def one(folder, name, arguments=None, **more):
    return play({name: python(folder, name, **more)}, lambda r: ran(r, name, arguments))


def test_a_tool_answers_and_what_it_prints_goes_elsewhere(folder):
    result = one(folder, "fine", {"n": 7})
    assert result.ok
    assert result.output == {"n": 7, "key": "k1", "attempt": 2}
    assert one(folder, "later", {"n": 7}).output == 7


def test_a_declared_error_says_that_nothing_happened(folder):
    result = one(folder, "refuses")
    assert (result.ok, result.error_code, result.nothing_happened) == (False, "no_order", True)


@pytest.mark.parametrize("name", ["breaks", "exits", "dies"])
def test_a_tool_that_breaks_leaves_it_open_whether_it_took_effect(folder, name):
    result = one(folder, name)
    assert (result.ok, result.uncertain, result.nothing_happened) == (False, True, False)


def test_a_tool_that_hangs_is_ended_with_all_that_it_started(folder):
    file = folder / "pid"

    async def body(router):
        result = await ran(router, "hangs", {"file": str(file)})
        again = await ran(router, "fine", {"n": 1})
        return result, again

    tools = {"hangs": python(folder, "hangs", timeout_s=2.0), "fine": python(folder, "fine")}
    result, again = play(tools, body)
    assert (result.uncertain, result.error_code) == (True, "tool_timeout")
    # The next call gets a new host.
    assert again.ok
    pid = int(file.read_text())
    for _ in range(100):
        if not _group_lives(pid):
            break
        time.sleep(0.05)
    assert not _group_lives(pid)


def _group_lives(pid):
    """Whether a process of that group runs still; one that only waits to be reaped does not."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                told = Path("/proc", entry.name, "stat").read_text()
                state, _, group = told.rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(group) == pid and state not in "ZX":
                return True
    return False


def test_a_tool_that_forks_answers_once(folder):
    assert one(folder, "forks").output == {"parent": True}


def test_an_output_that_is_too_large_is_left_out_and_the_effect_counts_as_done(folder):
    result = one(folder, "large")
    assert result.ok
    assert "larger than 1000000 bytes" in result.output["notice"]


@pytest.mark.parametrize("name", ["surrogate", "cycle", "odd"])
def test_what_a_tool_returned_is_an_answer_whatever_it_is(folder, name):
    result = one(folder, name)
    assert (result.ok, result.uncertain) == (True, False)
    assert json.dumps(result.output)


def test_what_a_tool_raised_is_its_answer_whatever_it_says(folder):
    result = one(folder, "cries")
    assert result.error == "OSError: no such file: a\\udcff"


def test_a_tool_sees_no_token_and_nothing_else_of_the_workers_environment(folder):
    tools = {"environment": python(folder, "environment")}
    given = {"HOLDFAST_WORKER_TOKEN": "hfw_x", "AWS_SECRET_ACCESS_KEY": "s", "LANG": "C.UTF-8"}
    seen = play(tools, lambda r: ran(r, "environment"), given).output
    assert seen["HOLDFAST_SESSION"] == "ses_1"
    assert not {"HOLDFAST_WORKER_TOKEN", "AWS_SECRET_ACCESS_KEY"} & set(seen)


@pytest.mark.parametrize("name", ["not_there", "mine"])
def test_what_is_not_there_never_happened(folder, name):
    result = one(folder, name)
    assert (result.ok, result.nothing_happened) == (False, True)
    assert play({}, lambda r: ran(r, "unknown")).error_code == "unknown_tool"


@pytest.mark.parametrize(
    ("probe", "found"),
    [
        ("mine:happened", "happened"),
        ("mine:happened_later", "happened"),
        ("mine:not_happened", "nothing_happened"),
        *((f"mine:{name}", "cannot_tell") for name in UNDECLARED),
        ("mine:breaks", "cannot_tell"),
        ("mine:not_there", "cannot_tell"),
    ],
)
def test_a_probe_says_what_it_knows(folder, probe, found):
    tools = {"fine": python(folder, "fine", probe=probe)}
    probed = play(tools, lambda r: r.probe("fine", {}, key="k9"))
    assert probed.found == found
    if probe == "mine:happened":
        assert probed.output == {"seen": "k9"}


def test_calls_run_beside_each_other(folder):
    async def body(router):
        return await asyncio.gather(*(ran(router, "fine", {"n": n}) for n in range(12)))

    found = play({"fine": python(folder, "fine")}, body)
    assert [result.output["n"] for result in found] == list(range(12))


# --- http -------------------------------------------------------------------------------------
class Server(http.server.ThreadingHTTPServer):
    """Keeps what it was asked: method, path, headers, body."""

    seen: list[tuple[str, str, dict[str, str], bytes]]


class Service(http.server.BaseHTTPRequestHandler):
    """Answers what the path asks for, and keeps what it was sent."""

    server: Server

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        self.server.seen.append(
            (self.command, self.path, dict(self.headers), self.rfile.read(length))
        )
        kind = self.path.split("/")[1]
        if kind == "slow":
            time.sleep(1.5)
        status = int(kind) if kind.isdigit() else 200
        body = b"x" * 3_000_000 if kind == "large" else b'{"ok": true}'
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if status == 302:
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815 - as the base class looks them up

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    server = Server(("127.0.0.1", 0), Service)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def web(service, path, timeout_s=10.0, **more):
    url = f"http://127.0.0.1:{service.server_port}{path}"
    return {"pay": told({"kind": "http", "url": url, **more}, timeout_s=timeout_s)}


def test_a_request_carries_the_key_the_credential_and_the_other_arguments(service):
    tools = web(service, "/orders/{order}/refund", credential_env="ACME_KEY")
    asked = {"order": "o 1/../x?y", "cents": 5}
    result = play(tools, lambda r: ran(r, "pay", asked), {"ACME_KEY": "s3cret"})
    assert result.output == {"ok": True}
    (method, path, headers, body), *rest = service.seen
    assert (method, path, rest) == ("POST", "/orders/o%201%2F..%2Fx%3Fy/refund", [])
    assert headers["Idempotency-Key"] == "k1"
    assert headers["authorization"] == "Bearer s3cret"
    assert json.loads(body) == {"cents": 5}


@pytest.mark.parametrize("order", ["", None, ["a"], True, ".."])
def test_no_argument_changes_the_shape_of_the_address(service, order):
    tools = web(service, "/orders/{order}/refund")
    result = play(tools, lambda r: ran(r, "pay", {"order": order}))
    assert (result.nothing_happened, service.seen) == (True, [])


def test_without_its_credential_nothing_is_sent(service):
    result = play(web(service, "/pay", credential_env="ACME_KEY"), lambda r: ran(r, "pay"))
    assert (result.nothing_happened, service.seen) == (True, [])


@pytest.mark.parametrize(
    ("path", "uncertain", "nothing"),
    [
        ("/404/", False, False),
        ("/409/", False, True),
        ("/422/", False, False),
        ("/408/", True, False),
        ("/425/", True, False),
        ("/423/", True, False),
        ("/499/", True, False),
        ("/500/", True, False),
        ("/302/", True, False),
        ("/slow/", True, False),
    ],
)
def test_what_a_service_answers_decides_what_is_known(service, path, uncertain, nothing):
    tools = web(service, path, timeout_s=0.5, nothing_happened=[409])
    result = play(tools, lambda r: ran(r, "pay"))
    assert (result.ok, result.uncertain, result.nothing_happened) == (False, uncertain, nothing)


def test_a_service_that_is_not_there_was_never_reached(service):
    tools = {"pay": told({"kind": "http", "url": "http://127.0.0.1:1/pay"})}
    result = play(tools, lambda r: ran(r, "pay"))
    assert (result.nothing_happened, result.retryable) == (True, True)


def test_a_large_answer_is_left_out(service):
    assert "left out" in play(web(service, "/large/"), lambda r: ran(r, "pay")).output["notice"]


@pytest.mark.parametrize(
    ("path", "found"),
    [("/x/", "happened"), ("/404/", "nothing_happened"), ("/500/", "cannot_tell")],
)
def test_a_probe_over_http(service, path, found):
    probe = f"http://127.0.0.1:{service.server_port}{path}"
    tools = web(service, "/pay", probe_url=probe)
    assert play(tools, lambda r: r.probe("pay", {}, key="k")).found == found

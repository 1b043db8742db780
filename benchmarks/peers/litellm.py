"""LiteLLM's proxy, one worker, no database: installed into an environment of its own."""

import contextlib
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.peers.nginx import free_port
from benchmarks.processes import ROOT, SCRATCH, Child, Unavailable, environment

VERSION = "1.106.2"
MASTER_KEY = "sk-benchmark-8f2b1c4d9e7a6350"
_START_S = 120.0


def installed() -> Path:
    """The `bin` folder of its environment, made on first use. Errors: Unavailable."""
    home = SCRATCH / f"litellm-{VERSION}"
    program = home / "bin" / "litellm"
    if program.exists():
        return program.parent
    sys.stderr.write(f"installing litellm {VERSION} into {home.relative_to(ROOT)}\n")
    shutil.rmtree(home, ignore_errors=True)
    uv = ["sh", str(ROOT / ".ci" / "uv"), sys.prefix]
    steps = (
        [*uv, "venv", "--quiet", "--python", sys.executable, str(home)],
        [*uv, "pip", "install", "--quiet", "--python", str(home), f"litellm[proxy]=={VERSION}"],
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            shutil.rmtree(home, ignore_errors=True)
            raise Unavailable(f"litellm cannot be installed: {done.stderr[-300:]}")
    return program.parent


@contextlib.contextmanager
def serving(
    folder: Path,
    upstream_url: str,
    *,
    model: str,
    governed: Mapping[str, Any] | None = None,
    agents: Mapping[str, float] | None = None,
) -> Iterator[tuple[str, int]]:
    """Address and process id of a LiteLLM in front of `upstream_url`. Errors: Unavailable.

    `governed` switches our custom authentication on and is added to its general settings; `agents`
    are session caps in dollars by agent.
    """
    bin_folder = installed()
    home = folder / "litellm"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    general: dict[str, Any] = {"master_key": MASTER_KEY}
    if governed is not None:
        shutil.copy(Path(__file__).with_name("litellm_auth.py"), home / "bench_auth.py")
        general |= {"custom_auth": "bench_auth.user_api_key_auth", **governed}
    settings: dict[str, Any] = {
        "model_list": [
            {
                "model_name": model,
                "litellm_params": {
                    "model": f"anthropic/{model}",
                    "api_base": upstream_url,
                    "api_key": "sk-ant-benchmark",
                },
            }
        ],
        "general_settings": general,
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }
    if agents:
        settings["agents"] = [_agent(name, cap) for name, cap in agents.items()]
    config = home / "config.yaml"
    config.write_bytes(msgspec.json.encode(settings))
    port = free_port()
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "PYTHONPATH": ""}
    command = [str(bin_folder / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    with Child(command, log=home / "litellm.log", env=environment(quiet)) as child:
        _wait(child, f"http://127.0.0.1:{port}/health/liveliness")
        yield f"http://127.0.0.1:{port}", child.pid


def _agent(name: str, cap: float) -> dict[str, Any]:
    card = {"name": name, "description": name, "url": "http://127.0.0.1:9", "version": "1.0"}
    return {
        "agent_name": name,
        "agent_card_params": card,
        "litellm_params": {"max_budget_per_session": cap},
    }


def _wait(child: Child, url: str) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and child.process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.25)
    raise Unavailable(f"litellm did not start: {child.said()}")

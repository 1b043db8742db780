"""nginx as a bare reverse proxy: what forwarding alone costs, with no governance at all."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import Child, Unavailable

_CONFIG = """daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 32m;
  client_body_buffer_size 1m;
  keepalive_requests 1000000;
  upstream provider {{ server {upstream}; keepalive 512; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


def version() -> str:
    """`nginx/1.22.1`. Errors: Unavailable."""
    said = subprocess.run([_binary(), "-v"], capture_output=True, text=True, check=False).stderr
    return said.strip().rpartition(" ")[2]


def _binary() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise Unavailable("nginx is not installed; on Debian or Ubuntu: apt install nginx-light")
    return found


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(folder: Path, upstream_url: str) -> Iterator[tuple[str, int]]:
    """Address and process id of an nginx in front of `upstream_url`. Errors: Unavailable."""
    home = folder / "nginx"
    home.mkdir(exist_ok=True)
    port = free_port()
    config = home / "nginx.conf"
    upstream = upstream_url.removeprefix("http://")
    config.write_text(_CONFIG.format(folder=home, upstream=upstream, port=port))
    command = [_binary(), "-p", str(home), "-c", str(config), "-e", str(home / "error.log")]
    with Child(command, log=home / "start.log") as child:
        wait_for_port(child, port, 10)
        yield f"http://127.0.0.1:{port}", child.pid


def wait_for_port(child: Child, port: int, timeout_s: float) -> None:
    """Until something listens there. Errors: Unavailable when the process ends or time does."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and child.process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise Unavailable(f"{child.process.args!r} did not listen: {child.said()}")

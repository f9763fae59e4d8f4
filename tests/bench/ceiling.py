"""The ceiling: nginx in front of the provider, unbuffered, where it is installed."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.bench.gateway import System, running
from tests.ports import free_port

_SBIN: Final = "/usr/sbin:/usr/local/sbin"
_CONFIGURATION: Final = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  client_max_body_size 64m;
  client_body_buffer_size 1m;
  keepalive_requests 1000000;
  upstream provider {{ server 127.0.0.1:{provider}; keepalive 1024; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
    }}
  }}
}}
"""


def find() -> str | None:
    """Where nginx is, if it is installed."""
    return shutil.which("nginx") or shutil.which("nginx", path=_SBIN)


@contextlib.asynccontextmanager
async def running_ceiling(
    folder: Path, provider: System, core: int | None
) -> AsyncIterator[System | None]:
    """nginx in front of the provider; None where there is no nginx."""
    binary = find()
    if binary is None:
        yield None
        return
    port, configuration = free_port(), folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(folder=folder, provider=provider.port, port=port), encoding="utf-8"
    )
    argv = (binary, "-c", str(configuration), "-e", str(folder / "nginx-error.log"))
    async with running(folder, "ceiling", argv, port, core) as pid:
        yield System("ceiling", port, (pid,))

"""nginx before several nodes, as ``deploy/nginx.conf`` has it before one, without TLS."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from types import TracebackType
from urllib.request import urlopen

from tests.faults.shared import free_port

SETTINGS = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/unused;
    uwsgi_temp_path {folder}/unused;
    scgi_temp_path {folder}/unused;
    upstream nodes {{
        {nodes}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://nodes;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_request_buffering off;
            proxy_buffering off;
            client_max_body_size 0;
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
        }}
    }}
}}
"""


class Balancer:
    """``with Balancer(folder, ports) as front``: at ``front.url``; who does not answer is left out for a second."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        folder.mkdir(parents=True)
        self.ports = ports
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        nodes = "\n        ".join(f"server 127.0.0.1:{one} max_fails=1 fail_timeout=1s;" for one in ports)
        self._settings = folder / "nginx.conf"
        self._settings.write_text(SETTINGS.format(folder=folder, nodes=nodes, port=port), encoding="utf-8")

    def __enter__(self) -> Balancer:
        self._process = subprocess.Popen(
            ["nginx", "-c", str(self._settings), "-e", "stderr"], stderr=subprocess.DEVNULL
        )
        return self

    def await_node(self) -> None:
        """Wait until somebody answers through it. Raises OSError."""
        end = time.monotonic() + 30
        while True:
            try:
                urlopen(f"{self.url}/healthz", timeout=5).close()
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
            else:
                return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)

"""An OpenBao of a test's own, with its keys on the disk: to be sealed, killed, frozen and started again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from tests.contract.keyring.masters import Transit
from tests.contract.scanner.daemon import free_port

_PLAIN = "tls_disable = true"


def _state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(") ")[2][0]


class BaoServer:
    """The program and its folder. ``certificate``: file of a certificate and its key, for TLS."""

    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        self._folder = folder
        self.port = free_port()
        self._tls = certificate
        terms = _PLAIN if certificate is None else f'tls_cert_file = "{certificate}"\n tls_key_file = "{certificate}"'
        (folder / "storage").mkdir()
        (folder / "bao.hcl").write_text(
            f'storage "raft" {{ path = "{folder}/storage"\n node_id = "one" }}\n'
            f'listener "tcp" {{ address = "127.0.0.1:{self.port}"\n {terms} }}\n'
            f'api_addr = "http://127.0.0.1:{self.port}"\n'
            f'cluster_addr = "http://127.0.0.1:{free_port()}"\n'
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._unseal_key = self.token = ""

    def start(self) -> None:
        """Start it; the first time with a new key ``site`` in it, else as sealed as any restart leaves it."""
        program = shutil.which("bao", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        assert program, "bao is missing: make install-dev"
        with (self._folder / "bao.out").open("ab") as out:
            self._process = subprocess.Popen(
                [program, "server", f"-config={self._folder}/bao.hcl"],
                stdout=out,
                stderr=out,
                env={"HOME": str(self._folder), "PATH": os.environ["PATH"]},
            )
        for _ in range(300):
            assert self._process.poll() is None, (self._folder / "bao.out").read_text()
            try:
                self._send("GET", "sys/seal-status")
            except (OSError, HTTPException):
                time.sleep(0.1)
            else:
                break
        if not self.token:
            made = self._send("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
            self._unseal_key, self.token = made["keys"][0], made["root_token"]
            self.unseal()
            self._send("POST", "sys/mounts/transit", {"type": "transit"})
            self._send("POST", "transit/keys/site", {"type": "aes256-gcm96"})

    @property
    def transit(self) -> Transit:
        """It, as an operator talks to it; without TLS only."""
        return Transit("127.0.0.1", self.port, self.token, "site")

    def seal(self) -> None:
        self._send("PUT", "sys/seal", {})

    def unseal(self) -> None:
        self._send("PUT", "sys/unseal", {"key": self._unseal_key})
        for _ in range(300):
            if not self._send("GET", "sys/seal-status")["sealed"]:
                health, _ = self._ask("GET", "sys/health", None)
                if health == 200:
                    return
            time.sleep(0.05)
        raise AssertionError("OpenBao stays sealed")

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)
        # The signal is sent; it has stopped once each of its threads has.
        assert self._process is not None
        tasks = Path(f"/proc/{self._process.pid}/task")
        while any(_state(one) != "T" for one in tasks.iterdir()):
            time.sleep(0.005)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, which: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(which)

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        status, text = self._ask(method, path, body)
        assert status < 300, (path, status, text)
        return dict(json.loads(text)) if text else {}

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
        connection: HTTPConnection
        if self._tls is None:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        else:
            trusted = ssl.create_default_context(cafile=str(self._tls))
            connection = HTTPSConnection("127.0.0.1", self.port, timeout=20, context=trusted)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/v1/{path}", text, {"X-Vault-Token": self.token})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def bao_server(folder: Path, certificate: Path | None = None) -> Iterator[BaoServer]:
    """One for the length of a block."""
    server = BaoServer(folder, certificate)
    try:
        server.start()
        yield server
    finally:
        server.kill()

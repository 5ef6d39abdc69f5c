"""nginx as ``deploy/nginx.conf`` has it, in front of nodes, with other names, ports and folders put in."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SAMPLE = Path(__file__).parents[2] / "deploy" / "nginx.conf"
SECONDS = 30


def free_port() -> int:
    """A port of the loopback that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Front:
    """The sample in front of nodes on these ports. ``a_second``: requests a second from one address."""

    def __init__(self, folder: Path, nodes: Sequence[int], *, a_second: int = 100_000) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.log = folder / "access.log"
        self._process: subprocess.Popen[bytes] | None = None
        _certificate(folder)
        servers = "".join(f"    server 127.0.0.1:{port} max_fails=3 fail_timeout=2s;\n" for port in nodes)
        changed = {
            "    server 127.0.0.1:8080 max_fails=3 fail_timeout=2s;\n": servers,
            "    listen 80;\n    listen [::]:80;\n": f"    listen 127.0.0.1:{free_port()};\n",
            "    listen 443 ssl;\n    listen [::]:443 ssl;\n": f"    listen 127.0.0.1:{self.port} ssl;\n",
            "/etc/ssl/FILES.EXAMPLE.ORG": f"{folder}/site",
            "server_name FILES.EXAMPLE.ORG": "server_name localhost",
            "/var/log/nginx/bilaga.log": str(self.log),
            "/var/log/nginx/bilaga-error.log": f"{folder}/error.log",
            "rate=20r/s": f"rate={a_second}r/s",
            "limit_conn bilaga_connections 50;": f"limit_conn bilaga_connections {50 if a_second < 100 else 1000};",
        }
        text = SAMPLE.read_text()
        for old, new in changed.items():
            assert old in text, f"the sample has no {old!r} any more"
            text = text.replace(old, new)
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/main.log warn;\n"
            "events { worker_connections 1024; }\n"
            f"http {{\nclient_body_temp_path {folder}/body;\n{temporary}{text}\n}}\n"
        )

    def start(self) -> Front:
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
        if program is None:
            pytest.fail(
                "nginx is missing: `make engines` installs what tests need (Debian: nginx-light)", pytrace=False
            )
        self.folder.chmod(0o755)
        command = [program, "-c", str(self.folder / "nginx.conf"), "-e", str(self.folder / "main.log")]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        end = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                assert self._process.poll() is None, (self.folder / "main.log").read_text()
                assert time.monotonic() < end
                time.sleep(0.02)
            else:
                return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(SECONDS) == 0

    def connect(self, timeout: float = SECONDS) -> HTTPSConnection:
        trusted = ssl.create_default_context(cafile=str(self.folder / "site.pem"))
        return HTTPSConnection("localhost", self.port, timeout=timeout, context=trusted)


def _certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "site.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "site.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )

"""What is measured, and what it is measured beside: servers that take a file and give it back, each in its own way."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.running import Running
from bench.uploads import ask
from bench.watched import Server, free_port

PEERS = Path(__file__).parent / "peers"
NGINX = """
daemon off; master_process on; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_max_body_size 0; client_body_temp_path {folder}/coming; client_body_buffer_size 1m;
  server {{
    listen 127.0.0.1:{port};
    location / {{ root {folder}/files; dav_methods PUT DELETE; dav_access user:rw; }}
  }}
}}
"""
RCLONE = """[crypt]
type = crypt
remote = {folder}/files
password = {password}
filename_encryption = off
"""


@dataclass(frozen=True)
class Peer:
    """A server under load. ``put`` is where the file of a number goes, ``get`` where what was answered to it is found.

    ``tus``: a POST with its length makes the file, its Location takes the bytes by one PATCH.
    """

    name: str
    pid: int
    put: Callable[[str], str]
    get: Callable[[str, bytes], str]
    remove: Callable[[str, bytes], None]
    headers: tuple[str, ...] = ()
    """What a request for a file carries."""
    tus: bool = False


@contextmanager
def bilaga(folder: Path) -> Iterator[Peer]:
    """Ours: sealed, hashed twice, inspected, in a database, durable before the answer."""
    with Running(folder) as service:

        def found(_: str, answer: bytes) -> str:
            return f"{service.address}/api/v1/attachments/{json.loads(answer)['id']}/content"

        def withdraw(_: str, answer: bytes) -> None:
            ask("POST", f"{json.loads(answer)['receipt_url']}/withdraw", "{}")

        yield Peer(
            "bilaga",
            service.pid,
            lambda name: f"{service.upload_link}/put/{name}",
            found,
            withdraw,
            headers=(f"Authorization: Bearer {service.key}",),
        )


@contextmanager
def aiohttp_sink(folder: Path) -> Iterator[Peer]:
    """The floor of our HTTP stack: bare aiohttp that writes what comes and sends it back, plain, unsynced."""
    with _served(folder, lambda port, files: [sys.executable, "-m", "bench.sink", str(files), str(port)]) as (at, pid):
        yield _named("aiohttp, bare", at, pid)


@contextmanager
def nginx(folder: Path) -> Iterator[Peer]:
    """WebDAV of nginx, plain: C, sendfile."""

    def command(port: int, files: Path) -> list[str]:
        (files.parent / "coming").mkdir()
        configuration = files.parent / "nginx.conf"
        configuration.write_text("user root;\n" + NGINX.format(folder=files.parent, port=port))
        return [_program("nginx"), "-p", str(files.parent), "-c", str(configuration)]

    with _served(folder, command) as (at, pid):
        yield _named("nginx, WebDAV", at, pid)


@contextmanager
def rclone(folder: Path) -> Iterator[Peer]:
    """WebDAV of rclone over its crypt remote: Go, and the one peer that encrypts."""

    def command(port: int, files: Path) -> list[str]:
        program = _program("rclone")
        password = subprocess.run([program, "obscure", "bench"], check=True, capture_output=True, text=True).stdout
        configuration = files.parent / "rclone.conf"
        configuration.write_text(RCLONE.format(folder=files.parent, password=password.strip()))
        return [program, "--config", str(configuration), "serve", "webdav", "crypt:", "--addr", f"127.0.0.1:{port}"]

    with _served(folder, command) as (at, pid):
        yield _named("rclone, crypt", at, pid)


@contextmanager
def tus_node(folder: Path) -> Iterator[Peer]:
    """The reference tus server on Node, plain: creation, then one PATCH. It gives files back by their names."""

    def command(port: int, files: Path) -> list[str]:
        copy = files.parent / "node"
        shutil.copytree(PEERS, copy, ignore=shutil.ignore_patterns("node_modules"))
        npm = [_program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
        subprocess.run(npm, cwd=copy, check=True, capture_output=True)
        return [_program("node"), str(copy / "tus.mjs"), str(port), str(files)]

    with _served(folder, command) as (at, pid):
        yield Peer(
            "tus, Node",
            pid,
            lambda _: f"{at}/files",
            lambda _, location: location.decode(),
            lambda _, location: _delete(location.decode(), "Tus-Resumable: 1.0.0"),
            tus=True,
        )


ALL = (bilaga, aiohttp_sink, nginx, tus_node, rclone)


@contextmanager
def _served(folder: Path, command: Callable[[int, Path], list[str]]) -> Iterator[tuple[str, int]]:
    port = free_port()
    own = folder / f"peer-{port}"
    files = own / "files"
    files.mkdir(parents=True)
    with Server(command(port, files), port, own) as pid:
        yield f"http://127.0.0.1:{port}", pid
    shutil.rmtree(own)


def _named(name: str, at: str, pid: int) -> Peer:
    def url(file: str) -> str:
        return f"{at}/{file}"

    return Peer(name, pid, url, lambda file, _: url(file), lambda file, _: _delete(url(file)))


def _delete(url: str, *fields: str) -> None:
    ask("DELETE", url, fields=dict(field.split(": ") for field in fields))


def _program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/sbin") or shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not there: services/packages.sh bench brings it")
    return found

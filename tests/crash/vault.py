"""A site as crash tests hold it: started, used over HTTP, killed, started again, and looked through."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from audit import kept_entries
from domain.event import EventKind
from installation import Site
from server import open_site
from settings import load
from tests.site import ground

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
"""Seconds for whatever has to come, on a machine that has other things to do."""


class Lost(Exception):
    """The connection ended before there was an answer: nobody knows what became of the request."""


class Nest:
    """The process that makes all others of a test run (``victim.py``). Thread-safe."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("victim.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        self._lock = Lock()

    def order(self, **order: Any) -> int:
        """Give an order, and hear the answer."""
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the nest is gone")
        return int(answer)

    def close(self) -> None:
        """End it, and with it what still runs."""
        with self._process:
            self._process.stdin.close()


@dataclass
class Child:
    """A process of the nest's."""

    nest: Nest
    pid: int
    out: Path
    code: int | None = None

    def __post_init__(self) -> None:
        self.handle = os.pidfd_open(self.pid)

    @property
    def alive(self) -> bool:
        return self.code is None and not select.select([self.handle], [], [], 0)[0]

    def send(self, number: int) -> None:
        if self.code is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    def wait(self, patience: float = PATIENCE) -> int:
        """Its exit code. Raises TimeoutError."""
        if self.code is None:
            if not select.select([self.handle], [], [], patience)[0]:
                raise TimeoutError(f"still alive: {self.said()}")
            self.code = self.nest.order(wait=self.pid)
            os.close(self.handle)
        return self.code

    def said(self) -> str:
        """What it wrote, on both."""
        errors = Path(f"{self.out}.err")
        return self.out.read_text() + (errors.read_text() if errors.exists() else "")


@dataclass(frozen=True)
class Answer:
    """A response that came whole; ``short``: one that broke off."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    short: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(base: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One request on a connection of its own. ``body``: bytes, or an iterable of them (sent in chunks). Raises Lost."""
    where = urlsplit(base)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=PATIENCE)
    try:
        try:
            connection.request(method, path, body, dict(headers or {}))
        except (BrokenPipeError, ConnectionResetError):
            if connection.sock is None:
                raise
        response = connection.getresponse()
        short = False
        try:
            content = response.read()
        except http.client.IncompleteRead as cut:
            content, short = cut.partial, True
        except ConnectionError:
            content, short = b"", True
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, content, short)
    except (http.client.HTTPException, OSError) as error:
        raise Lost(repr(error)) from error
    finally:
        connection.close()


def form(files: Mapping[str, bytes]) -> tuple[bytes, dict[str, str]]:
    """A body of ``multipart/form-data``, and the header that goes with it."""
    mark = "crash-boundary-7d1f"
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + body + b"\r\n"
        for name, body in files.items()
    ]
    body = b"".join([*parts, f"--{mark}--\r\n".encode()])
    return body, {"Content-Type": f"multipart/form-data; boundary={mark}", "Accept": "application/json"}


class Vault:
    """One site in a folder. Every process of it is a real one, with a life and a death of its own. ``made`` False: the
    site is still to be made, by whoever starts first."""

    def __init__(self, folder: Path, nest: Nest, *, made: bool = True, **settings: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.ground = ground(self.data)
        self.nest = nest
        self.settings = settings
        self.service: Child | None = None
        self.base = ""
        self._runs = 0
        self.agent = self.key("agent") if made else ""
        self.admin = self.key("admin") if made else ""

    # -- processes -----------------------------------------------------------------------------------------------------
    @property
    def environment(self) -> dict[str, str]:
        return {
            "BILAGA_DATA_DIR": str(self.data),
            "BILAGA_LOG_LEVEL": "warning",
            **self.ground.environment,
            **self.settings,
        }

    def spawn(self, act: str, *way: str, argv: tuple[str, ...] = ()) -> Child:
        """A process: a command (``bilaga``), or a victim that dies at the end of its way."""
        self._runs += 1
        out = self.folder / f"{self._runs}-{act}"
        pid = self.nest.order(act=act, argv=argv, way=way, env=self.environment, out=str(out))
        return Child(self.nest, pid, out)

    def start(self, *way: str) -> None:
        """Serve. Without a way as ``bilaga serve`` does; with one, until death comes."""
        self.service = self.spawn("serve", *way) if way else self.spawn("bilaga", argv=("serve", "--port", "0"))
        self.await_service()

    def await_service(self, patience: float = PATIENCE) -> None:
        """Wait until it listens. Raises AssertionError where it ended instead."""
        end = time.monotonic() + patience
        while True:
            said = self.service.out.read_text() if self.service.out.exists() else ""
            if "listening on " in said and said.endswith("\n"):
                self.base = said.rsplit("listening on ", 1)[1].split()[0]
                return
            assert self.service.alive, f"the service ended by itself: {self.service.said()}"
            assert time.monotonic() < end, f"the service does not start: {self.service.said()}"
            time.sleep(0.005)

    def dies(self) -> None:
        """Wait for the death that was arranged."""
        assert self.service.wait() == -signal.SIGKILL, self.service.said()

    def arm(self) -> None:
        """Tell a victim whose way goes over ``armed`` that now it counts, when it has nothing to do by itself."""
        time.sleep(5.5)  # the first rounds of its own jobs come within five seconds
        self.service.send(signal.SIGUSR1)
        time.sleep(0.1)

    def kill(self) -> None:
        """Kill the service now."""
        self.service.send(signal.SIGKILL)
        self.dies()

    def stop(self) -> None:
        """End the service as an operator does."""
        self.service.send(signal.SIGTERM)
        assert self.service.wait() == 0, self.service.said()

    def close(self) -> None:
        """Leave no process."""
        if self.service is not None:
            self.service.send(signal.SIGKILL)
            self.service.wait()

    def bilaga(self, *argv: str, code: int = 0) -> str:
        """A command to its end; what it printed on both."""
        child = self.spawn("bilaga", argv=argv)
        found = child.wait()
        said = child.said()
        assert found == code, f"bilaga {' '.join(argv)}: exit {found}\n{said}"
        return said

    def victim(self, act: str, *way: str) -> None:
        """A process that acts and dies on its way."""
        child = self.spawn(act, *way)
        assert child.wait() == -signal.SIGKILL, f"{act} came to its end: {child.said()}"

    def key(self, role: str) -> str:
        return self.bilaga("apikey", "create", "--role", role, "--name", role).split()[0]

    # -- requests ------------------------------------------------------------------------------------------------------
    def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Answer:
        """A request to the API with the agent's key, or another; a mapping is sent as JSON. Raises Lost."""
        sent = {"Authorization": f"Bearer {key or self.agent}"}
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        return request(self.base, method, f"/api/v1{path}", body, sent)

    def ticket(self, ref: str, **facts: Any) -> None:
        """A ticket, open and young unless said otherwise."""
        given = {"status": "open", "requester": {"email": "somebody@example.com"}, **facts}
        assert self.ask("PUT", f"/tickets/{ref}", given).status in {200, 201}

    def age(self, ref: str) -> None:
        """Make a ticket's files due."""
        self.ticket(ref, status="closed", last_activity_at="2020-01-02T03:04:05Z")

    def upload_link(self, ref: str, **terms: Any) -> str:
        """An upload link's path."""
        made = self.ask("POST", f"/tickets/{ref}/upload-links", {"expires_in": "P1D", **terms})
        assert made.status == 201, made
        return urlsplit(made.json["url"]).path

    def download_link(self, attachment: str, **terms: Any) -> str:
        """A download link's path."""
        made = self.ask("POST", f"/attachments/{attachment}/download-links", {"expires_in": "P1D", **terms})
        assert made.status == 201, made
        return urlsplit(made.json["url"]).path

    def bare(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A request of somebody who has a link and nothing else."""
        return request(self.base, method, path, body, {n.replace("_", "-"): v for n, v in headers.items()})

    def put(self, ref: str, name: str, body: bytes, **headers: str) -> Answer:
        """An agent's own upload."""
        return self.ask("PUT", f"/tickets/{ref}/attachments/{name}", body, **headers)

    def send(self, ref: str, name: str, body: bytes) -> str:
        """An acknowledged attachment's id."""
        sent = self.put(ref, name, body)
        assert sent.status == 201, sent
        return sent.json["id"]

    # -- what is there -------------------------------------------------------------------------------------------------
    def listed(self, ref: str) -> dict[str, dict[str, Any]]:
        """A ticket's attachments by id, tombstones too."""
        found = self.ask("GET", f"/tickets/{ref}/attachments")
        assert found.status == 200, found
        return {one["id"]: one for one in found.json["attachments"]}

    def read(self, attachment: str) -> Answer:
        return self.ask("GET", f"/attachments/{attachment}/content")

    def assert_holds(self, ref: str, files: Mapping[str, bytes]) -> None:
        """The ticket has these attachments, byte by byte, and no others that can be read."""
        listed = self.listed(ref)
        assert {name for name, one in listed.items() if one["state"] != "purged"} == set(files)
        for name, body in files.items():
            read = self.read(name)
            assert (read.status, sha256(read.body).digest()) == (200, sha256(body).digest())
            assert (listed[name]["state"], listed[name]["size"]) == ("available", len(body))
            assert listed[name]["sha256"] == sha256(body).hexdigest()

    def assert_gone(self, *attachments: str) -> None:
        """These can never be read again."""
        for attachment in attachments:
            assert self.read(attachment).status == 410

    def blobs(self) -> list[Path]:
        """Every file of the blob store, finished or not."""
        return sorted(path for path in (self.data / "blobs").rglob("*") if path.is_file())

    def settle(self, blobs: int) -> None:
        """Wait until the running service's own recovery has left this many files in the blob store."""
        end = time.monotonic() + PATIENCE
        while len(self.blobs()) != blobs:
            assert time.monotonic() < end, f"{len(self.blobs())} files instead of {blobs}"
            time.sleep(0.05)

    def assert_sound(self) -> None:
        """With the service stopped: ``fsck`` finds nothing (quotas, rows, blobs, keys), the audit log is whole."""
        assert self.service is None or not self.service.alive
        self.bilaga("fsck", "--digests")
        self.bilaga("audit", "verify")

    def audit(self) -> dict[str, Any]:
        """What ``audit verify`` finds in an intact log."""
        return json.loads(self.bilaga("audit", "verify", "--json").splitlines()[0])

    def events(self, kind: EventKind, subject: str | None = None) -> list[dict[str, Any]]:
        """The audit log's entries of a kind, oldest first."""
        with inside(self) as site:
            bodies = [json.loads(entry.body) for entry in kept_entries(site.records)]
        return [one for one in bodies if one["kind"] == kind and subject in {None, one["subject"]}]


@contextlib.contextmanager
def inside(vault: Vault) -> Iterator[Site]:
    """The site opened from here, beside whatever runs, to look at what no answer tells."""
    with open_site(load(vault.environment), serving=False) as site:
        yield site

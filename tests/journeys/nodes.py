"""Several nodes of one site behind nginx: on PostgreSQL and a folder of blobs, or on whatever the run stands on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from tests.contract.records.databases import databases_of_tests
from tests.journeys.front import Front, free_port
from tests.journeys.service import BILAGA, SECONDS, TOKEN, Client, Service

LONG = 90
"""Seconds that what a dead node left may take to be mended, and more than that."""


def until(so: Callable[[], object], seconds: float = LONG) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


class Node(Service):
    """One process of a site, on a port that stays its own."""

    def __init__(self, folder: Path, name: str, arguments: Sequence[str] = (), **settings: str) -> None:
        super().__init__(folder, **settings)
        self.log_file = folder / f"{name}.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments

    def begin(self) -> None:
        """Start it, without waiting."""
        with self.log_file.open("a") as log:
            self._process = subprocess.Popen(
                [BILAGA, "serve", "--port", str(self.port), *self._arguments],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def wait(self) -> Node:
        """Wait until it listens."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            if line.startswith("listening on "):
                self.secrets.update(TOKEN.findall("\n".join(self.said)))
                return self
        raise AssertionError(f"the node did not start: {self.log()}")

    def start(self) -> Node:
        self.begin()
        return self.wait()

    def path(self, address: str) -> str:
        self.secrets.update(TOKEN.findall(address))
        parts = urlsplit(address)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def kill(self) -> None:
        """As a machine that loses its power."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(SECONDS)
        self.process.stdout.close()  # type: ignore[union-attr]

    def ends(self) -> None:
        """It leaves in order, and no more is looked at."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(SECONDS) == 0, self.log()
        self.process.stdout.close()  # type: ignore[union-attr]


class Nodes:
    """Two nodes and nginx before them. ``through``: a client that comes through nginx."""

    def __init__(self, one: Node, other: Node, front: Front) -> None:
        self.one, self.other, self.front = one, other, front

    @property
    def both(self) -> tuple[Node, Node]:
        return self.one, self.other

    def connect(self) -> HTTPConnection:
        return self.front.connect()

    def path(self, address: str) -> str:
        return self.one.path(address)

    def through(self, headers: Mapping[str, str] | None = None) -> Client:
        return Client(self, headers)  # type: ignore[arg-type]  # it asks for nothing but these two


@contextmanager
def site_settings(folder: Path) -> Iterator[dict[str, str]]:
    """The settings of a site that several processes may serve, its schema made."""
    with ExitStack() as stack:
        settings = {"STORAGE_URL": f"file:{folder}/blobs"}
        if "BILAGA_DATABASE_URL" in Service(folder).environment:
            settings = {}
        else:
            databases = stack.enter_context(databases_of_tests())
            settings["DATABASE_URL"] = stack.enter_context(databases.new())
        yield settings


@contextmanager
def two_nodes(folder: Path, *, a_second: int = 100_000, **settings: str) -> Iterator[Nodes]:
    """Two nodes that serve one site; at the end both must end well, and their logs are looked through."""
    with site_settings(folder) as engines:
        made = [Node(folder, name, **engines, **settings) for name in ("one", "other")]
        (folder / "nginx").mkdir()
        front = Front(folder / "nginx", [node.port for node in made], a_second=a_second)
        for node in made:
            node.environment |= {
                "BILAGA_PUBLIC_URL": front.url,
                "BILAGA_ALLOWED_HOSTS": "localhost",
                "BILAGA_TRUSTED_PROXIES": "127.0.0.1/32",
            }
        nodes = Nodes(made[0], made[1], front)
        nodes.other.keys = nodes.one.keys
        nodes.other.secrets = nodes.one.secrets
        try:
            nodes.one.start()
            nodes.other.start()
            front.start()
            yield nodes
            for node in made:
                node.stop()
        finally:
            front.stop()
            for node in made:
                if node._process is not None and node.process.poll() is None:
                    os.kill(node.process.pid, signal.SIGCONT)
                    node.kill()

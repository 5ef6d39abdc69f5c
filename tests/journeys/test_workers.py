"""``bilaga serve --workers``: one address, several processes, none of which is missed when it goes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, RemoteDisconnected
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.journeys.nodes import Node, site_settings, until
from tests.journeys.service import BILAGA, SECONDS, Service


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("workers")
    with site_settings(folder) as settings:
        node = Node(folder, "workers", ("--workers", "2"), **settings)
        yield node.start()
        node.stop()


def children(node: Node) -> set[int]:
    """The workers of a node; what they start themselves is theirs."""
    pid = node.process.pid
    return {int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()}


class Small:
    """Requests without a pause: on a connection each, or on one that is kept. One that was kept and is closed before
    any of an answer has come is asked again on a new one, as every client does (RFC 9112, section 9.3.1)."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.done = 0
        self.failed: list[str] = []
        self._over = Event()
        self._threads = [Thread(target=self._ask, args=(kept,)) for kept in (False, False, True, True)]
        for thread in self._threads:
            thread.start()

    def _ask(self, kept: bool) -> None:
        connection: HTTPConnection | None = None
        while not self._over.is_set():
            used = connection is not None
            try:
                connection = connection or self.node.connect()
                try:
                    connection.request("GET", "/healthz")
                    answer = connection.getresponse()
                except (BrokenPipeError, ConnectionResetError, RemoteDisconnected):
                    if not used:
                        raise
                    connection = None
                    continue
                answer.read()
                assert answer.status == 200
                self.done += 1
                if not kept or answer.will_close:
                    connection.close()
                    connection = None
            except (AssertionError, OSError, HTTPException) as error:
                self.failed.append(f"{kept}: {error!r}")
                connection = None
            time.sleep(0.002)
        if connection is not None:
            connection.close()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(SECONDS)


def test_it_says_once_that_it_listens_and_how_to_sign_in_and_both_workers_serve(workers: Node) -> None:
    said = "\n".join(workers.said)
    assert said.count("listening on") == said.count("first administrator") == 1
    until(lambda: len(children(workers)) == 2)
    workers.put_ticket("W-1")
    assert workers.as_("agent").get("/api/v1/tickets/W-1").status == 200


@pytest.mark.slow
def test_workers_are_replaced_without_a_failed_request(workers: Node) -> None:
    until(lambda: len(children(workers)) == 2)
    before = children(workers)
    small = Small(workers)
    workers.process.send_signal(signal.SIGHUP)
    until(lambda: len(now := children(workers)) == 2 and not now & before)
    time.sleep(1)
    small.end()
    print("requests while both workers were replaced:", small.done)
    assert small.failed == []
    assert small.done > 100


@pytest.mark.slow
def test_a_worker_that_was_killed_is_started_again_while_the_other_serves(workers: Node) -> None:
    until(lambda: len(children(workers)) == 2)
    victim = max(children(workers))
    os.kill(victim, signal.SIGKILL)
    for _ in range(20):
        assert workers.anyone.get("/healthz").status == 200
    until(lambda: len(now := children(workers)) == 2 and victim not in now)


def test_the_embedded_database_takes_one_worker(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BILAGA_")}
    done = subprocess.run(
        [BILAGA, "serve", "--port", "0", "--workers", "2"],
        env=environment | {"BILAGA_DATA_DIR": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == ["bilaga: --workers: the embedded database takes one worker"]
    assert not (tmp_path / "site").exists()


def test_what_is_wrong_is_said_once_however_many_workers_there_are_to_be(tmp_path: Path) -> None:
    environment = Service(tmp_path).environment
    environment |= {"BILAGA_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "BILAGA_LOG_LEVEL": "error"}
    done = subprocess.run(
        [BILAGA, "serve", "--port", "0", "--workers", "3"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr

"""The parent of workers: each is started again, replaced and ended in order, and its socket is never without one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# What a worker does, as short as can be: it says so when it is ready, and takes connections.
WORKER = """
import os, signal, socket, sys, threading, time
folder = sys.argv[1]
listener = socket.socket(fileno=int(sys.argv[sys.argv.index("--listener") + 1]))
plan = open(f"{folder}/plan").read() if os.path.exists(f"{folder}/plan") else ""
if plan == "refuse":
    sys.exit(2)
def end(*_):
    os.write(2, b"drained %d\\n" % os.getpid())  # in one piece: the others write there too
    os._exit(0)
signal.signal(signal.SIGTERM, (lambda *_: None) if plan == "deaf" else end)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(7)), daemon=True).start()
print("the same warning")
open(f"{folder}/up-{os.getpid()}", "w").close()
print("listening on http://127.0.0.1:%d" % listener.getsockname()[1], flush=True)
while True:
    taken, _ = listener.accept()
    taken.sendall(b"%d" % os.getpid())
    taken.close()
"""
PARENT = """
import sys
from pathlib import Path
from functools import partial
from listener import open_listener
from workers import Pauses, Workers
folder = Path(sys.argv[1])
command = [sys.executable, str(folder / "worker.py"), str(folder)]
pauses = Pauses(first=0.05, longest=0.2, steady=60)
sys.exit(Workers(command, open_listener("127.0.0.1", 0), 2, say=partial(print, flush=True), pauses=pauses).run())
"""


class Parent:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        (folder / "worker.py").write_text(WORKER)
        (folder / "parent.py").write_text(PARENT)
        self.log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, str(folder / "parent.py"), str(folder)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )

    def ready(self) -> Parent:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if line.startswith("listening on"):
                self.port = int(line.rsplit(":", 1)[1])
                return self
        raise AssertionError("it did not start")

    def children(self) -> set[int]:
        pid = self.process.pid
        children = {int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
        return {one for one in children if not is_gone(one)}

    def both(self) -> set[int]:
        """Both workers, once they take connections."""
        until(
            lambda: len(self.children()) == 2 and all((self.folder / f"up-{one}").exists() for one in self.children())
        )
        return self.children()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        assert self.process.stdout is not None
        code = self.process.wait(30)
        self.said += self.process.stdout.read().splitlines()
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()


def until(so: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    made = Parent(tmp_path)
    yield made
    made.close()


def test_what_all_workers_say_is_said_once_and_a_signal_ends_all_of_them(parent: Parent) -> None:
    workers = parent.ready().both()
    parent.send(signal.SIGTERM)
    assert parent.ended() == 0
    assert parent.said == ["the same warning", f"listening on http://127.0.0.1:{parent.port}"]
    assert all(is_gone(one) for one in workers)
    log = (parent.folder / "log").read_text()
    assert [one for one in workers if f"drained {one}" not in log] == [], log


def test_a_worker_that_dies_is_started_again(parent: Parent) -> None:
    before = parent.ready().both()
    for _ in range(3):
        victim = min(parent.both())
        os.kill(victim, signal.SIGKILL)
        until(partial(is_gone, victim))
        assert victim not in parent.both()
    assert before - parent.both()
    parent.send(signal.SIGINT)
    assert parent.ended() == 0


def test_workers_are_replaced_one_after_the_other_and_the_old_ones_end_in_order(parent: Parent) -> None:
    before = parent.ready().both()
    parent.send(signal.SIGHUP)
    until(lambda: not parent.children() & before and len(parent.children()) == 2)
    drained = (parent.folder / "log").read_text()
    assert all(f"drained {one}" in drained for one in before)
    parent.send(signal.SIGTERM)
    assert parent.ended() == 0


def test_where_no_new_worker_gets_ready_the_old_ones_stay(parent: Parent) -> None:
    before = parent.ready().both()
    (parent.folder / "plan").write_text("refuse")
    parent.send(signal.SIGHUP)
    until(lambda: "worker not replaced" in (parent.folder / "log").read_text())
    assert parent.children() == before
    parent.send(signal.SIGTERM)
    assert parent.ended() == 0


def test_a_first_worker_that_cannot_start_ends_it_with_its_own_code(tmp_path: Path) -> None:
    (tmp_path / "plan").write_text("refuse")
    parent = Parent(tmp_path)
    assert parent.ended() == 2
    assert parent.said == []
    parent.close()


def test_workers_end_when_their_parent_was_killed(parent: Parent) -> None:
    workers = parent.ready().both()
    parent.send(signal.SIGKILL)
    until(lambda: all(is_gone(one) for one in workers))

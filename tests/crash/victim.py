"""The process that dies. It imports everything once and then makes, by fork, one process for each order it reads: a
service, a command, or a victim that kills itself with SIGKILL at the end of a way through the seams.

An order is a line of JSON: ``{"act", "argv", "way", "env", "out"}`` is answered with a process id, ``{"wait": pid}``
with that process's exit code (negative: a signal). It has no thread of its own, so that a fork is a clean beginning;
when its input ends, or it dies, so do its children.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import RLock, Thread
from typing import Any

import logs
import service
from cli import audit, fsck, keys, link, main, purge, serve
from crypto import openbao
from domain.actor import SYSTEM
from installation import Site
from keys import Rotation
from listener import open_listener
from server import open_site
from settings import load
from storage.blobs import s3
from storage.blobs.disk import Disk
from storage.blobs.file import FileBlobStore
from storage.records import postgres
from tests.desks.evacuating import evacuate

_PR_SET_PDEATHSIG = 1
LOADED = (audit, fsck, keys, link, purge, serve, openbao, postgres, s3)
CHANGE = "change "
SYSTEM_CALLS = frozenset({"open", "os.link", "os.rename"})
"""Audit events of the interpreter, which come before the call, that are points: where there is no seam of ours."""


class Death:
    """Comes at the end of a way: points passed one after the other.

    A point is the name of a step (``sealed``), of a call of the disk (``before rename_new``, ``after write``), of a
    call that Python is about to make (``os.rename``), ``opened`` for the site as a whole, ``armed`` (told from outside,
    by SIGUSR1), or ``change FILES``: that a file of the data folder was written, made or removed, as seen from beside,
    so in the midst of whatever writes it.
    """

    def __init__(self, way: list[str], folder: Path) -> None:
        self._way = way
        self._folder = folder
        self._lock = RLock()

    def __call__(self, point: str) -> None:
        """A point is passed."""
        with self._lock:
            if self._way and self._way[0] == point:
                self._way.pop(0)
                self.look()

    def look(self) -> None:
        """Die, where nothing is left of the way; begin to watch, where that is what comes next."""
        if not self._way:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        if self._way[0].startswith(CHANGE):
            Thread(target=self._watch, args=(self._way[0], self._seen()), daemon=True).start()

    def linger(self) -> None:
        """Do not come to an end while a change, which was made by now, is still to be noticed."""
        if self._way and self._way[0].startswith(CHANGE):
            time.sleep(30)

    def hear(self, event: str, _: object) -> None:
        """A hook for ``sys.addaudithook``."""
        if event in SYSTEM_CALLS:
            self(event)

    def _watch(self, point: str, before: object) -> None:
        sys.setswitchinterval(1e-5)
        while self._seen() == before:
            pass
        self(point)

    def _seen(self) -> list[tuple[str, int, int, int]]:
        found = []
        for path in sorted(self._folder.glob(self._way[0].removeprefix(CHANGE))):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            found.append((path.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return found


class DeadlyDisk(Disk):
    """The real disk, with Death told of each call before and after it."""

    def __init__(self, death: Death) -> None:
        self._death = death

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found

        def call(*args: Any) -> Any:
            self._death(f"before {name}")
            result = found(*args)
            self._death(f"after {name}")
            return result

        return call


def _serve(site: Site) -> None:
    service.run(site, listener=open_listener("127.0.0.1", 0), say=partial(print, flush=True))


def _rotation(site: Site) -> Rotation:
    """As the site's own, in small batches."""
    return Rotation(
        site.records,
        site.ring,
        site.keys,
        site.log,
        site.clock,
        horizon=site.settings.keys_horizon,
        steps=site.steps,
        batch=2,
    )


ACTS: dict[str, Callable[[Site], object]] = {
    "serve": _serve,
    "purge": lambda site: site.purge.run(SYSTEM),
    "erase": lambda site: site.erasing.run(SYSTEM, "somebody@example.com"),
    "checkpoint": lambda site: site.log.checkpoint(site.records),
    "rotate": lambda site: _rotation(site).rotate(SYSTEM),
    "rewrap": lambda site: _rotation(site).rewrap(SYSTEM),
    "destroy": lambda site: _rotation(site).destroy(SYSTEM, 1, force=True),
    "evacuate": evacuate,
}


def _live(order: dict[str, Any]) -> int:
    """The life of a child; its exit code."""
    if order["act"] == "bilaga":
        try:
            main(args=order["argv"], prog_name="bilaga")
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 0
        return 0
    settings = load(os.environ)
    logs.start(settings.log_level)
    death = Death(order["way"], settings.data_dir)
    sys.addaudithook(death.hear)
    store = partial(FileBlobStore, disk=DeadlyDisk(death))
    signal.signal(signal.SIGUSR1, lambda *_: death("armed"))
    death.look()
    with open_site(settings, serving=order["act"] == "serve", steps=death, store=store) as site:
        death("opened")
        ACTS[order["act"]](site)
        death.linger()
    return 0


def _child(order: dict[str, Any], parent: int) -> None:
    code = 70
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return
        nothing = os.open(os.devnull, os.O_RDONLY)
        out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        err = os.open(order["out"] + ".err", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number, descriptor in enumerate((nothing, out, err)):
            os.dup2(descriptor, number)
        os.environ.update(order["env"])
        code = _live(order)
    except BaseException:  # noqa: BLE001  a child must never run on as the nest
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run() -> None:
    """Read orders until there are no more."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    gc.collect()
    gc.freeze()
    parent = os.getpid()
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                answers.close()
                _child(order, parent)
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    run()

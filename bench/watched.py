"""A server under measurement: started on a free port, its processor time and memory summed over its processes."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

TICKS = os.sysconf("SC_CLK_TCK")
SECONDS = 30


def free_port() -> int:
    """A port of the loopback that nobody has right now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def family(pid: int) -> Iterator[int]:
    """A process and all that come from it."""
    yield pid
    try:
        tasks = [*Path(f"/proc/{pid}/task").iterdir()]
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield from family(child)


def cpu(pid: int) -> float:
    """Seconds of processor time of a process, of those it waited for, and of those that come from it."""
    ticks = 0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS


def memory(pid: int) -> int:
    """Resident bytes that are a process's own and its children's: what is shared with files counts for nobody."""
    pages = 0
    for one in family(pid):
        try:
            resident, shared = Path(f"/proc/{one}/statm").read_text(encoding="ascii").split()[1:3]
        except OSError:
            continue
        pages += int(resident) - int(shared)
    return pages * os.sysconf("SC_PAGE_SIZE")


class Watched:
    """The highest memory of a process since ``forget``, looked at 50 times a second."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def forget(self) -> None:
        self._peak = 0

    @property
    def peak(self) -> int:
        """Bytes."""
        return max(self._peak, memory(self._pid))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self._peak = max(self._peak, memory(self._pid))


class Server:
    """A command that serves ``port`` of the loopback, from ``with`` to its end."""

    def __init__(self, command: Sequence[str], port: int, folder: Path) -> None:
        self._command = command
        self._port = port
        self._folder = folder

    def __enter__(self) -> int:
        """Its process id, once it takes connections."""
        with (self._folder / "log").open("ab") as said:
            self._process = subprocess.Popen(self._command, cwd=self._folder, stdout=said, stderr=said)
        until = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"{self._command[0]}: {(self._folder / 'log').read_text()}") from None
                time.sleep(0.05)
            else:
                return self._process.pid

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(SECONDS)

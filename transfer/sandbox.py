"""The parent's side of sniffing: a few locked-down children, each asked one thing at a time (S-45, ``sniffer.py``)."""

from __future__ import annotations

import logging
import os
import queue
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from domain.errors import Misconfigured, ScannerUnavailable
from transfer.sniffer import HEAD_LIMIT, MEDIA_TYPE, UNKNOWN

log = logging.getLogger(__name__)

EMPTY = "application/x-empty"
START_LIMIT = 20.0
"""Seconds for a child to load libmagic and lock itself down; it takes 0.1 on an idle machine."""

_MISSING = {
    "libmagic": "the sniffer needs libmagic: apt-get install libmagic1",
    "database": "the sniffer needs libmagic's database: apt-get install libmagic-mgc",
    "sandbox": "the sniffer cannot be locked down here: neither seccomp filters nor network namespaces are to be had",
}
_PROBE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0"


class Sniffer:
    """Tells the media type of a file from its first bytes; thread-safe, at most ``children`` at work at a time.

    A file that kills its child, or keeps it busy for longer than ``time_limit`` seconds, is of unknown type; so an
    upload never fails for that. After ``requests`` answers a child is replaced. Make it after any fork of the service:
    its children end with the process that started them.
    """

    def __init__(
        self, *, children: int = 2, time_limit: float = 2.0, requests: int = 1000, command: Sequence[str] | None = None
    ) -> None:
        self._command = [*command] if command is not None else child_command()
        self._time_limit = time_limit
        self._requests = requests
        self._children = children
        # Last in, first out: a quiet service keeps one child, and keeps it warm. None: to be started when needed.
        self._free: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(children):
            self._free.put(None)
        # PR_SET_PDEATHSIG speaks when the *thread* that forked ends, and threads of transfers do end: one thread that
        # lives as long as this object starts them all.
        self._nursery = ThreadPoolExecutor(1, thread_name_prefix="sniffer")

    def start(self) -> None:
        """Start the first child and try it. Raises Misconfigured, naming what is missing."""
        try:
            found = self.sniff(_PROBE)
        except ScannerUnavailable as error:
            raise Misconfigured(error.detail) from error
        if found != "image/png":
            raise Misconfigured(f"libmagic's database does not know PNG, it says {found}")

    def sniff(self, head: bytes | bytearray | memoryview) -> str:
        """The media type of a file that begins with ``head``, of which the first ``HEAD_LIMIT`` bytes are looked at;
        ``application/octet-stream`` where nobody knows.

        Raises ScannerUnavailable where no child can be started.
        """
        if len(head) == 0:
            return EMPTY
        child, kept = self._free.get(), None
        try:
            found, kept = self._ask(child, memoryview(head)[:HEAD_LIMIT])
        finally:
            self._free.put(kept)
        return found

    def close(self) -> None:
        """End the children, each after the answer it is at. No ``sniff`` may come after it."""
        for child in [self._free.get() for _ in range(self._children)]:
            if child is not None:
                child.end()
            self._free.put(None)
        self._nursery.shutdown()

    def _ask(self, child: _Child | None, head: memoryview) -> tuple[str, _Child | None]:
        while True:
            fresh = child is None
            if child is None:
                child = self._nursery.submit(_started, self._command).result()
            try:
                found = child.ask(head, self._time_limit)
            except TimeoutError:
                log.warning("sniffer.timeout", extra={"child": child.pid, "status": child.end()})
                return UNKNOWN, None
            except (OSError, EOFError):
                log.warning("sniffer.crash", extra={"child": child.pid, "status": child.end(), "fresh": fresh})
                # One that had served before may have ended for any reason while it was idle: this file gets another.
                # A fresh one died of this file.
                if fresh:
                    return UNKNOWN, None
                child = None
                continue
            if child.answers >= self._requests:
                child.end()
                return found, None
            return found, child


def child_command() -> list[str]:
    """The child's program, by its path: isolated (-I), so neither environment nor this folder is on its path."""
    return [sys.executable, "-I", "-B", str(Path(__file__).with_name("sniffer.py"))]


def _started(command: Sequence[str]) -> _Child:
    child = _Child(command)
    try:
        word, _, rest = child.hear(START_LIMIT).partition(" ")
    except (OSError, EOFError) as error:
        raise ScannerUnavailable(f"the sniffer does not start, status {child.end()}") from error
    if word != "ready":
        child.end()
        raise ScannerUnavailable(_MISSING.get(rest, f"the sniffer does not start: {rest}"))
    layers = rest.split()
    if "calls" not in layers:
        log.warning("sniffer.weak-sandbox", extra={"layers": layers})
    log.debug("sniffer.started", extra={"child": child.pid, "layers": layers})
    return child


class _Child:
    """One process and our end of its socket. Its environment holds nothing of ours: no settings, no keys."""

    def __init__(self, command: Sequence[str]) -> None:
        self.answers = 0
        self._socket, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [*command, str(os.getpid())],
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    # With TZ set, formatting a date inside a file opens no file of the system's.
                    env={"LC_ALL": "C.UTF-8", "TZ": "UTC0", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                    start_new_session=True,  # a Ctrl-C in the terminal is for the service, which drains first
                )
            except OSError as error:
                self._socket.close()
                raise ScannerUnavailable(f"the sniffer does not start: {error.strerror}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, head: memoryview, limit: float) -> str:
        """Its answer within ``limit`` seconds: a media type, or it counts as broken.

        Raises TimeoutError, EOFError, OSError: after that, ``end`` it.
        """
        end = time.monotonic() + limit
        self._socket.settimeout(limit)
        self._socket.sendall(len(head).to_bytes(4, "big"))
        self._socket.sendall(head)
        found = self.hear(end - time.monotonic())
        if not MEDIA_TYPE.fullmatch(found):
            raise EOFError
        self.answers += 1
        return found

    def hear(self, limit: float) -> str:
        """One answer frame within ``limit`` seconds. Raises TimeoutError, EOFError, OSError."""
        end = time.monotonic() + limit
        size = self._exactly(1, end)[0]
        try:
            return self._exactly(size, end).decode("ascii")
        except UnicodeDecodeError as error:
            raise EOFError from error

    def _exactly(self, size: int, end: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            part = self._socket.recv(size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def end(self) -> int:
        """End it at once and give its exit status."""
        self._socket.close()
        self._process.kill()
        return self._process.wait()

"""What stands between the service and a real clamd: lets everything through, cuts scans off, or holds verdicts back."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from threading import Event, Thread
from urllib.parse import urlsplit


class Gate:
    """``cut``: scans break off after their first bytes. ``hold``: a verdict waits for ``opened``. ``passed`` is called
    when one was handed on. ``scans`` counts verdicts that clamd gave."""

    def __init__(self, clamd: str) -> None:
        where = urlsplit(clamd)
        self._clamd = (where.hostname, where.port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self.cut = self.hold = False
        self.scans = 0
        self.held, self.opened = Event(), Event()
        self.passed: Callable[[], None] = lambda: None
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.opened.set()
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                Thread(target=self._relay, args=(self._server.accept()[0],), daemon=True).start()

    def _relay(self, service: socket.socket) -> None:
        with service, contextlib.suppress(OSError), socket.create_connection(self._clamd) as clamd:
            first = service.recv(1 << 16)
            scan = b"INSTREAM" in first[:16]
            if scan and self.cut:
                return
            clamd.sendall(first)
            Thread(target=self._upstream, args=(service, clamd), daemon=True).start()
            while answer := clamd.recv(1 << 16):
                if scan:
                    self.scans += 1
                    if self.hold:
                        self.held.set()
                        self.opened.wait()
                service.sendall(answer)
                if scan:
                    self.passed()

    def _upstream(self, service: socket.socket, clamd: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := service.recv(1 << 16):
                clamd.sendall(piece)
            clamd.shutdown(socket.SHUT_WR)

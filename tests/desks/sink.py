"""Listens on this machine for what a system sends of its own."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread


class Sink:
    """``with Sink() as sink``: everything is taken, ``heard`` gives it in its order."""

    def __init__(self) -> None:
        queue: Queue[tuple[dict[str, str], bytes]] = Queue()

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                queue.put(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._queue = queue
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)

    def __enter__(self) -> Sink:
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hooks/rt"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def heard(self) -> tuple[dict[str, str], bytes]:
        """The next request: header fields by small letters, and the body."""
        return self._queue.get(timeout=30)

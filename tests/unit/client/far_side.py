"""The far side of the wire: a small tus server in a thread that keeps files in memory and goes wrong as it is told."""

from __future__ import annotations

import json
import re
import socket
import struct
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit

TOKEN = "L" * 43
RECEIPT = "R" * 43
Fault = Callable[["Exchange"], bool]
"""Answers instead of the server, and says whether it did."""


@dataclass
class Kept:
    """An upload."""

    metadata: dict[str, str]
    length: int | None
    content: bytearray = field(default_factory=bytearray)

    @property
    def whole(self) -> bool:
        return self.length == len(self.content)


class FarSide:
    """A service with one upload link. ``faults`` are asked first, in their order, until one answers."""

    def __init__(self) -> None:
        self.uploads: dict[str, Kept] = {}
        self.faults: list[Fault] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.received = Counter[str]()
        self.terms: dict[str, Any] = {"ticket": "T-1", "max_file_size": 1 << 30, "passcode": False}
        self.name_elsewhere = "https://files.example.org"
        self.lie: Callable[[str], str] = lambda digest: digest
        self.lock = Lock()
        self._server = Listener(("127.0.0.1", 0), Exchange)
        self._server.far_side = self
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.link = f"{self.base}/u/{TOKEN}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def methods(self) -> list[str]:
        return [method for method, _, _ in self.seen]

    def files(self) -> dict[str, bytes]:
        return {kept.metadata["filename"]: bytes(kept.content) for kept in self.uploads.values()}

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "id": f"a-{upload}",
                "name": kept.metadata["filename"],
                "size": kept.length,
                "sha256": self.lie(sha256(kept.content).hexdigest()) if kept.whole else None,
                "state": "available" if kept.whole else "receiving",
            }
            for upload, kept in self.uploads.items()
        ]


class Listener(ThreadingHTTPServer):
    """Listens for a far side."""

    daemon_threads = True
    far_side: FarSide


class Exchange(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    @property
    def far(self) -> FarSide:
        return self.server.far_side  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, headers: dict[str, str] | None = None, body: Any = None) -> bool:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Tus-Resumable": "1.0.0", "Content-Length": str(len(content))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        return True

    def problem(self, status: int, name: str, detail: str, **headers: str) -> bool:
        sent = {key.replace("_", "-"): value for key, value in headers.items()} | {"Connection": "close"}
        self.close_connection = True
        return self.answer(status, sent, {"type": f"urn:bilaga:problem:{name}", "detail": detail, "status": status})

    def cut(self) -> bool:
        """Reset the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        return True

    def take(self, kept: Kept, size: int) -> None:
        """Read so much of the body into the upload."""
        while size:
            block = self.rfile.read(min(size, 1 << 16))
            if not block:
                return
            kept.content += block
            self.far.received[kept.metadata["filename"]] += len(block)
            size -= len(block)

    @property
    def kept(self) -> Kept | None:
        return self.far.uploads.get(self.path.rpartition("/")[2])

    @property
    def offset(self) -> int:
        return int(self.headers["Upload-Offset"])

    @property
    def size(self) -> int:
        return int(self.headers["Content-Length"])

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, ValueError):
            self.close_connection = True

    def _do(self) -> None:
        far = self.far
        with far.lock:
            far.seen.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
        if any(fault(self) for fault in list(far.faults)):
            return
        path = urlsplit(self.path).path
        if path == f"/r/{RECEIPT}":
            self.answer(200, body={"attachments": far.rows()})
        elif path == f"/u/{TOKEN}":
            self.answer(200, body=far.terms)
        elif path == f"/u/{TOKEN}/files":
            self._create()
        elif not path.startswith(f"/u/{TOKEN}/files/"):
            self.problem(404, "not-found", "There is nothing here.")
        elif self.kept is None:
            self.problem(410, "gone", "This is no longer available.")
        else:
            self._upload(self.kept)

    def _create(self) -> None:
        said = dict(re.findall(r"(\w+) ([\w+/=]+)", self.headers["Upload-Metadata"]))
        length = self.headers.get("Upload-Length")
        with self.far.lock:
            upload = f"up{len(self.far.uploads)}"
            metadata = {name: b64decode(value).decode() for name, value in said.items()}
            self.far.uploads[upload] = Kept(metadata, None if length is None else int(length))
        headers = {"Location": f"{self.far.name_elsewhere}/u/{TOKEN}/files/{upload}"}
        if "receipt" not in metadata:
            headers["Bilaga-Receipt"] = f"{self.far.name_elsewhere}/r/{RECEIPT}"
        self.answer(201, headers)

    def _upload(self, kept: Kept) -> None:
        where = {"Upload-Offset": str(len(kept.content))}
        if self.command == "DELETE":
            del self.far.uploads[self.path.rpartition("/")[2]]
            self.answer(204)
        elif self.command == "HEAD":
            length = {"Upload-Length": str(kept.length)} if kept.length is not None else {"Upload-Defer-Length": "1"}
            self.answer(200, where | length)
        elif self.offset != len(kept.content):
            self.problem(409, "offset-conflict", "The upload goes on at another offset.")
        else:
            if "Upload-Length" in self.headers:
                kept.length = int(self.headers["Upload-Length"])
            self.take(kept, self.size)
            self.answer(204, {"Upload-Offset": str(len(kept.content))})


for method in ("GET", "POST", "HEAD", "PATCH", "DELETE"):
    setattr(Exchange, f"do_{method}", Exchange._do)

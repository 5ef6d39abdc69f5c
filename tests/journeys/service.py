"""The real service in a process of its own, spoken to over real HTTP by a client that sends exactly what it is told."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from domain.actor import SYSTEM, Role
from installation import Site
from server import open_site
from settings import load
from tests.site import ground

BILAGA = str(Path(sys.executable).with_name("bilaga"))
URN = "urn:bilaga:problem:"
TOKEN = re.compile(r"[A-Za-z0-9_-]{43,}")
SECONDS = 30
# Nobody waits behind others here; what the limits do has tests of its own.
UNLIMITED = {"BILAGA_RATES__LINK": "0", "BILAGA_RATES__ADDRESS": "0"}


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def problem(self) -> str:
        """The name of the problem. Everything a problem must be is looked at here (S-1)."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), (self.status, self.body)
        body = self.json()
        assert body["type"].startswith(URN), body
        assert body["status"] == self.status, body
        assert body["title"], body
        assert body["detail"], body
        assert re.fullmatch(r"urn:bilaga:request:[0-9a-f]{16}", body["instance"]), body
        return str(body["type"].removeprefix(URN))


@dataclass(frozen=True)
class Form:
    """A multipart form as browsers send it (RFC 7578; names in UTF-8, quotes and line breaks percent-coded)."""

    parts: list[tuple[str, str | None, bytes]]

    @classmethod
    def of(cls, *files: tuple[str, bytes], **fields: str) -> Form:
        named: list[tuple[str, str | None, bytes]] = [(name, None, value.encode()) for name, value in fields.items()]
        return cls(named + [("file", name, content) for name, content in files])

    def encode(self) -> tuple[str, bytes]:
        boundary = "----boundary7MA4YWxkTrZu0gW"
        out = bytearray()
        for name, filename, content in self.parts:
            head = f'form-data; name="{name}"'
            if filename is not None:
                escaped = filename.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
                head += f'; filename="{escaped}"'
            out += f"--{boundary}\r\nContent-Disposition: {head}\r\n".encode(errors="surrogateescape")
            out += b"\r\n" if filename is None else b"Content-Type: application/octet-stream\r\n\r\n"
            out += content + b"\r\n"
        return f"multipart/form-data; boundary={boundary}", bytes(out + f"--{boundary}--\r\n".encode())


class Client:
    """Sends requests with a credential, or none. Follows nothing, keeps no cookies, decodes nothing."""

    def __init__(self, service: Service, headers: Mapping[str, str] | None = None) -> None:
        self._service = service
        self._headers = dict(headers or {})

    def with_headers(self, **headers: str) -> Client:
        return Client(self._service, self._headers | {name.replace("_", "-"): value for name, value in headers.items()})

    def __call__(
        self,
        method: str,
        address: str,
        *,
        body: bytes | Iterable[bytes] | None = None,
        json_body: Any = None,
        form: Form | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = self._headers | dict(headers or {})
        if form is not None:
            sent["Content-Type"], body = form.encode()
        elif json_body is not None:
            sent.setdefault("Content-Type", "application/json")
            body = json.dumps(json_body).encode()
        connection = self._service.connect()
        try:
            chunked = body is not None and not isinstance(body, bytes) and "Content-Length" not in sent
            connection.request(method, self._service.path(address), body, sent, encode_chunked=chunked)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, address: str, **how: Any) -> Answer:
        return self("GET", address, **how)

    def post(self, address: str, **how: Any) -> Answer:
        return self("POST", address, **how)

    def put(self, address: str, **how: Any) -> Answer:
        return self("PUT", address, **how)

    def delete(self, address: str, **how: Any) -> Answer:
        return self("DELETE", address, **how)


class Service:
    """``bilaga serve`` on a free port of the loopback, on a new site in ``folder``."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.data = folder / "site"
        self.log_file = folder / "stderr.log"
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("BILAGA_") and name != "TERM"
        }
        self.ground = ground(self.data)
        self.environment |= UNLIMITED | {"BILAGA_DATA_DIR": str(self.data), "BILAGA_LOG_LEVEL": "debug"}
        self.environment |= self.ground.environment
        self.environment |= {f"BILAGA_{name}": value for name, value in settings.items()}
        self.said: list[str] = []
        self.secrets: set[str] = set()
        """Every token that went over the wire, and whatever a test adds: nothing of it may stand in a log."""
        self.keys: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None
        self._sites: Site | None = None

    # -- the process -----------------------------------------------------------------------------------------------
    def start(self) -> Service:
        with self.log_file.open("a") as log:
            self._process = subprocess.Popen(
                [BILAGA, "serve", "--port", "0"],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.rstrip("\n"))
            if line.startswith("listening on "):
                self.url = line.split()[-1]
                self.started = time.monotonic()
                self.secrets.update(TOKEN.findall("\n".join(self.said)))
                return self
        raise AssertionError(f"the service did not start: {self.log()}")

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def stop(self) -> None:
        """SIGTERM: the service drains and exits with 0 (contract); then its log is looked through (S-82)."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(SECONDS)
        finally:
            self.process.kill()
            self.process.stdout.close()  # type: ignore[union-attr]
        assert code == 0, self.log()
        self.look_through_log()

    def look_through_log(self) -> None:
        lines = self.log().splitlines()
        for line in lines:
            event = json.loads(line)  # one JSON object a line, whatever happened
            assert event["event"] != "unforeseen error", line
        text = "\n".join(lines) + "\n".join(json.dumps(json.loads(line), ensure_ascii=False) for line in lines)
        for secret in self.secrets:
            assert secret not in text, f"{secret!r} stands in the log"

    def log(self) -> str:
        return self.log_file.read_text()

    def cli(self, *arguments: str, code: int = 0, text: str | None = None) -> str:
        """Run another command beside the service; its stdout."""
        done = subprocess.run(
            [BILAGA, *arguments],
            env=self.environment | {"BILAGA_LOG_LEVEL": "info"},
            cwd=self.folder,
            capture_output=True,
            text=True,
            input=text,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        self.secrets.update(TOKEN.findall(done.stdout))
        return done.stdout.strip()

    @contextmanager
    def site(self) -> Iterator[Site]:
        """The site beside the service, as commands open it."""
        with open_site(load(self.environment), serving=False) as site:
            yield site

    # -- clients -----------------------------------------------------------------------------------------------------
    def path(self, address: str) -> str:
        """A path of an address of ours; whatever looks like a token in it is remembered as a secret."""
        self.secrets.update(TOKEN.findall(address))
        return address.removeprefix(self.url) or "/"

    def connect(self) -> HTTPConnection:
        parts = urlsplit(self.url)
        return HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)

    def wire(self) -> socket.socket:
        """A bare connection, for bytes that are no HTTP."""
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname, parts.port), timeout=SECONDS)

    def key(self, role: str, organisation: str | None = None) -> str:
        """The API key of a role, made once."""
        name = f"{role}/{organisation}"
        if name not in self.keys:
            with self.site() as site:
                made = site.records.write(
                    lambda unit: site.people.make_key(
                        unit, SYSTEM, Role(role), "Nyckelns Ägare", organisation_ref=organisation
                    )
                )
            self.keys[name] = made.token
            self.secrets |= {made.token, "Nyckelns Ägare"}
        return self.keys[name]

    def as_(self, role: str, organisation: str | None = None) -> Client:
        return Client(self, {"Authorization": f"Bearer {self.key(role, organisation)}"})

    @property
    def anyone(self) -> Client:
        return Client(self)

    @property
    def browser(self) -> Client:
        return Client(self, {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "en"})

    # -- the usual ---------------------------------------------------------------------------------------------------
    def put_ticket(self, ref: str, **facts: Any) -> Any:
        answer = self.as_("agent").put(f"/api/v1/tickets/{ref}", json_body={"status": "open", **facts})
        assert answer.status in {200, 201}, answer.body
        return answer.json()

    def upload_link(self, ref: str, **terms: Any) -> str:
        """The address of a new upload link."""
        answer = self.as_("agent").post(f"/api/v1/tickets/{ref}/upload-links", json_body=terms)
        assert answer.status == 201, answer.body
        return str(answer.json()["url"])

    def attach(self, ref: str, name: str = "fil.txt", content: bytes = b"hej") -> str:
        """The id of a new attachment, sent by an agent."""
        answer = self.as_("agent").post(f"/api/v1/tickets/{ref}/attachments", form=Form.of((name, content)))
        assert answer.status == 201, answer.body
        return str(answer.json()["attachments"][0]["id"])

    def download_link(self, attachment: str, **terms: Any) -> str:
        """The address of a new download link."""
        answer = self.as_("agent").post(f"/api/v1/attachments/{attachment}/download-links", json_body=terms)
        assert answer.status == 201, answer.body
        return str(answer.json()["url"])

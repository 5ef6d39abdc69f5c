"""A real Request Tracker, as ``services/request-tracker.sh`` started it, used the way people use it."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tickets.request_tracker import make

SCRIPT = Path(__file__).resolve().parents[2] / "services" / "request-tracker.sh"
SECRET = "a-secret-of-the-scrip-and-ours"


class RequestTrackerSite:
    """By its own REST2, as its administrator. Nothing of ours is in the way."""

    def __init__(self) -> None:
        names = ("TEST_RT_URL", "TEST_RT_USER", "TEST_RT_PASSWORD", "TEST_RT_HOOKS")
        missing = [name for name in names if name not in os.environ]
        assert not missing, f"{missing} not set: services/engines.sh around COMMAND starts the engines"
        self.url, self.user, self.password, hooks = (os.environ[name] for name in names)
        self._hook = Path(hooks, secrets.token_hex(8))
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def section(self, **more: Any) -> dict[str, Any]:
        """Settings of a connector to it."""
        own = {"url": self.url, "user": self.user, "password": self.password, "allow_loopback": True, "rate": 100_000}
        return {"kind": "request-tracker", **own, **more}

    def desk(self, **more: Any) -> Any:
        return make(self.section(**more)).desk

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and header fields by small letters."""
        request = urllib.request.Request(
            f"{self.url}/REST/2.0/{path}", None if body is None else json.dumps(body).encode(), method=method
        )
        login = base64.b64encode(b"root:password").decode()
        fields = {"Authorization": f"Basic {login}", "Content-Type": "application/json", **headers}
        for name, value in fields.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with self._opener.open(request, timeout=60) as answer:
                status, said, found = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            status, said, found = error.code, error.read(), error.headers
        try:
            parsed = json.loads(said) if said else None
        except ValueError:
            parsed = said
        return status, parsed, {name.lower(): value for name, value in found.items()}

    def newest(self) -> int:
        """The id of the last transaction there is."""
        query = "transactions?query=[{%22field%22:%22id%22,%22operator%22:%22%3E%22,%22value%22:%220%22}]"
        return int(self.call("GET", f"{query}&orderby=id&order=DESC&per_page=1")[1]["items"][0]["id"])

    def new_ticket(self, *files: tuple[str, str, bytes], requestor: str = "kund@example.test", **more: Any) -> str:
        """Its number. Files: name, media type, bytes."""
        body = {
            "Queue": "General",
            "Subject": "Skrivaren brinner",
            "Requestor": requestor,
            "Content": "it burns",
            "ContentType": "text/plain",
            "Attachments": attached(files),
            **more,
        }
        status, said, _ = self.call("POST", "ticket", body)
        assert status == 201, said
        return str(said["id"])

    def comment(self, ticket: str, text: str, *files: tuple[str, str, bytes]) -> None:
        body = {"Content": text, "ContentType": "text/plain", "Attachments": attached(files)}
        assert self.call("POST", f"ticket/{ticket}/comment", body)[0] == 201

    def put(self, ticket: str, **fields: Any) -> None:
        status, said, _ = self.call("PUT", f"ticket/{ticket}", fields)
        assert status == 200, said

    def parts(self, ticket: str) -> list[dict[str, Any]]:
        """Every part of what was said in a ticket, ``Content`` as it is."""
        path = f"ticket/{ticket}/attachments?fields=Content,ContentType,Filename,Subject&per_page=100"
        return list(self.call("GET", path)[1]["items"])

    def call_us_at(self, address: str | None, secret: str = SECRET) -> None:
        """Where its scrip tells of every transaction; None: nowhere."""
        if address is None:
            self._hook.unlink(missing_ok=True)
        else:
            self._hook.write_text(f"{address}\n{secret}\n")

    def shred(self, attachment: str) -> None:
        """What an administrator can do on RT's own machine."""
        subprocess.run([str(SCRIPT), "shred", attachment], check=True, timeout=60, env={**os.environ, **self._place()})

    def _place(self) -> dict[str, str]:
        return {"DATA": str(self._hook.parents[1])}


def attached(files: tuple[tuple[str, str, bytes], ...]) -> list[dict[str, str]]:
    """Files as REST2 takes them."""
    return [
        {"FileName": name, "FileType": kind, "FileContent": base64.b64encode(content).decode()}
        for name, kind, content in files
    ]

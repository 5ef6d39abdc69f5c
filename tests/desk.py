"""The next hop behind the mail door: a ticket system's mail server, which keeps what it takes, or says no."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller

PATIENCE = 60.0


@dataclass(frozen=True)
class Taken:
    """A message it took, and its envelope."""

    sender: str
    recipient: str
    raw: bytes

    @property
    def parsed(self) -> EmailMessage:
        return BytesParser(policy=default).parsebytes(self.raw)  # type: ignore[return-value]


class Desk:
    """Listens on a free port. ``says``: what it answers at the end of a message, or at RCPT, instead of yes."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.says: str | None = None
        self.says_at_rcpt: str | None = None
        self.tries = 0
        self._changed = threading.Condition()
        with socket.socket() as one:  # the library wants to know the port before
            one.bind(("127.0.0.1", 0))
            self._port = one.getsockname()[1]
        self._controller = Controller(self, "127.0.0.1", self._port, data_size_limit=100 << 20)
        self._controller.start()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._port}"

    def close(self) -> None:
        self._controller.stop()

    def wait(self, messages: int = 0, tries: int = 0) -> None:
        """Until it has taken so many messages, and was asked so often."""
        end = time.monotonic() + PATIENCE
        with self._changed:
            while len(self.taken) < messages or self.tries < tries:
                assert self._changed.wait(end - time.monotonic()), "the desk got nothing"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        if self.says_at_rcpt:
            return self.says_at_rcpt
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        with self._changed:
            self.tries += 1
            if self.says is None:
                self.taken.append(Taken(envelope.mail_from, envelope.rcpt_tos[0], envelope.content))
            self._changed.notify_all()
        return self.says or "250 taken"

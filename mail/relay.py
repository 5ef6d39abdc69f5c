"""The next hop: where what is left of a message is handed on, by SMTP."""

from __future__ import annotations

import smtplib
import ssl
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import unquote, urlsplit

from domain.errors import Misconfigured, Unavailable
from mail.replies import Refusal

SECONDS = 60
"""For each step with the next hop; whoever waits for our answer waits ten minutes (RFC 5321, section 4.5.3.2.6)."""


class Relay(Protocol):
    """Whoever takes messages on."""

    def send(self, sender: str, recipient: str, message: bytes) -> None:
        """Hand a message over, durable there when this returns. Raises Unavailable, and Refusal where the message
        itself is refused for good."""
        ...


class SmtpRelay:
    """``smtp://[user:password@]host[:port]`` (STARTTLS demanded, but for a loopback address) or ``smtps://``."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or port == -1:
            raise Misconfigured("MAIL__RELAY: must be smtp://host:port or smtps://host", field="MAIL__RELAY")
        self._host = parts.hostname
        self._implicit = parts.scheme == "smtps"
        self._loopback = _loopback(self._host)
        self._port = port or (465 if self._implicit else 25)
        self._login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None

    def send(self, sender: str, recipient: str, message: bytes) -> None:
        try:
            with self._connect() as server:
                if self._login is not None:
                    server.login(*self._login)
                server.ehlo_or_helo_if_needed()
                options = [f"SIZE={len(message)}"] if server.has_extn("size") else []
                if server.has_extn("8bitmime"):
                    options.append("BODY=8BITMIME")
                _step(server.mail(sender, options), for_good=True)
                # Who it goes to is our own setting: that it is refused is not the sender's fault.
                _step(server.rcpt(recipient), for_good=False)
                _step(server.data(message), for_good=True)
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable("The next mail server did not take the message.") from error

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._implicit:
            return smtplib.SMTP_SSL(self._host, self._port, timeout=SECONDS, context=context)
        server = smtplib.SMTP(self._host, self._port, timeout=SECONDS)
        if not self._loopback:
            server.starttls(context=context)
        return server


def _step(answer: tuple[int, bytes], *, for_good: bool) -> None:
    code = answer[0]
    if 200 <= code < 300:
        return
    if for_good and 500 <= code < 600:
        raise Refusal("552 5.3.4 too large for the next server" if code == 552 else "554 5.7.1 refused further on")
    raise Unavailable("The next mail server did not take the message.", code_said=code)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

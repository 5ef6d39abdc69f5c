"""Engine of outgoing mail: SMTP by the standard library, encrypted unless it goes to this very machine."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from domain.errors import Misconfigured, Unavailable

SECONDS = 15


class SmtpMailer:
    """Sends by ``smtp://[user:password@]host[:port]`` (STARTTLS demanded, but for a loopback address) or ``smtps://``."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise Misconfigured("SMTP_URL: must be smtp://host or smtps://host", field="SMTP_URL")
        self._host = parts.hostname
        self._implicit = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._implicit else 25 if _loopback(self._host) else 587)
        self.encrypts = self._implicit or not _loopback(self._host)
        """Whether nothing goes out in the clear: told by the address alone, since DNS could be made to lie."""
        self._login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._sender = sender

    def send(self, address: str, subject: str, text: str) -> None:
        """Hand one mail over. Raises Unavailable where it was not taken; then it may be tried again."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, address, subject
        # Nobody's out-of-office should answer a machine (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        try:
            with self._connect() as server:
                if self._login is not None:
                    server.login(*self._login)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable("The mail server did not take the mail.") from error

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._implicit:
            return smtplib.SMTP_SSL(self._host, self._port, timeout=SECONDS, context=context)
        server = smtplib.SMTP(self._host, self._port, timeout=SECONDS)
        if self.encrypts:
            server.starttls(context=context)
        return server


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""The door for mail: an LMTP listener (RFC 2033), or one for SMTP, on this machine only, for a mail server in front.

One recipient a transaction: a second one is told to come by itself, so that every reply is one ticket's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Iterable
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP

from domain.errors import BilagaError, IncompleteBody, Misconfigured, RateLimited, TooLarge
from domain.ticket import Ticket
from mail.lines import Undotting
from mail.replies import BUSY, LATER, ONE_AT_A_TIME, UNKNOWN
from transfer import Pump, run_in_thread

log = logging.getLogger(__name__)
PATIENCE = 600.0
"""Seconds without a byte, or for what follows the last one, before a connection is closed."""
BUFFER = 64 << 10
_ENHANCED = re.compile(r"([245])\d\d (?!\d\.\d)")
_SIZE_REFUSED = "552 Error"


class Place:
    """Where the door is: ``lmtp://127.0.0.1:8024``, ``lmtp:/run/bilaga/lmtp.sock``, the same with ``smtp``."""

    def __init__(self, url: str) -> None:
        """Raises Misconfigured."""
        wrong = Misconfigured("MAIL__LISTEN: must be lmtp://127.0.0.1:PORT or lmtp:/path", field="MAIL__LISTEN")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise wrong from error
        if parts.scheme not in {"lmtp", "smtp"} or parts.query or parts.fragment or parts.username:
            raise wrong
        self.speaks_lmtp = parts.scheme == "lmtp"
        self.path: Path | None = None
        if not parts.netloc:
            if not parts.path.startswith("/"):
                raise wrong
            self.path = Path(unquote(parts.path))
            return
        try:
            loopback = ip_address(parts.hostname or "").is_loopback
        except ValueError as error:
            raise wrong from error
        if not loopback or port is None or parts.path not in {"", "/"}:
            raise wrong
        self.host, self.port = parts.hostname or "", port


class Taker(Protocol):
    """Whoever takes messages; both are called in threads (``mail.delivery.Delivering``)."""

    def find(self, address: str) -> Ticket | None:
        """The ticket of an address. Raises Unavailable."""
        ...

    def take(self, sender: str, ticket: Ticket, chunks: Iterable[bytes]) -> str:
        """The reply to a message. Raises IncompleteBody alone."""
        ...


class Door:
    """Listens from ``open`` to ``close``. ``largest``: bytes of a message, announced by SIZE (RFC 1870)."""

    def __init__(self, place: Place, domain: str, taker: Taker, pump: Pump, *, largest: int) -> None:
        self._place = place
        self._domain = domain
        self._taker = taker
        self._pump = pump
        self._largest = largest
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def open(self, *, shared: bool = False) -> None:
        """Begin to listen. ``shared``: other workers of the site listen at the same port. Raises Misconfigured."""
        loop = asyncio.get_running_loop()
        place = self._place
        try:
            if place.path is not None:
                if shared:
                    raise Misconfigured(
                        "MAIL__LISTEN: several workers need lmtp://127.0.0.1:PORT", field="MAIL__LISTEN"
                    )
                self._server = await loop.create_unix_server(self._talk, place.path)
                os.chmod(place.path, 0o660)  # noqa: PTH101  # the mail server is let in by its group
            else:
                self._server = await loop.create_server(self._talk, place.host, place.port, reuse_port=shared or None)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "no such place"
            raise Misconfigured(f"MAIL__LISTEN: cannot listen: {reason}", field="MAIL__LISTEN") from error

    async def close(self, seconds: float) -> None:
        """Let nobody in any more; wait for messages under way, then cut them: they come again."""
        if self._server is None:
            return
        self._server.close()
        busy = {talk for talk in self._talks if not talk.done()}
        if busy and self._pump.running:
            await asyncio.wait(busy, timeout=seconds)
        for talk in self._talks:
            talk.cancel()
        if self._talks:
            await asyncio.wait(self._talks)
        if self._place.path is not None:
            self._place.path.unlink(missing_ok=True)

    def _talk(self) -> SMTP:
        kind = _Lmtp if self._place.speaks_lmtp else _Smtp
        return kind(self._taker, self._pump, self._talks, self._domain, self._largest)


class _Hooks:
    """What is asked and told between the commands; aiosmtpd finds its methods by their names."""

    def __init__(self, taker: Taker) -> None:
        self._taker = taker

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        for line in (responses[0], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", *responses[1:]):
            await server.say(line)
        return []

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if envelope.rcpt_tos:
            return ONE_AT_A_TIME
        try:
            ticket = await run_in_thread(self._taker.find, address)
        except BilagaError as error:
            log.warning("mail put off", extra={"code": error.code})
            return LATER
        if ticket is None:
            return UNKNOWN
        envelope.rcpt_tos.append(address)
        envelope.ticket = ticket
        return "250 2.1.5 ok"

    async def handle_VRFY(self, server: Any, session: Any, envelope: Any, address: str) -> str:  # noqa: N802
        return "252 2.1.5 send, and see"

    async def handle_exception(self, error: Exception) -> str:
        # Never the error's own text: it may quote what was sent (S-82).
        log.error("mail session failed", extra={"error": type(error).__name__})
        return LATER


class _Smtp(SMTP):
    """What LMTP and SMTP share: the message goes to a thread as it comes, and no more than a few batches are held."""

    line_length_limit = BUFFER  # of the reader's buffer; the library takes it for that too

    def __init__(self, taker: Taker, pump: Pump, talks: set[asyncio.Task[None]], domain: str, largest: int) -> None:
        self._taker = taker
        self._pump = pump
        self._talks = talks
        self._largest = largest
        super().__init__(
            _Hooks(taker),
            data_size_limit=largest,
            hostname=domain,
            ident="Bilaga",
            timeout=PATIENCE,
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        talk = self._handler_coroutine
        if talk is not None:
            self._talks.add(talk)
            talk.add_done_callback(self._talks.discard)

    async def say(self, line: str) -> None:
        """One line as it is."""
        await super().push(line)

    async def push(self, status: Any) -> None:
        # The library's own replies have no enhanced code (RFC 2034).
        if isinstance(status, str):
            if status.startswith(_SIZE_REFUSED):
                status = f"552 5.3.4 {status[4:]}"
            elif found := _ENHANCED.match(status):
                status = f"{status[:4]}{found[1]}.0.0 {status[4:]}"
        await super().push(status)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if await self.check_helo_needed():
            return
        envelope = self.envelope
        ticket: Ticket | None = getattr(envelope, "ticket", None)
        if envelope is None or ticket is None:
            await self.push("503 5.5.1 RCPT first")
            return
        if arg:
            await self.push("501 5.5.4 DATA takes nothing")
            return
        try:
            slot = self._pump.take()
        except RateLimited:
            await self.push(BUSY)
            return
        sender = envelope.mail_from or ""
        with slot:
            await self.say("354 go on")
            take = partial(self._taker.take, "" if sender == "<>" else sender, ticket)
            async with slot.inlet(take) as inlet:
                size = 0
                async for chunk in self._message():
                    size += len(chunk)
                    if size <= self._largest:
                        await inlet.put(chunk)
                    else:
                        inlet.fail(TooLarge(max_size=self._largest))
                reply = await inlet.finish()
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        await self.push(reply)

    async def _message(self) -> AsyncIterator[bytes]:
        """The message's bytes; what follows its end stays for the next command. Raises IncompleteBody."""
        wire = Undotting()
        while not wire.ended:
            # All that is there: so what is put back is the first again.
            chunk = await self._reader.read(1 << 24)
            if not chunk:
                raise IncompleteBody
            self._reset_timeout()
            if piece := wire.feed(chunk):
                yield piece
        if wire.rest and not self._reader.at_eof():
            self._reader.feed_data(wire.rest)


class _Lmtp(_Smtp, LMTP):
    """LMTP."""

"""One connection, as aiohttp's protocol, and what we have it do otherwise."""

from __future__ import annotations

import logging
from http import HTTPStatus

from aiohttp import web
from aiohttp.http_parser import HttpRequestParser

log = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """What aiohttp says of malformed requests quotes them in log and answer, and names itself: ours does neither (S-1,
    S-82). And a body may be taken off the socket beside it, after which it begins anew."""

    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to what is no request, or, 500, to what even the middlewares failed at; then it is closed."""
        if status < 500:
            log.info("malformed request", extra={"status": status, "cause": type(exc).__name__})
        else:
            log.error("unforeseen error", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way")
        response = web.Response(status=status, text=f"{HTTPStatus(status).phrase}\n", headers={"Server": "bilaga"})
        response.force_close()
        return response

    def begin_anew(self) -> None:
        """The rest of the current body came by another way, to its last byte: next on the wire is a request's head.

        The parser waits for that body in vain, and there is no telling it; so a new one takes its place, set up as
        aiohttp's own constructor does (3.14; tests/journeys/test_receiving.py would show a change).
        """
        self._parser = HttpRequestParser(
            self,
            self._loop,
            self._read_bufsize,
            max_line_size=self.max_line_size,
            max_field_size=self.max_field_size,
            max_headers=self.max_headers,
            payload_exception=web.RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=self._max_msg_queue_size,
        )

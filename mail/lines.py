"""A message on the wire: up to the line with the single dot, dots of other lines undone (RFC 5321, section 4.5.2)."""

from __future__ import annotations

_END = b"\r\n.\r\n"


class Undotting:
    """Fed what comes; ``rest`` is what came behind the end. Only CRLF ends a line here: whoever takes other line ends
    for the end of a message can be made to take one message for two."""

    def __init__(self) -> None:
        # What begins begins a line.
        self._held = b"\r\n"
        self._first = True
        self.ended = False
        self.rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """The message's next bytes; a few are kept back while they may begin its end."""
        coming = self._held + chunk
        end = coming.find(_END)
        if end >= 0:
            self.ended = True
            self.rest = coming[end + len(_END) :]
            coming, self._held = coming[: end + 2], b""
        else:
            keep = next((n for n in range(len(_END) - 1, 0, -1) if coming.endswith(_END[:n])), 0)
            coming, self._held = coming[: len(coming) - keep], coming[len(coming) - keep :]
        coming = coming.replace(b"\r\n.", b"\r\n")
        if self._first and coming:
            self._first = False
            coming = coming[2:]
        return coming

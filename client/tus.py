"""tus 1.0.0 as a client speaks it: creation, offset, append, termination."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from client.link import UploadLink, last_segment
from client.patience import Again
from client.wire import Reply, Wire
from domain import errors

VERSION = {"Tus-Resumable": "1.0.0"}
# Later may work. A conflict is one of offsets, and is solved by asking for the offset; not so when creating.
LATER = frozenset({408, 423, 429})
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Created:
    """A new upload: its name below the link, and the address of its receipt."""

    upload: str
    receipt_url: str | None


@dataclass(frozen=True, slots=True)
class Position:
    """How much of an upload the service has, of how much; None: that was not told yet."""

    offset: int
    length: int | None


class Tus:
    """The uploads of one link. All methods raise Again where a later try may do, and what the service refuses."""

    def __init__(self, wire: Wire, link: UploadLink, passcode: str | None) -> None:
        self._wire = wire
        self._link = link
        # On the wire it is UTF-8, as from curl; the standard library takes header fields for Latin-1.
        said = {} if passcode is None else {"Bilaga-Passcode": passcode.encode().decode("latin-1")}
        self._headers = VERSION | said

    def create(self, name: bytes, length: int | None, receipt_url: str | None, once: str) -> Created:
        """A new upload of ``length`` bytes, or of a stream. ``once``: the same for each try of the same creation."""
        metadata = [f"filename {b64encode(name).decode()}"]
        if receipt_url is not None:
            metadata.append(f"receipt {b64encode(receipt_url.encode()).decode()}")
        size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        headers = self._headers | size | {"Upload-Metadata": ",".join(metadata), "Idempotency-Key": once}
        try:
            reply = _good(self._wire.ask("POST", self._link.files_url, headers, b""), LATER)
        except errors.NotFound as error:
            raise errors.LinkUnknown from error
        return Created(last_segment(reply.headers.get("location", "")), reply.headers.get("bilaga-receipt"))

    def position(self, upload: str) -> Position:
        """How much of it the service has."""
        reply = _good(self._wire.ask("HEAD", self._link.upload_url(upload), self._headers), LATER | {409})
        length = reply.headers.get("upload-length", "")
        return Position(_offset(reply), int(length) if _NUMBER.fullmatch(length) else None)

    def append(self, upload: str, offset: int, body: Iterable[bytes], size: int, length: int | None = None) -> int:
        """``size`` bytes from ``offset`` on; the new offset. ``length``: how long a stream turned out to be."""
        headers = {
            **self._headers,
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(size),
            "Upload-Offset": str(offset),
        }
        if length is not None:
            headers["Upload-Length"] = str(length)
        reply = _good(self._wire.ask("PATCH", self._link.upload_url(upload), headers, body), LATER | {409})
        return _offset(reply)

    def cancel(self, upload: str) -> None:
        """Nothing of it is kept."""
        _good(self._wire.ask("DELETE", self._link.upload_url(upload), self._headers), LATER)


def _good(reply: Reply, later: frozenset[int]) -> Reply:
    if reply.good:
        return reply
    if reply.status in later or reply.status >= 500:
        raise Again(reply.error, reply.retry_after)
    raise reply.error


def _offset(reply: Reply) -> int:
    said = reply.headers.get("upload-offset", "")
    if not _NUMBER.fullmatch(said):
        raise errors.Unavailable("The service did not tell an offset.")
    return int(said)

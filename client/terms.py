"""What an upload link takes, asked before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass

from client.link import UploadLink
from client.patience import Again
from client.wire import Wire
from domain.errors import LinkUnknown, NotFound, Unavailable


@dataclass(frozen=True, slots=True)
class Terms:
    """What a link takes."""

    ticket: str
    max_file_size: int
    passcode: bool
    """It opens by a passcode as well."""


def terms(link: str | UploadLink, *, proxy: str | None = None) -> Terms:
    """The terms of a link. Raises Gone, LinkUnknown, Unavailable, BadInput."""
    where = UploadLink.parse(link) if isinstance(link, str) else link
    wire = Wire(parallel=1, proxy=proxy)
    try:
        reply = wire.ask("GET", where.url)
    except Again as again:
        raise again.error from again
    finally:
        wire.close()
    if not reply.good:
        error = reply.error
        raise LinkUnknown if isinstance(error, NotFound) else error
    said = reply.json()
    try:
        return Terms(str(said["ticket"]), int(said["max_file_size"]), bool(said["passcode"]))
    except (KeyError, TypeError, ValueError):
        raise Unavailable("Something else than Bilaga answered.") from None

"""All of a ticket's files as one zip, streamed: nothing of it rests anywhere, nothing is left out in silence (S-94)."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from stream_zip import ZIP_AUTO, stream_zip

from domain.actor import Action, Actor
from domain.attachment import AttachmentState
from domain.errors import Damaged, NotFound
from storage import Records, Unit
from transfer.names import stored_name, unique_names
from transfer.send import Content, Download, Reading, Sending

CHUNK = 1 << 20
_MODE = stat.S_IFREG | 0o600


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a zip: its path in there, its ``size`` in bytes, and its bytes, asked for when its turn comes."""

    path: str
    at: datetime
    size: int
    pieces: Iterable[bytes]


def zipped(members: Iterable[Member]) -> Iterator[bytes]:
    """A zip in pieces of 1 MiB, made as it is read: a member is asked for when the one before it is through."""
    # Stored blocks of deflate: the checksum may follow the bytes, so that one pass over them is enough.
    files = ((one.path, one.at, _MODE, ZIP_AUTO(one.size, level=0), one.pieces) for one in members)
    yield from stream_zip(files, chunk_size=CHUNK)


class Archiving:
    """Makes archives. Safe to use from any thread."""

    def __init__(self, records: Records, sending: Sending) -> None:
        self._records = records
        self._sending = sending

    def open(self, actor: Actor, ticket_ref: str) -> Archive:
        """An archive of the ticket's available files, its first one proven as ``Sending.open`` proves it.

        Raises NotAllowed, NotFound, Damaged where any file of the ticket is known to be; what ``Sending.open`` raises.
        """
        reading = Reading(actor)
        contents = self._records.read(lambda unit: self._contents(unit, reading, ticket_ref))
        first = self._sending.open(reading, contents[0].attachment.id) if contents else None
        return Archive(self._sending, reading, f"{stored_name(ticket_ref)}.zip", contents, first)

    def _contents(self, unit: Unit, reading: Reading, ticket_ref: str) -> list[Content]:
        scope = reading.actor.scope(Action.READ_FILE)
        ticket = unit.tickets.get(ticket_ref, scope)
        if ticket is None:
            raise NotFound
        rows = unit.attachments.of_ticket(ticket.id, scope)
        if any(row.state is AttachmentState.DAMAGED for row in rows):
            raise Damaged
        return [self._sending.content(unit, reading, row.id) for row in rows if row.state is AttachmentState.AVAILABLE]


class Archive:
    """An archive under way: ``chunks`` once, in a worker's thread, then ``close`` in any case."""

    def __init__(
        self, sending: Sending, reading: Reading, name: str, contents: list[Content], first: Download | None
    ) -> None:
        self.name = name
        self._sending = sending
        self._reading = reading
        self._contents = contents
        self._download = first
        self._delivered = 0

    def chunks(self) -> Iterator[bytes]:
        """The zip, in pieces of 1 MiB. Raises what ``Download.chunks`` and ``Sending.open`` raise, for any member: the
        connection is then to be cut, so that nobody takes a part for the whole."""
        yield from zipped(self._members())

    def close(self) -> None:
        """Let go of the member that was being sent; again is nothing."""
        download, self._download = self._download, None
        if download is not None:
            download.close(self._delivered)

    def _members(self) -> Iterator[Member]:
        names = unique_names(content.name for content in self._contents)
        for content, name in zip(self._contents, names, strict=True):
            if self._download is None:
                self._download = self._sending.open(self._reading, content.attachment.id)
            self._delivered = 0
            yield Member(name, content.attachment.created_at, content.size, self._bytes(self._download))
            self.close()

    def _bytes(self, download: Download) -> Iterator[bytes]:
        for piece in download.chunks():
            self._delivered += len(piece)
            yield piece

"""The export: a zip of a person's files and two indexes of all that is held, streamed; nothing of it rests anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from audit import Log
from crypto import new_id
from domain.actor import Action, Actor
from domain.clock import Clock
from domain.errors import Damaged, Refused
from domain.event import Event, EventKind
from domain.ids import AttachmentId
from storage import Records, Unit
from subjects.dossier import Dossier, HeldFile, Place, plain
from subjects.gathering import Gathering
from subjects.search import Search
from transfer import Download, Member, Reading, Sending, stored_name, unique_names, zipped

Compose = Callable[[Dossier], str]
"""Words a dossier for a person to read: HTML that needs nothing else."""


class Exporting:
    """Makes exports. Safe from any thread. ``places``: where the data is kept, and to whom it goes."""

    def __init__(
        self,
        records: Records,
        search: Search,
        gathering: Gathering,
        sending: Sending,
        log: Log,
        clock: Clock,
        *,
        places: Sequence[Place],
    ) -> None:
        self._records = records
        self._search = search
        self._gathering = gathering
        self._sending = sending
        self._log = log
        self._clock = clock
        self._places = places

    def open(self, actor: Actor, address: str, compose: Compose) -> Export:
        """An export of all that is held of whoever has that address, which may be nothing; it is an entry of the audit
        log from here on. Raises NotAllowed, BadInput (field ``email``), KeysUnavailable."""
        actor.scope(Action.EXPORT_SUBJECT)
        person = self._search.person(address)
        self._search.index()
        dossier = Dossier(new_id(), self._clock(), person.address, places=self._places)
        self._records.read(lambda unit: self._gathering.fill(unit, person, dossier))
        self._records.write(lambda unit: self._note(unit, actor, dossier))
        # Whoever may hand a person's files to that person may read them for it, and the log says who did.
        reader = replace(actor, granted=actor.granted | {Action.READ_FILE})
        return Export(self._sending, Reading(reader), dossier, compose)

    def _note(self, unit: Unit, actor: Actor, dossier: Dossier) -> None:
        facts = {
            "tickets": len(dossier.tickets),
            "files": len(dossier.files),
            "links": len(dossier.links),
            "mails": len(dossier.mails),
            "principals": len(dossier.access),
        }
        self._log.append(unit, Event(EventKind.SUBJECT_EXPORTED, actor, dossier.request, facts))


class Export:
    """An export under way: ``chunks`` once, then ``close`` in any case; ``dossier`` is whole when they are through.

    The indexes come last: they say of each file whether it is there.
    """

    def __init__(self, sending: Sending, reading: Reading, dossier: Dossier, compose: Compose) -> None:
        self.name = f"personal-data-{dossier.request}.zip"
        self.dossier = dossier
        self._sending = sending
        self._reading = reading
        self._compose = compose
        self._download: Download | None = None
        self._delivered = 0

    def chunks(self) -> Iterator[bytes]:
        """The zip, in pieces of 1 MiB. Raises Damaged where a file turns out to be when some of it is out already (made
        anew, the export leaves it out), AlreadyPurged likewise, and Unavailable: what came is then no whole."""
        yield from zipped(self._members())

    def close(self) -> None:
        """Let go of the file that was being sent; again is nothing."""
        download, self._download = self._download, None
        if download is not None:
            download.close(self._delivered)

    def _members(self) -> Iterator[Member]:
        folders = unique_names(stored_name(ticket.ref) for ticket in self.dossier.tickets)
        for ticket, folder in zip(self.dossier.tickets, folders, strict=True):
            files = [file for file in ticket.files if file.left_out is None]
            names = unique_names(file.name or file.id for file in files)
            for file, name in zip(files, names, strict=True):
                download = self._opened(file)
                if download is not None:
                    file.path = f"files/{folder}/{name}"
                    yield Member(file.path, file.received_at, download.size, self._bytes(download))
                    self.close()
        index = json.dumps(plain(self.dossier), ensure_ascii=False, indent=1).encode()
        yield Member("index.json", self.dossier.at, len(index), [index])
        page = self._compose(self.dossier).encode()
        yield Member("index.html", self.dossier.at, len(page), [page])

    def _opened(self, file: HeldFile) -> Download | None:
        """The file, proven to begin and end as it should; None: it is left out, and the index says why."""
        self._delivered = 0
        try:
            self._download = self._sending.open(self._reading, AttachmentId(file.id))
        except Damaged:
            file.left_out = "damaged"
        except Refused as error:  # erased or locked away since it was looked up
            file.left_out = error.code
        return self._download

    def _bytes(self, download: Download) -> Iterator[bytes]:
        for piece in download.chunks():
            self._delivered += len(piece)
            yield piece

"""What is held of a person, gathered from the rooms in one snapshot."""

from __future__ import annotations

import json
from datetime import datetime

from domain.actor import EVERYTHING
from domain.attachment import Attachment, AttachmentState
from domain.clock import Clock
from domain.errors import Damaged
from domain.event import EventKind
from domain.link import Link
from domain.ticket import Ticket
from domain.upload import UploadState
from keys import ATTACHMENT, Keys
from links import Listing
from retention import Outlook
from storage import JournalFilter, Unit
from subjects.dossier import (
    Dossier,
    Held,
    HeldAccess,
    HeldFile,
    HeldLink,
    HeldMail,
    HeldReceipt,
    HeldTicket,
    Taken,
)
from subjects.keeping import keeps
from subjects.search import Person, Search
from tickets import View

DOWNLOADS = 1000
"""How many downloads of a file are told at the most, the newest."""
_LEFT_OUT = {
    AttachmentState.SCANNING: "scanning",
    AttachmentState.QUARANTINED: "quarantined",
    AttachmentState.DAMAGED: "damaged",
    AttachmentState.PURGING: "erased",
    AttachmentState.PURGED: "erased",
}


class Gathering:
    """Gathers in the caller's transaction. Safe from any thread."""

    def __init__(
        self, search: Search, view: View, listing: Listing, outlook: Outlook, keys: Keys, clock: Clock
    ) -> None:
        self._search = search
        self._view = view
        self._listing = listing
        self._outlook = outlook
        self._keys = keys
        self._clock = clock

    def fill(self, unit: Unit, person: Person, dossier: Dossier) -> None:
        """All there is. Raises KeysUnavailable."""
        own = list(self._search.tickets(unit, person))
        dossier.tickets = [self._ticket(unit, person, ticket) for ticket in own]
        mine = {ticket.id for ticket in own}
        foreign = [link for link in self._search.links(unit, person) if link.ticket_id not in mine]
        dossier.links = [self._link(unit, person, link) for link in foreign]
        dossier.mails = [HeldMail(subject, mail.expires_at) for mail, subject in self._search.mails(unit, person)]
        dossier.access = [
            HeldAccess(one.id, name, one.role.value, one.created_at, one.disabled_at)
            for one, name in self._search.principals(unit, person)
        ]

    def _ticket(self, unit: Unit, person: Person, ticket: Ticket) -> HeldTicket:
        view = self._view.open_ticket(unit, ticket)
        destiny = self._outlook.destiny(unit, ticket)
        kept = keeps(self._outlook, unit, ticket, self._clock())
        uploads = unit.uploads_found.of_ticket(ticket.id)
        return HeldTicket(
            ref=ticket.ref,
            status=ticket.status.value,
            subject=view.subject,
            requester_email=view.requester_email,
            requester_name=view.requester_name,
            organisation=view.organisation_ref,
            channel=ticket.channel,
            connector=ticket.connector,
            tags=ticket.tags,
            opened_at=ticket.opened_at,
            last_activity_at=ticket.last_activity_at,
            closed_at=ticket.closed_at,
            known_since=ticket.created_at,
            retention_class=destiny.retention_class,
            rule=destiny.rule,
            erased_on=destiny.due_at,
            kept_by=kept.by if kept else None,
            holds=[
                Held("ticket" if hold.ticket_id else "organisation", hold.placed_at, hold.review_on)
                for hold in unit.holds.on_ticket(ticket.id)
            ],
            files=[self._file(unit, row) for row in unit.attachments.of_ticket(ticket.id, EVERYTHING)],
            links=[self._link(unit, person, link) for link in unit.links.of_ticket(ticket.id, EVERYTHING)],
            receipts=[HeldReceipt(one.id, one.created_at) for one in unit.receipts.of_ticket(ticket.id)],
            uploads=sum(one.state in {UploadState.OPEN, UploadState.RECEIVED} for one in uploads),
        )

    def _file(self, unit: Unit, row: Attachment) -> HeldFile:
        left_out = _LEFT_OUT.get(row.state)
        name = None
        try:
            if row.name_sealed is not None:
                name = self._keys.open_text(unit, row.id, ATTACHMENT, "name", row.name_sealed)
        except Damaged:
            left_out = "damaged"
        gone = left_out == "erased"
        return HeldFile(
            id=row.id,
            name=name,
            size=row.size,
            media_type=row.media_type,
            sha256=row.sha256.hex() if row.sha256 else None,
            state="purged" if gone else row.state.value,
            scan=row.scan.value,
            source=row.source.value,
            received_at=row.created_at,
            downloads=_downloads(unit, row),
            purged_at=row.purged_at,
            purge_reason=row.purge_reason,
            certificate=row.certificate_id,
            left_out=left_out,
        )

    def _link(self, unit: Unit, person: Person, link: Link) -> HeldLink:
        ticket = unit.tickets.by_id(link.ticket_id, EVERYTHING)
        return HeldLink(
            id=link.id,
            kind=link.kind.value,
            ticket=ticket.ref if ticket else "",
            created_at=link.created_at,
            expires_at=link.terms.expires_at,
            revoked_at=link.revoked_at,
            downloads=link.used,
            named=link.recipient_digest == person.digest,
            note=_note(self._listing, unit, link),
        )


def _note(listing: Listing, unit: Unit, link: Link) -> str | None:
    try:
        return listing.view(unit, link).note
    except Damaged:
        return None


def _downloads(unit: Unit, row: Attachment) -> list[Taken]:
    what = JournalFilter(kind=EventKind.DOWNLOAD_STARTED.value, subject=row.id)
    found: list[Taken] = []
    for entry in unit.journal.find(what, before=None, limit=DOWNLOADS):
        at: datetime = entry.at
        found.append(Taken(at, str(json.loads(entry.body)["actor"]["role"])))
    return found[::-1]

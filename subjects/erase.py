"""Erasing a person: what may go goes now, with certificates; what must stay is named, with what keeps it.

Each step is a transaction, or may be done again: whoever runs it anew, after a crash too, goes on where it ended. A
ticket keeps its requester until everything else of it is gone, so that it is found again.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from access import People
from audit import Log
from crypto import Secret, keyed_digest, new_id
from domain.actor import EVERYTHING, Action, Actor
from domain.attachment import AttachmentState
from domain.clock import Clock
from domain.errors import AlreadyPurged, BilagaError, FactsStale, StateConflict, Unavailable, UnderHold
from domain.event import Event, EventKind, Scalar
from domain.ids import AttachmentId, BlobId, LinkId, TicketId
from domain.link import LinkKind
from domain.ticket import Ticket
from retention import Outlook, Purge, Reason
from storage import Principal, Records, Unit
from subjects.keeping import ACCESS, HOLD, Kept, keeps
from subjects.report import ErasedFile, ErasureReport, NotErased
from subjects.search import Person, Search
from transfer import Endings

log = logging.getLogger(__name__)
Steps = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Closed:
    """A ticket to which nothing more comes: what is to be erased of it, and blobs that no row names any more."""

    ref: str
    attachments: Sequence[AttachmentId]
    blobs: Sequence[BlobId]
    uploads: int


@dataclass(frozen=True, slots=True)
class _Rest:
    """Mails that wait, and principals of the person's name."""

    mails: Sequence[str]
    principals: Sequence[Principal]

    @property
    def ended(self) -> list[Principal]:
        """Those who cannot come in any more: their names serve nobody."""
        return [one for one in self.principals if one.disabled_at is not None]


class Erasing:
    """Erases persons. Safe from any thread and on any number of nodes: every effect is a compare-and-set of its own.

    ``steps`` is called after each step with its name (``subject-closed``, ``subject-files``, ``subject-ticket``,
    ``subject-link``, and those of the purge): a seam at which tests stop the process.
    """

    def __init__(
        self,
        records: Records,
        search: Search,
        outlook: Outlook,
        purge: Purge,
        endings: Endings,
        people: People,
        log: Log,
        clock: Clock,
        *,
        steps: Steps,
    ) -> None:
        self._records = records
        self._search = search
        self._outlook = outlook
        self._purge = purge
        self._endings = endings
        self._people = people
        self._log = log
        self._clock = clock
        self._steps = steps

    def run(self, actor: Actor, address: str, *, dry_run: bool = False, reason: str | None = None) -> ErasureReport:
        """Erase what may go of whoever has that address, or, dry, only say what that is. Nobody of that address being
        known is an answer, not an error. ``reason``: the audit log commits to it, and keeps none of it.

        Raises NotAllowed, BadInput (field ``email``), RecordsUnavailable. What could not be erased is in the report.
        """
        actor.scope(Action.ERASE_SUBJECT)
        person = self._search.person(address)
        self._search.index()
        report = ErasureReport(new_id(), self._clock(), dry_run)
        own = self._records.read(lambda unit: [ticket.id for ticket in self._search.tickets(unit, person)])
        report.found = bool(own)
        # Some of the mails go with their tickets: counted before anything does.
        waiting = self._records.read(lambda unit: self._look(unit, person).mails)
        report.mails = len(waiting)
        for ticket_id in own:
            if dry_run:
                self._records.read(lambda unit, one=ticket_id: self._would(unit, person, one, report))  # type: ignore[misc]
            else:
                self._ticket(actor, person, ticket_id, report)
        self._links(actor, person, frozenset(own), report)
        key = None if reason is None or dry_run else secrets.token_bytes(32)
        if dry_run:
            rest = self._records.read(lambda unit: self._look(unit, person))
        else:
            said = None if key is None or reason is None else (key, reason)
            rest = self._records.write(lambda unit: self._finish_person(unit, actor, person, report, said))
            self._tidy()
        report.principals = [one.id for one in rest.ended]
        report.kept += [Kept("principal", one.id, ACCESS) for one in rest.principals if one.disabled_at is None]
        report.found = report.found or bool(waiting or rest.principals)
        report.reason_key = None if key is None else key.hex()
        return report

    # -- tickets -------------------------------------------------------------------------------------------------------
    def _ticket(self, actor: Actor, person: Person, ticket_id: TicketId, report: ErasureReport) -> None:
        """One ticket: links closed, files erased, then its own data. Anything that is in the way leaves it findable."""
        closed = self._records.write(lambda unit: self._close(unit, person, ticket_id))
        self._steps("subject-closed")
        if isinstance(closed, NotErased):
            report.failed.append(closed)
        if isinstance(closed, Kept):
            report.kept.append(closed)
        if not isinstance(closed, _Closed):
            return
        report.uploads += closed.uploads
        self._endings.delete(closed.blobs)
        gone = [self._file(actor, closed.ref, attachment_id, report) for attachment_id in closed.attachments]
        self._steps("subject-files")
        if all(gone):
            self._finish_ticket(actor, person, ticket_id, closed.ref, report)

    def _finish_ticket(
        self, actor: Actor, person: Person, ticket_id: TicketId, ref: str, report: ErasureReport
    ) -> None:
        try:
            finished = self._records.write(lambda unit: self._finish(unit, actor, person, ticket_id))
        except StateConflict as error:  # files still arrive, or the ticket was changed just now
            report.failed.append(NotErased("ticket", ref, error.code))
            return
        if isinstance(finished, Kept):
            report.kept.append(finished)
        elif isinstance(finished, NotErased):
            report.failed.append(finished)
        elif finished is not None:
            report.tickets.append(ref)
            report.receipts += finished
        self._steps("subject-ticket")

    def _would(self, unit: Unit, person: Person, ticket_id: TicketId, report: ErasureReport) -> None:
        """What ``_ticket`` would do."""
        ticket = _of(unit, person, ticket_id)
        if ticket is None:
            return
        kept = self._keeps(unit, ticket)
        if isinstance(kept, NotErased):
            report.failed.append(kept)
            return
        if kept is not None:
            report.kept.append(kept)
            return
        rows = unit.attachments.of_ticket(ticket_id, EVERYTHING)
        report.files += [ErasedFile(row.id, ticket.ref) for row in rows if row.state is not AttachmentState.PURGED]
        report.tickets.append(ticket.ref)
        report.receipts += len(unit.receipts.of_ticket(ticket_id))
        report.uploads += len(unit.uploads_found.of_ticket(ticket_id))

    def _keeps(self, unit: Unit, ticket: Ticket) -> Kept | NotErased | None:
        """What keeps a ticket. NotErased: what is known of it is too old to tell that nothing does (S-69)."""
        kept = keeps(self._outlook, unit, ticket, self._clock())
        if kept is None:
            try:
                self._outlook.check_fresh(unit, ticket)
            except FactsStale as error:
                return NotErased("ticket", ticket.ref, error.code)
        return kept

    def _close(self, unit: Unit, person: Person, ticket_id: TicketId) -> _Closed | Kept | NotErased | None:
        """Let nothing more come: upload links dead, uploads under way ended. None: it is not theirs any more."""
        ticket = _of(unit, person, ticket_id)
        if ticket is None:
            return None
        kept = self._keeps(unit, ticket)
        if kept is not None:
            return kept
        for link in unit.links.of_ticket(ticket_id, EVERYTHING):
            if link.kind is LinkKind.UPLOAD:
                unit.links.revoke(link.id, at=self._clock())
        uploads = unit.uploads_found.of_ticket(ticket_id)
        blobs = [blob for upload in uploads for blob in self._endings.drop(unit, upload, "erased")]
        rows = unit.attachments.of_ticket(ticket_id, EVERYTHING)
        left = [row.id for row in rows if row.state is not AttachmentState.PURGED]
        return _Closed(ticket.ref, left, blobs, len(uploads))

    def _file(self, actor: Actor, ref: str, attachment_id: AttachmentId, report: ErasureReport) -> bool:
        """Whether the file is gone."""
        try:
            certificate = self._purge.erase(actor, attachment_id, Reason.ERASED)
        except AlreadyPurged:
            return True
        except UnderHold:
            if Kept("ticket", ref, HOLD) not in report.kept:
                report.kept.append(Kept("ticket", ref, HOLD))
            return False
        except BilagaError as error:
            log.error("subject.file-not-erased", extra={"attachment_id": attachment_id, "code": error.code})
            report.failed.append(NotErased("file", attachment_id, error.code))
            return False
        report.files.append(ErasedFile(attachment_id, ref, certificate.id))
        return True

    def _finish(self, unit: Unit, actor: Actor, person: Person, ticket_id: TicketId) -> Kept | NotErased | int | None:
        """What is left of the ticket goes: its people, its links' words, its key, its receipts, whose number it gives.

        Kept: a hold, or a contract, came meanwhile. None: it is not theirs any more.
        """
        ticket = _of(unit, person, ticket_id)
        if ticket is None:
            return None
        kept = self._keeps(unit, ticket)
        if kept is not None:
            return kept
        self._purge.erase_ticket(unit, actor, ticket)
        return unit.receipts.remove_of_ticket(ticket_id)

    # -- the rest ------------------------------------------------------------------------------------------------------
    def _links(self, actor: Actor, person: Person, own: frozenset[TicketId], report: ErasureReport) -> None:
        """Links that name the person: those of erased tickets are gone with them, those of kept ones stay with them."""
        found = self._records.read(lambda unit: [link.id for link in self._search.links(unit, person)])
        report.found = report.found or bool(found)
        for link_id in found:
            decided = self._records.read(lambda unit, one=link_id: self._keeps_link(unit, one, own))  # type: ignore[misc]
            if isinstance(decided, Kept):
                report.kept.append(decided)
            if decided is not True:
                continue
            if not report.dry_run:
                self._records.write(lambda unit, one=link_id: self._link(unit, actor, one))  # type: ignore[misc]
                self._steps("subject-link")
            report.links.append(link_id)

    def _keeps_link(self, unit: Unit, link_id: LinkId, own: frozenset[TicketId]) -> Kept | bool:
        """Whether a link goes by itself; False: as its ticket does. A contract keeps a customer's own requests, and not
        that somebody else was sent something of them."""
        link = unit.links.get(link_id, EVERYTHING)
        ticket = None if link is None else unit.tickets.by_id(link.ticket_id, EVERYTHING)
        if link is None or link.recipient_digest is None or ticket is None or ticket.id in own:
            return False
        return Kept("link", link_id, HOLD) if unit.holds.held(ticket.id) else True

    def _link(self, unit: Unit, actor: Actor, link_id: LinkId) -> None:
        link = unit.links.get(link_id, EVERYTHING)
        if link is None or unit.holds.held(link.ticket_id) or not unit.recipients.erase(link_id, at=self._clock()):
            return
        facts = {
            "kind": link.kind.value,
            "ticket": link.ticket_id,
            "attachment": link.attachment_id,
            "recipient": "erased",
        }
        self._log.append(unit, Event(EventKind.LINK_REVOKED, actor, link_id, facts))

    def _look(self, unit: Unit, person: Person) -> _Rest:
        mails = [mail.id for mail, _ in self._search.mails(unit, person)]
        return _Rest(mails, [principal for principal, _ in self._search.principals(unit, person)])

    def _finish_person(
        self, unit: Unit, actor: Actor, person: Person, report: ErasureReport, reason: tuple[bytes, str] | None
    ) -> _Rest:
        """Mails that wait go, and names of who might once come in; and the entry that tells of it all."""
        rest = self._look(unit, person)
        for mail_id in rest.mails:
            unit.outbox.remove(mail_id)
        for principal in rest.ended:
            self._people.forget(unit, principal)
        facts: dict[str, Scalar] = {
            "tickets": len(report.tickets),
            "files": len(report.files),
            "links": len(report.links),
            "mails": report.mails,
            "receipts": report.receipts,
            "uploads": report.uploads,
            "principals": len(rest.ended),
            "kept": len(report.kept) + len(rest.principals) - len(rest.ended),
            "failed": len(report.failed),
        }
        if reason is not None:
            key, text = reason
            facts["reason_commitment"] = keyed_digest(Secret(key), text).hex()
        self._log.append(unit, Event(EventKind.SUBJECT_ERASED, actor, report.request, facts))
        return rest

    def _tidy(self) -> None:
        try:
            self._records.tidy()
        except Unavailable:  # readers keep the WAL in use; the next run of the purge comes soon enough (S-39: 24 h)
            log.warning("records not tidied")


def _of(unit: Unit, person: Person, ticket_id: TicketId) -> Ticket | None:
    """The ticket, if it is still the person's."""
    ticket = unit.tickets.by_id(ticket_id, EVERYTHING)
    return ticket if ticket is not None and ticket.requester_email_digest == person.digest else None

"""After a backup was put back: what had ended before it was, ends again, before anything is served (S-6).

One transaction begins the log's new epoch, ends what cannot be known to be good still, revokes, quarantines and holds
what was, and claims what was erased. The claims are then carried through as after any crash, if need be at the start of
the service.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from audit import Lasting, Log, Statement
from domain.actor import EVERYTHING
from domain.attachment import LIVE, Attachment, AttachmentState, Scan, step
from domain.clock import Clock
from domain.errors import StateConflict
from domain.event import EventKind
from domain.ids import AttachmentId, LinkId, PrincipalId, TicketId
from domain.ticket import Ticket
from retention.holds import HoldsDesk
from retention.purge import Purge
from storage.records import Records, Unit

REASON = "Held before a backup was put back. The reason was lost with what came after the backup."


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore ended anew, in numbers. ``informed``: whether there was a second place to learn it from."""

    informed: bool
    sessions: int = 0
    grants: int = 0
    counted_links: int = 0
    revoked_links: int = 0
    credentials: int = 0
    attachments: int = 0
    tickets: int = 0
    infected: int = 0
    held: int = 0
    failed: int = 0
    """Attachments that are unreadable, but whose bytes could not be removed just now."""


class Restoration:
    """Does it. Only while nothing serves the site."""

    def __init__(self, records: Records, purge: Purge, holds: HoldsDesk, journal: Log, clock: Clock) -> None:
        self._records = records
        self._purge = purge
        self._holds = holds
        self._log = journal
        self._clock = clock

    def run(self) -> Restored:
        """Do it; again after a crash, or twice, it does what is left. Raises ChainBroken and Misconfigured where the
        second place was changed or does not answer."""
        newest, forgotten = self._log.forgotten(self._records)
        restored, tickets = self._records.write(lambda unit: self._apply(unit, newest, forgotten))
        report = self._purge.recover()
        self._records.write(lambda unit: self._mark(unit, tickets))
        return replace(restored, failed=len(report.failed))

    def _mark(self, unit: Unit, ticket_ids: Sequence[TicketId]) -> None:
        """Say of tickets with nothing left that they are erased. One whose files are stuck stays open, and empty."""
        for ticket_id in ticket_ids:
            ticket = unit.tickets.by_id(ticket_id, EVERYTHING)
            if ticket is not None:
                with suppress(StateConflict):
                    unit.tickets.put(replace(ticket, erased_at=self._clock(), version=ticket.version + 1))

    def _apply(
        self, unit: Unit, newest: Statement | None, forgotten: Sequence[Lasting]
    ) -> tuple[Restored, list[TicketId]]:
        now = self._clock()
        told = _Told(forgotten)
        ended = unit.restores.end_all(at=now)
        for one in told.emptied:
            unit.recipients.erase(LinkId(one), at=now)
        revoked = [unit.links.revoke(LinkId(one), at=now) for one in told.ids(EventKind.LINK_REVOKED)]
        disabled = [unit.access.disable(PrincipalId(one), at=now) for one in told.ids(EventKind.CREDENTIAL_REVOKED)]
        infected = [_quarantine(unit, AttachmentId(one)) for one in told.ids(EventKind.SCAN_FINISHED)]
        found = [unit.tickets.by_id(TicketId(one), EVERYTHING) for one in told.ids(EventKind.TICKET_ERASED)]
        tickets = [ticket for ticket in found if ticket is not None and ticket.erased_at is None]
        attachments = _unpurged(unit, told, tickets)
        restored = Restored(
            informed=newest is not None,
            sessions=ended.sessions,
            grants=ended.grants,
            counted_links=ended.links,
            revoked_links=sum(revoked),
            credentials=sum(disabled),
            attachments=len(attachments),
            tickets=len(tickets),
            infected=sum(infected),
        )
        # Nothing before this was an entry: the new epoch begins with it.
        counts = {name: value for name, value in asdict(restored).items() if name not in {"held", "failed"}}
        self._log.begin_again(unit, newest, counts)
        for attachment in attachments:
            self._purge.claim_again(unit, attachment, told.certificates.get(attachment.id))
        for ticket in tickets:
            self._purge.erase_ticket_again(unit, ticket)
        held = [self._holds.place_again(unit, on_id, REASON) for on_id in told.held]
        return replace(restored, held=sum(held)), [ticket.id for ticket in tickets]


class _Told:
    """Facts by what they are about. A hold that was released again leaves nothing to be done."""

    def __init__(self, facts: Sequence[Lasting]) -> None:
        self._facts = facts
        self.certificates = {one.subject: one.detail for one in facts if one.kind is EventKind.PURGE_FINISHED}
        self.emptied = [one.subject for one in facts if one.kind is EventKind.LINK_REVOKED and one.detail is not None]
        on = {one.detail: one.kind for one in facts if one.kind in {EventKind.HOLD_PLACED, EventKind.HOLD_RELEASED}}
        self.held = [on_id for on_id, kind in on.items() if on_id is not None and kind is EventKind.HOLD_PLACED]

    def ids(self, *kinds: EventKind) -> list[str]:
        """The ids that facts of these kinds are about, each once."""
        return list(dict.fromkeys(one.subject for one in self._facts if one.kind in kinds))


def _unpurged(unit: Unit, told: _Told, tickets: Sequence[Ticket]) -> list[Attachment]:
    """Attachments that were erased, or being erased, and are here again; those of erased tickets among them."""
    ids = told.ids(EventKind.PURGE_STARTED, EventKind.PURGE_FINISHED)
    found = [unit.attachments.get(AttachmentId(one), EVERYTHING) for one in ids]
    found += [one for ticket in tickets for one in unit.attachments.of_ticket(ticket.id, EVERYTHING)]
    return list({one.id: one for one in found if one is not None and one.state in LIVE}.values())


def _quarantine(unit: Unit, attachment_id: AttachmentId) -> bool:
    """A verdict is the last word: what waits for one has been given it."""
    row = unit.attachments.get(attachment_id, EVERYTHING)
    if row is None or row.state is not AttachmentState.SCANNING:
        return False
    state = step(row.state, AttachmentState.QUARANTINED)
    unit.attachments.save(replace(row, state=state, scan=Scan.INFECTED, version=row.version + 1))
    return True

"""Room in quotas for one file: claimed, extended, settled and given back for all its owners at once (S-41)."""

from __future__ import annotations

from dataclasses import replace

from domain.actor import EVERYTHING
from domain.attachment import Attachment, AttachmentState
from domain.errors import QuotaExceeded, StateConflict
from domain.ids import LinkId, TicketId
from storage import Unit


def owners(attachment: Attachment) -> tuple[LinkId | TicketId, ...]:
    """Whose quota a file takes up: its ticket's, and its link's where it came by one. Always in this order (locks)."""
    return (attachment.ticket_id,) if attachment.link_id is None else (attachment.ticket_id, attachment.link_id)


def claim_room(unit: Unit, attachment: Attachment, organisation_max: int | None = None) -> None:
    """One file and its reserved bytes. Raises TooMany or QuotaExceeded: the transaction is then to be given up."""
    for owner in owners(attachment):
        unit.quotas.claim(owner, size=attachment.reserved_bytes)
    _check_organisation(unit, attachment.ticket_id, organisation_max)


def extend_room(unit: Unit, attachment: Attachment, size: int, organisation_max: int | None = None) -> None:
    """``size`` more bytes for a file on its way, written in its row. Raises QuotaExceeded: as ``claim_room``."""
    for owner in owners(attachment):
        if not unit.quotas.extend(owner, size=size):
            raise QuotaExceeded
    _check_organisation(unit, attachment.ticket_id, organisation_max)
    unit.attachments.save(
        replace(attachment, reserved_bytes=attachment.reserved_bytes + size, version=attachment.version + 1)
    )


def settle_room(unit: Unit, attachment: Attachment, size: int) -> None:
    """The file is complete, with ``size`` bytes."""
    for owner in owners(attachment):
        unit.quotas.settle(owner, reserved=attachment.reserved_bytes, size=size)


def give_room_back(unit: Unit, attachment: Attachment) -> None:
    """The file came to nothing."""
    for owner in owners(attachment):
        unit.quotas.give_back_claim(owner, reserved=attachment.reserved_bytes)


def end_receiving(unit: Unit, attachment: Attachment) -> None:
    """Remove a row that came to nothing, with its key and its room; its blob goes after this is committed (S-7).

    Raises StateConflict where the row is no more receiving.
    """
    if attachment.state is not AttachmentState.RECEIVING or not unit.attachments.remove(attachment.id):
        raise StateConflict(state=attachment.state.value)
    give_room_back(unit, attachment)
    unit.keys.destroy(attachment.id)


def _check_organisation(unit: Unit, ticket_id: TicketId, most: int | None) -> None:
    """Raises QuotaExceeded where what was just reserved is more than the ticket's organisation may take up.

    Asked after the reserving and in its transaction: writers come one after another (SQLite) or fail to serialise
    (PostgreSQL), so that parallel uploads cannot pass the limit together (S-41).
    """
    if most is None:
        return
    ticket = unit.tickets.by_id(ticket_id, EVERYTHING)
    if ticket is None or ticket.organisation_id is None:
        return
    if unit.inventory.organisation_bytes(ticket.organisation_id) > most:
        raise QuotaExceeded

"""Making links: who may, under which terms, and the token that is shown this once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from audit import Log
from crypto import TokenPurpose, new_id, new_token, token_digest
from domain.actor import Action, Actor
from domain.attachment import LIVE, Attachment, AttachmentState
from domain.clock import Clock, rfc3339
from domain.errors import AlreadyPurged, Gone, NotFound, Quarantined, StateConflict
from domain.event import Event, EventKind
from domain.ids import AttachmentId, LinkId, TicketId
from domain.link import Link, LinkKind, Terms
from keys import TICKET, Keys
from links import terms
from links.recipient import RECIPIENT
from links.terms import LinkLimits
from storage import Unit

NOTE = "note"


@dataclass(frozen=True, slots=True)
class Issued:
    """A new link, and its token, which nothing gives again."""

    link: Link
    token: str


class Issuing:
    """Makes links in the caller's transaction. ``passcode_hash`` is made outside of it (``Passcodes.hash``: slow).

    All raise BadInput with the field that is wrong, NotAllowed, and NotFound for what the actor's scope does not see.
    """

    def __init__(
        self,
        keys: Keys,
        log: Log,
        clock: Clock,
        limits: LinkLimits | None = None,
        *,
        find_by: Callable[[str], bytes] | None = None,
    ) -> None:
        """``find_by``: the digest that a recipient's address is found by; None: whoever looks for one makes it then."""
        self._keys = keys
        self._log = log
        self._clock = clock
        self._limits = limits or LinkLimits()
        self._find_by = find_by

    def upload(
        self,
        unit: Unit,
        actor: Actor,
        ticket_ref: str,
        *,
        expires_in: str | None = None,
        expires_at: datetime | str | None = None,
        max_files: int | None = None,
        max_bytes: int | None = None,
        allowed_types: Sequence[str] = (),
        passcode_hash: str | None = None,
        language: str | None = None,
        note: str | None = None,
    ) -> Issued:
        """A link that brings files to a ticket. Raises Gone where the ticket was erased."""
        now = self._clock()
        agreed = Terms(
            expires_at=terms.expiry(
                now, expires_in, expires_at, default=self._limits.upload_for, longest=self._limits.longest
            ),
            max_files=terms.count(max_files, "max_files"),
            max_bytes=terms.size(max_bytes, "max_bytes"),
            allowed_types=terms.types(allowed_types),
        )
        language, note = terms.language(language), terms.note(note)
        ticket = unit.tickets.get(ticket_ref, actor.scope(Action.MAKE_LINK))
        if ticket is None:
            raise NotFound
        if ticket.erased_at is not None:
            raise Gone("this ticket has been erased")
        link = Link(
            id=LinkId(new_id()),
            kind=LinkKind.UPLOAD,
            ticket_id=ticket.id,
            attachment_id=None,
            terms=agreed,
            passcode_hash=passcode_hash,
            recipient_sealed=None,
            note_sealed=self._seal(unit, ticket.id, NOTE, note),
            language=language,
            created_at=now,
            created_by=actor.principal_id,
            revoked_at=None,
            used=0,
        )
        unit.quotas.open(link.id, max_files=agreed.max_files, max_bytes=agreed.max_bytes)
        return self._keep(unit, actor, link, TokenPurpose.UPLOAD)

    def download(
        self,
        unit: Unit,
        actor: Actor,
        attachment_id: AttachmentId,
        *,
        expires_in: str | None = None,
        expires_at: datetime | str | None = None,
        max_downloads: int | None = None,
        passcode_hash: str | None = None,
        recipient: str | None = None,
        language: str | None = None,
    ) -> Issued:
        """A link that hands out one attachment. Raises AlreadyPurged, Quarantined; StateConflict for a damaged one."""
        now = self._clock()
        agreed = Terms(
            expires_at=terms.expiry(
                now, expires_in, expires_at, default=self._limits.download_for, longest=self._limits.longest
            ),
            max_downloads=terms.count(max_downloads, "max_downloads"),
        )
        language, recipient = terms.language(language), terms.recipient(recipient)
        attachment = unit.attachments.get(attachment_id, actor.scope(Action.MAKE_LINK))
        if attachment is None:
            raise NotFound
        _check_live(attachment)
        link = Link(
            id=LinkId(new_id()),
            kind=LinkKind.DOWNLOAD,
            ticket_id=attachment.ticket_id,
            attachment_id=attachment.id,
            terms=agreed,
            passcode_hash=passcode_hash,
            recipient_sealed=self._seal(unit, attachment.ticket_id, RECIPIENT, recipient),
            note_sealed=None,
            language=language,
            created_at=now,
            created_by=actor.principal_id,
            revoked_at=None,
            used=0,
            recipient_digest=None if recipient is None or self._find_by is None else self._find_by(recipient),
        )
        return self._keep(unit, actor, link, TokenPurpose.DOWNLOAD)

    def _seal(self, unit: Unit, ticket_id: TicketId, label: str, text: str | None) -> bytes | None:
        return None if text is None else self._keys.seal_text(unit, ticket_id, TICKET, label, text)

    def _keep(self, unit: Unit, actor: Actor, link: Link, purpose: TokenPurpose) -> Issued:
        token = new_token(purpose)
        unit.links.add(link, token_digest(token))
        self._log.append(
            unit,
            Event(
                EventKind.LINK_MADE,
                actor,
                link.id,
                {
                    "kind": link.kind.value,
                    "ticket": link.ticket_id,
                    "attachment": link.attachment_id,
                    "expires_at": rfc3339(link.terms.expires_at),
                    "max_files": link.terms.max_files,
                    "max_bytes": link.terms.max_bytes,
                    "max_downloads": link.terms.max_downloads,
                    "passcode": link.passcode_hash is not None,
                    "recipient": link.recipient_sealed is not None,
                },
            ),
        )
        return Issued(link, token)


def _check_live(attachment: Attachment) -> None:
    state = attachment.state
    if state is AttachmentState.RECEIVING:
        raise NotFound
    if state not in LIVE:
        raise AlreadyPurged
    if state is AttachmentState.QUARANTINED:
        raise Quarantined
    if state is AttachmentState.DAMAGED:
        raise StateConflict(state=state.value)

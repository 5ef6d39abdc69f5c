"""Redeeming links: from a token in a URL to what it gives now, by the state of everything now (S-52).

A token that does not have its exact form is unknown before any database work; for the rest one digest is looked up.
Showing (``upload_page``, ``download_page``, ``upload``, ``grant``) changes nothing; ``take`` alone counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from audit import Log
from crypto import TokenPurpose, is_token, new_id, new_token, token_digest
from domain.actor import EVERYTHING, Actor, Role
from domain.attachment import LIVE, Attachment, AttachmentState
from domain.clock import Clock
from domain.errors import (
    AlreadyPurged,
    BilagaError,
    Damaged,
    LinkExpired,
    LinkRevoked,
    LinkUnknown,
    LinkUsedUp,
    NotReady,
    Quarantined,
)
from domain.event import Event, EventKind
from domain.ids import GrantId
from domain.link import Grant, Link
from domain.ticket import Ticket
from keys import ATTACHMENT, TICKET, Keys
from links.issue import NOTE
from links.passcode import PasscodeProof, Passcodes, demand_passcode
from links.recipient import CodeProof, demand_code, open_recipient
from links.refusal import link_of_token, record_refusal
from storage import Unit

GRANT_LIFE = timedelta(hours=1)
GRANT_SLACK = 16 << 20
"""Bytes of a grant's budget beyond twice the size: for resuming a small file over a bad connection."""

_PURPOSES = (TokenPurpose.UPLOAD, TokenPurpose.DOWNLOAD, TokenPurpose.GRANT)


@dataclass(frozen=True, slots=True)
class UploadGrant:
    """What an upload link gives now: files for one ticket. ``actor`` is the requester who holds it."""

    link: Link
    ticket: Ticket
    actor: Actor
    files_left: int | None
    bytes_left: int | None

    @property
    def full(self) -> bool:
        """Whether nothing more can come by it. Files still on their way do not count: they may come to nothing."""
        return any(left is not None and left <= 0 for left in (self.files_left, self.bytes_left))


@dataclass(frozen=True, slots=True)
class UploadPage:
    """What the upload page shows."""

    grant: UploadGrant
    note: str | None
    passcode_needed: bool


@dataclass(frozen=True, slots=True)
class DownloadPage:
    """What the landing page shows. ``erased_at``: when retention will erase the bytes; None: not decided yet."""

    link: Link
    attachment: Attachment
    name: str | None
    downloads_left: int | None
    erased_at: datetime | None
    passcode_needed: bool
    code_needed: bool
    recipient_hint: str | None


class Redeeming:
    """Redeems tokens in the caller's transaction.

    Raises LinkUnknown, LinkExpired, LinkRevoked, LinkUsedUp, AlreadyPurged: to a stranger 404 or 410, no more. Whoever
    catches them calls ``refused`` in the next transaction: what was raised rolled its own back.
    """

    def __init__(self, keys: Keys, log: Log, clock: Clock, passcodes: Passcodes) -> None:
        self._keys = keys
        self._log = log
        self._clock = clock
        self._passcodes = passcodes

    def upload(self, unit: Unit, token: str, *, passcode: PasscodeProof | None = None) -> UploadGrant:
        """What an upload token gives to whoever sends. Raises WrongPasscode without the proof where one is needed."""
        given = self._upload(unit, token)
        demand_passcode(given.link, passcode)
        return given

    def upload_page(self, unit: Unit, token: str, *, sending: bool = False) -> UploadPage:
        """What an upload token shows; no passcode is needed to see the form. ``sending``: of a full link too, where the
        claim says that there is no room, or the request is the very one that filled it (S-4)."""
        given = self._upload(unit, token, sending=sending)
        link = given.link
        note = None
        if link.note_sealed is not None:
            note = self._keys.open_text(unit, link.ticket_id, TICKET, NOTE, link.note_sealed)
        return UploadPage(given, note, link.passcode_hash is not None)

    def download(self, unit: Unit, token: str) -> tuple[Link, Attachment]:
        """A live download link and its attachment, whatever state that is in but purged."""
        link = self._link(unit, token, TokenPurpose.DOWNLOAD)
        link.check_alive(self._clock())
        return link, self._attachment(unit, link)

    def download_page(self, unit: Unit, token: str) -> DownloadPage:
        """What a download token shows; nothing is counted, nothing is sent."""
        link, attachment = self.download(unit, token)
        name = None
        if attachment.name_sealed is not None:
            name = self._keys.open_text(unit, attachment.id, ATTACHMENT, "name", attachment.name_sealed)
        ticket = unit.tickets.by_id(attachment.ticket_id, EVERYTHING)
        address = open_recipient(unit, self._keys, link)
        most = link.terms.max_downloads
        return DownloadPage(
            link=link,
            attachment=attachment,
            name=name,
            downloads_left=None if most is None else most - link.used,
            erased_at=ticket.purge_due_at if ticket else None,
            passcode_needed=link.passcode_hash is not None,
            code_needed=link.recipient_sealed is not None,
            recipient_hint=None if address is None else _hint(address),
        )

    def take(
        self,
        unit: Unit,
        token: str,
        *,
        address_digest: bytes,
        passcode: PasscodeProof | None = None,
        code: CodeProof | None = None,
    ) -> tuple[Grant, str]:
        """Count one download and give a grant with its token: bytes of the attachment for an hour.

        The count is one conditional statement, so of any number of parallel takes no more succeed than were allowed
        (S-58); it is never given back. Raises WrongPasscode, CodeNeeded, RateLimited (too many failures meanwhile),
        NotReady, Quarantined, Damaged: then nothing was counted.
        """
        link, attachment = self.download(unit, token)
        if link.passcode_hash is not None:
            # Again, now that tries are in order: many at once prove nothing that few could not.
            self._passcodes.allowed(unit, link.id, address_digest)
        demand_passcode(link, passcode)
        demand_code(link, code)
        size = _downloadable(attachment)
        now = self._clock()
        if not unit.links.count_use(link.id, now=now):
            raise LinkUsedUp
        grant = Grant(
            id=GrantId(new_id()),
            link_id=link.id,
            attachment_id=attachment.id,
            created_at=now,
            expires_at=now + GRANT_LIFE,
            budget=2 * size + GRANT_SLACK,
            spent=0,
        )
        grant_token = new_token(TokenPurpose.GRANT)
        unit.grants.add(grant, token_digest(grant_token))
        unit.attachments.count_download(attachment.id)
        self._log.append(
            unit,
            Event(
                EventKind.LINK_REDEEMED,
                Actor(Role.REQUESTER),
                link.id,
                {"grant": grant.id, "attachment": attachment.id, "used": link.used + 1},
            ),
        )
        return grant, grant_token

    def grant(self, unit: Unit, token: str) -> Grant:
        """The grant of a grant token, if it still gives anything: not over, its link not revoked, its attachment not
        purged. A link that is expired or used up since ends no grant: its hour is the end of access."""
        if not is_token(TokenPurpose.GRANT, token):
            raise LinkUnknown
        grant = unit.grants.by_digest(token_digest(token))
        if grant is None:
            raise LinkUnknown
        link = unit.links.get(grant.link_id, EVERYTHING)
        if link is None or link.revoked_at is not None:
            raise LinkRevoked
        if self._clock() >= grant.expires_at:
            raise LinkExpired
        self._attachment(unit, link)
        return grant

    def refused(self, unit: Unit, token: str, cause: BilagaError) -> None:
        """Write down a refusal with its true cause. What has no token's form is not written down: it names no link."""
        if any(is_token(purpose, token) for purpose in _PURPOSES):
            record_refusal(unit, self._log, link_of_token(unit, token), cause)

    def sweep(self, unit: Unit) -> int:
        """Delete grants that are over; how many."""
        return unit.grants.sweep(before=self._clock())

    def _upload(self, unit: Unit, token: str, *, sending: bool = False) -> UploadGrant:
        link = self._link(unit, token, TokenPurpose.UPLOAD)
        link.check_alive(self._clock())
        ticket = unit.tickets.by_id(link.ticket_id, EVERYTHING)
        if ticket is None or ticket.erased_at is not None:
            raise LinkRevoked
        quota = unit.quotas.get(link.id)
        files, size = (quota.used_files, quota.used_bytes) if quota else (0, 0)
        most = (quota.max_files, quota.max_bytes) if quota else (link.terms.max_files, link.terms.max_bytes)
        given = UploadGrant(
            link,
            ticket,
            Actor(Role.REQUESTER, ticket_id=ticket.id),
            files_left=None if most[0] is None else most[0] - files,
            bytes_left=None if most[1] is None else most[1] - size,
        )
        if given.full and not sending:
            raise LinkUsedUp
        return given

    def _link(self, unit: Unit, token: str, purpose: TokenPurpose) -> Link:
        if not is_token(purpose, token):
            raise LinkUnknown
        link = unit.links.by_digest(token_digest(token))
        if link is None:
            raise LinkUnknown
        return link

    def _attachment(self, unit: Unit, link: Link) -> Attachment:
        attachment = None
        if link.attachment_id is not None:
            attachment = unit.attachments.get(link.attachment_id, EVERYTHING)
        if attachment is None or attachment.state not in LIVE:
            raise AlreadyPurged
        return attachment


def _downloadable(attachment: Attachment) -> int:
    """The size of an attachment that can be sent now."""
    if attachment.state is AttachmentState.SCANNING:
        raise NotReady
    if attachment.state is AttachmentState.QUARANTINED:
        raise Quarantined
    if attachment.state is AttachmentState.DAMAGED or attachment.size is None:
        raise Damaged
    return attachment.size


def _hint(address: str) -> str:
    """Enough of an address for its owner to know it: ``a•••@example.org``."""
    local, _, domain = address.partition("@")
    return f"{local[:1]}•••@{domain}"

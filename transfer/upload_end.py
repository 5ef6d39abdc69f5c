"""The end of an upload: what is left of it in rows, keys and blobs (S-3, S-49)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from audit import Log
from domain.actor import EVERYTHING, SYSTEM, Actor, Role
from domain.attachment import AttachmentState
from domain.errors import BilagaError, LinkRevoked
from domain.event import Event, EventKind
from domain.ids import BlobId
from domain.upload import Upload, UploadState
from storage import BlobStore, Unit
from transfer.claim import Incoming
from transfer.room import end_receiving

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endings:
    """Ends uploads, each in its caller's transaction; the blobs that this gives are deleted after the commit (S-7)."""

    journal: Log
    blobs: BlobStore

    def drop(self, unit: Unit, upload: Upload, code: str) -> list[BlobId]:
        """Nothing of it is kept, the row neither."""
        gone = self.give_up(unit, upload, code)
        unit.uploads.remove(upload.id)
        return gone

    def fail(self, unit: Unit, upload: Upload, code: str) -> list[BlobId]:
        """As ``drop``; but the row stays, and says why, until its time is up."""
        gone = self.give_up(unit, upload, code)
        unit.uploads.save(
            replace(upload, state=UploadState.FAILED, failure=code, holder=None, wanted=False, writing=None)
        )
        return gone

    def note_damage(self, unit: Unit, upload: Upload, error: BilagaError) -> None:
        """It cannot be read: all of it stays as it is, and says so."""
        unit.uploads.save(replace(upload, failure=error.code))
        facts = {"cause": type(error).__name__, "ticket": upload.ticket_id, "link": upload.link_id}
        self.journal.append(unit, Event(EventKind.INTEGRITY_FAILED, SYSTEM, upload.attachment_id, facts))

    def give_up(self, unit: Unit, upload: Upload, code: str) -> list[BlobId]:
        """End the claim, if it is one still, with room and keys and parts."""
        gone = self.forget_parts(unit, upload)
        if upload.writing is not None:
            gone.append(upload.writing)
        row = unit.attachments.get(upload.attachment_id, EVERYTHING)
        if row is not None and row.state is AttachmentState.RECEIVING:
            end_receiving(unit, row)
            gone.append(row.blob_id)
            facts = {"ticket": row.ticket_id, "link": row.link_id, "code": code}
            self.journal.append(unit, Event(EventKind.UPLOAD_REFUSED, SYSTEM, row.id, facts))
        return gone

    def forget_parts(self, unit: Unit, upload: Upload) -> list[BlobId]:
        """Delete the parts' rows, and the upload's keys with the last part that is sealed under each."""
        owners = {part.owner_id for part in unit.upload_parts.of(upload.id)} | {upload.id}
        gone = [part.blob_id for part in unit.upload_parts.delete(upload.id)]
        for owner in sorted(owners - {upload.attachment_id}):
            if not unit.upload_parts.owns(owner):
                unit.keys.destroy(owner)
        return gone

    def delete(self, blob_ids: Iterable[BlobId]) -> None:
        """Delete blobs that no row names any more; what cannot be deleted now, the sweep takes."""
        for blob_id in blob_ids:
            try:
                self.blobs.delete(blob_id)
            except BilagaError as error:
                log.warning("upload.blob-left", extra={"code": error.code})


def incoming_of(unit: Unit, upload: Upload) -> Incoming:
    """Who brings it: as its link was redeemed. Raises LinkRevoked where there is none."""
    link = unit.links.get(upload.link_id, EVERYTHING)
    row = unit.attachments.get(upload.attachment_id, EVERYTHING)
    if link is None or row is None:
        raise LinkRevoked
    actor = Actor(Role.REQUESTER, ticket_id=upload.ticket_id)
    return Incoming(actor, upload.ticket_id, row.source, link, allowed_types=link.terms.allowed_types)

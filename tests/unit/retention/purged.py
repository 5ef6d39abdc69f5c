"""What the tests of the purge share: files that are due, and what is left of one that is gone."""

from __future__ import annotations

from datetime import UTC, datetime

from audit import verify_certificate
from domain.actor import Actor, Role
from domain.attachment import AttachmentState
from domain.event import EventKind
from keys import ATTACHMENT

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ADMIN = Actor(Role.ADMIN)


def due(site, ref="T-1", files=1):
    """A ticket long past its time, with files."""
    ticket = site.put(ref, last_activity_at=LONG_AGO, subject="s", requester_email="a@x.se")
    return [site.send(ticket) for _ in range(files)]


def key_of(site, attachment):
    return site.records.read(lambda unit: unit.keys.get(attachment.id, ATTACHMENT))


def certificates(site):
    return site.records.read(lambda unit: unit.certificates.page(after=None, limit=1000))


def gone(site, attachment):
    """Nothing of it is left but a tombstone and one certificate, and its story was told once."""
    row = site.state(attachment)
    assert row.state is AttachmentState.PURGED
    assert (row.name_sealed, row.sha256, row.sealed_sha256, row.commitment, row.media_type) == (None,) * 5
    assert (row.size, row.sealed_size) == (attachment.size, attachment.sealed_size)
    assert key_of(site, attachment) is None
    assert site.blobs.stat(attachment.blob_id) is None
    for kind in (EventKind.PURGE_STARTED, EventKind.KEY_DESTROYED, EventKind.PURGE_FINISHED):
        assert len(site.events(kind, attachment.id)) == 1
    mine = [one for one in certificates(site) if one.attachment_id == attachment.id]
    assert [one.id for one in mine] == [row.certificate_id]
    said = verify_certificate(mine[0].document, mine[0].signature, site.log.public_key)
    started = site.events(EventKind.PURGE_STARTED, attachment.id)[0]
    assert (said["journal_index"], said["key_generation"]) == (started["index"], 1)
    return said

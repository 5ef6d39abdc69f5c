"""A small installation in which everything agrees, for tests to break one thing of."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.attachment import Attachment, AttachmentState, Scan, Source
from domain.disposal import Certificate
from domain.ids import AttachmentId, BlobId, CertificateId, LinkId, TicketId
from domain.link import Link, LinkKind, Terms
from domain.ticket import Ticket, TicketStatus
from storage import (
    BlobReader,
    BlobStat,
    BlobStore,
    BlobWriter,
    Check,
    Checkpoint,
    Finding,
    FindingKind,
    JournalEntry,
    Space,
    Unit,
    WrappedRow,
)
from storage.blobs.memory import MemoryBlobStore
from storage.records.sqlite import DATABASE, open_site

HOUR = timedelta(hours=1)
TICKET, LINK = TicketId("ticket-id"), LinkId("link-id")
S = AttachmentState


def named(n: int) -> AttachmentId:
    return AttachmentId(f"attachment-{n}")


def blob_of(n: int) -> BlobId:
    return BlobId(f"{n:032x}")


class Installation:
    """A ticket, an upload link by which file 2 came, files 1 and 2 available, file 3 purged, a journal of three."""

    def __init__(self, folder: Path, *, begin: bool = True) -> None:
        self.begun = datetime.now(UTC)
        self.later = timedelta()
        self.database = folder / DATABASE
        self.records = open_site(folder, self.clock)
        self.memory = MemoryBlobStore()
        self.blobs: BlobStore = self.memory
        self.notes: list[Finding] = []
        if begin:
            self.records.write(self._begin)
        for n in (1, 2):
            self.put_blob(n)

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.later

    def _begin(self, unit: Unit) -> None:
        unit.tickets.put(a_ticket(self.begun))
        unit.links.add(_link(self.begun), b"d" * 32)
        unit.quotas.open(TICKET, max_files=None, max_bytes=None)
        unit.quotas.open(LINK, max_files=5, max_bytes=1000)
        self.add(unit, 1)
        self.add(unit, 2, link=LINK)
        self.purged(unit, 3)
        unit.keys.add(WrappedRow(TICKET, "ticket", 1, b"sealed"))
        for index in range(3):
            unit.journal.append(JournalEntry(index, b"{}", b"l" * 32, self.begun, "kind", None, None))
        unit.journal.add_checkpoint(Checkpoint(2, b"r" * 32, "note", b"f" * 32, self.begun, None))

    def row(self, n: int, state: AttachmentState, link: LinkId | None = None) -> Attachment:
        receiving, purged = state is S.RECEIVING, state is S.PURGED
        return Attachment(
            id=named(n),
            ticket_id=TICKET,
            link_id=link,
            receipt_id=None,
            blob_id=blob_of(n),
            name_sealed=None if purged else b"name",
            declared_size=10,
            reserved_bytes=10 if receiving else 0,
            size=None if receiving else 10,
            sealed_size=None if receiving else 66,
            sha256=None if receiving or purged else b"p" * 32,
            sealed_sha256=None if receiving or purged else hashlib.sha256(bytes([n]) * 66).digest(),
            commitment=None if receiving or purged else b"c" * 32,
            segment_size=1 << 20,
            stream_format=1,
            media_type=None,
            state=state,
            scan=Scan.NONE,
            scanned_by=None,
            source=Source.REQUESTER,
            created_at=self.begun,
            available_at=None,
            download_count=0,
            purge_reason=None,
            purged_at=self.begun if purged else None,
            certificate_id=CertificateId(f"certificate-{n}") if purged else None,
            version=1 if receiving else 2,
        )

    def add(self, unit: Unit, n: int, state: AttachmentState = S.AVAILABLE, link: LinkId | None = None) -> None:
        """A row with its key and its room; its blob is another step."""
        row = self.row(n, S.RECEIVING, link)
        unit.attachments.add(row)
        unit.keys.add(WrappedRow(row.id, "attachment", 1, b"sealed"))
        for owner in (TICKET, link) if link else (TICKET,):
            unit.quotas.claim(owner, size=10)
            if state is not S.RECEIVING:
                unit.quotas.settle(owner, reserved=10, size=10)
        if state is not S.RECEIVING:
            unit.attachments.save(self.row(n, state, link))

    def purged(self, unit: Unit, n: int) -> None:
        """A tombstone as the purge leaves it."""
        unit.attachments.add(self.row(n, S.RECEIVING))
        unit.attachments.save(self.row(n, S.PURGED))
        unit.certificates.add(Certificate(CertificateId(f"certificate-{n}"), named(n), b"{}", b"s" * 64, self.begun))

    def put_blob(self, n: int, content: bytes | None = None) -> None:
        with self.blobs.create(blob_of(n), None) as writer:
            writer.write(bytes([n]) * 66 if content is None else content)
            writer.commit()

    def sql(self, *statements: str) -> None:
        """What only somebody beside the service could do."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as driver:
            for statement in statements:
                driver.execute(statement)

    def change(self, work: Callable[[Unit], object]) -> None:
        self.records.write(work)

    def check(
        self,
        *,
        repair: bool = False,
        digests: bool = False,
        alone: bool = False,
        generations: Callable[[], Collection[int]] | None = lambda: {1},
    ) -> list[tuple[FindingKind, str, bool]]:
        """What is found: kind, subject, repaired. ``alone``: no service runs."""
        check = Check(
            self.records,
            self.blobs,
            self.clock,
            generations=generations,
            digesting=self.memory,
            grace=timedelta() if alone else 24 * HOUR,
            note=lambda unit, finding: self.notes.append(finding),
        )
        found = list(check.run(repair=repair, digests=digests))
        assert [one for one in found if one.repaired] == self.notes
        self.notes.clear()
        return [(one.kind, one.subject_id, one.repaired) for one in found]


class Around:
    """Another store's bytes, for tests to let something happen in between or go wrong."""

    def __init__(self, store: BlobStore) -> None:
        self.store = store

    def create(self, blob_id: BlobId, expected_size: int | None) -> BlobWriter:
        return self.store.create(blob_id, expected_size)

    def open(self, blob_id: BlobId) -> BlobReader:
        return self.store.open(blob_id)

    def stat(self, blob_id: BlobId) -> BlobStat | None:
        return self.store.stat(blob_id)

    def delete(self, blob_id: BlobId) -> None:
        self.store.delete(blob_id)

    def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
        return self.store.iterate(after)

    def space(self) -> Space:
        return self.store.space()

    def ping(self) -> None:
        self.store.ping()

    def close(self) -> None:
        self.store.close()


def a_ticket(at: datetime) -> Ticket:
    return Ticket(
        id=TICKET,
        ref="T-1",
        organisation_id=None,
        status=TicketStatus.OPEN,
        subject_sealed=None,
        requester_email_sealed=None,
        requester_email_digest=None,
        requester_name_sealed=None,
        opened_at=None,
        last_activity_at=at,
        closed_at=None,
        channel=None,
        facts_at=at,
        retention_class="default",
        retention_rule="P1Y",
        purge_due_at=None,
        created_at=at,
        erased_at=None,
        version=1,
    )


def _link(at: datetime) -> Link:
    return Link(
        id=LINK,
        kind=LinkKind.UPLOAD,
        ticket_id=TICKET,
        attachment_id=None,
        terms=Terms(expires_at=at + HOUR, max_files=5, max_bytes=1000),
        passcode_hash=None,
        recipient_sealed=None,
        note_sealed=None,
        language=None,
        created_at=at,
        created_by=None,
        revoked_at=None,
        used=0,
    )


def changed(row: Attachment, **fields) -> Attachment:
    """The next version of a row."""
    return replace(row, version=row.version + 1, **fields)

"""A whole site below the web, in a temporary folder and on whatever ``tests/site.py`` gives: floor 3's unit tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from audit import Export, Log, kept_entries
from crypto import Signer, new_blob_id, new_id
from crypto.key_memory import MemoryKeyRing
from domain.actor import EVERYTHING, SYSTEM
from domain.attachment import Attachment, AttachmentState, Scan, Source
from domain.disposal import Decide
from domain.errors import BilagaError, BlobsUnavailable
from domain.event import EventKind
from domain.ids import AttachmentId, BlobId
from domain.ticket import Organisation, Ticket
from keys import ATTACHMENT, Keys
from retention import Brakes, CertificateDesk, HoldsDesk, Outlook, Pace, Policy, Purge
from storage import BlobStore, Clearing
from storage.blobs.memory import MemoryBlobStore
from storage.records import Unit
from tests.site import ground
from tickets import Facts, OrganisationFact, TicketFact, View

START = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


class FakeClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def go(self, **by: float) -> None:
        self.now += timedelta(**by)


class MemoryExport:
    """A second place in memory; ``full`` makes it refuse, ``away`` makes it not answer."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.full = self.away = False

    def append(self, notes: Sequence[str], *, after: str | None) -> None:
        if self.full or after != self.last():
            raise OSError("no space left")
        self.kept.extend(notes)

    def last(self) -> str | None:
        if self.away:
            raise OSError("not there")
        return self.kept[-1] if self.kept else None

    def notes(self) -> Iterator[str]:
        return iter(self.kept)


class SmallSite:
    """Clock, keys, records and log of one installation."""

    def __init__(self, folder: Path, export: Export | None = None) -> None:
        self.clock = FakeClock()
        self.ground = ground(folder)
        self.records = self.ground.records(self.clock)
        self.ring = MemoryKeyRing(self.clock())
        self.keys = Keys(self.ring)
        self.signer = Signer(f"bilaga/{self.ring.installation}", self.ring.secret("audit"))
        self.export = export
        self.log = Log(self.signer, self.clock, self.ring.installation, export)

    def close(self) -> None:
        self.records.close()


class StubbornStore:
    """A store that does not let go of some blobs: it fails to delete them, or says it did and did not. All else its
    ``inner`` one does, by default one in memory."""

    def __init__(self, inner: BlobStore | None = None) -> None:
        self.inner = inner or MemoryBlobStore()
        self.failing: set[BlobId] = set()
        self.lying: set[BlobId] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def delete(self, blob_id: BlobId) -> None:
        if blob_id in self.failing:
            raise BlobsUnavailable
        if blob_id not in self.lying:
            self.inner.delete(blob_id)


class ManyAtOnce:
    """The ability of a store to remove many blobs at once, one by one; ``asked`` remembers how many each time."""

    def __init__(self, store: StubbornStore) -> None:
        self.store = store
        self.asked: list[int] = []

    def delete_all(self, blob_ids: Collection[BlobId]) -> dict[BlobId, BilagaError]:
        self.asked.append(len(blob_ids))
        kept: dict[BlobId, BilagaError] = {}
        for blob_id in blob_ids:
            try:
                self.store.delete(blob_id)
            except BilagaError as error:
                kept[blob_id] = error
        return kept


class Crash(BaseException):
    """The process died here: nothing catches it, nothing cleans up."""


class Steps:
    """The seam of the purge: remembers the steps, and dies after the ``at``-th of a name."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.at: tuple[str, int] | None = None

    def __call__(self, name: str) -> None:
        self.seen.append(name)
        if self.at is not None and self.at == (name, self.seen.count(name)):
            raise Crash


class PurgeSite(SmallSite):
    """A small site with tickets, files and a purge."""

    def __init__(self, folder: Path, policy: Policy | None = None) -> None:
        super().__init__(folder)
        self.policy = policy or Policy.from_mapping({"time_zone": "Europe/Stockholm"})
        self.blobs: Any = StubbornStore(self.ground.store())
        self.steps = Steps()
        self.facts = Facts(self.keys, self.log, self.policy.of, self.clock, self.ring.secret("search"))
        self.view = View(self.keys)
        self.holds = HoldsDesk(self.keys, self.log, self.clock)
        self.outlook = Outlook(self.policy.of)
        self.purge = self.purge_with()

    def purge_with(
        self,
        brakes: Brakes | None = None,
        pace: Pace | None = None,
        blobs: BlobStore | None = None,
        steps: Callable[[str], None] | None = None,
        *,
        together: bool = False,
        certificates: CertificateDesk | None = None,
        clearing: Clearing | None = None,
        decide: Callable[[Unit], Decide] | None = None,
        fresh: Callable[[Unit, Ticket], None] | None = None,
    ) -> Purge:
        return Purge(
            self.records,
            blobs or self.blobs,
            self.keys,
            self.log,
            decide or self.policy.of,
            clock=self.clock,
            brakes=brakes or Brakes(),
            certificates=certificates or CertificateDesk(self.signer, self.ring.installation, timedelta(days=30)),
            steps=steps or self.steps,
            pace=pace or Pace(blobs_a_second=None),
            together=together,
            clearing=clearing,
            fresh=fresh,
        )

    def put(self, ref: str, **fact: Any) -> Ticket:
        """A ticket, by whoever may."""
        return self.records.write(lambda unit: self.facts.put_ticket(unit, SYSTEM, TicketFact(ref, **fact))).ticket

    def put_organisation(self, ref: str, **fact: Any) -> Organisation:
        put = self.facts.put_organisation
        return self.records.write(lambda unit: put(unit, SYSTEM, OrganisationFact(ref, **fact))).organisation

    def ticket(self, ref: str) -> Ticket:
        ticket = self.records.read(lambda unit: unit.tickets.get(ref, EVERYTHING))
        assert ticket is not None
        return ticket

    def send(self, ticket: Ticket, size: int = 10) -> Attachment:
        """An available file on the ticket, sealed bytes and key and all; the ticket's facts stay as they are."""
        sealed = b"sealed" * size
        blob_id = new_blob_id()
        with self.blobs.create(blob_id, None) as writer:
            writer.write(sealed)
            writer.commit()
        attachment = Attachment(
            id=AttachmentId(new_id()),
            ticket_id=ticket.id,
            link_id=None,
            receipt_id=None,
            blob_id=blob_id,
            name_sealed=None,
            declared_size=size,
            reserved_bytes=size,
            size=size,
            sealed_size=len(sealed),
            sha256=b"p" * 32,
            sealed_sha256=b"s" * 32,
            commitment=b"c" * 32,
            segment_size=1 << 20,
            stream_format=1,
            media_type="text/plain",
            state=AttachmentState.AVAILABLE,
            scan=Scan.NONE,
            scanned_by=None,
            source=Source.AGENT,
            created_at=self.clock(),
            available_at=self.clock(),
            download_count=0,
            purge_reason=None,
            purged_at=None,
            certificate_id=None,
            version=1,
        )

        def keep(unit: Unit) -> Attachment:
            self.keys.new(unit, attachment.id, ATTACHMENT)
            named = replace(
                attachment, name_sealed=self.keys.seal_text(unit, attachment.id, ATTACHMENT, "name", "a.txt")
            )
            unit.quotas.claim(ticket.id, size=size)
            unit.quotas.settle(ticket.id, reserved=size, size=size)
            unit.attachments.add(named)
            return named

        return self.records.write(keep)

    def state(self, attachment: Attachment) -> Attachment:
        found = self.records.read(lambda unit: unit.attachments.get(attachment.id, EVERYTHING))
        assert found is not None
        return found

    def events(self, kind: EventKind | None = None, subject: str | None = None) -> list[dict[str, Any]]:
        """What the audit log has, oldest first."""
        bodies = [json.loads(entry.body) for entry in kept_entries(self.records)]
        wanted = [one for one in bodies if kind is None or one["kind"] == kind.value]
        return [one for one in wanted if subject is None or one["subject"] == subject]

"""A site that receives, sends and makes links, below the web: what tests of ``transfer`` and ``links`` stand on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from crypto import new_id
from domain.actor import EVERYTHING, Actor, Role
from domain.attachment import Attachment, Source
from domain.ids import AttachmentId, BlobId, OrganisationId, PrincipalId, TicketId
from domain.ticket import Organisation, Ticket, TicketStatus
from keys import Node
from links import Issued, Issuing, Listing, Passcodes, RecipientCodes, Redeeming, Revoking, UploadGrant
from storage import BlobStore, Check, Unit
from tests.small_site import SmallSite
from transfer import (
    Archiving,
    Download,
    Incoming,
    Limits,
    Reading,
    Received,
    Reception,
    Recovery,
    Resuming,
    Sealing,
    Sending,
    Steps,
    TypePolicy,
)
from transfer.steps import unwatched

AGENT = Actor(Role.AGENT, PrincipalId("agent-1"))
ADMIN = Actor(Role.ADMIN, PrincipalId("admin-1"))
AUDITOR = Actor(Role.AUDITOR, PrincipalId("auditor-1"))
ADDRESS = b"a" * 32
MIB = 1 << 20


def contact(organisation_id: str) -> Actor:
    return Actor(Role.CONTACT, PrincipalId("contact-1"), OrganisationId(organisation_id))


def sniffed(head: bytes) -> str:
    """Plain text, but for PNG: libmagic has tests of its own."""
    return "image/png" if head.startswith(b"\x89PNG") else "text/plain"


class StoreDigests:
    """Digests of what a store gives."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def digest(self, blob_id: BlobId) -> bytes:
        with self._blobs.open(blob_id) as reader:
            return hashlib.sha256(reader.read_at(0, reader.size)).digest()


class TransferSite(SmallSite):
    """A small site with a store, with receiving, sending and links; one ticket stands open."""

    def __init__(
        self,
        folder: Path,
        *,
        blobs: BlobStore | None = None,
        limits: Limits | None = None,
        scanner: Any = None,
        readback: Any = None,
        steps: Steps = unwatched,
    ) -> None:
        super().__init__(folder)
        self.blobs = blobs or self.ground.store()
        self.limits = limits or Limits(max_file_size=1 << 40)
        self.touches: list[tuple[TicketId, datetime]] = []
        self.passcodes = Passcodes(self.log, self.clock, self.ring.secret("passcode"))
        self.codes = RecipientCodes(
            self.keys,
            self.log,
            self.clock,
            self.passcodes,
            secret=self.ring.secret("code"),
            letters=self.ring.secret("outbox"),
        )
        self.issuing = Issuing(self.keys, self.log, self.clock)
        self.redeeming = Redeeming(self.keys, self.log, self.clock, self.passcodes)
        self.revoking = Revoking(self.log, self.clock)
        self.listing = Listing(self.keys)
        policy = TypePolicy()
        self.sealing = Sealing(
            self.records,
            self.blobs,
            policy=policy,
            sniff=sniffed,
            limits=self.limits,
            scanner=scanner,
            readback=readback,
            steps=steps,
        )
        self.node = Node(self.records, alone=True)
        self.reception = Reception(
            self.records,
            self.blobs,
            self.keys,
            self.log,
            self.clock,
            sealing=self.sealing,
            policy=policy,
            limits=self.limits,
            touched=lambda unit, ticket_id, at: self.touches.append((ticket_id, at)),
            node=self.node.id,
            steps=steps,
        )
        self.resuming = self.resuming_on(self.node, steps)
        self.recovery = Recovery(self.records, self.blobs, self.log, self.clock, steps=steps)
        self.sending = Sending(self.records, self.blobs, self.keys, self.log, self.clock)
        self.archiving = Archiving(self.records, self.sending)
        self.ticket = self.put_ticket("T-1")

    def resuming_on(
        self, node: Node, steps: Steps = unwatched, *, patience: float = 5.0, wait_for: float = 10.0
    ) -> Resuming:
        """Uploads in pieces, as a node has them."""
        return Resuming(
            self.records,
            self.blobs,
            self.keys,
            self.log,
            self.clock,
            reception=self.reception,
            sealing=self.sealing,
            limits=self.limits,
            node=node,
            patience=patience,
            wait_for=wait_for,
            steps=steps,
        )

    def close(self) -> None:
        self.resuming.close()
        super().close()

    def put_organisation(self, ref: str) -> OrganisationId:
        organisation_id = OrganisationId(new_id())
        now = self.clock()
        self.records.write(
            lambda unit: unit.organisations.put(Organisation(organisation_id, ref, None, None, now, now))
        )
        return organisation_id

    def put_ticket(self, ref: str, organisation_id: OrganisationId | None = None) -> TicketId:
        now = self.clock()
        ticket = Ticket(
            id=TicketId(new_id()),
            ref=ref,
            organisation_id=organisation_id,
            status=TicketStatus.OPEN,
            subject_sealed=None,
            requester_email_sealed=None,
            requester_email_digest=None,
            requester_name_sealed=None,
            opened_at=None,
            last_activity_at=now,
            closed_at=None,
            channel=None,
            facts_at=now,
            retention_class="default",
            retention_rule="P1Y",
            purge_due_at=None,
            created_at=now,
            erased_at=None,
            version=1,
        )
        self.records.write(lambda unit: unit.tickets.put(ticket))
        return ticket.id

    def erase_ticket(self, ticket_id: TicketId) -> None:
        def work(unit: Unit) -> None:
            ticket = unit.tickets.by_id(ticket_id, EVERYTHING)
            assert ticket is not None
            unit.tickets.put(replace(ticket, erased_at=self.clock(), version=ticket.version + 1))
            self.keys.destroy(unit, ticket_id)

        self.records.write(work)

    # -- links ---------------------------------------------------------------------------------------------------------
    def upload_link(self, ref: str = "T-1", actor: Actor = AGENT, **terms: Any) -> Issued:
        return self.records.write(lambda unit: self.issuing.upload(unit, actor, ref, **terms))

    def download_link(self, attachment_id: AttachmentId, actor: Actor = AGENT, **terms: Any) -> Issued:
        return self.records.write(lambda unit: self.issuing.download(unit, actor, attachment_id, **terms))

    def redeem_upload(self, token: str) -> UploadGrant:
        return self.records.read(lambda unit: self.redeeming.upload(unit, token))

    def take(self, token: str, **proofs: Any) -> tuple[Any, str]:
        return self.records.write(lambda unit: self.redeeming.take(unit, token, address_digest=ADDRESS, **proofs))

    def revoke(self, link_id: Any, actor: Actor = AGENT) -> bool:
        return self.records.write(lambda unit: self.revoking.revoke(unit, actor, link_id))

    # -- transfers -----------------------------------------------------------------------------------------------------
    def by_link(self, token: str) -> Incoming:
        grant = self.redeem_upload(token)
        return Incoming(
            grant.actor, grant.ticket.id, Source.REQUESTER, grant.link, allowed_types=grant.link.terms.allowed_types
        )

    def by_agent(self, ticket_id: TicketId | None = None, actor: Actor = AGENT) -> Incoming:
        return Incoming(actor, ticket_id or self.ticket, Source.AGENT)

    def receive(
        self,
        content: bytes | Iterable[bytes],
        name: str = "notes.txt",
        incoming: Incoming | None = None,
        *,
        declared: bool = True,
    ) -> Received:
        """The whole journey of one file; on any error, its claim is abandoned."""
        incoming = incoming or self.by_agent()
        whole = isinstance(content, bytes)
        chunks = [content] if isinstance(content, bytes) else content
        claim = self.reception.claim(incoming, name, len(content) if declared and isinstance(content, bytes) else None)
        assert whole or not declared
        try:
            return self.reception.finish([self.reception.seal(claim, chunks)])
        except BaseException as error:
            self.reception.abandon([claim], error)
            raise

    def received(self, content: bytes = b"hello", name: str = "notes.txt") -> Attachment:
        return self.receive(content, name).files[0].attachment

    def read(self, reading: Reading | Actor, attachment_id: AttachmentId, **headers: str) -> bytes:
        download = self.open(reading, attachment_id, **headers)
        delivered = 0
        try:
            pieces = []
            for piece in download.chunks():
                pieces.append(piece)
                delivered += len(piece)
            return b"".join(pieces)
        finally:
            download.close(delivered)

    def open(self, reading: Reading | Actor, attachment_id: AttachmentId, **headers: Any) -> Download:
        reading = Reading(reading) if isinstance(reading, Actor) else reading
        return self.sending.open(reading, attachment_id, **headers)

    def tamper(self, attachment: Attachment, change: Callable[[bytes], bytes]) -> None:
        """Put other bytes in the place of a blob."""
        self.ground.put_sealed(attachment.blob_id, change(self.sealed(attachment)))

    def sealed(self, attachment: Attachment) -> bytes:
        """A blob as it lies in the store."""
        with self.blobs.open(attachment.blob_id) as reader:
            return reader.read_at(0, reader.size)

    # -- looking -------------------------------------------------------------------------------------------------------
    def row(self, attachment_id: AttachmentId) -> Attachment:
        row = self.records.read(lambda unit: unit.attachments.get(attachment_id, EVERYTHING))
        assert row is not None
        return row

    def change(self, attachment_id: AttachmentId, **fields: Any) -> Attachment:
        """Put a row into a state that other folders bring about."""

        def work(unit: Unit) -> Attachment:
            row = unit.attachments.get(attachment_id, EVERYTHING)
            assert row is not None
            changed = replace(row, version=row.version + 1, **fields)
            unit.attachments.save(changed)
            return changed

        return self.records.write(work)

    def kept(self) -> dict[str, Any]:
        """All that an upload could leave behind, but for events: rows, keys, quotas, blobs, receipts."""

        def work(unit: Unit) -> dict[str, Any]:
            return {
                "rows": list(unit.inventory.all()),
                "keys": list(unit.keys.owners(after=None, limit=10_000)),
                "quotas": list(unit.quotas.all()),
            }

        kept = self.records.read(work)
        kept["blobs"] = [
            (stat.blob_id, stat.size, stat.finished, self._blob_digest(stat)) for stat in self.blobs.iterate()
        ]
        return kept

    def findings(self) -> list[Any]:
        """What fsck says of a site that nobody serves, every byte of every blob read."""
        check = Check(self.records, self.blobs, self.clock, digesting=StoreDigests(self.blobs), grace=timedelta())
        return list(check.run(digests=True))

    def _blob_digest(self, stat: Any) -> bytes:
        if not stat.finished:
            return b""
        with self.blobs.open(stat.blob_id) as reader:
            return hashlib.sha256(reader.read_at(0, reader.size)).digest()

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """The log's entries of these kinds (none: all), oldest first."""
        entries = self.records.read(lambda unit: unit.journal.entries(0, 100_000))
        bodies = [json.loads(entry.body) for entry in entries]
        return [body for body in bodies if not kinds or body["kind"] in kinds]

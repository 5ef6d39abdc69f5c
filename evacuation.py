"""Evacuation's vault, over a site and its one journey in; and the rounds by which a service evacuates by itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from urllib.parse import quote

from domain.actor import EVERYTHING, SYSTEM, Actor, Role
from domain.attachment import AttachmentState, Source
from domain.errors import BlobMissing, NotFound, StateConflict
from domain.ids import AttachmentId, TicketId
from installation import Site
from jobs import Job
from keys import BEAT, Node
from storage import Unit
from tickets import Brought, Desk, Errand, Evacuation, Kept, Proof, Recorded, SourceTicket
from transfer import Incoming, Reception

log = logging.getLogger(__name__)
CONNECTOR = Actor(Role.CONNECTOR)
LOOK_EVERY = timedelta(seconds=5)
"""How often it is looked whether it is time for a round."""
_RAW_NAME = 1000
"""Bytes of a name that are taken: systems have none that are longer."""
_PROOFS = {
    AttachmentState.SCANNING: Proof.NOT_YET,
    AttachmentState.QUARANTINED: Proof.LOCKED,
    AttachmentState.PURGING: Proof.ERASED,
    AttachmentState.PURGED: Proof.ERASED,
}


class SiteVault:
    """``tickets.Vault`` of one connector."""

    def __init__(self, site: Site, reception: Reception, connector: str) -> None:
        self._site = site
        self._reception = reception
        self._connector = connector

    def bind(self, source: SourceTicket) -> TicketId:
        """As ``Vault.bind``."""
        site, read_at = self._site, self._site.records.now()

        def work(unit: Unit) -> TicketId:
            return site.facts.apply(unit, SYSTEM, self._connector, source, read_at=read_at).ticket.id

        return site.records.write(work)

    def keep(self, brought: Brought, chunks: Iterable[bytes], then: Recorded) -> Kept:
        """As ``Vault.keep``."""
        reception = self._reception
        # It lay there before: the ticket is no younger for its coming home.
        incoming = Incoming(CONNECTOR, brought.ticket_id, Source.CONNECTOR, is_activity=False)
        claim = reception.claim(incoming, _sent_name(brought.name), brought.size)
        try:
            sealed = reception.seal(claim, chunks)
            kept = Kept(claim.attachment_id, sealed.stream.plaintext_size)
            reception.finish([sealed], then=lambda unit, _: then(unit, kept))
        except BaseException as error:
            reception.abandon([claim], error)
            raise
        return kept

    def size_of(self, attachment_id: AttachmentId) -> int:
        """As ``Vault.size_of``."""
        row = self._site.records.read(lambda unit: unit.attachments.get(attachment_id, EVERYTHING))
        return 0 if row is None else row.size or 0

    def proven(self, attachment_id: AttachmentId) -> Proof:
        """As ``Vault.proven``."""
        site = self._site
        row = site.records.read(lambda unit: unit.attachments.get(attachment_id, EVERYTHING))
        if row is None:
            return Proof.DAMAGED
        if row.state is not AttachmentState.AVAILABLE:
            return _PROOFS.get(row.state, Proof.DAMAGED)
        try:
            whole = site.digesting.digest(row.blob_id) == row.sealed_sha256
        except BlobMissing:
            whole = False
        return Proof.DURABLE if whole else Proof.DAMAGED

    def address_of(self, attachment_id: AttachmentId) -> str:
        """As ``Vault.address_of``."""
        return f"{self._site.public_url}/agent/attachments/{attachment_id}/content"

    def ticket_address(self, ticket_id: TicketId) -> str:
        """As ``Vault.ticket_address``."""
        ticket = self._site.records.read(lambda unit: unit.tickets.by_id(ticket_id, EVERYTHING))
        if ticket is None:
            raise NotFound
        return f"{self._site.public_url}/agent/tickets/{quote(ticket.ref, safe='')}"


def evacuation_of(
    site: Site,
    reception: Reception,
    connector: str,
    desk: Desk,
    *,
    delete: bool,
    node: Node | None = None,
) -> Evacuation:
    """A connector's evacuation. ``node``: this process's, where nobody else lets it say that it lives."""
    errand = Errand(
        site.records,
        site.log,
        site.clock,
        connector,
        desk,
        SiteVault(site, reception, connector),
        delete=delete,
        language=site.settings.default_language,
        beat=(lambda: None) if node is None else _Beating(node),
        steps=site.steps,
    )
    return Evacuation(errand)


class _Beating:
    """A node's beat, as often as it should be."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._at = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._at >= BEAT.total_seconds():
            self._at = time.monotonic()
            self._node.beat()


class Rounds:
    """The evacuation of one connector beside a service, every so often."""

    def __init__(
        self,
        evacuation: Evacuation,
        every: timedelta,
        *,
        stopping: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``stopping`` says that long work should leave off."""
        self._evacuation = evacuation
        self._every = every.total_seconds()
        self._stopping = stopping
        self._monotonic = monotonic
        self._next = monotonic()

    def job(self, connector: str) -> Job:
        """Its job."""
        return Job(f"evacuate {connector}", LOOK_EVERY, self.run)

    def run(self) -> None:
        """A round, where its time has come. Another node's at work is left to it."""
        if self._monotonic() < self._next:
            return
        try:
            self._evacuation.run(enough=self._stopping)
        except StateConflict:
            log.debug("another run is at it")
        self._next = self._monotonic() + self._every


def _sent_name(name: str) -> str:
    """A name that is taken, whatever the system let through."""
    encoded = name.replace("\0", "_").encode(errors="replace")
    if len(encoded) <= _RAW_NAME:
        return encoded.decode()
    stem, dot, extension = encoded.rpartition(b".")
    if not dot or len(extension) > 40:
        return encoded[:_RAW_NAME].decode(errors="ignore")
    room = _RAW_NAME - len(extension) - 1
    return stem[:room].decode(errors="ignore") + "." + extension.decode(errors="ignore")

"""The way of an attachment out of the world, step by step (S-38), each of which may be done again after a crash.

Claimed (state ``purging``, links dead, event) → data key destroyed → blob removed → read back gone → tombstone,
certificate, event. What a crash leaves is a row in ``purging``; ``claim.recall`` takes it up again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from audit import Log
from domain.actor import EVERYTHING, SYSTEM, Actor
from domain.attachment import Attachment, AttachmentState, step
from domain.clock import Clock
from domain.disposal import Certificate, Destiny
from domain.errors import BlobsUnavailable, NotFound, StateConflict, Unavailable
from domain.event import Event, EventKind, Scalar
from domain.ids import LinkId, TicketId
from keys import ATTACHMENT, Keys, LeaseLost
from retention.certificates import CertificateDesk
from retention.claim import Claim, Reason, claim_of, started
from storage import BlobStore, Clearing
from storage.records import Records, Unit

log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")
Guard = Callable[[Unit], None]
"""Asked in each effect's own transaction; raises where the run may not go on (S-71)."""
Steps = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Done(Generic[T, R]):
    """What a step made of its items, and which of them failed with what."""

    results: list[R]
    failed: list[tuple[T, Exception]]


def unguarded(unit: Unit) -> None:
    """The guard of an act that needs no lease: one attachment, moved by compare-and-set alone."""


class Erasure:
    """The steps. Safe from any thread. ``steps`` is told the name of each one that was just done."""

    def __init__(
        self,
        records: Records,
        blobs: BlobStore,
        keys: Keys,
        journal: Log,
        *,
        certificates: CertificateDesk,
        clock: Clock,
        steps: Steps,
        clearing: Clearing | None = None,
    ) -> None:
        """``clearing``: the blob store, where it removes many at once."""
        self._records = records
        self._blobs = blobs
        self._clearing = clearing
        self._keys = keys
        self._log = journal
        self._certificates = certificates
        self._clock = clock
        self._steps = steps

    def begin(self, unit: Unit, actor: Actor, attachment: Attachment, reason: Reason, destiny: Destiny) -> Claim:
        """Claim an attachment that the caller found due in this very transaction. Raises StateConflict."""
        claimed = replace(
            attachment,
            state=step(attachment.state, AttachmentState.PURGING),
            purge_reason=reason.value,
            version=attachment.version + 1,
        )
        unit.attachments.save(claimed)
        unit.links.revoke_of_attachment(attachment.id, at=self._clock())
        event = started(actor, attachment, reason, destiny)
        return claim_of(claimed, event.facts, self._log.append(unit, event))

    def destroy_keys(self, claims: Sequence[Claim], guard: Guard = unguarded) -> Done[Claim, Claim]:
        """Destroy the claims' data keys: from this commit on the bytes are unreadable."""
        done = each(self._records, claims, self._destroy_key, guard)
        self._steps("key-destroyed")
        return done

    def remove(self, claim: Claim) -> None:
        """Remove the blob and see that it is gone. Raises BlobsUnavailable."""
        blob_id = claim.attachment.blob_id
        self._blobs.delete(blob_id)
        self._steps("blob-removed")
        if self._blobs.stat(blob_id) is not None:
            raise BlobsUnavailable("the blob is still there after it was removed")
        self._steps("read-back")

    @property
    def clears(self) -> bool:
        """Whether ``remove_all`` is to be asked, instead of ``remove`` for each."""
        return self._clearing is not None

    def remove_all(self, claims: Sequence[Claim]) -> Done[Claim, Claim]:
        """Remove the blobs of all; each was looked for afterwards and is gone, or failed. Raises BlobsUnavailable."""
        clearing = self._clearing
        if clearing is None:
            raise RuntimeError("this store removes one by one")
        kept = clearing.delete_all([claim.attachment.blob_id for claim in claims])
        self._steps("blob-removed")
        self._steps("read-back")
        gone = [claim for claim in claims if claim.attachment.blob_id not in kept]
        return Done(gone, [(one, kept[one.attachment.blob_id]) for one in claims if one.attachment.blob_id in kept])

    def finish(self, actor: Actor, claims: Sequence[Claim], guard: Guard = unguarded) -> Done[Claim, Certificate]:
        """Leave tombstones and certificates where the blobs are gone."""
        done = each(self._records, claims, lambda unit, claim: self._finish(unit, actor, claim), guard)
        self._steps("finished")
        return done

    def fail(self, actor: Actor, failed: Sequence[tuple[str, str]], guard: Guard = unguarded) -> None:
        """Write down which attachments could not be erased now, and by what error's code."""

        def work(unit: Unit) -> None:
            guard(unit)
            for attachment_id, code in failed:
                self._log.append(unit, Event(EventKind.PURGE_FAILED, actor, attachment_id, {"code": code}))

        self._records.write(work)

    def stepped(self, name: str) -> None:
        """Tell the seam that a step was done."""
        self._steps(name)

    def _destroy_key(self, unit: Unit, claim: Claim) -> Claim:
        owner = claim.attachment.id
        row = unit.keys.get(owner, ATTACHMENT)
        if row is None:
            return claim
        self._keys.destroy(unit, owner)
        facts: dict[str, Scalar] = {"purpose": ATTACHMENT, "generation": row.generation}
        self._log.append(unit, Event(EventKind.KEY_DESTROYED, SYSTEM, owner, facts))
        return replace(claim, generation=row.generation)

    def _finish(self, unit: Unit, actor: Actor, claim: Claim) -> Certificate:
        attachment = unit.attachments.get(claim.attachment.id, EVERYTHING)
        if attachment is None:
            raise NotFound
        if attachment.state is AttachmentState.PURGED:  # another node was here meanwhile
            known = unit.certificates.of_attachment(attachment.id)
            if known is None:
                raise NotFound
            return known
        if unit.keys.get(attachment.id, ATTACHMENT) is not None:
            raise StateConflict("the data key is still there")
        now = self._clock()
        certificate = self._certificates.sign(claim, now)
        unit.certificates.add(certificate)
        unit.attachments.save(
            replace(
                attachment,
                state=step(attachment.state, AttachmentState.PURGED),
                name_sealed=None,
                sha256=None,
                sealed_sha256=None,
                commitment=None,
                media_type=None,
                purged_at=now,
                certificate_id=certificate.id,
                version=attachment.version + 1,
            )
        )
        for owner in (attachment.ticket_id, attachment.link_id):
            _give_back(unit, owner, attachment.size)
        facts: dict[str, Scalar] = {
            "ticket_id": attachment.ticket_id,
            "reason": claim.reason.value,
            "certificate_id": certificate.id,
            "sealed_size": attachment.sealed_size,
        }
        self._log.append(unit, Event(EventKind.PURGE_FINISHED, actor, attachment.id, facts))
        return certificate


def each(records: Records, items: Sequence[T], work: Callable[[Unit, T], R], guard: Guard = unguarded) -> Done[T, R]:
    """Do the work for all items in one transaction; where one of them fails, for each in its own.

    Raises LeaseLost, and Unavailable where the records are.
    """

    def together(unit: Unit) -> list[R]:
        guard(unit)
        return [work(unit, item) for item in items]

    if not items:
        return Done([], [])
    try:
        return Done(records.write(together), [])
    except (LeaseLost, Unavailable):
        raise
    except Exception as error:  # noqa: BLE001  # one bad item never stops the others
        if len(items) == 1:
            return Done([], [(items[0], error)])
    apart = [each(records, [item], work, guard) for item in items]
    return Done([one for done in apart for one in done.results], [one for done in apart for one in done.failed])


def only(done: Done[T, R]) -> R:
    """The result of a step done for one item. Raises what it failed with."""
    for _, error in done.failed:
        raise error
    return done.results[0]


def _give_back(unit: Unit, owner: TicketId | LinkId | None, size: int | None) -> None:
    if owner is None or size is None:
        return
    try:
        unit.quotas.give_back_used(owner, size=size)
    except StateConflict:  # not counted at all, or the sums are wrong already, which fsck names
        if unit.quotas.get(owner) is not None:
            log.error("quota not given back", extra={"owner": owner})

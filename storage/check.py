"""fsck's core: rows and blobs compared both ways, and with everything that must agree with them (S-7, S-8).

It runs beside a working service: rows are read in batches, each in a snapshot of its own, and what looks wrong is
looked at once more before it is named, since a purge or an upload may have passed by. Repair does what loses nothing:
it deletes bytes of no living attachment and keys of tombstones, and counts quotas anew. Rows, and bytes and keys that
one might still need, are evidence and stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from domain.actor import EVERYTHING
from domain.attachment import LIVE, Attachment, AttachmentState
from domain.clock import Clock, rfc3339
from domain.errors import BlobMissing, Unavailable
from domain.ids import AttachmentId, BlobId, LinkId, OrganisationId, TicketId, UploadId
from domain.upload import UploadPart
from storage.blobs import BlobStat, BlobStore, Digesting
from storage.finding import Finding, FindingKind
from storage.records import JournalEntry, Quota, Records, Unit, WrappedRow

BATCH = 500
GRACE = timedelta(hours=24)
"""How old something unfinished must be before it counts as left behind while a service runs (S-7)."""
ATTACHMENT, TICKET, ORGANISATION, UPLOAD = "attachment", "ticket", "organisation", "upload"
"""Purposes of wrapped keys, as the crypto contexts have them."""


Note = Callable[[Unit, Finding], None]
"""Told of each repair in a transaction, for the audit log; where the repair is one of rows, in that very one."""


def _no_note(unit: Unit, finding: Finding) -> None:
    """Nobody writes it down."""


@dataclass(frozen=True, slots=True)
class _Row:
    attachment: Attachment
    has_key: bool
    has_link: bool
    has_certificate: bool


class Check:
    """One installation's fsck.

    ``generations`` gives the numbers of the key-encryption keys that can still unwrap; None: they are not compared.
    ``digesting``: what digests blobs, needed for ``digests``. ``grace``: what is younger is left alone as somebody's
    work; zero where no service runs, and then nothing unfinished is anybody's.
    """

    def __init__(
        self,
        records: Records,
        blobs: BlobStore,
        clock: Clock,
        *,
        generations: Callable[[], Collection[int]] | None = None,
        digesting: Digesting | None = None,
        grace: timedelta = GRACE,
        note: Note = _no_note,
    ) -> None:
        self._records = records
        self._blobs = blobs
        self._clock = clock
        self._generations = generations
        self._digesting = digesting
        self._grace = grace
        self._note = note

    def run(self, *, repair: bool = False, digests: bool = False) -> Iterator[Finding]:
        """Everything that is wrong, as it is found. ``digests`` reads every blob whole.

        Raises Unavailable where database or store do not answer at all; a single blob that does not is a finding.
        """
        if digests and self._digesting is None:
            raise ValueError("digests need something that digests")
        self._records.ping()
        self._blobs.ping()
        before = self._clock() - self._grace
        purging = [row.attachment.id for row in self._rows(frozenset({AttachmentState.PURGING}))]
        yield from self._check_rows(digests=digests)
        yield from self._check_parts(digests=digests)
        yield from self._check_blobs(before, repair=repair)
        yield from self._check_keys(repair=repair)
        yield from self._check_quotas(repair=repair)
        yield from self._check_journal()
        yield from self._check_uploads(before)
        yield from self._check_purges(purging)

    # -- rows → blobs, keys, links, certificates -----------------------------------------------------------------------
    def _check_rows(self, *, digests: bool) -> Iterator[Finding]:
        for row in self._rows(LIVE | {AttachmentState.PURGED}):
            if row.attachment.state is AttachmentState.PURGED:
                if not row.has_certificate:
                    yield Finding(FindingKind.CERTIFICATE_MISSING, row.attachment.id, "purged without a certificate")
                continue
            if not row.has_link:
                yield Finding(FindingKind.LINK_MISSING, row.attachment.id, f"link {row.attachment.link_id}")
            found = [] if row.has_key else [Finding(FindingKind.KEY_MISSING, row.attachment.id, "no wrapped key")]
            wrong = self._wrong_blob(row.attachment, digests=digests)
            found += [wrong] if wrong else []
            if found and self._is_live(row.attachment.id):
                yield from found

    def _check_parts(self, *, digests: bool) -> Iterator[Finding]:
        """What uploads under way have sent: acknowledged as well, and nowhere else."""
        after: tuple[UploadId, int] | None = None
        while page := self._records.read(partial(_parts, after=after)):
            for part in page:
                wrong = self._wrong_blob(part, digests=digests)
                if wrong is not None and self._has_part(part):
                    yield wrong
            after = (page[-1].upload_id, page[-1].number)

    def _has_part(self, part: UploadPart) -> bool:
        return part in self._records.read(lambda unit: unit.upload_parts.of(part.upload_id))

    def _wrong_blob(self, row: Attachment | UploadPart, *, digests: bool) -> Finding | None:
        if isinstance(row, UploadPart):
            subject, state = str(row.upload_id), f"part of an upload, blob {row.blob_id}"
        else:
            subject, state = str(row.id), f"{row.state.value}, blob {row.blob_id}"
        try:
            stat = self._blobs.stat(row.blob_id)
            if stat is None:
                return Finding(FindingKind.BLOB_MISSING, subject, state)
            if stat.size != row.sealed_size:
                detail = f"{state}: {stat.size} bytes, the row says {row.sealed_size}"
                return Finding(FindingKind.SIZE_DIFFERS, subject, detail)
            if digests and self._digesting is not None and self._digesting.digest(row.blob_id) != row.sealed_sha256:
                return Finding(FindingKind.DIGEST_DIFFERS, subject, state)
        except BlobMissing:
            return Finding(FindingKind.BLOB_MISSING, subject, state)
        except Unavailable as error:
            return Finding(FindingKind.BLOB_UNREADABLE, subject, f"{state}: {error.detail}")
        return None

    def _rows(self, states: Collection[AttachmentState]) -> Iterator[_Row]:
        after: AttachmentId | None = None
        while batch := self._records.read(partial(_batch, states=states, after=after)):
            yield from batch
            after = batch[-1].attachment.id

    def _is_live(self, attachment_id: AttachmentId) -> bool:
        fresh = self._records.read(lambda unit: unit.attachments.get(attachment_id, EVERYTHING))
        return fresh is not None and fresh.state in LIVE

    # -- blobs → rows --------------------------------------------------------------------------------------------------
    def _check_blobs(self, before: datetime, *, repair: bool) -> Iterator[Finding]:
        stats = self._blobs.iterate()
        while batch := list(islice(stats, BATCH)):
            named = self._records.read(partial(_named, blob_ids={stat.blob_id for stat in batch}))
            parts = self._records.read(partial(_in_uploads, blob_ids={stat.blob_id for stat in batch}))
            for stat in batch:
                if stat.blob_id in parts:
                    continue
                finding = _wrong_row(stat, named.get(stat.blob_id), before)
                if finding is None or not self._is_there(stat):
                    continue
                yield self._without_bytes(finding, stat.blob_id) if repair else finding

    def _is_there(self, stat: BlobStat) -> bool:
        """Whether it is still there: it may have gone since it was listed, before its row was looked for."""
        before = BlobId(f"{int(stat.blob_id, 16) - 1:032x}") if int(stat.blob_id, 16) else None
        for found in self._blobs.iterate(before):
            if found.blob_id != stat.blob_id:
                break
            if found.finished is stat.finished:
                return True
        return False

    def _without_bytes(self, finding: Finding, blob_id: BlobId) -> Finding:
        """Delete a blob that no living attachment names, if the row says so in a transaction that writes."""
        row = self._records.write(partial(_named, blob_ids={blob_id})).get(blob_id)
        if row is not None and row.state is not AttachmentState.PURGED:
            return finding
        if self._records.write(partial(_in_uploads, blob_ids={blob_id})):
            return finding
        try:
            self._blobs.delete(blob_id)
        except Unavailable:
            return finding
        done = replace(finding, repaired=True)
        self._records.write(lambda unit: self._note(unit, done))
        return done

    # -- keys → owners, generations ------------------------------------------------------------------------------------
    def _check_keys(self, *, repair: bool) -> Iterator[Finding]:
        known, unknown = set[int](), set[int]()
        after: tuple[str, str] | None = None
        while batch := self._records.read(partial(_keys, after=after)):
            for key, wrong in batch:
                if key.generation not in known | unknown and self._generations is not None:
                    known.update(self._generations())  # asked anew for each: a rotation may have passed by
                    if key.generation not in known:
                        unknown.add(key.generation)
                if key.generation in unknown:
                    detail = f"{key.purpose} key under generation {key.generation}"
                    yield Finding(FindingKind.GENERATION_UNKNOWN, key.owner_id, detail)
                if wrong is not None:
                    yield self._without_key(wrong, key) if repair else wrong
            last = batch[-1][0]
            after = (last.owner_id, last.purpose)

    def _without_key(self, finding: Finding, key: WrappedRow) -> Finding:
        """Destroy the key of a tombstone; a key without a row may be all that is left of a lost one."""
        done = replace(finding, repaired=True)

        def work(unit: Unit) -> Finding:
            row = unit.attachments.get(AttachmentId(key.owner_id), EVERYTHING)
            if row is None or row.state is not AttachmentState.PURGED or not unit.keys.destroy(row.id):
                return finding
            self._note(unit, done)
            return done

        return self._records.write(work)

    # -- sums, journal, what is unfinished -----------------------------------------------------------------------------
    def _check_quotas(self, *, repair: bool) -> Iterator[Finding]:
        for kept, counted in self._records.read(lambda unit: unit.inventory.miscounted()):
            said = "not counted" if kept is None else _said(kept)
            finding = Finding(FindingKind.QUOTA_WRONG, counted.owner_id, f"{said}, rows: {_said(counted)}")
            yield self._recounted(finding) if repair else finding

    def _recounted(self, finding: Finding) -> Finding:
        done = replace(finding, repaired=True)

        def work(unit: Unit) -> None:
            owner = finding.subject_id
            if unit.quotas.get(LinkId(owner)) is None:
                link = unit.links.get(LinkId(owner), EVERYTHING)
                limits = (None, None) if link is None else (link.terms.max_files, link.terms.max_bytes)
                unit.quotas.open(LinkId(owner), max_files=limits[0], max_bytes=limits[1])
            unit.inventory.recount(LinkId(owner))
            self._note(unit, done)

        self._records.write(work)
        return done

    def _check_journal(self) -> Iterator[Finding]:
        """Indexes alone; whether the entries are what was signed, the audit log's own verification says."""
        expected = 0
        while entries := self._records.read(partial(_entries, start=expected)):
            for entry in entries:
                if entry.index != expected:
                    detail = f"entries {expected} to {entry.index - 1} are missing"
                    yield Finding(FindingKind.JOURNAL_GAP, str(expected), detail)
                expected = entry.index + 1
        last = self._records.read(lambda unit: unit.journal.last_checkpoint())
        if last is not None and last.size > expected:
            detail = f"{expected} entries, the last checkpoint is over {last.size}"
            yield Finding(FindingKind.JOURNAL_GAP, str(expected), detail)

    def _check_uploads(self, before: datetime) -> Iterator[Finding]:
        for row in self._rows(frozenset({AttachmentState.RECEIVING})):
            begun = row.attachment.created_at
            if begun <= before and not self._goes_on(row.attachment.id):
                detail = f"receiving since {rfc3339(begun)}, {row.attachment.reserved_bytes} bytes reserved"
                yield Finding(FindingKind.UPLOAD_STALE, row.attachment.id, detail)

    def _goes_on(self, attachment_id: AttachmentId) -> bool:
        """Whether it is the claim of an upload in pieces: that has an end of its own."""
        upload = self._records.read(lambda unit: unit.uploads_found.of_attachment(attachment_id))
        return upload is not None and upload.expires_at > self._clock() - GRACE

    def _check_purges(self, purging: Collection[AttachmentId]) -> Iterator[Finding]:
        """Those that were begun when the check began and are not through now that it ends."""
        for attachment_id in purging:
            detail = self._records.read(partial(_purging, attachment_id=attachment_id))
            if detail is not None:
                yield Finding(FindingKind.PURGE_UNFINISHED, attachment_id, detail)


def _batch(unit: Unit, *, states: Collection[AttachmentState], after: AttachmentId | None) -> list[_Row]:
    return [
        _Row(
            row,
            has_key=unit.keys.get(row.id, ATTACHMENT) is not None,
            has_link=row.link_id is None or unit.links.get(row.link_id, EVERYTHING) is not None,
            has_certificate=row.state is AttachmentState.PURGED and unit.certificates.of_attachment(row.id) is not None,
        )
        for row in unit.inventory.in_states(states, after=after, limit=BATCH)
    ]


def _named(unit: Unit, *, blob_ids: Collection[BlobId]) -> dict[BlobId, Attachment]:
    return unit.inventory.by_blobs(blob_ids)


def _in_uploads(unit: Unit, *, blob_ids: Collection[BlobId]) -> frozenset[BlobId]:
    return unit.upload_parts.named(blob_ids)


def _parts(unit: Unit, *, after: tuple[UploadId, int] | None) -> Sequence[UploadPart]:
    return unit.upload_parts.page(after=after, limit=BATCH)


def _wrong_row(stat: BlobStat, row: Attachment | None, before: datetime) -> Finding | None:
    found = f"{stat.size} bytes of {rfc3339(stat.modified_at)}" + ("" if stat.finished else ", unfinished")
    if row is not None and row.state is AttachmentState.PURGED:
        return Finding(FindingKind.TOMBSTONE_BLOB, row.id, f"blob {stat.blob_id}: {found}")
    if stat.modified_at > before:
        return None
    if row is None:
        return Finding(FindingKind.BLOB_ORPHAN, stat.blob_id, found)
    if row.state in LIVE and not stat.finished:
        return Finding(FindingKind.BLOB_UNFINISHED, row.id, f"blob {stat.blob_id}: {found}")
    return None


def _keys(unit: Unit, *, after: tuple[str, str] | None) -> list[tuple[WrappedRow, Finding | None]]:
    return [(key, _wrong_owner(unit, key)) for key in unit.keys.owners(after=after, limit=BATCH)]


def _wrong_owner(unit: Unit, key: WrappedRow) -> Finding | None:
    known, purged = True, False
    if key.purpose == ATTACHMENT:
        attachment = unit.attachments.get(AttachmentId(key.owner_id), EVERYTHING)
        known, purged = attachment is not None, attachment is not None and attachment.state is AttachmentState.PURGED
    elif key.purpose == TICKET:
        ticket = unit.tickets.by_id(TicketId(key.owner_id), EVERYTHING)
        known = ticket is not None
        # A hold that came after the erasure seals its reason under a new key of the ticket's.
        purged = ticket is not None and ticket.erased_at is not None and not unit.holds.held(ticket.id)
    elif key.purpose == UPLOAD:
        # Of one that a concatenation took, the parts are still sealed under it.
        known = unit.uploads.get(UploadId(key.owner_id)) is not None or unit.upload_parts.owns(key.owner_id)
    elif key.purpose == ORGANISATION:
        known = unit.organisations.by_id(OrganisationId(key.owner_id), EVERYTHING) is not None
    if not known:
        return Finding(FindingKind.KEY_ORPHAN, key.owner_id, f"{key.purpose} key of nobody")
    if purged:
        return Finding(FindingKind.TOMBSTONE_KEY, key.owner_id, f"{key.purpose} key, its owner is erased")
    return None


def _entries(unit: Unit, *, start: int) -> Sequence[JournalEntry]:
    return unit.journal.entries(start, BATCH)


def _purging(unit: Unit, *, attachment_id: AttachmentId) -> str | None:
    row = unit.attachments.get(attachment_id, EVERYTHING)
    if row is None or row.state is not AttachmentState.PURGING:
        return None
    key = unit.keys.get(attachment_id, ATTACHMENT)
    return "the key is destroyed" if key is None else "the key is still there"


def _said(quota: Quota) -> str:
    used = f"{quota.used_files} files of {quota.used_bytes} bytes"
    return f"{used}, {quota.reserved_files} of {quota.reserved_bytes} reserved"

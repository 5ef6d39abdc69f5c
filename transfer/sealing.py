"""The worker's half of receiving: a body in, a durable, sealed and verified blob out (S-10, S-29, S-47)."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from crypto import SEGMENT_SIZE, Layout, SealedStream, Sealer, sealed_size
from domain.actor import EVERYTHING
from domain.attachment import AttachmentState
from domain.errors import BilagaError, BlobsUnavailable, ChecksumMismatch, Gone
from domain.ids import AttachmentId, BlobId
from storage import BlobStat, BlobStore, BlobWriter, Digesting, Records, Unit
from transfer.claim import Claim, Limits, Sealed
from transfer.digest import SideDigest
from transfer.inspect import TypePolicy
from transfer.meter import Meter
from transfer.room import extend_room
from transfer.scanner import Scanner
from transfer.scanning import BodyScan
from transfer.sniffer import HEAD_LIMIT
from transfer.steps import Steps, unwatched

log = logging.getLogger(__name__)
SCANNED_SOON = 64 << 20
"""Bytes up to which a scanner has spoken soon after the last of them: it begins when it has all, and reads some tens of
MiB a second."""


def pieces(size: int) -> Iterator[int]:
    """Lengths in which a body of ``size`` bytes is best brought: each piece is then sealed from where it lies."""
    layout = Layout(size, SEGMENT_SIZE)
    for number in range(layout.last + 1):
        start, stop = layout.plain(number)
        yield stop - start


class Sealing:
    """Seals bodies. Safe to use from any thread; one ``seal`` is one thread's, with two more beside it for SHA-256.

    ``sniff``: the media type of a file's head (``Sniffer.sniff``). ``scanner`` None: files are marked ``none``.
    ``readback``: read every blob back and compare its digest before it is acknowledged (``VERIFY_UPLOADS=readback``).
    """

    def __init__(
        self,
        records: Records,
        blobs: BlobStore,
        *,
        policy: TypePolicy,
        sniff: Callable[[bytes], str],
        limits: Limits,
        scanner: Scanner | None = None,
        readback: Digesting | None = None,
        steps: Steps = unwatched,
    ) -> None:
        self._records = records
        self._blobs = blobs
        self._policy = policy
        self._sniff = sniff
        self._limits = limits
        self._scanner = scanner
        self._readback = readback
        self._steps = steps
        self._cores = len(os.sched_getaffinity(0))
        self._lock = threading.Lock()
        self._bodies = 0

    def check_ready(self) -> None:
        """Raises ScannerUnavailable where a scanner is configured and does not answer: asked before the body."""
        if self._scanner is not None:
            self._scanner.ping()

    def ends_soon(self, size: int) -> bool:
        """Whether a body of ``size`` bytes is sealed soon after its last one, scan and all."""
        return self._scanner is None or size <= SCANNED_SOON

    def seal(self, claim: Claim, chunks: Iterable[bytes | memoryview]) -> Sealed:
        """Meter, sniff, digest, scan, seal and write a body; then make the blob durable and verify it.

        A chunk's memory may be used again when the next one is asked for. Nothing is written before the type of the
        file is known to be allowed. Raises TooLarge, QuotaExceeded, IncompleteBody, TypeNotAllowed, ContentMismatch,
        Infected, ScannerUnavailable (only before the first byte), StorageFull, BlobsUnavailable, and whatever reading
        ``chunks`` raises: then no blob is left.
        """
        body = _Body(self, claim)
        with self._lock:
            self._bodies += 1
        try:
            for chunk in chunks:
                body.take(chunk)
            return body.end()
        except BaseException:
            body.discard()
            raise
        finally:
            with self._lock:
                self._bodies -= 1
            body.close()

    def seal_or_keep(self, claim: Claim, chunks: Iterable[bytes | memoryview]) -> Sealed | Cut:
        """As ``seal``, of a body that breaks off what came: where ``chunks`` raises, that much is sealed and durable as
        well, as a stream of its own under the claim's key. What is wrong with the bytes themselves is raised."""
        body = _Body(self, claim, whole=False)
        with self._lock:
            self._bodies += 1
        try:
            cut = None
            coming = iter(chunks)
            while True:
                try:
                    chunk = next(coming)
                except StopIteration:
                    break
                except ChecksumMismatch:
                    raise
                except Exception as error:  # noqa: BLE001  # whatever it was, what came before is kept
                    cut = error
                    break
                body.take(chunk)
            return body.end() if cut is None else Cut(body.keep(), cut)
        except BaseException:
            body.discard()
            raise
        finally:
            with self._lock:
                self._bodies -= 1
            body.close()

    def _room(self) -> bool:
        """Whether there are cores for digests beside the bodies; else each hashes by itself, and saves handing over."""
        return self._bodies < self._cores

    # -- for a body under way ----------------------------------------------------------------------------------------
    def digest(self) -> SideDigest:
        """A digest for one body, of what goes in or of what comes out."""
        return SideDigest(self._room)

    def begin_scan(self) -> BodyScan:
        """A scan for one body; one that says ``none`` where no scanner is configured."""
        return BodyScan(self._scanner)

    def meter(self, claim: Claim) -> Meter:
        """A meter for a claim, which extends its room."""
        return Meter(
            declared=claim.declared_size,
            reserved=claim.reserved,
            largest=self._largest(claim),
            extend=lambda size: self._extend(claim, size),
        )

    def meter_of_part(self, claim: Claim, start: int) -> Meter:
        """A meter for what goes on at ``start``."""
        return Meter(
            declared=None if claim.declared_size is None else claim.declared_size - start,
            reserved=max(claim.reserved - start, 0),
            largest=self._largest(claim) - start,
            extend=lambda size: self._extend(claim, size),
        )

    def _largest(self, claim: Claim) -> int:
        """The limit; what was let in before it was lowered, and has come in since, is not refused at last."""
        return max(self._limits.max_file_size, claim.declared_size or 0)

    def check_type(self, claim: Claim, head: bytes) -> str:
        """The media type to store. Raises TypeNotAllowed, ContentMismatch."""
        return self._policy.check(claim.name, self._sniff(head), claim.incoming.allowed_types)

    def create(self, claim: Claim) -> BlobWriter:
        """The claim's blob."""
        expected = None if claim.declared_size is None else sealed_size(claim.declared_size)
        return self._blobs.create(claim.blob_id, expected)

    def verify(self, claim: Claim, stream: SealedStream, stat: BlobStat) -> None:
        """Compare what the store says it keeps with what was sealed. Raises BlobsUnavailable."""
        self.compare(claim.attachment_id, claim.blob_id, stream, stat)
        self._steps("sealed")

    def compare(self, attachment_id: AttachmentId, blob_id: BlobId, stream: SealedStream, stat: BlobStat) -> None:
        """Raises BlobsUnavailable where the store does not keep what was sealed."""
        whole = stat.finished and stat.size == stream.sealed_size
        if whole and self._readback is not None:
            whole = self._readback.digest(blob_id) == stream.sealed_sha256
        if not whole:
            log.error("blob.not-as-written", extra={"attachment_id": attachment_id})
            raise BlobsUnavailable("the store does not keep what was written")

    def delete(self, claim: Claim) -> None:
        """Remove the claim's blob; where that fails now, recovery does it."""
        try:
            self._blobs.delete(claim.blob_id)
        except BilagaError as error:
            log.warning("upload.blob-left", extra={"attachment_id": claim.attachment_id, "code": error.code})

    def _extend(self, claim: Claim, size: int) -> None:
        def work(unit: Unit) -> None:
            row = unit.attachments.get(claim.attachment_id, EVERYTHING)
            if row is None or row.state is not AttachmentState.RECEIVING:
                raise Gone("this upload was ended")
            extend_room(unit, row, size, self._limits.organisation_max_bytes)

        self._records.write(work)
        claim.reserved += size


@dataclass(frozen=True, slots=True)
class Cut:
    """A body that broke off. ``stream``: what came before, durable as the claim's blob; None: nothing did."""

    stream: SealedStream | None
    cause: Exception


class _Body:
    """One body on its way through the stages."""

    def __init__(self, sealing: Sealing, claim: Claim, *, whole: bool = True) -> None:
        """``whole``: shorter than declared, nothing is kept of it."""
        self._sealing = sealing
        self._whole = whole
        self._claim = claim
        self._scan = sealing.begin_scan()
        self._meter = sealing.meter(claim)
        self._digest = sealing.digest()
        self._sealed_digest = sealing.digest()
        self._head: list[bytes] = []
        self._held = 0
        self._media_type: str | None = None
        self._writer: BlobWriter | None = None
        self._sealer: Sealer | None = None

    def take(self, chunk: bytes | memoryview) -> None:
        """One chunk further."""
        self._meter.take(len(chunk))
        if self._media_type is not None:
            self._pass_on(chunk)
            return
        if not self._head and len(chunk) >= HEAD_LIMIT:
            self._begin(bytes(chunk[:HEAD_LIMIT]))
            self._pass_on(chunk)
            return
        self._head.append(bytes(chunk))
        self._held += len(chunk)
        if self._held >= HEAD_LIMIT:
            self._let_head_go()

    def end(self) -> Sealed:
        """The body is whole: what was made of it."""
        self._meter.end()
        if self._media_type is None:
            self._let_head_go()
        if self._sealer is None or self._writer is None or self._media_type is None:
            raise AssertionError("a body without a type")
        outcome = self._scan.outcome()
        sha256 = self._digest.digest()
        stream = self._sealer.finish()
        stat = self._writer.commit()
        self._sealing.verify(self._claim, stream, stat)
        if self._claim.ended:
            raise Gone("this upload was ended")
        return Sealed(self._claim, stream, sha256, self._media_type, outcome)

    def keep(self) -> SealedStream | None:
        """The body has broken off: what came, durable; None where nothing did."""
        if self._media_type is None and self._held:
            self._open()
            self._pass_on(b"".join(self._head))
        if self._sealer is None or self._writer is None:
            return None
        stream = self._sealer.finish()
        self._sealing.compare(self._claim.attachment_id, self._claim.blob_id, stream, self._writer.commit())
        return stream

    def discard(self) -> None:
        """Leave nothing."""
        if self._sealer is not None:
            self._sealer.abort()
        if self._writer is not None:
            self._writer.abort()
            self._sealing.delete(self._claim)

    def close(self) -> None:
        """End what runs beside."""
        self._digest.close()
        self._sealed_digest.close()
        self._scan.close()

    def _let_head_go(self) -> None:
        head = b"".join(self._head)
        self._head = []
        self._begin(head[:HEAD_LIMIT])
        if head:
            self._pass_on(head)

    def _begin(self, head: bytes) -> None:
        self._media_type = self._sealing.check_type(self._claim, head)
        self._open()

    def _open(self) -> None:
        claim = self._claim
        self._writer = self._sealing.create(claim)
        # A stream from which more was expected cannot be ended where it stands.
        expected = claim.declared_size if self._whole else None
        self._sealer = Sealer(
            claim.key, claim.context, self._writer.write, expected=expected, sha256=self._sealed_digest
        )

    def _pass_on(self, chunk: bytes | memoryview) -> None:
        if self._sealer is None:
            raise AssertionError("a body without a type")
        self._digest.update(chunk)
        self._scan.feed(chunk)
        self._sealer.write(chunk)
        if not isinstance(chunk, bytes):
            self._digest.settle()  # its memory is about to be used again

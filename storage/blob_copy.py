"""Every living attachment's blob of one store in another, under the same id, proved by its SHA-256 on both sides.

What is read is compared with the row (S-28), what was written is read back. Several go at once, each in a thread and in
pieces, so memory does not depend on any size. It may be stopped at any moment: a mark says up to which attachment all
is done, and a blob that is there already is read, not copied.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice

from domain.attachment import LIVE, Attachment, AttachmentState
from domain.errors import BlobMissing, BlobsUnavailable, Damaged, SegmentForged, StreamTruncated
from domain.ids import AttachmentId, BlobId, UploadId
from domain.upload import UploadPart
from storage.blobs import BlobStat, BlobStore, Digesting
from storage.records import Records, Unit

AT_ONCE = 8
PIECE = 4 << 20
BATCH = 200
KEEP_EVERY = 32
"""Blobs after which it is written down how far all is done."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A blob that is not as its row says. ``known``: the row says that too (state ``damaged``)."""

    attachment_id: AttachmentId
    blob_id: BlobId
    detail: str
    known: bool


@dataclass(slots=True)
class Copied:
    """What became of the blobs. ``there``: those that were in the target already."""

    copied: int = 0
    there: int = 0
    bytes: int = 0
    removed: int = 0
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _One:
    size: int
    there: bool = False
    fault: Fault | None = None


class BlobCopy:
    """One copy of the blobs that ``records`` names. Nobody else may write to either store.

    ``digesting`` reads the target back. ``accept``: a damaged blob is copied as it is, a missing one stays missing;
    without it none of them is written, and the same holds in both cases for those whose row says that it is damaged.
    ``told`` hears how far it is; ``steps``, a seam for tests, of each blob (``blob``).
    """

    def __init__(
        self,
        records: Records,
        source: BlobStore,
        target: BlobStore,
        digesting: Digesting,
        *,
        accept: bool = False,
        told: Callable[[Copied], None] = lambda _: None,
        steps: Callable[[str], None] = lambda _: None,
        at_once: int = AT_ONCE,
    ) -> None:
        self._records = records
        self._source = source
        self._target = target
        self._digesting = digesting
        self._accept = accept
        self._told = told
        self._steps = steps
        self._at_once = at_once

    def clear(self, done: Copied) -> None:
        """Remove from the target what no living attachment has: of a run before this one, or purged since.

        Never for a store that the source uses too. Raises Unavailable.
        """
        stats = self._target.iterate()
        while batch := list(islice(stats, BATCH)):
            named = self._records.read(partial(_named, blob_ids=[one.blob_id for one in batch]))
            parts = self._records.read(partial(_in_parts, blob_ids=[one.blob_id for one in batch]))
            for stat in batch:
                if stat.finished and stat.blob_id in parts:
                    continue
                if not _is_wanted(stat, named.get(stat.blob_id)):
                    self._target.delete(stat.blob_id)
                    done.removed += 1

    def run(
        self, done: Copied, *, trusted: AttachmentId | None, keep: Callable[[AttachmentId], None], empty: bool = False
    ) -> None:
        """Copy what is not there; in an ``empty`` target nothing is looked for.

        Up to ``trusted`` it is enough that a blob is there in its size: its digest was compared before. ``keep`` is
        told up to where all is done. Raises Unavailable; then nothing after the last ``keep`` is known.
        """
        waiting: deque[tuple[Attachment, Future[_One]]] = deque()
        since, clean = 0, True
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="blob-copy") as threads:
            try:
                rows = self._living()
                for row in islice(rows, 2 * self._at_once):
                    waiting.append((row, threads.submit(self._one, row, trusted or "", empty=empty)))
                while waiting:
                    row, future = waiting.popleft()
                    one = future.result()
                    _count(done, one)
                    clean = clean and one.fault is None
                    since += 1
                    if clean and since >= KEEP_EVERY and row.id > (trusted or ""):
                        keep(row.id)
                        since = 0
                    self._told(done)
                    self._steps("blob")
                    for following in islice(rows, 1):
                        waiting.append((following, threads.submit(self._one, following, trusted or "", empty=empty)))
            finally:
                threads.shutdown(wait=True, cancel_futures=True)
        for part in self._parts():
            _count(done, self._one(part, "", empty=empty))

    def look(self, done: Copied) -> None:
        """Where both sides use one store: whether every blob is there in its size. Raises Unavailable."""
        rows: Iterator[Attachment | UploadPart] = chain(self._living(), self._parts())
        for row in rows:
            found = self._target.stat(row.blob_id)
            if found is not None and found.size == row.sealed_size:
                done.there += 1
                continue
            error = BlobMissing() if found is None else _wrong_size(found.size, row)
            done.faults.append(_fault(row, error))

    def _living(self) -> Iterator[Attachment]:
        after: AttachmentId | None = None
        while batch := self._records.read(partial(_batch, after=after)):
            yield from batch
            after = batch[-1].id

    def _parts(self) -> Iterator[UploadPart]:
        """What uploads under way have sent, each blob once."""
        after: tuple[UploadId, int] | None = None
        seen = set[BlobId]()
        while page := self._records.read(partial(_page, after=after)):
            for part in page:
                if part.blob_id not in seen:
                    seen.add(part.blob_id)
                    yield part
            after = (page[-1].upload_id, page[-1].number)

    def _one(self, row: Attachment | UploadPart, trusted: str, *, empty: bool) -> _One:
        size = row.sealed_size or 0
        found = None if empty else self._target.stat(row.blob_id)
        if found is not None:
            whole = found.size == size
            if whole and (_id_of(row) <= trusted or self._digesting.digest(row.blob_id) == row.sealed_sha256):
                return _One(size, there=True)
            self._target.delete(row.blob_id)
        known = _is_damaged(row)
        try:
            self._copy(row, as_it_is=known or self._accept)
        except Damaged as error:
            return _One(0, fault=_fault(row, error))
        return _One(size)

    def _copy(self, row: Attachment | UploadPart, *, as_it_is: bool) -> None:
        """Raises Damaged where the source's blob is not what its row says; it was copied then if ``as_it_is``."""
        wrong: Damaged | None = None
        digest = hashlib.sha256()
        with self._source.open(row.blob_id) as reader:
            if reader.size != row.sealed_size:
                wrong = _wrong_size(reader.size, row)
                if not as_it_is:
                    raise wrong
            with self._target.create(row.blob_id, reader.size) as writer:
                offset = 0
                while offset < reader.size and (piece := reader.read_at(offset, PIECE)):
                    digest.update(piece)
                    writer.write(piece)
                    offset += len(piece)
                if wrong is None and digest.digest() != row.sealed_sha256:
                    wrong = SegmentForged("its bytes are not those whose SHA-256 the row has")
                    if not as_it_is:
                        raise wrong
                writer.commit()
        if self._digesting.digest(row.blob_id) != digest.digest():
            with suppress(Exception):
                self._target.delete(row.blob_id)
            raise BlobsUnavailable("The target gives back other bytes than were written to it.")
        if wrong is not None:
            raise wrong


def _wrong_size(size: int, row: Attachment | UploadPart) -> Damaged:
    return StreamTruncated(f"{size} bytes, the row says {row.sealed_size}")


def _fault(row: Attachment | UploadPart, error: Damaged) -> Fault:
    return Fault(AttachmentId(_id_of(row)), row.blob_id, error.detail, known=_is_damaged(row))


def _id_of(row: Attachment | UploadPart) -> str:
    return row.upload_id if isinstance(row, UploadPart) else row.id


def _is_damaged(row: Attachment | UploadPart) -> bool:
    return isinstance(row, Attachment) and row.state is AttachmentState.DAMAGED


def _count(done: Copied, one: _One) -> None:
    if one.fault is not None:
        done.faults.append(one.fault)
    elif one.there:
        done.there += 1
    else:
        done.copied += 1
        done.bytes += one.size


def _batch(unit: Unit, *, after: AttachmentId | None) -> list[Attachment]:
    return list(unit.inventory.in_states(LIVE, after=after, limit=BATCH))


def _named(unit: Unit, *, blob_ids: Collection[BlobId]) -> dict[BlobId, Attachment]:
    return unit.inventory.by_blobs(blob_ids)


def _in_parts(unit: Unit, *, blob_ids: Collection[BlobId]) -> frozenset[BlobId]:
    return unit.upload_parts.named(blob_ids)


def _page(unit: Unit, *, after: tuple[UploadId, int] | None) -> list[UploadPart]:
    return list(unit.upload_parts.page(after=after, limit=BATCH))


def _is_wanted(stat: BlobStat, row: Attachment | None) -> bool:
    return stat.finished and row is not None and row.state in LIVE

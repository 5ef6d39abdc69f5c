"""A store behind a network, with patience and without stubbornness (S-85).

What is decided here, and why:

- **For S3 alone.** A folder of the same machine does not come and go: a failed sync must never be tried again (S-12),
  and a disk that refuses writes is still read from. So the file store is used bare.
- **On another scale than the client's own repeating.** boto3 (``standard``) and the reader of a blob repeat what fails,
  and give up within a quarter of a second (measured: 0.14 to 0.25 s at three attempts). That covers a lost connection,
  not a gateway that is started anew or replaced. Here the next try comes after a good second, and none after
  ``patience`` seconds: what stalled inside until a time-out is not repeated, so that waits never multiply.
- **Only what may be asked twice**: ``open``, ``stat``, ``delete``, ``delete_all``, ``digest``, ``read_at``, and a
  listing from where it broke off. Never a writer: of one that failed nothing is known, and its blob is gone already.
  Nor ``ping``, which asks about this very moment.
- **A breaker of our own**, as no client has one. It goes by ``ping``, so that one blob that cannot be had closes
  nothing, and one failure is enough to ask. As a store that stalls would else hold every caller until the longest
  time-out, a question that waits for ``slow`` seconds makes the next caller ask too. Readers and writers under way are
  watched and never stopped by it: what has begun may outlive a short outage, or ends in its own way.

Not stamina, which serves single functions well: the tries of a reader and of a listing begin at another place each
time, its hooks are global, and it logs arguments and errors' texts.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from types import TracebackType
from typing import Protocol, Self, TypeVar

from domain.breaker import Breaker
from domain.errors import BilagaError, BlobsUnavailable
from domain.ids import BlobId
from storage.blobs.port import BlobReader, BlobStat, BlobStore, BlobWriter, Clearing, Digesting, Space, check_id

log = logging.getLogger(__name__)
T = TypeVar("T")

WAITS = (0.5, 1.5)
"""Seconds before the second try, at random between them; twice that before the third."""


class DigestingStore(BlobStore, Digesting, Protocol):
    """What is decorated."""


def _tell(back: bool) -> None:
    if back:
        log.info("blobs.back")
    else:
        log.error("blobs.down")


class RetryingBlobStore:
    """``BlobStore``, ``Digesting`` and ``Clearing`` over another one. At most ``attempts``, none begun after
    ``patience`` seconds. ``clearing``: the same store, where it removes many blobs at once.

    Down after ``failures`` in a row, or an answer that takes longer than ``slow`` seconds, and a failing ``ping``,
    which is asked again every ``pause`` seconds.
    """

    def __init__(
        self,
        inner: DigestingStore,
        *,
        clearing: Clearing | None = None,
        attempts: int = 3,
        patience: float = 5.0,
        failures: int = 1,
        pause: float = 5.0,
        slow: float = 8.0,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._clearing = clearing
        self._attempts = attempts
        self._patience = patience
        self._sleep = sleep
        self._monotonic = monotonic
        self._breaker = Breaker(
            BlobsUnavailable,
            inner.ping,
            _tell,
            failures=failures,
            pause=pause,
            slow=slow,
            monotonic=monotonic,
        )

    # -- asked as often as it takes ------------------------------------------------------------------------------------
    def open(self, blob_id: BlobId) -> BlobReader:
        return _Reader(self, self._ask(lambda: self._inner.open(blob_id)))

    def stat(self, blob_id: BlobId) -> BlobStat | None:
        return self._ask(lambda: self._inner.stat(blob_id))

    def delete(self, blob_id: BlobId) -> None:
        self._ask(lambda: self._inner.delete(blob_id))

    def delete_all(self, blob_ids: Collection[BlobId]) -> Mapping[BlobId, BilagaError]:
        clearing = self._clearing
        if clearing is not None:
            return self._ask(lambda: clearing.delete_all(blob_ids))
        kept: dict[BlobId, BilagaError] = {}
        for blob_id in blob_ids:
            try:
                self.delete(blob_id)
            except BilagaError as error:
                kept[blob_id] = error
        return kept

    def digest(self, blob_id: BlobId) -> bytes:
        self._breaker.check()  # and no more: it may take hours, which says nothing
        return self._patiently(lambda: self._inner.digest(blob_id))

    def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
        if after is not None:
            check_id(after)
        return self._go_on(after)

    # -- once ----------------------------------------------------------------------------------------------------------
    def create(self, blob_id: BlobId, expected_size: int | None) -> BlobWriter:
        return _Writer(self._breaker, self._breaker.call(lambda: self._inner.create(blob_id, expected_size)))

    def ping(self) -> None:
        self._breaker.call(self._inner.ping)

    def space(self) -> Space:
        self._breaker.check()  # what it says may not come from the store at all: it clears nobody
        return self._inner.space()

    def close(self) -> None:
        self._inner.close()

    # -- trying --------------------------------------------------------------------------------------------------------
    def _ask(self, question: Callable[[], T]) -> T:
        """Raises BlobsUnavailable: at once while the store is down, or after the last try."""
        return self._breaker.call(lambda: self._patiently(question))

    def _patiently(self, question: Callable[[], T]) -> T:
        began = self._monotonic()
        for attempt in range(1, self._attempts):
            try:
                return question()
            except BlobsUnavailable as error:
                wait = random.uniform(*WAITS) * attempt  # noqa: S311 (spreads load, guards nothing)
                if self._monotonic() - began + wait > self._patience:
                    raise
                log.info("blobs.again", extra={"attempt": attempt, "cause": type(error.__cause__).__name__})
                self._sleep(wait)
        return question()

    def read(self, question: Callable[[], T]) -> T:
        """For readers under way: as often as it takes, whatever is known of the store."""
        return self._breaker.watch(lambda: self._patiently(question))

    def _go_on(self, last: BlobId | None) -> Iterator[BlobStat]:
        stats: Iterator[BlobStat] | None = None

        def step() -> BlobStat | None:
            nonlocal stats
            broken, stats = stats or self._inner.iterate(last), None
            found = next(broken, None)
            stats = broken
            return found

        while (stat := self._ask(step)) is not None:
            last = stat.blob_id
            yield stat


class _Closed(Exception):
    """A blob was closed while it was read."""


class _Reader:
    """A blob, open. Once closed it is not asked any more, and says nothing of the store."""

    def __init__(self, store: RetryingBlobStore, inner: BlobReader) -> None:
        self._store = store
        self._inner = inner
        self._closed = False

    @property
    def size(self) -> int:
        return self._inner.size

    def read_at(self, offset: int, length: int) -> bytes:
        try:
            return self._store.read(lambda: self._read_at(offset, length))
        except _Closed as error:
            raise BlobsUnavailable("the blob was closed") from error

    def _read_at(self, offset: int, length: int) -> bytes:
        try:
            return self._inner.read_at(offset, length)
        except BlobsUnavailable as error:
            if self._closed:
                raise _Closed from error
            raise

    def close(self) -> None:
        self._closed = True
        self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Writer:
    """A blob on its way: every step once; what it meets is told to the breaker."""

    def __init__(self, breaker: Breaker, inner: BlobWriter) -> None:
        self._breaker = breaker
        self._inner = inner

    def write(self, view: memoryview | bytes) -> None:
        try:
            self._inner.write(view)
        except BlobsUnavailable:
            self._breaker.failed()
            raise

    def commit(self) -> BlobStat:
        return self._breaker.watch(self._inner.commit)

    def abort(self) -> None:
        self._inner.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

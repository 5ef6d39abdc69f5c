"""A store behind a network, with patience and without stubbornness (S-85).

What is decided here, and why:

- **For S3 alone.** A folder of the same machine does not come and go: a failed sync must never be tried again (S-12),
  and a disk that refuses writes is still read from. So the file store is used bare.
- **Not what the client does already.** boto3 repeats every request by itself (``standard``: bounded, with jitter), but
  not an answer's body that breaks off under way, nor a listing from the middle. What took longer than ``quick`` seconds
  to fail has waited for a time-out or was repeated inside: again from here would multiply both. So only what failed
  at once is repeated, and a caller waits for one engine's patience, never for several times that.
- **Only what may be asked twice**: ``open``, ``stat``, ``delete``, ``digest``, ``ping``, ``read_at``, and a listing
  from where it broke off. Never a writer: of one that failed nothing is known, and its blob is gone already.
- **A breaker of our own**, as no client has one: it goes by ``ping``, so that one blob that cannot be had closes
  nothing. Writers under way are watched and never stopped by it: they end in their own way.

Not stamina, which serves single functions well: the tries of a reader and of a listing begin at another place each
time, its hooks are global, and it logs arguments and errors' texts.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, Self, TypeVar

from domain.breaker import Breaker
from domain.errors import BlobsUnavailable
from domain.ids import BlobId
from storage.blobs.port import BlobReader, BlobStat, BlobStore, BlobWriter, Digesting, Space, check_id

log = logging.getLogger(__name__)
T = TypeVar("T")

WAITS = (0.05, 0.2)
"""Seconds before the second try, at random between them; doubled for each further one."""


class DigestingStore(BlobStore, Digesting, Protocol):
    """What is decorated."""


def _tell(back: bool) -> None:
    if back:
        log.info("blobs.back")
    else:
        log.error("blobs.down")


class RetryingBlobStore:
    """``BlobStore`` and ``Digesting`` over another one. At most ``attempts`` in all of what failed within ``quick``
    seconds; down after ``failures`` in a row and a failing ``ping``, looked at again every ``pause`` seconds."""

    def __init__(
        self,
        inner: DigestingStore,
        *,
        attempts: int = 3,
        quick: float = 0.25,
        failures: int = 3,
        pause: float = 5.0,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._attempts = attempts
        self._quick = quick
        self._sleep = sleep
        self._monotonic = monotonic
        self._breaker = Breaker(
            BlobsUnavailable, inner.ping, _tell, failures=failures, pause=pause, monotonic=monotonic
        )

    # -- asked as often as it takes ------------------------------------------------------------------------------------
    def open(self, blob_id: BlobId) -> BlobReader:
        return _Reader(self, self._ask(lambda: self._inner.open(blob_id)))

    def stat(self, blob_id: BlobId) -> BlobStat | None:
        return self._ask(lambda: self._inner.stat(blob_id))

    def delete(self, blob_id: BlobId) -> None:
        self._ask(lambda: self._inner.delete(blob_id))

    def digest(self, blob_id: BlobId) -> bytes:
        return self._ask(lambda: self._inner.digest(blob_id))

    def ping(self) -> None:
        self._ask(self._inner.ping)

    def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
        if after is not None:
            check_id(after)
        return self._go_on(after)

    # -- once ----------------------------------------------------------------------------------------------------------
    def create(self, blob_id: BlobId, expected_size: int | None) -> BlobWriter:
        self._breaker.check()
        try:
            return _Writer(self._breaker, self._inner.create(blob_id, expected_size))
        except BlobsUnavailable:
            self._breaker.failed()
            raise

    def space(self) -> Space:
        self._breaker.check()  # what it says may not come from the store at all: it clears nobody
        return self._inner.space()

    def close(self) -> None:
        self._inner.close()

    # -- trying --------------------------------------------------------------------------------------------------------
    def _ask(self, question: Callable[[], T]) -> T:
        """Raises BlobsUnavailable: at once while the store is down, or after the last try."""
        self._breaker.check()
        for attempt in range(1, self._attempts):
            began = self._monotonic()
            try:
                return self._breaker.watch(question)
            except BlobsUnavailable as error:
                if self._monotonic() - began > self._quick:
                    raise
                log.info("blobs.again", extra={"attempt": attempt, "cause": type(error.__cause__).__name__})
                self._sleep(random.uniform(*WAITS) * 2 ** (attempt - 1))  # noqa: S311 (spreads load, guards nothing)
                self._breaker.check()
        return self._breaker.watch(question)

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
            return self._store._ask(lambda: self._read_at(offset, length))  # noqa: SLF001 (the reader is the store's own)
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

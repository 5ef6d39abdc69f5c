"""A store in memory that fails where it is told to, and a clock and a sleep that take no time."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType

from domain.errors import BilagaError, BlobsUnavailable
from domain.ids import BlobId
from storage import BlobReader, BlobStat, BlobWriter, Space
from storage.blobs.memory import MemoryBlobStore


@dataclass
class Time:
    """Seconds that pass when somebody sleeps, or when a call is said to take them."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class FlakyStore(MemoryBlobStore):
    """``failing``: a call's name and the errors its next calls raise, None for a call that goes well. ``down``: all
    that asks the store raises. ``takes``: seconds of each call that fails. ``asked``: how often each was made."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self.time = time
        self.failing: dict[str, deque[BilagaError | None]] = {}
        self.down = False
        self.takes = 0.0
        self.asked: Counter[str] = Counter()
        self.closed = False

    def fail(self, call: str, times: int = 1, error: type[BilagaError] = BlobsUnavailable) -> None:
        self.failing[call] = deque(error() for _ in range(times))

    def meet(self, call: str) -> None:
        self.asked[call] += 1
        errors = self.failing.get(call)
        error = BlobsUnavailable() if self.down else errors.popleft() if errors else None
        if error is not None:
            self.time.now += self.takes
            raise error

    def create(self, blob_id: BlobId, expected_size: int | None) -> BlobWriter:
        self.meet("create")
        return _Writer(self, super().create(blob_id, expected_size))

    def open(self, blob_id: BlobId) -> BlobReader:
        self.meet("open")
        return _Reader(self, super().open(blob_id))

    def stat(self, blob_id: BlobId) -> BlobStat | None:
        self.meet("stat")
        return super().stat(blob_id)

    def delete(self, blob_id: BlobId) -> None:
        self.meet("delete")
        super().delete(blob_id)

    def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
        self.meet("iterate")
        for stat in super().iterate(after):
            self.meet("step")
            yield stat

    def space(self) -> Space:
        self.asked["space"] += 1
        return super().space()

    def ping(self) -> None:
        self.meet("ping")

    def digest(self, blob_id: BlobId) -> bytes:
        self.meet("digest")
        return super().digest(blob_id)

    def close(self) -> None:
        self.closed = True


class _Writer:
    def __init__(self, store: FlakyStore, inner: BlobWriter) -> None:
        self.store, self.inner = store, inner

    def write(self, view: memoryview | bytes) -> None:
        self.store.meet("write")
        self.inner.write(view)

    def commit(self) -> BlobStat:
        self.store.meet("commit")
        return self.inner.commit()

    def abort(self) -> None:
        self.inner.abort()

    def __enter__(self) -> _Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


class _Reader:
    def __init__(self, store: FlakyStore, inner: BlobReader) -> None:
        self.store, self.inner = store, inner

    @property
    def size(self) -> int:
        return self.inner.size

    def read_at(self, offset: int, length: int) -> bytes:
        self.store.meet("read_at")
        return self.inner.read_at(offset, length)

    def close(self) -> None:
        self.inner.close()

    def __enter__(self) -> _Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

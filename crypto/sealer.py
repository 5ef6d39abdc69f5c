"""Bytes in, a sealed stream out."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from crypto.context import Context
from crypto.data_key import DataKey
from crypto.format import HEADER_SIZE, MAX_PLAINTEXT, SEGMENT_SIZE, TAG_SIZE, Header, check_segment_size
from crypto.stream_cipher import StreamCipher
from domain.errors import TooLarge


@dataclass(frozen=True, slots=True)
class SealedStream:
    """What is to be kept about a stream beside its bytes. Sizes in bytes; both digests have 32."""

    plaintext_size: int
    sealed_size: int
    sealed_sha256: bytes
    commitment: bytes


class RunningDigest(Protocol):
    """SHA-256 of what is given in order, perhaps computed beside its caller."""

    def update(self, chunk: memoryview) -> None:
        """Hash more; its memory must not change before ``settle`` returned."""

    def settle(self) -> None:
        """Wait until everything given was hashed."""

    def digest(self) -> bytes:
        """The digest of everything given: 32 bytes."""
        ...


class _InPlace:
    """The plain one."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.update = self._sha256.update
        self.digest = self._sha256.digest

    def settle(self) -> None:
        """Nothing runs beside."""


class Sealer:
    """Seals one stream. Not for several threads at once; AES and SHA-256 run outside the interpreter's lock.

    ``write`` is called with a view of each sealed segment in order: it must take all of it, and keep none of it, since
    the buffer is used again. Each sealer makes a new header, so none ever continues another's stream (S-34).

    ``expected`` bytes of plaintext, where that is known, let a full segment go at once and uncopied: one that is not
    the last need not wait for what comes next. A stream that ends before has no last segment: ``finish`` refuses.
    ``sha256`` computes the sealed stream's digest; None: in place, as each segment leaves.

    Once broken it stays broken: after an error of its own or of ``write``, every further call raises that error.
    Two buffers of one segment each is all it holds; the one with plaintext is wiped at the end.
    """

    def __init__(
        self,
        key: DataKey,
        context: Context,
        write: Callable[[memoryview], object],
        segment_size: int = SEGMENT_SIZE,
        *,
        expected: int | None = None,
        sha256: RunningDigest | None = None,
    ) -> None:
        check_segment_size(segment_size)
        header = Header.new()
        self._cipher = StreamCipher(key, context.encode(), header)
        self._write = write
        self._sealed = _buffer(segment_size)
        self._sealed[:HEADER_SIZE] = header.encode()
        self._staged = _buffer(segment_size - TAG_SIZE)
        self._filled = 0
        self._dirty = 0
        self._index = 0
        self._plaintext_size = 0
        self._sealed_size = 0
        self._expected = expected or 0
        self._sha256: RunningDigest = _InPlace() if sha256 is None else sha256
        self._failure: BaseException | None = None
        self._finished = False

    @property
    def plaintext_size(self) -> int:
        """Bytes taken so far."""
        return self._plaintext_size

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take more plaintext, of any length. Raises TooLarge beyond 1 TiB (S-31), and what ``write`` raises."""
        self._check_open()
        try:
            view = memoryview(chunk).cast("B")
            if self._plaintext_size + len(view) > MAX_PLAINTEXT:
                raise TooLarge
            self._take(view)
            self._plaintext_size += len(view)
        except BaseException as failure:
            self._break(failure)
            raise

    def finish(self) -> SealedStream:
        """Seal the last segment and say what was made. Without this the stream has no end and opens for nobody.

        Raises ValueError where more was expected.
        """
        self._check_open()
        try:
            if self._plaintext_size < self._expected:
                raise ValueError("the stream is shorter than was expected")
            self._seal(self._staged[: self._filled], last=True)
        except BaseException as failure:
            self._break(failure)
            raise
        self._finished = True
        self._wipe()
        return SealedStream(self._plaintext_size, self._sealed_size, self._sha256.digest(), self._cipher.commitment)

    def abort(self) -> None:
        """Give up: nothing more is written and the plaintext is wiped. Harmless when finished or aborted before."""
        if not self._finished and self._failure is None:
            self._break(ValueError("this stream was given up"))

    def _take(self, view: memoryview) -> None:
        taken = 0
        if self._filled:
            taken = min(self._capacity() - self._filled, len(view))
            self._stage(view[:taken])
            if taken == len(view):
                return  # a full segment waits: only what comes next tells whether it is the last
            self._seal(self._staged[: self._filled], last=False)
            self._filled = 0
        while len(view) - taken > (capacity := self._capacity()) or self._goes_on(taken, capacity, len(view)):
            self._seal(view[taken : taken + capacity], last=False)
            taken += capacity
        self._stage(view[taken:])

    def _goes_on(self, taken: int, capacity: int, length: int) -> bool:
        """Whether what is left of a view fills a segment behind which more is expected."""
        return length - taken == capacity and self._plaintext_size + length < self._expected

    def _capacity(self) -> int:
        return len(self._staged) - (0 if self._index else HEADER_SIZE)

    def _stage(self, view: memoryview) -> None:
        end = self._filled + len(view)
        self._staged[self._filled : end] = view
        self._filled = end
        self._dirty = max(self._dirty, end)

    def _seal(self, plaintext: memoryview, *, last: bool) -> None:
        begin = 0 if self._index else HEADER_SIZE
        segment = self._sealed[: begin + len(plaintext) + TAG_SIZE]
        self._cipher.seal_into(self._index, plaintext, segment[begin:], last=last)
        # Counted before it is handed out: whatever happens there, this number is never sealed again (S-34).
        self._index += 1
        self._sealed_size += len(segment)
        self._sha256.update(segment)
        self._write(segment)
        self._sha256.settle()

    def _check_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._finished:
            raise ValueError("this stream is finished")

    def _break(self, failure: BaseException) -> None:
        self._failure = failure
        self._wipe()

    def _wipe(self) -> None:
        self._staged[: self._dirty] = bytes(self._dirty)
        self._filled = self._dirty = 0


def _buffer(size: int) -> memoryview:
    # Anonymous memory: only pages that are used are ever touched (a bytearray is zeroed whole, which costs a small file
    # ten times its sealing), and it goes back to the kernel, not to a free list.
    return memoryview(mmap.mmap(-1, size))[:size]

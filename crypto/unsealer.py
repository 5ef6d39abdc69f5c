"""A sealed stream in, any part of its plaintext out, and no byte before it is authenticated (S-26, S-27)."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterator

from crypto.context import Context
from crypto.data_key import DataKey
from crypto.format import HEADER_SIZE, SEGMENT_SIZE, Header, Layout, plaintext_size
from crypto.stream_cipher import StreamCipher
from domain.errors import Damaged, SegmentForged, StreamTruncated, WrongContext

log = logging.getLogger(__name__)


class Unsealer:
    """Opens one stream by random access. Not for several threads at once.

    ``read_at(offset, length)`` gives that many bytes of the blob, and fewer only where the blob ends. ``sealed_size``
    and ``commitment`` are what the records say, never what the store says. Damage makes it break for good: every
    further call raises the same error. At most four segments are in memory.

    Raises StreamTruncated at once where no stream has ``sealed_size`` bytes.
    """

    def __init__(
        self,
        key: DataKey,
        context: Context,
        read_at: Callable[[int, int], bytes],
        *,
        sealed_size: int,
        commitment: bytes,
        segment_size: int = SEGMENT_SIZE,
    ) -> None:
        self._key = key
        self._aad = context.encode()
        self._read_at = read_at
        self._commitment = commitment
        self._layout = Layout(plaintext_size(sealed_size, segment_size), segment_size)
        self._cipher: StreamCipher | None = None
        self._opened: dict[int, bytes] = {}
        self._failure: Damaged | None = None

    @property
    def plaintext_size(self) -> int:
        """Bytes of the plaintext, by the records."""
        return self._layout.plaintext_size

    def check(self, start: int = 0, stop: int | None = None) -> None:
        """Authenticate what must be right before the first byte of ``[start, stop)`` is promised to anybody: header,
        commitment, length, the last segment, and the first one wanted.

        Raises HeaderUnknown, WrongContext, StreamTruncated (too long as well), SegmentForged; what ``read_at`` raises;
        ValueError for a range outside the plaintext.
        """
        start, stop = self._range(start, stop)
        if self._failure is not None:
            raise self._failure
        last, first = self._layout.last, self._layout.segment_of(start) if start < stop else self._layout.last
        try:
            if self._cipher is None:
                self._check_beginning(with_segment=0 in (first, last))
            for index in (last, first):
                if index not in self._opened:
                    self._opened[index] = self._open(index)
        except Damaged as failure:
            self._break(failure)
            raise
        self._opened = {index: self._opened[index] for index in (last, first)}

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The plaintext of ``[start, stop)`` in pieces of at most one segment, each authenticated before it is given.

        ``check`` has passed for the range before the first piece. Raises as ``check`` does, at any piece.
        """
        start, stop = self._range(start, stop)
        self.check(start, stop)
        while start < stop:
            index = self._layout.segment_of(start)
            segment_start, segment_stop = self._layout.plain(index)
            plaintext = self._segment(index)
            end = min(segment_stop, stop)
            yield plaintext[start - segment_start : end - segment_start]  # a whole slice of bytes is no copy
            start = end

    def close(self) -> None:
        """Let go of key and plaintext; a read that goes on raises ValueError."""
        self._cipher = None
        self._opened = {}

    def _segment(self, index: int) -> bytes:
        if self._failure is not None:
            raise self._failure
        # The last stays for the next range; the first was opened by check and is wanted once.
        known = self._opened.get(index) if index == self._layout.last else self._opened.pop(index, None)
        if known is not None:
            return known
        try:
            return self._open(index)
        except Damaged as failure:
            self._break(failure)
            raise

    def _check_beginning(self, *, with_segment: bool) -> None:
        """Header and commitment; the first segment in the same read where it is wanted, since far stores are slow."""
        _, end = self._layout.sealed(0)
        begin = self._read_at(0, end + (self._layout.last == 0) if with_segment else HEADER_SIZE)
        header = Header.parse(begin)
        cipher = StreamCipher(self._key, self._aad, header)
        if not hmac.compare_digest(cipher.commitment, self._commitment):
            raise WrongContext
        self._cipher = cipher
        if with_segment:
            self._opened[0] = self._authenticate(cipher, 0, memoryview(begin)[HEADER_SIZE:])

    def _open(self, index: int) -> bytes:
        if self._cipher is None:
            raise ValueError("this unsealer is closed")
        begin, end = self._layout.sealed(index)
        # One byte more than the last segment has: a blob that goes on is not ours.
        return self._authenticate(self._cipher, index, self._read_at(begin, end - begin + (index == self._layout.last)))

    def _authenticate(self, cipher: StreamCipher, index: int, sealed: bytes | memoryview) -> bytes:
        begin, end = self._layout.sealed(index)
        if len(sealed) != end - begin:
            raise StreamTruncated
        try:
            return cipher.open(index, sealed, last=index == self._layout.last)
        except SegmentForged:
            log.error("segment forged", extra={"segment": index, "last_segment": self._layout.last})
            raise

    def _range(self, start: int, stop: int | None) -> tuple[int, int]:
        stop = self.plaintext_size if stop is None else stop
        if not 0 <= start <= stop <= self.plaintext_size:
            raise ValueError("the range lies outside the plaintext")
        return start, stop

    def _break(self, failure: Damaged) -> None:
        self._failure = failure
        self.close()

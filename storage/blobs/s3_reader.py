"""A finished blob in S3, open: ranged reads of one version, each of exactly the length that was asked for."""

from __future__ import annotations

import logging
import random
import time
from threading import Lock
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from domain.errors import BlobsUnavailable
from storage.blobs.s3_bucket import MISSING, Bucket, Head, code_of, etag_of, translating

log = logging.getLogger(__name__)
WINDOW = 16 << 20
"""Bytes that are asked for at once where a blob is read from front to back: a request costs as much as a megabyte."""
PIECE = 64 << 10
SLOWEST = 64 << 10
"""Bytes a second below which an answer counts as stalled, though something still comes; looked at after each piece."""
WAIT = 0.2


class S3Reader:
    """``BlobReader``. Whoever reads on where the last read ended gets the bytes out of one answer that stays open, up
    to ``WINDOW``; nothing is read ahead into memory. Everybody else has an answer of their own.
    """

    def __init__(self, bucket: Bucket, key: str, head: Head) -> None:
        self._bucket = bucket
        self._key = key
        self._head = head
        self._lock = Lock()
        self._closed = False
        self._stream: _Stream | None = None
        self._next = -1
        """Where the last read ended; that nothing was read yet is no place to go on from."""

    @property
    def size(self) -> int:
        return self._head.size

    def read_at(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0:
            raise ValueError("a blob has no bytes before its first")
        if self._closed:
            raise BlobsUnavailable("the blob was closed")
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        stream, step = self._take(offset)
        with translating():
            content, stream = self._read(offset, length, stream, step)
        self._keep(stream, offset + length)
        return content

    def _take(self, offset: int) -> tuple[_Stream | None, int]:
        """The open answer, for whoever goes on where it is; and for how many bytes a new one should be asked."""
        with self._lock:
            stream = self._stream
            if stream is not None and stream.offset == offset:
                self._stream = None
                return stream, WINDOW
            return None, WINDOW if stream is None and offset == self._next else 0

    def _keep(self, stream: _Stream | None, end: int) -> None:
        with self._lock:
            if self._stream is None and not self._closed:
                self._next = end
                if stream is not None and stream.left:
                    self._stream, stream = stream, None
        if stream is not None:
            stream.close()

    def _read(self, offset: int, length: int, stream: _Stream | None, step: int) -> tuple[bytes, _Stream | None]:
        """Exactly that many bytes; where an answer breaks off, the rest from another one."""
        pieces: list[bytes] = []
        attempt = 1
        while True:
            try:
                while length:
                    if stream is None or not stream.left:
                        stream = self._ask(offset, max(length, step))
                    piece = stream.read(length)
                    pieces.append(piece)
                    offset += len(piece)
                    length -= len(piece)
            except (BotoCoreError, OSError) as error:
                if stream is not None:
                    stream.close()
                    stream = None
                log.info("blob.read-again", extra={"attempt": attempt, "cause": type(error).__name__})
                if attempt >= self._bucket.patience.attempts:
                    raise
                time.sleep(random.uniform(0, WAIT) * attempt)  # noqa: S311 (spreads load, guards nothing)
                attempt += 1
            else:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces), stream

    def _ask(self, offset: int, length: int) -> _Stream:
        """Of that very object: whatever else may be under its key by now is none of ours."""
        last = min(offset + length, self.size) - 1
        arguments = {} if self._head.version is None else {"VersionId": self._head.version}
        with translating():
            try:
                answer = self._bucket.ask(
                    "get_object",
                    Key=self._key,
                    Range=f"bytes={offset}-{last}",
                    IfMatch=f'"{self._head.etag}"',
                    **arguments,
                )
            except ClientError as error:
                if code_of(error) in MISSING or code_of(error) == "PreconditionFailed":
                    raise BlobsUnavailable("the blob was removed while it was read") from error
                raise
        stream = _Stream(answer["Body"], offset, last + 1 - offset, self._bucket.patience.read)
        if answer.get("ContentRange") != f"bytes {offset}-{last}/{self.size}" or etag_of(answer) != self._head.etag:
            stream.close()
            raise BlobsUnavailable("the store gives other bytes than were asked for")
        return stream

    def close(self) -> None:
        with self._lock:
            self._closed = True
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Stream:
    """The body of one answer, used by one thread at a time. ``left`` bytes of it are still to come."""

    def __init__(self, body: Any, offset: int, left: int, patience: float) -> None:
        self._body = body
        self.offset = offset
        self.left = left
        self._patience = patience

    def read(self, length: int) -> bytes:
        """Up to so many bytes, at least one. Raises OSError where it ends too early or only drips."""
        wanted = min(length, self.left)
        until = time.monotonic() + self._patience + wanted / SLOWEST
        pieces: list[bytes] = []
        got = 0
        while got < wanted:
            piece: bytes = self._body.read(min(PIECE, wanted - got))
            if not piece:
                raise ConnectionError("the answer ended too early")
            if time.monotonic() > until:
                raise TimeoutError("the answer came too slowly")
            pieces.append(piece)
            got += len(piece)
        self.offset += got
        self.left -= got
        if not self.left:
            self._body.read(1)  # lets the connection go back to where the next request finds it
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Let go of it; a connection with bytes still in it is of no use to anybody else."""
        self._body.close()

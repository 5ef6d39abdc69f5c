"""Checksums that were announced, of one request's bytes or of a whole file (tus `checksum`, RFC 9530)."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from domain.errors import BadInput, ChecksumMismatch
from domain.upload import Checksum


class _Running(Protocol):
    def update(self, chunk: bytes | memoryview, /) -> object: ...

    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, chunk: bytes | memoryview, /) -> None:
        self._value = zlib.crc32(chunk, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


_KNOWN: dict[str, tuple[int, Callable[[], _Running]]] = {
    "sha1": (20, lambda: hashlib.sha1(usedforsecurity=False)),  # tus demands it; it guards against accidents only
    "sha256": (32, hashlib.sha256),
    "sha512": (64, hashlib.sha512),
    "crc32": (4, _Crc32),
}
ALGORITHMS = tuple(_KNOWN)
"""Checksums that can be announced."""


def check_form(checksum: Checksum) -> None:
    """Raises BadInput for an algorithm that is not known, or a digest of another length than its."""
    if checksum.algorithm not in _KNOWN:
        raise BadInput("This checksum algorithm is not known.", field="checksum")
    if len(checksum.digest) != _KNOWN[checksum.algorithm][0]:
        raise BadInput("The checksum has the wrong length.", field="checksum")


def checked(chunks: Iterable[bytes | memoryview], checksum: Checksum | None) -> Iterable[bytes | memoryview]:
    """The same chunks; behind the last one ChecksumMismatch is raised where they are not what was announced."""
    return chunks if checksum is None else _checked(chunks, checksum)


def _checked(chunks: Iterable[bytes | memoryview], checksum: Checksum) -> Iterator[bytes | memoryview]:
    running = _KNOWN[checksum.algorithm][1]()
    for chunk in chunks:
        running.update(chunk)
        yield chunk
    if not hmac.compare_digest(running.digest(), checksum.digest):
        raise ChecksumMismatch

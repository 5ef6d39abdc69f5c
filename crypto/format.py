"""Sealed stream format 1: its sizes and its arithmetic. Byte for byte Tink's AES-GCM-HKDF streaming (S-22).

``docs/sealed-stream.md`` is the specification. All sizes and offsets are bytes. "Capacity" is how much plaintext a
segment can hold: the first one less than the others, since the header takes its place.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from domain.errors import HeaderUnknown, StreamTruncated, TooLarge

STREAM_FORMAT = 1
SEGMENT_SIZE = 1 << 20
"""Bytes of a whole sealed segment. 256 KiB costs 1.6x the CPU a hop, 4 MiB twice the memory."""
MIN_SEGMENT_SIZE = 57
"""The header, a tag and one byte: Tink's own lower limit."""
MAX_SEGMENT_SIZE = 1 << 24
"""The segment size is not authenticated, and it decides how much memory an unsealer takes: so it has a limit."""

SALT_SIZE = 32
PREFIX_SIZE = 7
HEADER_SIZE = 1 + SALT_SIZE + PREFIX_SIZE
TAG_SIZE = 16

MAX_SEGMENTS = (1 << 31) - 1
MAX_PLAINTEXT = 1 << 40
"""One attachment, whatever the settings say (S-31)."""


def check_segment_size(segment_size: int) -> int:
    """The size itself. Raises ValueError where no stream of ours has such segments."""
    if not MIN_SEGMENT_SIZE <= segment_size <= MAX_SEGMENT_SIZE:
        raise ValueError(f"segments of {segment_size} bytes are not possible")
    return segment_size


def sealed_size(plaintext_size: int, segment_size: int = SEGMENT_SIZE) -> int:
    """How long the sealed stream of so much plaintext is. Raises TooLarge beyond the limits of S-31."""
    stride = check_segment_size(segment_size) - TAG_SIZE
    if plaintext_size < 0:
        raise ValueError("a size is never negative")
    whole, rest = divmod(plaintext_size + HEADER_SIZE, stride)
    if plaintext_size > MAX_PLAINTEXT or whole + (rest > 0) > MAX_SEGMENTS:
        raise TooLarge
    return whole * segment_size + (rest + TAG_SIZE if rest else 0)


def plaintext_size(sealed: int, segment_size: int = SEGMENT_SIZE) -> int:
    """How much plaintext a sealed stream of this length holds. Raises StreamTruncated where no stream is so long."""
    stride = check_segment_size(segment_size) - TAG_SIZE
    whole, rest = divmod(sealed, segment_size)
    # After at least one whole segment, a rest needs a tag and one byte: only an empty file ends in an empty segment.
    if sealed < HEADER_SIZE + TAG_SIZE or 0 < rest <= TAG_SIZE:
        raise StreamTruncated
    size = whole * stride + max(rest - TAG_SIZE, 0) - HEADER_SIZE
    if size > MAX_PLAINTEXT or whole + (rest > 0) > MAX_SEGMENTS:
        raise TooLarge
    return size


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the segments of a stream of ``plaintext_size`` bytes lie, in the plaintext and in the sealed stream."""

    plaintext_size: int
    segment_size: int

    @property
    def stride(self) -> int:
        """Plaintext of a whole segment, the header of the first counted in."""
        return self.segment_size - TAG_SIZE

    @property
    def last(self) -> int:
        """The number of the last segment."""
        return max(self.plaintext_size + HEADER_SIZE - 1, 0) // self.stride

    def segment_of(self, offset: int) -> int:
        """The number of the segment that holds the plaintext's byte at ``offset``."""
        return (offset + HEADER_SIZE) // self.stride

    def plain(self, index: int) -> tuple[int, int]:
        """First byte, and the byte after the last, of a segment in the plaintext."""
        start = max(index * self.stride - HEADER_SIZE, 0)
        return start, min((index + 1) * self.stride - HEADER_SIZE, self.plaintext_size)

    def sealed(self, index: int) -> tuple[int, int]:
        """First byte, and the byte after the last, of a segment in the sealed stream, the header left out."""
        start, stop = self.plain(index)
        at = index * self.segment_size if index else HEADER_SIZE
        return at, at + stop - start + TAG_SIZE


@dataclass(frozen=True, slots=True)
class Header:
    """The first 40 bytes of a stream: new for every stream, and no secret."""

    salt: bytes
    prefix: bytes

    @classmethod
    def new(cls) -> Header:
        """A header for a new stream; no two streams share one (S-34)."""
        return cls(secrets.token_bytes(SALT_SIZE), secrets.token_bytes(PREFIX_SIZE))

    @classmethod
    def parse(cls, sealed: bytes) -> Header:
        """The header at the beginning of a stream. Raises StreamTruncated or HeaderUnknown."""
        if len(sealed) < HEADER_SIZE:
            raise StreamTruncated
        if sealed[0] != HEADER_SIZE:
            raise HeaderUnknown
        return cls(bytes(sealed[1 : 1 + SALT_SIZE]), bytes(sealed[1 + SALT_SIZE : HEADER_SIZE]))

    def encode(self) -> bytes:
        """The header's 40 bytes."""
        return bytes([HEADER_SIZE]) + self.salt + self.prefix

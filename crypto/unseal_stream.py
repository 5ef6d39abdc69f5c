"""Opens a stream that can only be read forwards, with its key string and nothing else: break-glass."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from crypto.format import HEADER_SIZE, MAX_SEGMENTS, TAG_SIZE, Header
from crypto.key_string import parse_key_string
from crypto.stream_cipher import StreamCipher
from domain.errors import StreamTruncated, TooLarge


def unseal_stream(read: Callable[[int], bytes], key_string: str) -> Iterator[bytes]:
    """The plaintext, segment by segment, each authenticated before it is given.

    ``read(n)`` gives up to n bytes, and none at the end, as a pipe does. Whoever takes the pieces must not trust the
    whole before the iterator has ended: only the last segment proves that nothing is missing. Raises BadInput for a
    bad key string; HeaderUnknown, StreamTruncated, SegmentForged for a bad stream or another stream's key.
    """
    stream_key = parse_key_string(key_string)
    size = stream_key.segment_size
    header = _read_full(read, HEADER_SIZE)
    cipher = StreamCipher(stream_key.key, stream_key.aad, Header.parse(header))
    # Read one segment ahead: only what follows tells whether a segment is the last.
    segment = _read_full(read, size - HEADER_SIZE)
    index = 0
    while True:
        following = _read_full(read, size) if len(segment) == (size if index else size - HEADER_SIZE) else b""
        if len(segment) < TAG_SIZE + bool(index):
            raise StreamTruncated
        yield cipher.open(index, segment, last=not following)
        if not following:
            return
        index, segment = index + 1, following
        if index >= MAX_SEGMENTS:
            raise TooLarge


def _read_full(read: Callable[[int], bytes], length: int) -> bytes:
    piece = read(length)
    if len(piece) == length or not piece:
        return piece
    got = bytearray(piece)
    while len(got) < length and (piece := read(length - len(got))):
        got += piece
    return bytes(got)

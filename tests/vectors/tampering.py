"""What can be done to a stream by whoever can write to the store, and has no key."""

from __future__ import annotations

from collections.abc import Iterator

from tests.vectors.stream import CONTEXT, FIRST, FORGED, HEADER, SEGMENT, STEP, TRUNCATED, Stream, vector
from tests.vectors.vector import Vector


def changed() -> Iterator[Vector]:
    stream = Stream("changed", FIRST + 3 * STEP + 20)  # five segments, the last of 20 bytes
    s = stream.sealed
    yield vector("header_length_byte", "the header says 41", stream, b"\x29" + s[1:], HEADER)
    yield vector("header_salt", "one bit of the salt", stream, flip(s, 1), CONTEXT, forward=FORGED)
    yield vector("header_prefix", "one bit of the nonce prefix", stream, flip(s, 33), FORGED)
    yield vector("first_ciphertext", "one bit of the first segment", stream, flip(s, 40), FORGED)
    yield vector("first_tag", "one bit of the first tag", stream, flip(s, 63), FORGED)
    for index in (1, 2, 3):
        yield vector(
            f"segment_{index}_ciphertext",
            f"one bit of segment {index}",
            stream,
            flip(s, index * SEGMENT),
            FORGED,
            released=stream.upto(index),
        )
    yield vector(
        "last_ciphertext",
        "one bit of the last segment",
        stream,
        flip(s, 4 * SEGMENT),
        FORGED,
        forward_released=stream.upto(4),
    )
    yield vector(
        "last_tag",
        "one bit of the last tag",
        stream,
        flip(s, len(s) - 1),
        FORGED,
        forward_released=stream.upto(4),
    )


def cut() -> Iterator[Vector]:
    stream = Stream("cut", FIRST + 3 * STEP + 20)
    s = stream.sealed
    for length in (0, 1, 39, 40, 55):
        yield vector(f"cut_to_{length}", f"only {length} bytes are left", stream, s[:length], TRUNCATED)
    yield vector(
        "cut_last_byte",
        "the last byte is missing",
        stream,
        s[:-1],
        TRUNCATED,
        forward=FORGED,
        forward_released=stream.upto(4),
    )
    yield vector(
        "cut_last_segment",
        "cut at a segment's border",
        stream,
        s[: 4 * SEGMENT],
        TRUNCATED,
        forward=FORGED,
        forward_released=stream.upto(3),
    )
    yield vector("cut_to_first", "only the first segment is left", stream, s[:SEGMENT], TRUNCATED, forward=FORGED)
    yield vector(
        "cut_rest_of_15",
        "15 bytes after a whole segment",
        stream,
        s[: 4 * SEGMENT + 15],
        TRUNCATED,
        forward_released=stream.upto(4),
    )
    yield vector(
        "cut_rest_of_16",
        "16 bytes after a whole segment",
        stream,
        s[: 4 * SEGMENT + 16],
        TRUNCATED,
        forward_released=stream.upto(4),
    )
    full = Stream("cut full", FIRST + 2 * STEP)
    yield vector(
        "cut_full_segment",
        "a stream of whole segments lacks its last",
        full,
        full.sealed[:-SEGMENT],
        TRUNCATED,
        forward=FORGED,
        forward_released=full.upto(1),
    )


def longer() -> Iterator[Vector]:
    stream = Stream("longer", FIRST + 3 * STEP + 20)
    full = Stream("longer full", FIRST + 2 * STEP)
    yield vector(
        "one_byte_more",
        "one byte after the end",
        stream,
        stream.sealed + b"\x00",
        TRUNCATED,
        forward=FORGED,
        forward_released=stream.upto(4),
    )
    yield vector(
        "one_byte_after_full",
        "one byte after a full last segment",
        full,
        full.sealed + b"\x00",
        TRUNCATED,
        forward=FORGED,
        forward_released=full.upto(2),
        tink="misses it",
    )
    yield vector(
        "segment_more",
        "a whole foreign segment after the end",
        full,
        full.sealed + bytes(SEGMENT),
        TRUNCATED,
        forward=FORGED,
        forward_released=full.upto(2),
        tink="misses it",
    )
    yield vector(
        "twice",
        "the stream stands there twice",
        full,
        full.sealed * 2,
        TRUNCATED,
        forward=FORGED,
        forward_released=full.upto(2),
        tink="misses it",
    )
    empty = Stream("longer empty", 0)
    yield vector(
        "empty_and_one", "one byte after an empty stream", empty, empty.sealed + b"\x00", TRUNCATED, forward=FORGED
    )


def moved() -> Iterator[Vector]:
    stream = Stream("moved", FIRST + 4 * STEP)  # five segments, all full
    a, b, c, d, e = stream.segments
    w = stream.with_segments
    yield vector(
        "exchanged", "segments 1 and 2 changed places", stream, w(a, c, b, d, e), FORGED, released=stream.upto(1)
    )
    yield vector(
        "repeated", "segment 1 stands in place of 2 too", stream, w(a, b, b, d, e), FORGED, released=stream.upto(2)
    )
    yield vector(
        "removed",
        "segment 2 is missing",
        stream,
        w(a, b, d, e),
        TRUNCATED,
        forward=FORGED,
        forward_released=stream.upto(2),
    )
    yield vector(
        "last_before_end",
        "the last stands in place of 3 and of 4",
        stream,
        w(a, b, c, e, e),
        FORGED,
        released=stream.upto(3),
    )
    yield vector(
        "not_last_at_end",
        "3 stands in place of the last",
        stream,
        w(a, b, c, d, d),
        FORGED,
        forward_released=stream.upto(4),
    )
    other = Stream("moved other", FIRST + 4 * STEP)
    yield vector(
        "foreign_segment",
        "segment 2 of another stream of the same key",
        stream,
        w(a, b, other.segments[2], d, e),
        FORGED,
        released=stream.upto(2),
    )
    yield vector(
        "foreign_header",
        "the header of another stream of the same key",
        stream,
        other.header + b"".join(stream.segments),
        CONTEXT,
        forward=FORGED,
    )
    yield vector(
        "replaced",
        "another whole stream of the same key",
        stream,
        other.sealed,
        CONTEXT,
        forward="plain",
        forward_released=other.plain,
    )


def flip(sealed: bytes, at: int) -> bytes:
    changed = bytearray(sealed)
    changed[at] ^= 0x01
    return bytes(changed)

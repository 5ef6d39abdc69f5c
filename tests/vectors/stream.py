"""Good streams that are the same every time, and the vectors made of them."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.vectors import reference
from tests.vectors.vector import Vector

SEGMENT = 64
FIRST, STEP = SEGMENT - 56, SEGMENT - 16
INSTALLATION, OWNER, PURPOSE = "5f1c0de5f1c0de5f1c0de5f1c0de5f1c", "01900000-0000-7000-8000-000000000001", "attachment"
AAD = reference.aad(INSTALLATION, OWNER, PURPOSE)
FORGED, TRUNCATED, HEADER, CONTEXT = "SegmentForged", "StreamTruncated", "HeaderUnknown", "WrongContext"


def octets(name: str, length: int) -> bytes:
    return hashlib.shake_256(f"bilaga vector {name}".encode()).digest(length)


KEY, OTHER_KEY = octets("key", 32), octets("other key", 32)


class Stream:
    """A good stream of ``length`` bytes, and its parts."""

    def __init__(self, name: str, length: int, *, aad: bytes = AAD, segment_size: int = SEGMENT) -> None:
        self.plain = octets(name + " plaintext", length)
        self.salt, self.prefix = octets(name + " salt", 32), octets(name + " prefix", 7)
        self.segment_size = segment_size
        self.sealed = reference.seal(KEY, self.salt, self.prefix, aad, self.plain, segment_size=segment_size)
        self.commitment = reference.commitment(KEY, self.salt, AAD)
        self.header = self.sealed[:40]
        self.segments = [self.sealed[40:segment_size]] + [
            self.sealed[at : at + segment_size] for at in range(segment_size, len(self.sealed), segment_size)
        ]

    def with_segments(self, *segments: bytes) -> bytes:
        return self.header + b"".join(segments)

    def resealed(self, index: int, plain: bytes, *, last: bool) -> bytes:
        """A segment as an owner of the key could seal it."""
        key = reference.hkdf(KEY, self.salt, AAD)
        return reference.gcm_seal(key, reference.nonce(self.prefix, index, last), plain)

    def upto(self, segments: int) -> bytes:
        return self.plain[: max(FIRST + (segments - 1) * STEP, 0)]


def vector(
    name: str,
    comment: str,
    stream: Stream,
    sealed: bytes,
    expect: str = "plain",
    *,
    released: bytes = b"",
    forward: str | None = None,
    forward_released: bytes | None = None,
    tink: str | None = None,
    **changes: Any,
) -> Vector:
    forward = expect if forward is None else forward
    fields: dict[str, Any] = {
        "key": KEY,
        "installation": INSTALLATION,
        "owner": OWNER,
        "purpose": PURPOSE,
        "aad": AAD,
        "segment_size": stream.segment_size,
        "sealed_size": len(stream.sealed),
        "commitment": stream.commitment,
        "released": released,
        "forward_released": released if forward_released is None else forward_released,
        "tink": tink or ("opens" if forward == "plain" else "refuses"),
    }
    return Vector(name=name, comment=comment, expect=expect, forward=forward, sealed=sealed, **{**fields, **changes})

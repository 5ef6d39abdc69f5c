"""Sealing into memory and reading from it, honestly and otherwise."""

from __future__ import annotations

from crypto import Context, DataKey, SealedStream, Sealer, Unsealer

CONTEXT = Context("installation", "owner", "attachment")
KEY = DataKey(bytes(range(32)))


def seal(plain: bytes, segment_size: int = 64, *, key=KEY, context=CONTEXT) -> tuple[bytes, SealedStream]:
    sealed = bytearray()
    sealer = Sealer(key, context, sealed.extend, segment_size=segment_size)
    sealer.write(plain)
    made = sealer.finish()
    return bytes(sealed), made


class Blob:
    """A blob in memory that remembers what was read of it; ``down`` plays a store that answers nothing."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.reads: list[tuple[int, int]] = []
        self.down: Exception | None = None

    def read_at(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        if self.down is not None:
            raise self.down
        return self.content[offset : offset + length]


def unsealer(blob: Blob, made: SealedStream, segment_size: int = 64, *, key=KEY, context=CONTEXT) -> Unsealer:
    return Unsealer(
        key,
        context,
        blob.read_at,
        sealed_size=made.sealed_size,
        commitment=made.commitment,
        segment_size=segment_size,
    )

"""How a blob is cut into parts, and the memory that parts wait in.

S3 takes 10,000 parts of a blob, 5 MiB to 5 GiB each. A part's checksum goes ahead of it, so a part is held in memory
until it is stored: as small as the blob's size allows.
"""

from __future__ import annotations

from threading import Lock

MIB = 1 << 20
PART = 8 * MIB
MOST_PARTS = 10_000
LARGEST = (1 << 40) + (1 << 30)
"""Bytes of the largest blob: a terabyte of plaintext (the most that MAX_FILE_SIZE takes) and what sealing adds."""
AHEAD = 3
"""Parts of one blob that are on their way while the next one fills."""
BUDGET = 128 * MIB
"""Bytes for parts on their way, of all writers together, beyond the one part that each writer has for itself."""
_SPARE = 500
_EVEN = 1_000
_GROWTH = 25 << 10


def part_size(number: int, written: int, expected: int | None) -> int:
    """Bytes of the part with this number (from 1), begun after ``written`` bytes.

    As far as the forecast reaches, all parts are alike: 8 MiB up to 74 GiB, 11 MiB at 100 GiB, 111 MiB at 1 TiB. Where
    nobody said how long it will be, parts of 8 MiB up to the thousandth, then each 25 KiB longer: 19 MiB at 12 GiB,
    70 MiB at 100 GiB, 228 MiB at the very end; so that whatever comes fits. So it is behind a forecast, and then at
    least another 100 GiB fit.
    """
    if expected is not None and written < expected:
        fitting = -(-min(expected, LARGEST) // (MOST_PARTS - _SPARE))
        return max(PART, -(-fitting // MIB) * MIB)
    return PART + max(0, number - _EVEN) * _GROWTH


class Budget:
    """The bytes that parts on their way may take in all; thread-safe, and nobody waits here."""

    def __init__(self, size: int = BUDGET) -> None:
        self._left = size
        self._lock = Lock()

    def take(self, size: int) -> bool:
        """Whether there was room."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give(self, size: int) -> None:
        """Room that is no longer needed."""
        with self._lock:
            self._left += size


class PartBuffer:
    """The memory of one part, used again for the next. It grows as it fills, so a small blob takes little."""

    def __init__(self, capacity: int, first: int, *, charged: int = 0) -> None:
        self.content = bytearray(min(capacity, max(first, 64 << 10)))
        self.capacity = capacity
        self.used = 0
        self.charged = charged
        """Bytes of the budget that it holds; none: it is its writer's own."""

    @property
    def full(self) -> bool:
        """Whether no byte more belongs in this part."""
        return self.used == self.capacity

    def begin(self, capacity: int) -> None:
        """Be the memory of another part."""
        self.used = 0
        self.capacity = capacity
        if len(self.content) > capacity:
            del self.content[capacity:]

    def fill(self, view: memoryview) -> memoryview:
        """Copy what fits; what did not."""
        length = min(len(view), self.capacity - self.used)
        end = self.used + length
        if end > len(self.content):
            grown = min(self.capacity, max(end, 2 * len(self.content)))
            self.content.extend(bytes(grown - len(self.content)))
        self.content[self.used : end] = view[:length]
        self.used = end
        return view[length:]

    def seal(self) -> bytearray:
        """What is in it, and nothing behind; without a copy."""
        del self.content[self.used :]
        return self.content

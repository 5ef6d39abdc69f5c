"""The length of a body as it comes in, against what was declared, what is allowed, and what is reserved (S-40)."""

from __future__ import annotations

from collections.abc import Callable

from domain.errors import IncompleteBody, QuotaExceeded, TooLarge

FIRST_STEP = 1 << 20
LARGEST_STEP = 64 << 20


class Meter:
    """Counts, and reserves ahead for a body of unknown length: in doubling steps, so that a long one costs few
    transactions and a short one keeps little from others."""

    def __init__(self, *, declared: int | None, reserved: int, largest: int, extend: Callable[[int], object]) -> None:
        """``extend(n)`` reserves n bytes more, or raises QuotaExceeded."""
        self._declared = declared
        self._reserved = reserved
        self._largest = largest
        self._extend = extend
        self.size = 0

    def take(self, size: int) -> None:
        """So many bytes more came. Raises TooLarge, QuotaExceeded: none of them may be kept."""
        self.size += size
        if self.size > self._largest:
            raise TooLarge(max_size=self._largest)
        if self._declared is not None and self.size > self._declared:
            raise TooLarge("the body is longer than was declared")
        if self.size > self._reserved:
            self._reserve(self.size - self._reserved)

    def end(self) -> None:
        """The body has ended. Raises IncompleteBody where more was declared."""
        if self._declared is not None and self.size < self._declared:
            raise IncompleteBody

    def _reserve(self, need: int) -> None:
        step = max(need, min(max(self._reserved, FIRST_STEP), LARGEST_STEP))
        step = min(step, self._largest - self._reserved)
        try:
            self._extend(step)
        except QuotaExceeded:
            if step == need:
                raise
            self._extend(step := need)
        self._reserved += step

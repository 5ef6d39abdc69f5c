"""What was fetched a moment ago: bounded in number and in time, and fetched by one thread at a time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from domain.errors import KeysUnavailable

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
    at: float


class FreshCache(Generic[V]):
    """Values by number. Thread-safe.

    Up to ``fresh`` seconds old, a value is given at once. After that one caller fetches it anew while the others go on
    with what there is, and so does that caller where the fetching raises KeysUnavailable. Older than ``stale`` seconds
    it is forgotten: then everybody waits for a new one. At most ``most`` are kept.
    """

    def __init__(
        self, *, fresh: float, stale: float, most: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._fresh = fresh
        self._stale = stale
        self._most = most
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._entries: OrderedDict[int, _Entry[V]] = OrderedDict()
        self._gates: dict[int, threading.Lock] = {}

    def get(self, number: int, fetch: Callable[[], V]) -> V:
        """The value; raises what ``fetch`` raises."""
        entry, gate = self._look(number)
        if entry is None:
            with gate:
                entry, _ = self._look(number)  # another may have fetched it while this one waited
                return self._fetched(number, fetch) if entry is None else entry.value
        if self._monotonic() - entry.at < self._fresh or not gate.acquire(blocking=False):
            return entry.value
        try:
            return self._fetched(number, fetch)
        except KeysUnavailable:
            return entry.value
        finally:
            gate.release()

    def renew(self, number: int, fetch: Callable[[], V]) -> V:
        """Fetch the value whatever there is; raises what ``fetch`` raises."""
        return self._fetched(number, fetch)

    def put(self, number: int, value: V) -> None:
        """Keep a value that was had in another way."""
        with self._lock:
            self._keep(number, value, self._monotonic())

    def drop(self, number: int) -> None:
        """Forget one."""
        with self._lock:
            self._entries.pop(number, None)
            self._gates.pop(number, None)

    def _look(self, number: int) -> tuple[_Entry[V] | None, threading.Lock]:
        with self._lock:
            now = self._monotonic()
            for old in [other for other, entry in self._entries.items() if now - entry.at >= self._stale]:
                del self._entries[old]
            return self._entries.get(number), self._gates.setdefault(number, threading.Lock())

    def _fetched(self, number: int, fetch: Callable[[], V]) -> V:
        asked_at = self._monotonic()  # and not when it came: it may have been changed since it was asked for
        value = fetch()
        with self._lock:
            self._keep(number, value, asked_at)
        return value

    def _keep(self, number: int, value: V, at: float) -> None:
        known = self._entries.get(number)
        if known is None or known.at <= at:
            self._entries[number] = _Entry(value, at)
            self._entries.move_to_end(number)
        while len(self._entries) > self._most:
            oldest, _ = self._entries.popitem(last=False)
            self._gates.pop(oldest, None)

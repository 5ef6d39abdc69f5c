"""SHA-256 in a thread beside the one that seals: hashing is the slower half, and neither waits in line."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable


class SideDigest:
    """One chunk is hashed at a time; ``update`` returns at once when the chunk before is done.

    The first chunk is hashed in place, so a small body starts no thread; so is every one for which ``room`` says that
    all cores are busy anyway. Not for several threads at once.
    """

    def __init__(self, room: Callable[[], bool] = lambda: True) -> None:
        self._room = room
        self._sha256 = hashlib.sha256()
        self._queue: queue.SimpleQueue[bytes | memoryview | None] = queue.SimpleQueue()
        self._free = threading.Semaphore()
        self._thread: threading.Thread | None = None
        self._begun = False

    def update(self, chunk: bytes | memoryview) -> None:
        """Hash more. The chunk's memory must not change before ``settle`` or the next ``update`` returns."""
        if not self._begun or not self._room():
            self._begun = True
            self.settle()
            self._sha256.update(chunk)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="digest", daemon=True)
            self._thread.start()
        self._free.acquire()
        self._queue.put(chunk)

    def settle(self) -> None:
        """Wait until everything given was hashed."""
        with self._free:
            pass

    def digest(self) -> bytes:
        """The digest of everything given: 32 bytes."""
        self.settle()
        return self._sha256.digest()

    def close(self) -> None:
        """End the thread; again is nothing."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (chunk := self._queue.get()) is not None:
            self._sha256.update(chunk)
            self._free.release()

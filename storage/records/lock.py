"""The lock that makes a data folder one service's own."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from domain.errors import Misconfigured, SiteLocked

_NAME = "service.lock"


class SiteLock:
    """Held by whoever serves a data folder, and by nobody else at that time (S-14): ``flock`` on a file in it.

    The kernel lets go of it when the process ends, however it ends, so there is nothing stale to clear. The file stays:
    a lock on a file that is deleted and made anew would be two locks. In it is the owner's process id, for people only.
    """

    def __init__(self, folder: Path) -> None:
        """Take the lock. Raises SiteLocked where another process has it, Misconfigured where there can be no file."""
        path = folder / _NAME
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise Misconfigured(f"The data folder cannot be used: {error.strerror}", field="data_dir") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            if isinstance(error, BlockingIOError):
                raise SiteLocked(field="data_dir") from error
            raise Misconfigured(f"The data folder cannot be locked: {error.strerror}", field="data_dir") from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go of the lock; again is nothing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> SiteLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

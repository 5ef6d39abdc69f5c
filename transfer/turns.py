"""One writer an upload, of all requests, jobs and nodes: whoever comes last is right, and the one before it makes room
(S-18).

Within a process it is told to stop, keeps what it has, and is waited for. On another node it is told by the row
(``wanted``). A node that died is not waited for. Whoever holds a turn has its number, ``fence``: with another one in
the row nothing of it is committed any more, however long it slept.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock
from typing import Generic, TypeVar

from domain.errors import BilagaError, NotFound, UploadLocked
from domain.ids import BlobId, UploadId
from domain.upload import Upload
from keys import Node
from storage import Records, Unit

log = logging.getLogger(__name__)
T = TypeVar("T")
PATIENCE = 5.0
"""Seconds that a writer has to keep what it has, before whoever wants the upload is sent away to try again."""
_POLL = 0.1


def nobody() -> None:
    """Nobody wants to know."""


class Writer:
    """One writer in this process. ``stopped`` is for it to look at."""

    def __init__(self, on_taken: Callable[[], None]) -> None:
        self.stopped = False
        self.ended = Event()
        self._on_taken = on_taken

    def stop(self) -> None:
        """Somebody else wants the upload; again is nothing."""
        if not self.stopped:
            self.stopped = True
            self._on_taken()


@dataclass(slots=True)
class Turn(Generic[T]):
    """A turn. ``upload``: with its number. ``found``: what ``within`` gave. ``left``: the blob that the one before may
    have left. ``over``: set by whoever committed its end."""

    upload: Upload
    writer: Writer
    found: T
    left: BlobId | None
    over: bool = False


class Turns:
    """Turns at uploads. Safe from any thread."""

    def __init__(self, records: Records, node: Node, *, patience: float = PATIENCE) -> None:
        self._records = records
        self._node = node
        self._patience = patience
        self._lock = Lock()
        self._writers: dict[UploadId, Writer] = {}

    @contextmanager
    def take(
        self,
        upload_id: UploadId,
        writing: BlobId | None,
        within: Callable[[Unit, Upload], T],
        on_taken: Callable[[], None] = nobody,
    ) -> Iterator[Turn[T]]:
        """A turn, taken in the transaction of ``within``, whose errors leave all as it was. ``on_taken``: called from
        another thread when somebody else wants it.

        Raises UploadLocked, NotFound. At the end nobody holds the upload.
        """
        until = time.monotonic() + self._patience
        writer = Writer(on_taken)
        self._enter(upload_id, writer, until)
        turn: Turn[T] | None = None
        try:
            upload, found, left = self._take(upload_id, writing, within, until)
            turn = Turn(upload, writer, found, left)
            yield turn
        finally:
            try:
                if turn is not None and not turn.over:
                    self._release(turn.upload)
            finally:
                with self._lock:
                    del self._writers[upload_id]
                writer.ended.set()

    def settle(self, upload_id: UploadId) -> None:
        """Wait until nobody writes to an upload, after telling whoever does. Raises UploadLocked."""
        until = time.monotonic() + self._patience
        while True:
            with self._lock:
                writer = self._writers.get(upload_id)
            if writer is not None:
                writer.stop()
                if not writer.ended.wait(until - time.monotonic()):
                    raise UploadLocked
                continue
            upload = self._records.read(lambda unit: unit.uploads.get(upload_id))
            if upload is None or not self._is_held(upload):
                return
            self._want(upload, until)

    def heed(self) -> None:
        """Stop what is wanted on other nodes; what is said to be held here and is not, is let go."""
        for upload in self._records.read(lambda unit: list(unit.uploads_found.wanted_of(self._node.id))):
            with self._lock:
                writer = self._writers.get(upload.id)
            if writer is not None:
                writer.stop()
            else:
                self._release(upload)

    def stop_all(self) -> None:
        """The process ends: everybody keeps what they have."""
        with self._lock:
            writers = list(self._writers.values())
        for writer in writers:
            writer.stop()

    def is_free(self, upload: Upload) -> bool:
        """Whether nobody who lives is at an upload."""
        with self._lock:
            if upload.id in self._writers:
                return False
        return not self._is_held(upload)

    def _enter(self, upload_id: UploadId, writer: Writer, until: float) -> None:
        while True:
            with self._lock:
                before = self._writers.setdefault(upload_id, writer)
            if before is writer:
                return
            before.stop()
            if not before.ended.wait(max(until - time.monotonic(), 0)):
                raise UploadLocked

    def _take(
        self, upload_id: UploadId, writing: BlobId | None, within: Callable[[Unit, Upload], T], until: float
    ) -> tuple[Upload, T, BlobId | None]:
        def work(unit: Unit) -> tuple[Upload, T, BlobId | None] | Upload:
            row = unit.uploads.get(upload_id)
            if row is None:
                raise NotFound
            if row.holder is not None and row.holder not in free:
                return row
            found = within(unit, row)
            unit.uploads.take(upload_id, after=row.fence, holder=self._node.id, writing=writing)
            # ``within`` may have removed it.
            return unit.uploads.get(upload_id) or row, found, row.writing

        free = {self._node.id}  # whoever it was here has ended: its place among the writers is ours
        while isinstance(result := self._records.write(work), Upload):
            if not self._is_held(result):
                free.add(result.holder or "")
                continue
            self._want(result, until)
        return result

    def _is_held(self, upload: Upload) -> bool:
        """Whether somebody who lives, and is not this process, holds it."""
        if upload.holder is None or upload.holder == self._node.id:
            return False
        now = self._records.now()
        if not self._node.judges(now):
            return True
        return self._records.read(lambda unit: upload.holder in self._node.living(unit, now))

    def _want(self, upload: Upload, until: float) -> None:
        if time.monotonic() >= until:
            raise UploadLocked
        if not upload.wanted:
            self._records.write(lambda unit: unit.uploads.want(upload.id, fence=upload.fence))
        time.sleep(_POLL)

    def _release(self, upload: Upload) -> None:
        """Where its number is still in the row and its work was not committed."""
        try:
            self._records.write(lambda unit: unit.uploads.release(upload.id, fence=upload.fence))
        except BilagaError as error:
            # Nobody else is kept out by it: this node knows that it is not at it.
            log.warning("upload.not-released", extra={"code": error.code})

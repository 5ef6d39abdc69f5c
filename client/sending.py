"""One file on its way: created or found again, appended to until the service has it all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Event, Lock

from client.memory import Entry, Known
from client.outcome import Sent, What
from client.patience import Again, Patience, Stopped
from client.source import BLOCK, FileSource, StreamSource
from client.tus import Created, Tus
from domain.errors import BilagaError, Gone, NotFound, Unavailable

LARGEST_APPEND = 1 << 30
"""Bytes in one request. A line that breaks costs none of them, but what a node that dies has not yet acknowledged is
sent again; a file that comes in one request is sealed but once."""
Tell = Callable[..., None]
"""Tells of a step: ``what``, ``offset``, ``length``, and ``detail`` and ``seconds`` by name."""


class Sitting:
    """What the files of one run have in common: one receipt. The first creation makes it, the others wait for that."""

    def __init__(self, tus: Tus, stop: Event, patience: float) -> None:
        self.tus = tus
        self.stop = stop
        self._seconds = patience
        self._lock = Lock()
        self._receipt_url: str | None = None

    def patience(self) -> Patience:
        """The patience with one file."""
        return Patience(self._seconds, self.stop)

    def adopt(self, receipt_url: str) -> None:
        """The receipt of an earlier run becomes this one's."""
        self._receipt_url = self._receipt_url or receipt_url or None

    def create(self, source: FileSource | StreamSource, length: int | None, tell: Tell) -> Created:
        """A new upload. Raises what the service refuses, Stopped."""
        with self._lock:
            if self._receipt_url is None:
                made = self._create(source.name, length, tell)
                self.adopt(made.receipt_url or "")
                return made
        return self._create(source.name, length, tell)

    def _create(self, name: bytes, length: int | None, tell: Tell) -> Created:
        patience, once = self.patience(), secrets.token_hex(16)
        while True:
            if self.stop.is_set():
                raise Stopped
            try:
                made = self.tus.create(name, length, self._receipt_url, once)
            except Again as again:
                patience.wait(again, _waiting(tell, 0, length, again))
            else:
                return Created(made.upload, made.receipt_url or self._receipt_url)


def send_file(sitting: Sitting, source: FileSource, entry: Entry, tell: Tell) -> tuple[Sent, str]:
    """Send a file, from where an earlier run came to. The file, and its upload's name. Raises BilagaError, Stopped."""
    known = entry.load(source.mark)
    if known is not None and known.sha256:
        tell(What.SENT, source.size, source.size, detail="by an earlier run")
        return _sent(source, known.receipt_url, known.sha256, resumed=True), known.upload
    if known is not None:
        try:
            return _carried(sitting, source, entry, known, tell, resumed=True), known.upload
        except (Gone, NotFound):
            # The service has let go of it. If it was the link that ended, the next request says so.
            entry.forget()
    made = sitting.create(source, source.size, tell)
    known = Known(made.upload, made.receipt_url or "", source.mark)
    entry.save(known)
    tell(What.BEGUN, 0, source.size)
    return _carried(sitting, source, entry, known, tell, resumed=False), known.upload


def _carried(sitting: Sitting, source: FileSource, entry: Entry, known: Known, tell: Tell, *, resumed: bool) -> Sent:
    patience, tus, size = sitting.patience(), sitting.tus, source.size
    offset: int | None = None if resumed else 0
    furthest = 0
    while True:
        if sitting.stop.is_set():
            raise Stopped
        try:
            if offset is None:
                offset = tus.position(known.upload).offset
                tell(What.RESUMED, offset, size)
            if offset > furthest:
                furthest = offset
                patience.renew()
                entry.touch()
            if offset == size:
                break
            source.turn_to(offset)
            end = min(size, offset + LARGEST_APPEND)
            body = _telling(source.blocks(offset, end), offset, size, sitting.stop, tell)
            before, offset = offset, tus.append(known.upload, offset, body, end - offset)
            if offset <= before:
                raise Again(Unavailable("The service takes nothing more of this file."))
        except Again as again:
            patience.wait(again, _waiting(tell, furthest, size, again))
            offset = None
    sent = _sent(source, known.receipt_url, source.sha256(), resumed=resumed)
    entry.save(Known(known.upload, known.receipt_url, known.mark, sent.sha256))
    tell(What.SENT, size, size)
    return sent


def send_stream(sitting: Sitting, source: StreamSource, tell: Tell) -> tuple[Sent, str]:
    """Send a stream to its end. What is broken off cannot be gone on with: nothing of it is kept."""
    made = sitting.create(source, None, tell)
    tell(What.BEGUN, 0, None)
    try:
        last = False
        while not last:
            start = source.size
            piece, last = source.piece()
            _append(sitting, made.upload, start, piece, source.size if last else None, tell)
    except (BilagaError, Stopped):
        with suppress(BilagaError, Again):  # else it ends by itself in a day
            sitting.tus.cancel(made.upload)
        raise
    tell(What.SENT, source.size, source.size)
    return _sent(source, made.receipt_url or "", source.sha256(), resumed=False), made.upload


def _append(sitting: Sitting, upload: str, start: int, piece: bytes, length: int | None, tell: Tell) -> None:
    """One piece of a stream, however many requests it takes. ``length`` of all: this is the last one."""
    patience, end, done, told = sitting.patience(), start + len(piece), False, False
    offset: int | None = start
    while not done:
        try:
            if offset is None:
                now = sitting.tus.position(upload)
                offset, told = now.offset, now.length is not None
            if not start <= offset <= end:
                raise Unavailable("The service has lost a part of the stream.")
            if offset == end and (length is None or told):
                return
            cut = (piece[at : at + BLOCK] for at in range(offset - start, len(piece), BLOCK))
            body = _telling(cut, offset, length, sitting.stop, tell)
            before, offset = offset, sitting.tus.append(upload, offset, body, end - offset, length)
            done = offset == end
            if offset > before:
                patience.renew()
            elif not done:
                raise Again(Unavailable("The service takes nothing more of this stream."))
        except Again as again:
            patience.wait(again, _waiting(tell, start, length, again))
            offset = None


def _telling(blocks: Iterator[bytes], offset: int, length: int | None, stop: Event, tell: Tell) -> Iterator[bytes]:
    for block in blocks:
        if stop.is_set():
            raise Stopped
        yield block
        offset += len(block)
        tell(What.SENDING, offset, length)


def _waiting(tell: Tell, offset: int, length: int | None, again: Again) -> Callable[[float], None]:
    return lambda seconds: tell(What.WAITING, offset, length, detail=again.error.detail, seconds=seconds)


def _sent(source: FileSource | StreamSource, receipt_url: str, digest: str, *, resumed: bool) -> Sent:
    name = source.name.decode(errors="replace")
    return Sent(name, source.size, digest, receipt_url, resumed=resumed)

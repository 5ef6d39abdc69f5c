"""Many files by one link, some at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import IO

from client.link import UploadLink
from client.memory import Entry, Memory
from client.outcome import Outcome, Sent, Step, What
from client.patience import Patience, Stopped
from client.receipt import Receipts, Waiting
from client.sending import Sitting, send_file, send_stream
from client.source import STDIN, FileSource, StreamSource
from client.tus import Tus
from client.wire import Wire
from domain.errors import BadInput, BilagaError

PARALLEL = 3
PATIENCE = 600.0
"""Seconds without any progress after which a file is given up."""
SETTLING = 60.0
"""Seconds that the receipt may take to tell of what was sent."""
ENDING = 3.0
"""Seconds that requests under way are given when the sending is stopped."""


def send(
    link: str | UploadLink,
    files: Sequence[str | Path],
    *,
    parallel: int = PARALLEL,
    passcode: str | None = None,
    state_dir: Path | None = None,
    patience: float = PATIENCE,
    settling: float = SETTLING,
    proxy: str | None = None,
    stdin: IO[bytes] | None = None,
    stdin_name: str = "stdin",
    progress: Callable[[Step], None] | None = None,
) -> Outcome:
    """Send files by an upload link; all come to one receipt. What one file meets is told of it in the outcome.

    ``state_dir``: where a broken run leaves what the next call with the same link and files goes on with, or None.
    ``progress`` is called by several threads, one call at a time. ``-`` among the files is ``stdin``. Raises BadInput
    for what cannot be read, before anything is sent; StateConflict where another run sends the same file;
    Stopped and KeyboardInterrupt leave everything so that the next call goes on.
    """
    where = UploadLink.parse(link) if isinstance(link, str) else link
    wire = Wire(parallel=parallel, proxy=proxy)
    with ExitStack() as stack:
        stack.callback(wire.close)
        run = _Run(where, wire, stack, passcode=passcode, patience=patience, progress=progress)
        run.take(files, Memory(state_dir), stdin if stdin is not None else sys.stdin.buffer, stdin_name)
        return run.carry(parallel, settling)


@dataclass(slots=True)
class _Job:
    index: int
    name: str
    source: FileSource | StreamSource | Callable[[], StreamSource]
    entry: Entry


class _Run:
    """One call of ``send``."""

    def __init__(
        self,
        link: UploadLink,
        wire: Wire,
        stack: ExitStack,
        *,
        passcode: str | None,
        patience: float,
        progress: Callable[[Step], None] | None,
    ) -> None:
        self._link = link
        self._wire = wire
        self._stack = stack
        self._stop = Event()
        self._tus = Tus(wire, link, passcode)
        self._sitting = Sitting(self._tus, self._stop, patience)
        self._progress = progress
        self._telling = Lock()
        self._jobs: list[_Job] = []
        self._sent: dict[int, Waiting] = {}
        self._failed: dict[int, Sent] = {}
        self._whole = False

    def take(self, files: Sequence[str | Path], memory: Memory, stdin: IO[bytes], stdin_name: str) -> None:
        """Open all that is to be sent."""
        if len({*map(str, files)}) != len(files):
            raise BadInput("A file is named twice.", field="file")
        for index, file in enumerate(files):
            if str(file) == STDIN:
                job = _Job(index, stdin_name, partial(StreamSource, stdin, stdin_name), Entry(None))
            else:
                source = FileSource(Path(file))
                self._stack.callback(source.close)
                job = _Job(index, Path(file).name, source, memory.entry(self._link, Path(file)))
                known = job.entry.load(source.mark)
                if known is not None:
                    self._sitting.adopt(known.receipt_url)
            self._stack.callback(self._let_go, job.entry)
            self._jobs.append(job)

    def carry(self, parallel: int, settling: float) -> Outcome:
        """Send them."""
        waiting: SimpleQueue[_Job] = SimpleQueue()
        for job in self._jobs:
            waiting.put(job)
        broken: list[BaseException] = []
        threads = [
            Thread(target=self._work, args=(waiting, broken), name=f"send-{number}", daemon=True)
            for number in range(max(1, min(parallel, len(self._jobs))))
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException:
            self._stop.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join(ENDING)
            raise
        if broken:
            raise broken[0]
        receipts = Receipts(self._wire, self._tus, self._link, Patience(settling, self._stop))
        found = receipts.settle(self._sent) | self._failed
        outcome = Outcome(tuple(found.get(job.index) or self._sent[job.index].sent for job in self._jobs))
        self._whole = not outcome.errors
        return outcome

    def _work(self, waiting: SimpleQueue[_Job], broken: list[BaseException]) -> None:
        while not self._stop.is_set():
            try:
                job = waiting.get_nowait()
            except Empty:
                return
            try:
                self._one(job)
            except Stopped as stopped:
                broken.append(stopped)
            except BaseException as error:  # noqa: BLE001 -- a thread's end must not pass in silence
                broken.append(error)
                self._stop.set()

    def _one(self, job: _Job) -> None:
        tell = partial(self._tell, job)
        try:
            if isinstance(job.source, FileSource):
                sent, upload = send_file(self._sitting, job.source, job.entry, tell)
            else:
                stream = job.source() if callable(job.source) else job.source
                sent, upload = send_stream(self._sitting, stream, tell)
        except BilagaError as error:
            size = job.source.size if isinstance(job.source, FileSource) else 0
            self._failed[job.index] = Sent(job.name, size, error=error)
            tell(What.FAILED, 0, size, detail=error.detail)
        else:
            self._sent[job.index] = Waiting(sent, upload)

    def _tell(
        self, job: _Job, what: What, offset: int, length: int | None, detail: str = "", seconds: float = 0.0
    ) -> None:
        if self._progress is not None:
            with self._telling:
                self._progress(Step(job.index, job.name, what, offset, length, detail, seconds))

    def _let_go(self, entry: Entry) -> None:
        """A run that came to its end leaves nothing; after any other the next one does not send again what was sent."""
        entry.close(remove=self._whole)

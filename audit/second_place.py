"""The second place of checkpoints (S-89): outside the service's reach where the site can have that.

It remembers what a database put back from a backup has forgotten: how far the log had come, and what must stay so
(S-6). Every checkpoint is in the database before it is here; so a newest note here that the database does not have
tells of a database older than this place.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from audit.entry import canonical
from audit.epoch import Epoch, epochs
from audit.lasting import Lasting, lasting_of
from audit.statement import Statement
from crypto import open_note
from domain.errors import ChainBroken, Misconfigured, RestoreNeeded
from storage.records import Checkpoint, Records, Unit

log = logging.getLogger(__name__)
PAGE = 100
_TAIL = 1 << 16


class Export(Protocol):
    """Notes kept in order, for good."""

    def append(self, notes: Sequence[str], *, after: str | None) -> None:
        """Keep notes durably, all of them or the first few. Raises OSError, also where ``after`` is not the newest."""
        ...

    def last(self) -> str | None:
        """The newest note that was kept. Raises OSError."""
        ...

    def notes(self) -> Iterator[str]:
        """All notes, oldest first. Raises OSError."""
        ...


class FileExport:
    """A file to append to, one JSON line a note. Fulfils ``Export``; safe from any thread and process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, notes: Sequence[str], *, after: str | None) -> None:
        is_new = not self._path.exists()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if self.last() != after:
                raise OSError("another process was here meanwhile")
            # The place may forbid that anything is cut off: a line left short is ended, and means nothing.
            lines = b"".join(canonical({"note": note}) + b"\n" for note in notes)
            lines = lines if self._ends_a_line() else b"\n" + lines
            if os.write(descriptor, lines) != len(lines):
                raise OSError("a short write")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            self._sync_folder()

    def last(self) -> str | None:
        try:
            with self._path.open("rb") as file:
                size, length = os.fstat(file.fileno()).st_size, _TAIL
                while True:
                    start = max(0, size - length)
                    file.seek(start)
                    lines = file.read(size - start).split(b"\n")
                    for line in reversed(lines[1:] if start else lines):
                        if (note := _note(line)) is not None:
                            return note
                    if not start:
                        return None
                    length *= 4
        except FileNotFoundError:
            return None

    def notes(self) -> Iterator[str]:
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            yield from (note for line in file if (note := _note(line)) is not None)

    def _ends_a_line(self) -> bool:
        with self._path.open("rb") as file:
            return file.seek(0, os.SEEK_END) == 0 or (file.seek(-1, os.SEEK_END) >= 0 and file.read(1) == b"\n")

    def _sync_folder(self) -> None:
        descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class SecondPlace:
    """An export and the database held against each other. All raise OSError where the place does not answer.

    ``base`` is the origin of the log as it began.
    """

    def __init__(self, export: Export, public_key: str, base: str) -> None:
        self._export = export
        self._public_key = public_key
        self._base = base

    def forgotten(self, records: Records) -> tuple[Statement | None, list[Lasting]]:
        """Its newest statement, and the lasting facts that it remembers and the database does not, oldest first.

        Raises ChainBroken at a note that is not ours.
        """
        newest, found = None, list[Lasting]()
        given_up = {epoch.after for epoch in records.read(self._epochs)}
        for newest in self._statements():
            if newest.lasting:
                found += records.read(partial(_unknown, facts=newest.lasting))
            if newest.point in given_up:  # an earlier restore has done all that was said until here
                found.clear()
        return newest, found

    def agree(self, records: Records) -> Statement | None:
        """Its newest statement; None where it has none, or where that was given up by a restore.

        Raises RestoreNeeded where the database does not know it; ChainBroken where one of the two was changed;
        Misconfigured where the place has lost what was brought there.
        """
        note = self._export.last()
        newest = None if note is None else self._open(note)
        _, ours = records.read(lambda unit: self._known(unit, newest))
        return newest if ours else None

    def catch_up(self, records: Records, at: datetime) -> None:
        """Append every checkpoint that is not there yet, in order. Raises as ``agree``."""
        while True:
            after = self._export.last()
            page = records.read(partial(self._missing, after=after))
            if not page:
                return
            self._export.append([one.note for one in page], after=after)
            records.write(partial(_mark, page=page, at=at))

    def _missing(self, unit: Unit, *, after: str | None) -> Sequence[Checkpoint]:
        start, _ = self._known(unit, None if after is None else self._open(after))
        return unit.journal.checkpoints(start, PAGE)

    def _known(self, unit: Unit, newest: Statement | None) -> tuple[int, bool]:
        """The size from which on checkpoints are missing there, and whether the newest one is the database's own."""
        known = self._epochs(unit)
        if newest is None:
            first = unit.journal.checkpoints(known[0].start + 1, 1)
            if first and first[0].exported_at is not None:
                raise Misconfigured("AUDIT_EXPORT: what was brought there is gone; put it back", field="AUDIT_EXPORT")
            return 0, False
        kept = unit.journal.checkpoints(newest.size, 1)
        if kept and kept[0].size == newest.size and _at(known, newest.size).origin == newest.origin:
            if kept[0].root != newest.root:
                raise ChainBroken("two roots for one size")
            return newest.size + 1, True
        for epoch in known:
            if epoch.after == newest.point:
                return epoch.start + 1, False
        raise RestoreNeeded

    def _epochs(self, unit: Unit) -> list[Epoch]:
        return list(epochs(unit, self._base, unit.journal.size()))

    def _statements(self) -> Iterator[Statement]:
        return (self._open(note) for note in self._export.notes())

    def _open(self, note: str) -> Statement:
        return Statement.parse(open_note(note, self._public_key))


def _at(known: Sequence[Epoch], size: int) -> Epoch:
    """The epoch of a checkpoint over that many entries."""
    return next((epoch for epoch in known if epoch.start < size), known[-1])


def _unknown(unit: Unit, *, facts: Sequence[Lasting]) -> list[Lasting]:
    """Those that are not what the database's own log says at that index."""
    return [one for one in facts if [one] != [lasting_of(entry) for entry in unit.journal.entries(one.index, 1)]]


def _mark(unit: Unit, *, page: Sequence[Checkpoint], at: datetime) -> None:
    for one in page:
        unit.journal.mark_exported(one.size, at=at)


def _note(line: bytes) -> str | None:
    """The note of a line; None where the line was cut short by a crash or a full disk."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    note = said.get("note") if isinstance(said, dict) else None
    return note if isinstance(note, str) else None

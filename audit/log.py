"""The audit log: entries in the caller's transaction (S-87), and signed checkpoints over all of them (S-89)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from threading import Lock
from typing import Protocol

from audit.entry import make_entry, read_entry
from audit.pages import kept_entries
from audit.statement import Statement
from audit.tree import Frontier, leaf_hash
from crypto import Signer, open_note
from domain.clock import Clock
from domain.errors import ChainBroken
from domain.event import Event
from storage.records import Checkpoint, Records, Unit

log = logging.getLogger(__name__)
EVERY = 1000
"""Entries after which a checkpoint is due (S-89) …"""
AGE = timedelta(seconds=60)
"""… and how long after the last one, where there are any at all."""


class Export(Protocol):
    """A second place for checkpoints, outside the service's reach where the site can have that."""

    def append(self, note: str) -> None:
        """Keep a note durably. Raises OSError."""
        ...

    def last(self) -> str | None:
        """The newest note that was kept. Raises OSError."""
        ...


class Log:
    """The log of one installation. Safe to use from any thread."""

    def __init__(self, signer: Signer, clock: Clock, installation: str, export: Export | None = None) -> None:
        self._signer = signer
        self._clock = clock
        self._export = export
        self._lock = Lock()
        self._broken = False
        self.origin = f"bilaga/{installation}"
        self.public_key = signer.public_key_text

    def append(self, unit: Unit, event: Event) -> int:
        """Write an event in the caller's transaction; its index."""
        entry = make_entry(unit.journal.size(), self._clock(), event)
        unit.journal.append(entry)
        return entry.index

    def newest_at(self, unit: Unit) -> datetime | None:
        """When the newest entry was written: no clock may be long before it."""
        size = unit.journal.size()
        return unit.journal.entries(size - 1, 1)[0].at if size else None

    def due(self, unit: Unit, *, every: int = EVERY, age: timedelta = AGE) -> bool:
        """Whether it is time for a checkpoint: entries past the last one, and ``every`` of them or ``age`` gone by."""
        last = unit.journal.last_checkpoint()
        fresh = unit.journal.size() - (last.size if last else 0)
        return fresh != 0 and (fresh < 0 or fresh >= every or last is None or self._clock() - last.at >= age)

    def check_start(self, records: Records) -> None:
        """Recompute the tree to the last checkpoint, ours and the second place's, before anything is signed.

        Raises ChainBroken where entries were changed, or are fewer than was ever signed (an old backup, a rollback); no
        checkpoint is signed by this object from then on.
        """
        with self._lock:
            try:
                self._recompute(records, self._signed(records))
            except ChainBroken:
                self._stop("start")
                raise

    def checkpoint(self, records: Records) -> Checkpoint | None:
        """Sign the tree as it is, keep the note, then export it; None where nothing came since the last one.

        Raises ChainBroken, and signs nothing any more, where the log does not go on from the last checkpoint (S-89).
        """
        with self._lock:
            if self._broken:
                raise ChainBroken("the audit log was found changed: no checkpoint is signed")
            try:
                made = self._make(records)
            except ChainBroken:
                self._stop("checkpoint")
                raise
            self._export_newest(records)
            return made

    def _make(self, records: Records) -> Checkpoint | None:
        last = records.read(lambda unit: unit.journal.last_checkpoint())
        frontier = Frontier() if last is None else self._trusted(last)
        for entry in kept_entries(records, frontier.size):
            if read_entry(frontier.size, entry.body) != entry:
                raise ChainBroken("an entry's columns or hash are not those of its body")
            frontier.append(entry.leaf)
        if last is not None and frontier.size == last.size:
            if records.read(lambda unit: unit.journal.size()) < last.size:
                raise ChainBroken("entries that were signed are gone")
            return None
        if frontier.size == 0:
            return None
        statement = Statement(self.origin, frontier.size, frontier.root())
        made = Checkpoint(
            size=statement.size,
            root=statement.root,
            note=self._signer.sign_note(str(statement)),
            frontier=frontier.to_bytes(),
            at=self._clock(),
            exported_at=None,
        )

        def keep(unit: Unit) -> bool:
            newest = unit.journal.last_checkpoint()
            if newest is not None and newest.size >= made.size:  # another process was here meanwhile
                if newest.size == made.size and newest.root != made.root:
                    raise ChainBroken("two roots for one size")
                return False
            unit.journal.add_checkpoint(made)
            return True

        return made if records.write(keep) else None

    def _trusted(self, checkpoint: Checkpoint) -> Frontier:
        """The frontier of a kept checkpoint, if our signature covers it."""
        statement = Statement.parse(open_note(checkpoint.note, self.public_key))
        try:
            frontier = Frontier.from_bytes(checkpoint.size, checkpoint.frontier)
        except ValueError as error:
            raise ChainBroken("a checkpoint's frontier is malformed") from error
        if statement != Statement(self.origin, checkpoint.size, frontier.root()):
            raise ChainBroken("a checkpoint does not say what was signed")
        return frontier

    def _signed(self, records: Records) -> dict[int, bytes]:
        """Roots by size: what we signed last, by the records and by the second place."""
        known: dict[int, bytes] = {}
        last = records.read(lambda unit: unit.journal.last_checkpoint())
        if last is not None:
            self._trusted(last)
            known[last.size] = last.root
        note = self._exported()
        if note is not None:
            statement = Statement.parse(open_note(note, self.public_key))
            if known.setdefault(statement.size, statement.root) != statement.root:
                raise ChainBroken("two roots for one size")
        return known

    def _exported(self) -> str | None:
        """The second place's newest note; where it cannot be read just now, the records' own have to do."""
        if self._export is None:
            return None
        try:
            return self._export.last()
        except OSError:
            log.error("checkpoints' second place not readable")
            return None

    def _recompute(self, records: Records, known: dict[int, bytes]) -> None:
        furthest = max(known, default=0)
        frontier = Frontier()
        entries = kept_entries(records)
        while frontier.size < furthest:
            entry = next(entries, None)
            if entry is None:
                raise ChainBroken("entries that were signed are gone")
            frontier.append(leaf_hash(entry.body))
            if frontier.size in known and frontier.root() != known[frontier.size]:
                raise ChainBroken("the entries are not those that were signed")

    def _export_newest(self, records: Records) -> None:
        """Append the newest note, which speaks for all before it; where that fails, the next checkpoint tries again."""
        if self._export is None:
            return
        last = records.read(lambda unit: unit.journal.last_checkpoint())
        if last is None or last.exported_at is not None:
            return
        try:
            self._export.append(last.note)
        except OSError:
            log.error("checkpoint not exported", extra={"size": last.size})
            return
        at = self._clock()
        records.write(lambda unit: unit.journal.mark_exported(last.size, at=at))

    def _stop(self, step: str) -> None:
        self._broken = True
        log.critical("audit log broken", extra={"step": step})

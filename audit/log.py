"""The audit log: entries in the caller's transaction (S-87), and signed checkpoints over all of them (S-89)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock

from audit.entry import make_entry, read_entry
from audit.epoch import epochs, facts_of
from audit.lasting import Lasting, is_lasting, lasting_of
from audit.pages import kept_entries
from audit.second_place import Export, SecondPlace
from audit.statement import Statement
from audit.tree import Frontier, leaf_hash
from crypto import Signer, new_id, open_note
from domain.actor import SYSTEM
from domain.clock import Clock
from domain.errors import ChainBroken, Misconfigured
from domain.event import Event, EventKind, Scalar
from storage.records import Checkpoint, Records, Unit

log = logging.getLogger(__name__)
EVERY = 1000
"""Entries after which a checkpoint is due (S-89) …"""
AGE = timedelta(seconds=60)
"""… and how long after the last one, where there are any at all."""
MOST = 4000
"""Lasting facts in one checkpoint: its note stays under half a mebibyte."""


def _unguarded(unit: Unit) -> None:
    """Nobody takes over from who signs alone."""


class Log:
    """The log of one installation. Safe to use from any thread."""

    def __init__(
        self, signer: Signer, clock: Clock, installation: str, export: Export | None = None, *, most: int = MOST
    ) -> None:
        """``most``: how many lasting facts one checkpoint may name."""
        self._most = most
        self._signer = signer
        self._clock = clock
        self._lock = Lock()
        self._broken = False
        self._agreed = False
        self._urgent = -1
        self.origin = f"bilaga/{installation}"
        """Of the log as it began; epochs after a restore have their own below it."""
        self.public_key = signer.public_key_text
        self._place = None if export is None else SecondPlace(export, self.public_key, self.origin)

    def append(self, unit: Unit, event: Event) -> int:
        """Write an event in the caller's transaction; its index."""
        entry = make_entry(unit.journal.size(), self._clock(), event)
        unit.journal.append(entry)
        if is_lasting(entry.kind):
            self._urgent = max(self._urgent, entry.index)
        return entry.index

    def newest_at(self, unit: Unit) -> datetime | None:
        """When the newest entry was written: no clock may be long before it."""
        size = unit.journal.size()
        return unit.journal.entries(size - 1, 1)[0].at if size else None

    def due(self, unit: Unit, *, every: int = EVERY, age: timedelta = AGE) -> bool:
        """Whether it is time for a checkpoint: entries past the last one, and ``every`` of them or ``age`` gone by.

        At once where this process wrote one that must outlast a restore: until it is exported, it does not.
        """
        last = unit.journal.last_checkpoint()
        covered = last.size if last else 0
        fresh = unit.journal.size() - covered
        return fresh != 0 and (
            self._urgent >= covered or fresh < 0 or fresh >= every or last is None or self._clock() - last.at >= age
        )

    def check_start(self, records: Records) -> None:
        """Recompute the tree to the last checkpoint, ours and the second place's, before anything is signed.

        Raises ChainBroken where entries were changed, or are fewer than the database's own checkpoints say; nothing is
        signed by this object from then on. Raises RestoreNeeded where the second place knows a checkpoint that the
        database does not (an old backup, a rollback), Misconfigured where it cannot be asked.
        """
        with self._lock:
            try:
                self._recompute(records, self._signed(records))
            except ChainBroken:
                self._stop("start")
                raise

    def checkpoint(self, records: Records, *, guard: Callable[[Unit], None] = _unguarded) -> Checkpoint | None:
        """Sign the tree as it is, keep the note, then export it; None where nothing came since the last one.

        ``guard`` is asked in the transaction that keeps a note: where many nodes serve, one signs at a time (S-71), and
        what it raises of a node that was taken over from keeps nothing. The second place refuses it by itself.
        Raises ChainBroken, and signs nothing any more, where the log does not go on from the last checkpoint (S-89);
        RestoreNeeded and Misconfigured as ``check_start``.
        """
        with self._lock:
            if self._broken:
                raise ChainBroken("the audit log was found changed: no checkpoint is signed")
            try:
                self._agree(records)
                newest, whole = self._make(records, guard)
                while not whole:
                    made, whole = self._make(records, guard)
                    newest = made or newest
            except ChainBroken:
                self._stop("checkpoint")
                raise
            self._catch_up(records)
            return newest

    def forgotten(self, records: Records) -> tuple[Statement | None, list[Lasting]]:
        """The second place's newest statement, and the lasting facts that the database does not know, oldest first.

        (None, []) without a second place. Raises ChainBroken at a note that is not ours, Misconfigured where the place
        does not answer.
        """
        try:
            return (None, []) if self._place is None else self._place.forgotten(records)
        except OSError as error:
            raise _unreadable(error) from error

    def begin_again(self, unit: Unit, after: Statement | None, facts: Mapping[str, Scalar]) -> str:
        """After a restore: begin an epoch, in the caller's transaction, before anything else is written; its origin.

        ``after`` is the newest statement of the second place; without one the database's own newest is named.
        """
        if after is None and (last := unit.journal.last_checkpoint()) is not None:
            after = Statement.parse(open_note(last.note, self.public_key))
        origin = f"{self.origin}/{new_id()}"
        said = facts_of(origin, None if after is None else after.point)
        self.append(unit, Event(EventKind.SITE_RESTORED, SYSTEM, None, {**said, **facts}))
        return origin

    def _make(self, records: Records, guard: Callable[[Unit], None]) -> tuple[Checkpoint | None, bool]:
        """The next checkpoint, and whether it covers all there is."""
        last = records.read(lambda unit: unit.journal.last_checkpoint())
        frontier = Frontier() if last is None else self._trusted(records, last)
        lasting: list[Lasting] = []
        for entry in kept_entries(records, frontier.size):
            if read_entry(frontier.size, entry.body) != entry:
                raise ChainBroken("an entry's columns or hash are not those of its body")
            frontier.append(entry.leaf)
            if (one := lasting_of(entry)) is not None:
                lasting.append(one)
                if len(lasting) == self._most:
                    break
        if last is not None and frontier.size == last.size:
            if records.read(lambda unit: unit.journal.size()) < last.size:
                raise ChainBroken("entries that were signed are gone")
            return None, True
        if frontier.size == 0:
            return None, True
        statement = Statement(self._origin(records, frontier.size), frontier.size, frontier.root(), tuple(lasting))
        made = Checkpoint(
            size=statement.size,
            root=statement.root,
            note=self._signer.sign_note(str(statement)),
            frontier=frontier.to_bytes(),
            at=self._clock(),
            exported_at=None,
        )

        def keep(unit: Unit) -> bool:
            guard(unit)
            newest = unit.journal.last_checkpoint()
            if newest is not None and (last is None or newest.size != last.size):  # another process was here meanwhile
                if newest.size == made.size and newest.root != made.root:
                    raise ChainBroken("two roots for one size")
                return False
            unit.journal.add_checkpoint(made)
            return True

        if not records.write(keep):
            return None, True
        return made, len(lasting) < self._most

    def _origin(self, records: Records, size: int) -> str:
        """The origin of a tree of that many entries."""
        return records.read(lambda unit: next(epochs(unit, self.origin, size))).origin

    def _trusted(self, records: Records, checkpoint: Checkpoint) -> Frontier:
        """The frontier of a kept checkpoint, if our signature covers it."""
        statement = Statement.parse(open_note(checkpoint.note, self.public_key))
        try:
            frontier = Frontier.from_bytes(checkpoint.size, checkpoint.frontier)
        except ValueError as error:
            raise ChainBroken("a checkpoint's frontier is malformed") from error
        if statement.point != (self._origin(records, checkpoint.size), checkpoint.size, frontier.root()):
            raise ChainBroken("a checkpoint does not say what was signed")
        return frontier

    def _signed(self, records: Records) -> dict[int, bytes]:
        """Roots by size: what we signed last, by the records and by the second place."""
        known: dict[int, bytes] = {}
        last = records.read(lambda unit: unit.journal.last_checkpoint())
        if last is not None:
            self._trusted(records, last)
            known[last.size] = last.root
        newest = self._agree(records)
        if newest is not None:
            known[newest.size] = newest.root
        return known

    def _agree(self, records: Records) -> Statement | None:
        """The second place's newest statement. Where it does not answer, nobody knows whether this is a restored
        database: this object signs, and the service serves, only if it has agreed with it before."""
        if self._place is None:
            return None
        try:
            newest = self._place.agree(records)
        except OSError as error:
            if not self._agreed:
                raise _unreadable(error) from error
            log.error("checkpoints' second place not readable")
            return None
        self._agreed = True
        return newest

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

    def _catch_up(self, records: Records) -> None:
        """Bring the second place what it has not; where that fails, the next checkpoint tries again."""
        if self._place is None:
            return
        try:
            self._place.catch_up(records, self._clock())
        except OSError:
            log.error("checkpoint not exported")

    def _stop(self, step: str) -> None:
        self._broken = True
        log.critical("audit log broken", extra={"step": step})


def _unreadable(error: OSError) -> Misconfigured:
    return Misconfigured(f"AUDIT_EXPORT: not readable: {error.strerror}", field="AUDIT_EXPORT")

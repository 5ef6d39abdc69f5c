"""Moving every data key to the active generation, beside traffic (S-36)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit import Log
from crypto import GenerationState, KeyRing, WrappedKey
from domain.actor import Actor
from domain.errors import Damaged, KeysUnavailable
from domain.event import Event, EventKind, Scalar
from keys.generations import active_of, subject
from keys.lease import Lease
from keys.owners import Keys
from storage.records import Records, Unit, WrappedRow

log = logging.getLogger(__name__)
BATCH = 200


@dataclass(slots=True)
class Rewrapped:
    """What a re-wrapping did. ``failed``: owners whose key could not be opened, with the error's code."""

    count: int
    failed: list[tuple[str, str]]


class Rewrapping:
    """Walks over the keys under older generations in batches that each commit. Safe from any thread."""

    def __init__(
        self,
        records: Records,
        ring: KeyRing,
        keys: Keys,
        journal: Log,
        *,
        steps: Callable[[str], None],
        batch: int = BATCH,
    ) -> None:
        self._records = records
        self._ring = ring
        self._keys = keys
        self._log = journal
        self._steps = steps
        self._batch = batch

    def run(self, actor: Actor, lease: Lease | None) -> Rewrapped:
        """Move all there are; with a lease, only as long as it is held. Raises KeysUnavailable, LeaseLost."""
        active = active_of(self._ring.generations()).number
        moved = Rewrapped(0, [])
        after: tuple[str, str] | None = None
        while page := self._older(active, after):
            after = (page[-1].owner_id, page[-1].purpose)
            self._replace(actor, lease, self._wrapped_anew(page, moved), moved)
            self._steps("rewrapped")
            if lease is not None:
                lease.prolong()
        return moved

    def _older(self, active: int, after: tuple[str, str] | None) -> Sequence[WrappedRow]:
        return self._records.read(lambda unit: unit.keys.older_than(active, after=after, limit=self._batch))

    def _wrapped_anew(self, rows: Sequence[WrappedRow], moved: Rewrapped) -> list[tuple[WrappedRow, int]]:
        """The rows under the active generation, each with the number of its old one."""
        usable = {one.number for one in self._ring.generations() if one.state is not GenerationState.DESTROYED}
        fresh: list[tuple[WrappedRow, int]] = []
        for row in rows:
            context = self._keys.context(row.owner_id, row.purpose)
            try:
                if row.generation not in usable:
                    raise KeysUnavailable
                key = self._ring.unwrap(WrappedKey(row.generation, row.sealed), context)
            except (Damaged, KeysUnavailable) as error:
                if row.generation in usable and isinstance(error, KeysUnavailable):
                    raise
                # As it is in the database it opens nothing; the others must move on.
                log.error("key not re-wrapped", extra={"owner": row.owner_id, "code": error.code})
                moved.failed.append((row.owner_id, error.code))
                continue
            wrapped = self._ring.wrap(key, context)
            fresh.append((WrappedRow(row.owner_id, row.purpose, wrapped.generation, wrapped.sealed), row.generation))
        return fresh

    def _replace(
        self, actor: Actor, lease: Lease | None, fresh: Sequence[tuple[WrappedRow, int]], moved: Rewrapped
    ) -> None:
        def work(unit: Unit) -> int:
            if lease is not None:
                lease.guard(unit)
            # False: the owner's key was destroyed, or somebody else moved it, since it was read.
            count = sum(unit.keys.replace(row, generation=old) for row, old in fresh)
            if count:
                number = fresh[0][0].generation
                facts: dict[str, Scalar] = {"generation": number, "keys": count}
                self._log.append(unit, Event(EventKind.KEY_REWRAPPED, actor, subject(number), facts))
            return count

        if fresh:
            moved.count += self._records.write(work)

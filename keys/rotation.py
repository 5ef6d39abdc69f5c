"""Generations of the key-encryption key: rotated, re-wrapped onto, destroyed (S-35, S-36).

Every live data key moves to a new generation at least every ``horizon``, and the old generation is destroyed: then a
backup of the database older than that opens nothing that was purged since. Blobs are never rewritten.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from audit import Log
from crypto import ACTIVE_FOR, WRAP_LIMIT, Generation, GenerationState, KeyRing
from domain.actor import SYSTEM, Action, Actor
from domain.clock import Clock
from domain.errors import Misconfigured, NotFound, StateConflict
from domain.event import Event, EventKind, Scalar
from keys.generations import GenerationView, active_of, retired_at, subject
from keys.lease import Lease, LeaseLost, LeaseTaken
from keys.owners import Keys
from keys.rewrapping import BATCH, Rewrapped, Rewrapping
from storage.records import JournalFilter, Records, Unit

log = logging.getLogger(__name__)
REST = timedelta(days=7)
"""How long a retired generation rests before it is destroyed (S-36): long after any transaction that used it."""
SHORTEST_HORIZON = timedelta(days=9)
_LEAD = REST + timedelta(days=1)
LEASE = "keys"
_LEASE_FOR = timedelta(seconds=60)


@dataclass(slots=True)
class Tick:
    """What a run of the job did."""

    rotated: int | None = None
    rewrapped: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    destroyed: list[int] = field(default_factory=list)


def _no_steps(name: str) -> None:
    """Nobody watches the steps."""


def _unguarded(unit: Unit) -> None:
    """Somebody's command is nobody's lease."""


class Rotation:
    """Moves the generations on. Safe from any thread, beside traffic, and to be killed at any moment.

    ``steps`` is called with the name of each step that was just done: a seam at which tests stop the process.
    Raises Misconfigured for a horizon shorter than nine days. Its calls raise NotAllowed, KeysUnavailable.
    """

    def __init__(
        self,
        records: Records,
        ring: KeyRing,
        keys: Keys,
        journal: Log,
        clock: Clock,
        *,
        horizon: timedelta,
        steps: Callable[[str], None] = _no_steps,
        batch: int = BATCH,
    ) -> None:
        if horizon < SHORTEST_HORIZON:
            detail = f"keys.horizon: at least {SHORTEST_HORIZON.days} days, for a retired key rests {REST.days}"
            raise Misconfigured(detail, field="keys.horizon")
        self._records = records
        self._ring = ring
        self._log = journal
        self._clock = clock
        self._horizon = horizon
        self._steps = steps
        self._rewrapping = Rewrapping(records, ring, keys, journal, steps=steps, batch=batch)

    def list(self, actor: Actor) -> Sequence[GenerationView]:
        """All generations there ever were, by number."""
        actor.scope(Action.KEYS)
        all_of_them = self._ring.generations()

        def work(unit: Unit) -> list[GenerationView]:
            return [
                GenerationView(
                    number=one.number,
                    state=one.state,
                    created_at=one.created_at,
                    retired_at=retired_at(one, all_of_them),
                    keys=unit.keys.count(one.number),
                    uses=unit.keys.uses(one.number),
                )
                for one in all_of_them
            ]

        return self._records.read(work)

    def rotate(self, actor: Actor) -> Generation:
        """Make a new generation the active one; what was wrapped before stays readable."""
        actor.scope(Action.KEYS)
        made = self._ring.rotate(self._clock())
        self._steps("rotated")
        self._write_missing(actor)
        return made

    def rewrap(self, actor: Actor) -> Rewrapped:
        """Move every key to the active generation, in batches that each commit; begun again, it goes on.

        Each key is at every instant wrapped under exactly one generation (compare and set). One that cannot be opened
        is named and left as it is.
        """
        actor.scope(Action.KEYS)
        return self._rewrapping.run(actor, None)

    def destroy(self, actor: Actor, number: int, *, force: bool = False) -> None:
        """Destroy a retired generation that wraps nothing any more and rested for seven days; again: nothing happens.

        ``force`` does not wait for the seven days; it never destroys what still wraps something. Raises NotFound for a
        number never given, StateConflict.
        """
        actor.scope(Action.KEYS)
        all_of_them = self._ring.generations()
        one = next((one for one in all_of_them if one.number == number), None)
        if one is None:
            raise NotFound
        if one.state is GenerationState.DESTROYED:
            return
        if one.state is GenerationState.ACTIVE:
            raise StateConflict("The active generation cannot be destroyed.", state=one.state.value)
        if not force and not self._rested(one, all_of_them):
            raise StateConflict(f"This generation was retired less than {REST.days} days ago.", state=one.state.value)
        self._destroy_now(actor, number, forced=force)

    def tick(self) -> Tick:
        """The job, daily or oftener: rotate in time for the horizon, re-wrap, destroy what may be destroyed.

        Does nothing where another node is at it. What fails is logged and tried again by the next run.
        """
        done = Tick()
        try:
            with Lease(self._records, LEASE, length=_LEASE_FOR) as lease:
                self._write_missing(SYSTEM)
                if self._is_time():
                    self._records.write(lease.guard)
                    done.rotated = self.rotate(SYSTEM).number
                moved = self._rewrapping.run(SYSTEM, lease)
                done.rewrapped, done.failed = moved.count, moved.failed
                self._destroy_rested(done, lease)
        except (LeaseLost, LeaseTaken):
            log.info("keys are another node's work")
        return done

    def _is_time(self) -> bool:
        active = active_of(self._ring.generations())
        age = self._clock() - active.created_at
        if age >= min(self._horizon - _LEAD, ACTIVE_FOR):
            return True
        return self._records.read(lambda unit: unit.keys.uses(active.number)) >= WRAP_LIMIT

    def _destroy_rested(self, done: Tick, lease: Lease) -> None:
        all_of_them = self._ring.generations()
        for one in all_of_them:
            if one.state is GenerationState.RETIRED and self._rested(one, all_of_them):
                lease.prolong()
                try:
                    self._destroy_now(SYSTEM, one.number, forced=False, guard=lease.guard)
                except StateConflict:
                    log.error("generation still in use", extra={"generation": one.number})
                    continue
                done.destroyed.append(one.number)

    def _rested(self, one: Generation, all_of_them: Sequence[Generation]) -> bool:
        since = retired_at(one, all_of_them)
        return since is not None and self._clock() - since >= REST

    def _destroy_now(
        self, actor: Actor, number: int, *, forced: bool, guard: Callable[[Unit], None] = _unguarded
    ) -> None:
        """Count under the lock of a writing transaction, destroy, write it down.

        Nothing is wrapped under it after the count: it was retired before that, and a ring wraps under the active one
        alone (one that may learn late of a rotation refuses to destroy before every node has). The ring is no part of
        a transaction: its key manager may be far away. Doing it twice is as doing it once, and where a crash comes
        before the event ``_write_missing`` makes good for it.
        """

        def count(unit: Unit) -> None:
            guard(unit)
            left = unit.keys.count(number)
            if left:
                raise StateConflict(f"This generation still wraps {left} keys; re-wrap them first.", keys=left)

        def write_down(unit: Unit) -> None:
            if not _written(unit, EventKind.KEY_DESTROYED, number):
                facts: dict[str, Scalar] = {"generation": number, "forced": forced}
                self._log.append(unit, Event(EventKind.KEY_DESTROYED, actor, subject(number), facts))

        self._records.write(count)
        self._ring.destroy(number)
        self._steps("generation gone")
        self._records.write(write_down)
        self._steps("destroyed")

    def _write_missing(self, actor: Actor) -> None:
        """Write down rotations and destructions that the ring knows of and the log does not: a crash came between."""
        all_of_them = self._ring.generations()

        def work(unit: Unit) -> None:
            for one in all_of_them:
                facts: dict[str, Scalar] = {"generation": one.number}
                if one.number > 1 and not _written(unit, EventKind.KEY_ROTATED, one.number):
                    self._log.append(unit, Event(EventKind.KEY_ROTATED, actor, subject(one.number), facts))
                if one.state is GenerationState.DESTROYED and not _written(unit, EventKind.KEY_DESTROYED, one.number):
                    self._log.append(unit, Event(EventKind.KEY_DESTROYED, actor, subject(one.number), facts))

        self._records.write(work)


def _written(unit: Unit, kind: EventKind, number: int) -> bool:
    what = JournalFilter(kind=kind.value, subject=subject(number))
    return bool(unit.journal.find(what, before=None, limit=1))
